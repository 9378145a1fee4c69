#include "daemon/config/value.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/base/text.h"
#include "engine/base/time.h"
#include "engine/base/zone.h"
#include "rules/doc/diagnostic.h"
#include "rules/doc/scalar.h"

namespace nudge::config {
namespace {

constexpr std::size_t kSecretBytesMax = 64 * 1024;

struct Unit {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array kUnits{Unit{"TiB", std::int64_t{1} << 40}, Unit{"GiB", std::int64_t{1} << 30}, Unit{"MiB", std::int64_t{1} << 20},
                            Unit{"KiB", std::int64_t{1} << 10}, Unit{"B", 1}};

std::unexpected<Wrong> wrong(std::string_view code, std::string message, std::string hint = {}) {
  return std::unexpected(Wrong{code, std::move(message), std::move(hint)});
}

std::unexpected<Wrong> wrong_type(const Key& key, std::string_view text, std::string hint) {
  return wrong("C0002",
               std::string(key.name) + " is of type " + std::string(to_string(key.type)) + ", which " + doc::quoted(text) + " is not",
               std::move(hint));
}

template <class Show>
std::expected<std::int64_t, Wrong> in_range(const Key& key, std::int64_t value, Show shown) {
  if (value >= key.min && value <= key.max) return value;
  return wrong("C0003", std::string(key.name) + " is " + shown(value) + ", outside of its range",
               "choose from " + shown(key.min) + " to " + shown(key.max));
}

std::string show_integer(std::int64_t value) { return std::to_string(value); }

std::expected<std::int64_t, Wrong> read_integer(const Key& key, const std::string& text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size())
    return wrong_type(key, text, "write digits, for example " + std::string(key.initial));
  return in_range(key, value, show_integer);
}

std::expected<Milliseconds, Wrong> read_duration(const Key& key, const std::string& text) {
  const auto value = parse_duration(text);
  if (!value) return wrong_type(key, text, "write a number with a unit: 500ms, 30s, 5m, 2h");
  const auto ranged = in_range(key, *value, format_duration);
  if (!ranged) return std::unexpected(ranged.error());
  return Milliseconds(*ranged);
}

std::expected<std::string, Wrong> read_choice(const Key& key, const std::string& text) {
  const std::vector<std::string> choices = split_list(key.choices);
  if (std::ranges::find(choices, text) != choices.end()) return text;
  const std::vector<std::string_view> known(choices.begin(), choices.end());
  const std::string_view near = doc::nearest_name(text, known);
  return wrong("C0004", std::string(key.name) + " can't be " + doc::quoted(text),
               near.empty() ? "choose one of " + std::string(key.choices) : "did you mean " + doc::quoted(near) + "?");
}

std::string resolve(const std::string& path, std::string_view folder) {
  if (path.empty() || folder.empty() || path.front() == '/') return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::expected<Secret, Wrong> read_secret(const Key& key, const std::string& reference, std::string_view folder) {
  if (reference.empty()) return Secret();
  const std::string name(key.name);
  if (reference.starts_with("env:")) {
    const std::string variable = reference.substr(4);
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0')
      return wrong("C0005", name + ": the environment variable " + doc::quoted(variable) + " is not set", "set it before the start");
    return Secret(value);
  }
  if (!reference.starts_with("file:"))  // the text itself may be the secret: it must not be in the message
    return wrong("C0007", name + " is a secret and must not be written here",
                 "put it into a file of mode 0600 and write {file: /path}, or {env: NAME}");
  const std::string path = resolve(reference.substr(5), folder);
  // Somebody else's file may be readable for our group: that is how root, or a volume of Kubernetes, hands one to a user without rights.
  struct stat info{};
  const bool found = ::stat(path.c_str(), &info) == 0, ours = found && info.st_uid == ::geteuid();
  if (found && (info.st_mode & (ours ? 066U : 026U)) != 0)
    return wrong("C0005", name + ": the secret file " + path + " can be read by others", (ours ? "chmod 600 " : "chmod g-w,o= ") + path);
  std::ifstream file(path, std::ios::binary);
  std::string text(kSecretBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty())
    return wrong("C0005", name + ": the secret file " + path + " is missing, unreadable or empty", "write the secret into it");
  return Secret(std::move(text));
}

template <class T>
std::expected<void, Wrong> put(Settings& settings, const Place& place, std::expected<T, Wrong> value) {
  if (!value) return std::unexpected(std::move(value).error());
  settings.*std::get<T Settings::*>(place) = std::move(*value);
  return {};
}

std::expected<std::string, Wrong> read_timezone(const Key& key, const std::string& text) {
  if (text == "UTC") return text;
  if (auto zone = Zone::find(text); !zone)
    return wrong("C0004", std::string(key.name) + ": " + zone.error().message, "write an IANA name such as Asia/Shanghai");
  return text;
}

std::expected<bool, Wrong> read_boolean(const Key& key, const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return wrong_type(key, text, "write true or false");
}

std::expected<std::int64_t, Wrong> read_size(const Key& key, const std::string& text) {
  const auto value = parse_size(text);
  if (!value) return wrong_type(key, text, value.error().hint);
  return in_range(key, *value, format_size);
}

}  // namespace

std::expected<void, Wrong> assign(const Key& key, const std::vector<std::string>& items, std::string_view folder, Settings& settings) {
  if (key.type == Type::paths || key.type == Type::texts) {
    std::vector<std::string> values = items;
    if (key.type == Type::paths)
      std::ranges::transform(values, values.begin(), [&](const std::string& path) { return resolve(path, folder); });
    settings.*std::get<std::vector<std::string> Settings::*>(key.place) = std::move(values);
    return {};
  }
  const std::string text = items.empty() ? std::string() : items.front();
  switch (key.type) {
    case Type::path: return put<std::string>(settings, key.place, resolve(text, folder));
    case Type::text: return put<std::string>(settings, key.place, text);
    case Type::choice: return put(settings, key.place, read_choice(key, text));
    case Type::timezone: return put(settings, key.place, read_timezone(key, text));
    case Type::integer: return put(settings, key.place, read_integer(key, text));
    case Type::boolean: return put(settings, key.place, read_boolean(key, text));
    case Type::duration: return put(settings, key.place, read_duration(key, text));
    case Type::size: return put(settings, key.place, read_size(key, text));
    case Type::secret: return put(settings, key.place, read_secret(key, text, folder));
    case Type::paths:
    case Type::texts: break;
  }
  return {};
}

std::string show(const Key& key, const Settings& settings) {
  switch (key.type) {
    case Type::path:
    case Type::text:
    case Type::choice:
    case Type::timezone: return yaml_text(settings.*std::get<std::string Settings::*>(key.place));
    case Type::integer: return std::to_string(settings.*std::get<std::int64_t Settings::*>(key.place));
    case Type::boolean: return settings.*std::get<bool Settings::*>(key.place) ? "true" : "false";
    case Type::duration: return format_duration((settings.*std::get<Milliseconds Settings::*>(key.place)).count());
    case Type::size: return format_size(settings.*std::get<std::int64_t Settings::*>(key.place));
    case Type::secret: return (settings.*std::get<Secret Settings::*>(key.place)).empty() ? "null" : std::string(Secret::shown());
    case Type::paths:
    case Type::texts: break;
  }
  std::string out;
  for (const std::string& item : settings.*std::get<std::vector<std::string> Settings::*>(key.place)) {
    if (!out.empty()) out += ", ";
    out += yaml_text(item);
  }
  return "[" + out + "]";
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) out.emplace_back(item);
  }
  return out;
}

std::expected<std::int64_t, Wrong> parse_size(std::string_view text) {
  const Wrong bad{"C0002", doc::quoted(text) + " is not a size", "write a number with a unit: 512KiB, 64MiB, 2GiB"};
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || value < 0) return std::unexpected(bad);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.empty()) return value;
  const auto known = std::ranges::find(kUnits, unit, &Unit::name);
  if (known == kUnits.end() || value > INT64_MAX / known->bytes) return std::unexpected(bad);
  return value * known->bytes;
}

std::string format_size(std::int64_t bytes) {
  for (const Unit& unit : kUnits)
    if (bytes != 0 && bytes % unit.bytes == 0 && unit.bytes > 1) return std::to_string(bytes / unit.bytes) + std::string(unit.name);
  return std::to_string(bytes);
}

std::string show_reference(std::string_view reference) {
  const std::size_t colon = reference.find(':');
  if (colon == std::string_view::npos) return "null";
  return "{" + std::string(reference.substr(0, colon)) + ": " + yaml_text(reference.substr(colon + 1)) + "}";
}

std::string yaml_text(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' || c == '.' || c == '-';
  };
  const bool starts_well = !text.empty() && text.front() != '-' && text.front() != '.' && !(text.front() >= '0' && text.front() <= '9');
  if (starts_well && std::ranges::all_of(text, plain) && text != "true" && text != "false" && text != "null") return std::string(text);
  std::string out;
  append_json_string(out, text);  // JSON's strings are YAML's double-quoted ones
  return out;
}

}  // namespace nudge::config
