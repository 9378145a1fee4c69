#include "engine/model/convert.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/base/limits.h"
#include "engine/base/text.h"

namespace nudge {
namespace {

std::string where(const Target& target) {
  if (target.event.empty()) return "attribute `" + target.leaf.name + "`";
  return "field `" + target.leaf.name + "` of `" + std::string(target.event) + "`";
}

bool refuse(const Target& target, std::string_view code, std::string reason, Problem& problem) {
  problem.code = code;
  problem.field = target.leaf.name;
  problem.reason = where(target) + " " + std::move(reason);
  return false;
}

std::string shown(std::string_view text) {
  std::string out = "`";
  out.append(text.substr(0, 60));
  if (text.size() > 60) out += "...";
  return out + "`";
}

bool check_text(const Target& target, std::string_view text, Problem& problem) {
  if (text.size() > limits::kTextBytes) {
    return refuse(target, "too_long", "is longer than " + std::to_string(limits::kTextBytes) + " bytes", problem);
  }
  const std::vector<std::string>& allowed = target.leaf.one_of;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    std::string list;
    for (const std::string& item : allowed) list += (list.empty() ? "" : ", ") + item;
    return refuse(target, "not_allowed", "is " + shown(text) + ", allowed are: " + list, problem);
  }
  return true;
}

bool integer(const Target& target, std::string_view token, Value& out, Problem& problem) {
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), v);
  if (error == std::errc::result_out_of_range) return refuse(target, "bad_number", "is " + shown(token) + ", beyond 64 bits", problem);
  if (error != std::errc() || end != token.data() + token.size()) {
    return refuse(target, "wrong_type", "is an integer in the catalog, but got " + shown(token), problem);
  }
  out = Value::of_integer(v);
  return true;
}

bool number(const Target& target, std::string_view token, Value& out, Problem& problem) {
  double v = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), v);
  if (error != std::errc() || end != token.data() + token.size() || !std::isfinite(v)) {
    return refuse(target, "bad_number", "is " + shown(token) + ", which no 64-bit number holds", problem);
  }
  out = Value::of_number(v == 0 ? 0.0 : v);  // one zero
  return true;
}

}  // namespace

bool wrong_type(const Target& target, std::string_view got, Problem& problem) {
  return refuse(target, "wrong_type", "is " + std::string(type_name(target.leaf.type)) + " in the catalog, but got " + std::string(got),
                problem);
}

bool convert_number(const Target& target, std::string_view token, Value& out, Problem& problem) {
  switch (target.leaf.type) {
    case Type::integer: return integer(target, token, out, problem);
    case Type::number: return number(target, token, out, problem);
    case Type::decimal: {
      Result<Decimal> d = Decimal::parse(token);
      if (!d) return refuse(target, "bad_number", "is " + shown(token) + ": " + d.error().message, problem);
      out = Value::of_decimal(*d);
      return true;
    }
    default: return wrong_type(target, "the number " + shown(token), problem);
  }
}

bool convert_boolean(const Target& target, bool value, Value& out, Problem& problem) {
  if (target.leaf.type != Type::boolean) return wrong_type(target, value ? "true" : "false", problem);
  out = Value::of_boolean(value);
  return true;
}

bool convert_text(const Target& target, std::string_view text, Value& out, Problem& problem) {
  switch (target.leaf.type) {
    case Type::text:
      if (!check_text(target, text, problem)) return false;
      out = Value::of_text(text);
      return true;
    case Type::phone:
      if (!check_text(target, text, problem)) return false;
      if (!is_phone(text)) {
        return refuse(target, "bad_phone", "is no phone number: 3 to 20 digits, with +, spaces, -, (, ), . or / between them", problem);
      }
      out = Value::of_text(text);
      return true;
    case Type::date: {
      const Result<DateDays> d = parse_date(text);
      if (!d) return refuse(target, "bad_time", "is " + shown(text) + ": " + d.error().message, problem);
      out = Value::of_date(*d);
      return true;
    }
    case Type::timestamp: {
      const Result<TimeMs> t = read_timestamp(text);
      if (!t) return refuse(target, "bad_time", "is " + shown(text) + ": " + t.error().message, problem);
      out = Value::of_timestamp(*t);
      return true;
    }
    default: return wrong_type(target, "the text " + shown(text), problem);
  }
}

bool convert_list(const Target& target, const std::vector<std::string>& items, Value& out, Problem& problem) {
  if (target.leaf.type != Type::list) return wrong_type(target, "a list", problem);
  if (items.size() > limits::kListItems) {
    return refuse(target, "too_long", "has more than " + std::to_string(limits::kListItems) + " items", problem);
  }
  for (const std::string& item : items) {
    if (!check_text(target, item, problem)) return false;
  }
  out = Value::of_list(items);
  return true;
}

Result<TimeMs> read_timestamp(std::string_view text) {
  // The common spelling costs 20 ns; its days are computed by the civil-from-days formula that time.h offers as days_of.
  if ((text.size() == 20 || text.size() == 24) && text.back() == 'Z' && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
      text[13] == ':' && text[16] == ':' && (text.size() == 20 || text[19] == '.')) {
    bool digits = true;
    const auto two = [&](std::size_t at) {
      const int a = text[at] - '0', b = text[at + 1] - '0';
      digits = digits && a >= 0 && a <= 9 && b >= 0 && b <= 9;
      return a * 10 + b;
    };
    const int year = two(0) * 100 + two(2), month = two(5), day = two(8), hour = two(11), minute = two(14), second = two(17);
    int ms = 0;
    if (text.size() == 24) {
      const int last = text[22] - '0';
      digits = digits && last >= 0 && last <= 9;
      ms = two(20) * 10 + last;
    }
    if (digits && year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year, static_cast<std::uint8_t>(month)) &&
        hour < 24 && minute < 60 && second < 60) {
      const DateDays d = days_of(Ymd{year, static_cast<std::uint8_t>(month), static_cast<std::uint8_t>(day)});
      return static_cast<TimeMs>(d) * kDay + ((hour * 60 + minute) * 60 + second) * kSecond + ms;
    }
  }
  NUDGE_ASSIGN(const TimeMs t, parse_timestamp(text));
  if (t < kTimeMin || t > kTimeMax) return fail(Code::invalid, "the year must lie between 1 and 9999");
  return t;
}

}  // namespace nudge
