#include "daemon/doors/translate.h"

#include <algorithm>
#include <set>

#include "engine/base/text.h"

namespace nudge::doors {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.size() > 1) out.push_back(',');
  append_json_string(out, name);
  out.push_back(':');
  out.append(value);
}

}  // namespace

std::string snake_case(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == ' ' || c == '-' || c == '.' || c == '_') {
      if (!out.empty() && out.back() != '_') out.push_back('_');
      continue;
    }
    const bool starts_word =
        is_upper(c) && i > 0 &&
        (is_lower_or_digit(name[i - 1]) || (is_upper(name[i - 1]) && i + 1 < name.size() && is_lower_or_digit(name[i + 1])));
    if (starts_word && !out.empty() && out.back() != '_') out.push_back('_');
    out.push_back(is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

std::optional<std::string> known_name(const daemon::NameTable& table, std::string_view name) {
  if (table.find(name) != daemon::NameTable::kMissing) return std::string(name);
  std::string other = snake_case(name);
  if (table.find(other) != daemon::NameTable::kMissing) return other;
  return std::nullopt;
}

Result<std::string> make_object(const Translation& translation, const ObjectParts& parts, const daemon::LeafNames& names) {
  std::string out = "{";
  std::set<std::string, std::less<>> given;
  for (const FieldSource& field : translation.fields) {
    const std::optional<std::string_view> value = raw_at(parts.message, field.pointer);
    if (!value || !given.insert(field.name).second) continue;
    append_member(out, field.name, *value);
  }
  if (!parts.object.empty() && !raw_is_null(parts.object)) {
    NUDGE_ASSIGN(const std::vector<RawMember> members, raw_object(parts.object));
    for (const RawMember& member : members) {
      const std::string pointer = raw_pointer(parts.base, member.key);
      const bool used = std::ranges::any_of(translation.fields, [&](const FieldSource& f) {
        return f.pointer == pointer || (f.pointer.starts_with(pointer) && f.pointer[pointer.size()] == '/');
      });
      if (used) continue;
      const std::optional<std::string> known = known_name(names.table, member.key);
      if (known && !given.insert(*known).second) continue;  // what the mapping says goes first
      if (!known && parts.unknown == Unknown::ignore) continue;
      append_member(out, known.value_or(member.key), member.value);
    }
  }
  out.push_back('}');
  return out;
}

}  // namespace nudge::doors
