#include "rules/doc/scalar.h"

#include <charconv>
#include <cmath>

#include "engine/base/limits.h"
#include "rules/doc/diagnostic.h"

namespace nudge::doc {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::unexpected<Misread> wrong(const Node& node, std::string_view expected, std::string hint = {}) {
  std::string message = std::string(expected) + " is expected here, not ";
  if (node.is_scalar()) {
    message += node.quoted ? "the text " : "";
    message += quoted(node.text);
  } else {
    message += kind_name(node);
  }
  return std::unexpected(Misread{std::move(message), std::move(hint)});
}

std::string unquote_hint(const Node& node) { return node.quoted ? "remove the quotes" : ""; }

bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return false;
  for (const char c : text) {
    if (!is_digit(c)) return false;
  }
  return true;
}

}  // namespace

bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const std::size_t start = i;
  const std::size_t whole = digits();
  if (whole == 0 || (text[start] == '0' && whole > 1)) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > limits::kNameBytes) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
    if (!letter && (i == 0 || (c != '_' && c != '-'))) return false;
  }
  return true;
}

bool looks_typed(const Node& node) {
  if (!node.is_scalar() || node.quoted) return false;
  std::string_view t = node.text;
  if (t == "true" || t == "false" || t == "True" || t == "False" || t == "TRUE" || t == "FALSE") return true;
  if (t.starts_with("0x") || t.starts_with("0o")) {
    const std::string_view digits = t.substr(2);
    return !digits.empty() && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  }
  if (!t.empty() && (t[0] == '-' || t[0] == '+')) t.remove_prefix(1);
  if (t == ".inf" || t == ".Inf" || t == ".INF" || t == ".nan" || t == ".NaN" || t == ".NAN") return true;
  // YAML 1.2 core: [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < t.size() && is_digit(t[i])) ++i;
    return i - start;
  };
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (i < t.size() && t[i] == '.') {
    ++i;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && (t[i] == '+' || t[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == t.size();
}

Read<bool> read_bool(const Node& node) {
  if (node.is_scalar() && !node.quoted) {
    if (node.text == "true") return true;
    if (node.text == "false") return false;
  }
  return wrong(node, "`true` or `false`", unquote_hint(node));
}

Read<std::int64_t> read_integer(const Node& node) {
  if (!node.is_scalar() || node.quoted || !is_integer(node.text)) return wrong(node, "a whole number", unquote_hint(node));
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error != std::errc() || end != node.text.data() + node.text.size()) {
    return std::unexpected(Misread{"the number " + quoted(node.text) + " is too large", "whole numbers have 64 bits"});
  }
  return value;
}

Read<std::int64_t> read_integer(const Node& node, std::int64_t low, std::int64_t high) {
  Read<std::int64_t> value = read_integer(node);
  if (value && (*value < low || *value > high)) {
    return std::unexpected(Misread{
        "a whole number from " + std::to_string(low) + " to " + std::to_string(high) + " is expected here, not " + quoted(node.text), ""});
  }
  return value;
}

Read<Decimal> read_decimal(const Node& node) {
  if (!node.is_scalar() || node.quoted || !is_json_number(node.text)) return wrong(node, "a number", unquote_hint(node));
  Result<Decimal> value = Decimal::parse(node.text);
  if (!value) return std::unexpected(Misread{value.error().message, ""});
  return *value;
}

Read<double> read_number(const Node& node) {
  if (!node.is_scalar() || node.quoted || !is_json_number(node.text)) return wrong(node, "a number", unquote_hint(node));
  double value = 0;
  const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error != std::errc() || !std::isfinite(value))
    return std::unexpected(Misread{"the number " + quoted(node.text) + " is out of range", ""});
  return value;
}

Read<DurationMs> read_duration(const Node& node) {
  static constexpr std::string_view kHint = "durations are written as 30s, 15m, 2h, 90d or 1w";
  if (!node.is_scalar() || node.quoted) return wrong(node, "a duration", node.quoted ? unquote_hint(node) : std::string(kHint));
  Result<DurationMs> value = parse_duration(node.text);
  if (!value) return wrong(node, "a duration", std::string(kHint));
  return *value;
}

Read<DateDays> read_date(const Node& node) {
  if (!node.is_scalar()) return wrong(node, "a date", "dates are written as 2026-02-01");
  Result<DateDays> value = parse_date(node.text);
  if (!value) return wrong(node, "a date", "dates are written as 2026-02-01");
  return *value;
}

Read<TimeMs> read_timestamp(const Node& node) {
  if (!node.is_scalar()) return wrong(node, "a timestamp", "timestamps are written as 2026-02-01T09:00:00+08:00");
  Result<TimeMs> value = parse_timestamp(node.text);
  if (!value) return wrong(node, "a timestamp", "timestamps are written as 2026-02-01T09:00:00+08:00, with a zone or Z");
  return *value;
}

Read<std::string_view> read_text(const Node& node) {
  if (!node.is_scalar()) return wrong(node, "text");
  if (looks_typed(node)) return wrong(node, "text", "put it in quotes: '" + std::string(node.text) + "'");
  return node.text;
}

}  // namespace nudge::doc
