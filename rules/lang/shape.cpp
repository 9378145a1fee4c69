#include "rules/lang/shape.h"

#include <algorithm>

namespace nudge::lang {

using doc::quoted;

MapReader::MapReader(const Context& context, const doc::Node& node, const doc::Mark& key_mark, std::string what)
    : context_(context), node_(node), mark_(key_mark), what_(std::move(what)) {
  if (node.is_map() || node.refused) return;
  const bool empty = node.is_null();
  context_.error("R0101", empty ? mark_ : node.mark,
                 what_ + " must be a map (`key: value` lines), not " + std::string(doc::kind_name(node)),
                 empty ? "indent what belongs to it by two more spaces" : "");
}

const doc::Entry* MapReader::take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return node_.find(key);
}

const doc::Entry* MapReader::require(std::string_view key) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr && node_.is_map())
    context_.error("R0103", mark_, what_ + " needs " + quoted(key), "add a line `" + std::string(key) + ": …`");
  return entry;
}

bool MapReader::boolean(std::string_view key, bool fallback) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return fallback;
  const doc::Read<bool> value = doc::read_bool(*entry->value);
  if (value) return *value;
  context_.error("R0104", entry->value->mark, value.error().message, value.error().hint);
  return fallback;
}

std::int64_t MapReader::integer(std::string_view key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return fallback;
  const doc::Read<std::int64_t> value = doc::read_integer(*entry->value, low, high);
  if (value) return *value;
  context_.error("R0104", entry->value->mark, value.error().message, value.error().hint);
  return fallback;
}

std::optional<DurationMs> MapReader::duration(std::string_view key) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return std::nullopt;
  const doc::Read<DurationMs> value = doc::read_duration(*entry->value);
  if (value) return *value;
  context_.error("R0104", entry->value->mark, value.error().message, value.error().hint);
  return std::nullopt;
}

std::string_view MapReader::text(std::string_view key) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return {};
  const doc::Read<std::string_view> value = doc::read_text(*entry->value);
  if (value) return *value;
  context_.error("R0104", entry->value->mark, value.error().message, value.error().hint);
  return {};
}

Name MapReader::name(std::string_view key) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return {};
  if (entry->value->refused) return {};
  if (entry->value->is_null()) {
    context_.error("R0109", entry->key_mark, quoted(key) + " needs a name after it");
    return {};
  }
  const doc::Read<std::string_view> value = doc::read_text(*entry->value);
  if (!value) {
    context_.error("R0104", entry->value->mark, value.error().message, value.error().hint);
    return {};
  }
  if (value->empty()) context_.error("R0109", entry->value->mark, "the name after " + quoted(key) + " is empty");
  return {*value, context_.at(entry->value->mark)};
}

Raw MapReader::raw(std::string_view key) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return {};
  return {entry->value, context_.at(entry->value->mark), context_.at(entry->key_mark)};
}

std::optional<std::size_t> MapReader::word(std::string_view key, std::initializer_list<std::string_view> allowed) {
  const doc::Entry* entry = take(key);
  if (entry == nullptr) return std::nullopt;
  const std::vector<std::string_view> words(allowed);
  if (entry->value->is_scalar()) {
    const auto found = std::find(words.begin(), words.end(), entry->value->text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  const std::string given = entry->value->is_scalar() ? quoted(entry->value->text) : std::string(doc::kind_name(*entry->value));
  context_.error("R0106", entry->value->mark, quoted(key) + " must be one of " + join_words(words, "or") + ", not " + given,
                 entry->value->is_scalar() && !doc::nearest_name(entry->value->text, words).empty()
                     ? "did you mean " + quoted(doc::nearest_name(entry->value->text, words)) + "?"
                     : "");
  return std::nullopt;
}

void MapReader::finish() {
  for (const doc::Entry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    if (std::find(silent_.begin(), silent_.end(), entry.key) != silent_.end()) continue;
    context_.error("R0102", entry.key_mark, what_ + " has no key " + quoted(entry.key), doc::did_you_mean(entry.key, known_, "keys"));
  }
}

std::vector<const doc::Node*> items_of(const Context& context, const doc::Node& node, const doc::Mark& key_mark, std::string_view what,
                                       bool one_allowed) {
  if (node.is_list()) return {node.items.begin(), node.items.end()};
  if (node.refused) return {};
  if (one_allowed && !node.is_null()) return {&node};
  context.error("R0101", node.is_null() ? key_mark : node.mark,
                std::string(what) + " must be a list (`- item` lines or `[a, b]`), not " + std::string(doc::kind_name(node)),
                node.is_null() ? "" : "put `- ` in front of it");
  return {};
}

bool check_name(const Context& context, std::string_view name, const doc::Mark& mark, std::string_view what) {
  if (doc::is_name(name)) return true;
  context.error("R0108", mark, quoted(name) + " is no valid name for " + std::string(what),
                "use letters, digits, `-` and `_`, starting with a letter or digit, at most 128 of them");
  return false;
}

std::string join_words(const std::vector<std::string_view>& words, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " " + std::string(last) + " " : ", ";
    out += "`" + std::string(words[i]) + "`";
  }
  return out;
}

}  // namespace nudge::lang
