#include "daemon/doors/translate.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/base/text.h"
#include "engine/base/time.h"
#include "rules/doc/scalar.h"

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

std::string quoted_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// A plain number ("-1234", "12.5") divided by a power of ten, by its digits alone; nothing for one with an exponent.
std::optional<std::string> shifted(std::string_view number, int places) {
  if (!doc::is_json_number(number) || number.find_first_of("eE") != std::string_view::npos) return std::nullopt;
  std::string sign;
  if (number.starts_with('-')) {
    sign = "-";
    number.remove_prefix(1);
  }
  const std::size_t dot = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, dot));
  const auto wanted = static_cast<std::size_t>(places);
  if (digits.size() <= wanted) digits.insert(0, wanted + 1 - digits.size(), '0');
  const std::string rest = dot < number.size() ? std::string(number.substr(dot + 1)) : "";
  return sign + digits.substr(0, digits.size() - wanted) + "." + digits.substr(digits.size() - wanted) + rest;
}

// Seconds or milliseconds since 1970, as a number or its text, to a timestamp.
std::optional<std::string> instant(std::string_view number, std::int64_t unit) {
  const bool thousandths = unit == 1000 && number.find('.') != std::string_view::npos;
  const std::optional<std::string> whole = thousandths ? shifted(number, 0) : std::optional<std::string>(std::string(number));
  if (!whole || !doc::is_json_number(number)) return std::nullopt;
  const std::size_t dot = std::min(whole->find('.'), whole->size());
  std::int64_t at = 0;
  const auto [end, error] = std::from_chars(whole->data(), whole->data() + dot, at);
  if (error != std::errc() || end != whole->data() + dot || at > kTimeMax / unit || at < kTimeMin / unit) return std::nullopt;
  at *= unit;
  if (thousandths) {
    std::string part = whole->substr(dot + 1).substr(0, 3);
    part.resize(3, '0');
    std::int64_t ms = 0;
    std::from_chars(part.data(), part.data() + 3, ms);
    at += number.starts_with('-') ? -ms : ms;
  }
  return quoted_json(format_timestamp(at));
}

std::string converted(const FieldSource& source, std::string_view value) {
  std::string out(value);
  const std::optional<std::string> text = raw_text(value);
  if (!text) return out;
  if (!source.map.empty()) {
    const auto found = std::ranges::find_if(source.map, [&](const auto& pair) { return pair.first == *text; });
    if (found != source.map.end()) return quoted_json(found->second);
  }
  switch (source.as) {
    case Convert::none: break;
    case Convert::number:
      if (doc::is_json_number(*text)) out = *text;
      break;
    case Convert::text: return quoted_json(*text);
    case Convert::seconds: return instant(*text, 1000).value_or(out);
    case Convert::milliseconds: return instant(*text, 1).value_or(out);
  }
  if (source.divide > 0) return shifted(out, source.divide).value_or(out);
  return out;
}

}  // namespace

std::optional<std::string> source_value(const FieldSource& source, std::string_view message) {
  if (!source.constant.empty()) return source.constant;
  if (source.pointer.empty()) return std::nullopt;
  const std::optional<std::string_view> value = raw_at(message, source.pointer);
  if (!value) return std::nullopt;
  return converted(source, *value);
}

std::optional<std::string> source_text(const FieldSource& source, std::string_view message) {
  const std::optional<std::string> value = source_value(source, message);
  return value ? raw_text(*value) : std::nullopt;
}

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
    const std::optional<std::string> value = source_value(field, parts.message);
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
