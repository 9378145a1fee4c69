#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "daemon/config/config.h"
#include "daemon/config/connector_limits.h"
#include "daemon/config/value.h"
#include "engine/base/text.h"
#include "engine/base/time.h"
#include "rules/doc/diagnostic.h"
#include "rules/doc/reader.h"
#include "rules/doc/scalar.h"

namespace nudge::config {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;

std::string environment_name(std::string_view key) {
  std::string out = "NUDGE_";
  for (const char c : key) out += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}

std::vector<std::string_view> key_names() {
  std::vector<std::string_view> out;
  for (const Key& key : keys()) out.push_back(key.name);
  return out;
}

std::size_t find_key(std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(keys(), name, &Key::name) - keys().begin());
}

std::string place_of(const doc::Document& document, const doc::Mark& mark) {
  return document.name() + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column);
}

// A YAML subtree as JSON; plain scalars keep the type that YAML 1.2 gives them.
void append_json(std::string& out, const doc::Node& node) {
  switch (node.kind) {
    case doc::Kind::kNull: out += "null"; return;
    case doc::Kind::kScalar:
      if (!node.quoted && (node.text == "true" || node.text == "false" || doc::is_json_number(node.text))) {
        out += node.text;
      } else {
        append_json_string(out, node.text);
      }
      return;
    case doc::Kind::kList: {
      out += '[';
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ',';
        append_json(out, *node.items[i]);
      }
      out += ']';
      return;
    }
    case doc::Kind::kMap: {
      out += '{';
      for (std::size_t i = 0; i < node.entries.size(); ++i) {
        if (i > 0) out += ',';
        append_json_string(out, node.entries[i].key);
        out += ':';
        append_json(out, *node.entries[i].value);
      }
      out += '}';
      return;
    }
  }
}

// Another mistake on the line of a secret would show it in its snippet.
doc::Diagnostics without_secret_lines(const doc::Diagnostics& all) {
  doc::Diagnostics out;
  for (doc::Diagnostic d : all.items()) {
    const bool secret = std::ranges::any_of(
        all.items(), [&](const doc::Diagnostic& other) { return other.code == "C0007" && other.file == d.file && other.line == d.line; });
    if (secret) d.source_line.clear();
    out.add(std::move(d));
  }
  return out;
}

class Loader {
 public:
  Loader() {
    loaded_.settings = default_settings();
    loaded_.origins.resize(keys().size());
    for (std::size_t i = 0; i < keys().size(); ++i) loaded_.origins[i].text = show(keys()[i], loaded_.settings);
  }

  void read_file(const doc::Document& document, std::string_view folder) {
    const doc::Node& root = document.root();
    if (root.is_null()) return;
    if (!root.is_map())
      return diagnostics.error("C0002", document, root.mark, "a configuration is a map of keys, not " + std::string(doc::kind_name(root)));
    folder_ = folder;
    read_map(document, root, "");
  }

  void read_environment(const std::vector<std::pair<std::string, std::string>>& variables) {
    std::map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < keys().size(); ++i) known.emplace(environment_name(keys()[i].name), i);
    for (const auto& [name, value] : variables) {
      const auto found = known.find(name);
      if (found == known.end()) {
        // Not an error: others put variables of that shape into our environment, Kubernetes for one.
        loaded_.warnings.push_back("the environment variable " + doc::quoted(name) + " is not a setting and is ignored");
      } else {
        take(found->second, value, Source::environment, name);
      }
    }
  }

  void read_flags(const std::vector<std::pair<std::string, std::string>>& flags) {
    for (const auto& [name, value] : flags) {
      const std::size_t index = find_key(name);
      if (index == keys().size()) {
        diagnostics.file_error("C0001", "--" + name, "there is no setting " + doc::quoted(name),
                               doc::did_you_mean(name, key_names(), "settings"));
      } else {
        take(index, value, Source::flag, "--" + name);
      }
    }
  }

  Loaded& loaded() { return loaded_; }

  doc::Diagnostics diagnostics;

 private:
  // From a flag or a variable: one text, lists with commas.
  void take(std::size_t index, const std::string& value, Source source, const std::string& where) {
    const Key& key = keys()[index];
    const bool list = key.type == Type::paths || key.type == Type::texts;
    const auto done = assign(key, list ? split_list(value) : std::vector<std::string>{value}, "", loaded_.settings);
    if (!done) return diagnostics.file_error(done.error().code, where, done.error().message, done.error().hint);
    note(index, source, where, value);
  }

  void note(std::size_t index, Source source, std::string where, std::string_view text) {
    const Key& key = keys()[index];
    loaded_.origins[index] = {source, std::move(where), key.type == Type::secret ? show_reference(text) : show(key, loaded_.settings)};
  }

  void read_map(const doc::Document& document, const doc::Node& map, const std::string& prefix) {
    for (const doc::Entry& entry : map.entries) {
      const std::string name = prefix + std::string(entry.key);
      if (prefix.empty() && entry.key == "connectors") {
        read_connectors(document, *entry.value);
        continue;
      }
      if (const std::size_t index = find_key(name); index < keys().size()) {
        read_value(document, entry, index);
        continue;
      }
      const bool section = prefix.empty() && std::ranges::any_of(keys(), [&](const Key& key) { return key.name.starts_with(name + "."); });
      if (!section) {
        std::vector<std::string_view> names = key_names();
        names.push_back("connectors");
        // `rules` for `rules_dirs`: too far apart for a slip of the pen.
        const auto longer = std::ranges::find_if(names, [&](std::string_view key) { return key.starts_with(name + "_"); });
        diagnostics.error(
            "C0001", document, entry.key_mark, "there is no setting " + doc::quoted(name),
            longer != names.end() ? "did you mean " + doc::quoted(*longer) + "?" : doc::did_you_mean(name, names, "settings"));
      } else if (entry.value->is_map()) {
        read_map(document, *entry.value, name + ".");
      } else if (!entry.value->is_null()) {
        diagnostics.error("C0002", document, entry.value->mark, name + " is a group of settings", "write its keys below it, indented");
      }
    }
  }

  void read_value(const doc::Document& document, const doc::Entry& entry, std::size_t index) {
    const Key& key = keys()[index];
    const doc::Node& node = *entry.value;
    const auto mistake = [&](std::string message, std::string hint) {
      diagnostics.error("C0002", document, node.mark, std::move(message), std::move(hint));
    };
    std::vector<std::string> items;
    if (key.type == Type::secret) {
      if (node.is_map() && node.entries.size() == 1 && node.entries[0].value->is_scalar() &&
          (node.entries[0].key == "file" || node.entries[0].key == "env")) {
        items.push_back(std::string(node.entries[0].key) + ":" + std::string(node.entries[0].value->text));
      } else if (!node.is_null()) {
        // No snippet: the line holds the secret.
        return diagnostics.add({.code = "C0007",
                                .file = document.name(),
                                .line = entry.key_mark.line,
                                .column = entry.key_mark.column,
                                .message = std::string(key.name) + " is a secret and must not be written here",
                                .hint = "put it into a file of mode 0600 and write {file: /path}, or {env: NAME}"});
      }
    } else if (key.type == Type::paths || key.type == Type::texts) {
      if (node.is_scalar()) items.emplace_back(node.text);
      for (const doc::Node* item : node.items) {
        if (!item->is_scalar()) return mistake(std::string(key.name) + " is a list of single values", "write [a, b]");
        items.emplace_back(item->text);
      }
      if (node.is_map()) return mistake(std::string(key.name) + " is a list, not a map", "write [a, b]");
    } else if (node.is_null()) {
      return;  // "key:" with nothing behind it: the default
    } else if (!node.is_scalar()) {
      return mistake(std::string(key.name) + " is a single value, not " + std::string(doc::kind_name(node)),
                     "write " + std::string(key.name) + ": value");
    } else {
      if (node.quoted && (key.type == Type::integer || key.type == Type::boolean))
        return mistake(std::string(key.name) + " is not text", "remove the quotes");
      items.emplace_back(node.text);
    }
    const auto done = assign(key, items, folder_, loaded_.settings);
    if (!done)
      return diagnostics.error(done.error().code, document, node.is_null() ? entry.key_mark : node.mark, done.error().message,
                               done.error().hint);
    note(index, Source::file, place_of(document, entry.key_mark), items.empty() ? std::string_view() : std::string_view(items.front()));
  }

  void read_connectors(const doc::Document& document, const doc::Node& node) {
    if (node.is_null()) return;
    if (!node.is_map())
      return diagnostics.error("C0006", document, node.mark, "connectors is a map from names to their settings",
                               "write `mail: {kind: smtp, ...}` below it");
    for (const doc::Entry& entry : node.entries) {
      if (!doc::is_name(entry.key)) {
        diagnostics.error("C0006", document, entry.key_mark, doc::quoted(entry.key) + " is no name for a connector",
                          "use letters, digits, '-' and '_'");
      } else if (!entry.value->is_map()) {
        diagnostics.error("C0006", document, entry.key_mark, "the connector " + doc::quoted(entry.key) + " has no settings",
                          "write at least kind: below it");
      } else {
        read_connector(document, entry);
      }
    }
  }

  void read_connector(const doc::Document& document, const doc::Entry& entry) {
    Connector connector;
    connector.name = entry.key;
    connector.where = place_of(document, entry.key_mark);
    std::string json = "{";
    for (const doc::Entry& field : entry.value->entries) {
      const auto mistake = [&](std::string message, std::string hint) {
        diagnostics.error("C0006", document, field.value->is_null() ? field.key_mark : field.value->mark, std::move(message),
                          std::move(hint));
      };
      if (field.key == "kind") {
        if (!field.value->is_scalar() || !doc::is_name(field.value->text)) {
          mistake("kind names the sort of connector", "for example smtp, sms, webhook, ticket or maildrop");
        } else {
          connector.kind = field.value->text;
        }
      } else if (field.key == "command") {
        for (const doc::Node* item : field.value->items) connector.command.emplace_back(item->text);
        if (field.value->items.empty() || !connector.command.front().starts_with('/'))
          mistake("command is a list: the absolute path of a program, then its arguments", "write [/path/to/program, argument]");
      } else if (field.key == "process") {
        read_limits(diagnostics, document, field, process_limits(connector), "write process: {timeout: 30s}");
      } else if (field.key == "delivery") {
        read_limits(diagnostics, document, field, delivery_limits(connector.delivery), "write delivery: {rate: 10/s}");
      } else {
        if (json.size() > 1) json += ',';
        append_json_string(json, field.key);
        json += ':';
        append_json(json, *field.value);
      }
    }
    connector.config_json = json + "}";
    if (connector.kind.empty())
      return diagnostics.error("C0006", document, entry.key_mark, "the connector " + doc::quoted(entry.key) + " has no kind",
                               "add kind: smtp, sms, webhook, ticket or maildrop");
    loaded_.connectors.push_back(std::move(connector));
  }

  Loaded loaded_;
  std::string folder_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> nudge_environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (text.starts_with("NUDGE_") && equals != std::string_view::npos) out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::ranges::sort(out);
  return out;
}

Settings default_settings() {
  Settings settings;
  for (const Key& key : keys()) {
    const bool list = key.type == Type::paths || key.type == Type::texts;
    // A default that its own row refuses is found by the unit test.
    (void)assign(key, list ? split_list(key.initial) : std::vector<std::string>{std::string(key.initial)}, "", settings);
  }
  return settings;
}

Result<Loaded> load_text(std::string name, std::string text, std::string_view folder, const Sources& sources) {
  Loader loader;
  if (!name.empty()) {
    const auto document =
        doc::read_document(std::move(name), std::move(text), loader.diagnostics, {.bytes_max = kFileBytesMax, .nodes_max = 10'000});
    loader.read_file(*document, folder);
  }
  loader.read_environment(sources.environment);
  loader.read_flags(sources.flags);
  loader.diagnostics.sort();
  if (!loader.diagnostics.ok()) return fail(Code::invalid, doc::render_text(without_secret_lines(loader.diagnostics)));
  return std::move(loader.loaded());
}

Result<Loaded> load(const Sources& sources) {
  if (sources.file.empty()) return load_text("", "", "", sources);
  std::ifstream file(sources.file, std::ios::binary);
  std::error_code ec;
  if (!file || std::filesystem::is_directory(sources.file, ec))
    return fail(Code::not_found,
                "cannot read the configuration file " + doc::quoted(sources.file) + "; check the path and its permissions");
  std::string text(kFileBytesMax + 1, '\0');  // one too many, so that the reader sees a file that is too large
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  std::string folder = std::filesystem::path(sources.file).parent_path().string();
  if (folder.empty()) folder = ".";
  return load_text(sources.file, std::move(text), folder, sources);
}

}  // namespace nudge::config
