#include "engine/core/render_filter.h"

#include <algorithm>

#include "engine/base/locale.h"
#include "engine/base/text.h"
#include "engine/core/evaluate.h"

namespace nudge {

namespace {

using Fn = Filter::Fn;

// Digits with a comma between thousands: "1234567.5" -> "1,234,567.5".
std::string group_thousands(std::string text) {
  const std::size_t start = text.starts_with('-') ? 1 : 0;
  const std::size_t point = std::min(text.find('.'), text.size());
  for (std::size_t i = point; i > start + 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

// The units of a number, in millionths. Doubles to the nearest.
Int128 units_of(const ValueView& v) {
  if (v.kind == Kind::integer) return Int128{v.i} * Decimal::kScale;
  if (v.kind == Kind::decimal) return v.i;
  return static_cast<Int128>(std::clamp(v.d, -1e15, 1e15) * static_cast<double>(Decimal::kScale) + (v.d < 0 ? -0.5 : 0.5));
}

// The number with exactly `places` digits after the point, halves away from zero.
std::string fixed_places(const ValueView& v, int places) {
  const Int128 units = units_of(v);
  places = std::clamp(places, 0, 6);
  Int128 step = 1;
  for (int i = places; i < 6; ++i) step *= 10;
  const bool negative = units < 0;
  Int128 rounded = ((negative ? -units : units) + step / 2) / step * step;
  std::string whole = format_units(rounded / Decimal::kScale * Decimal::kScale);
  std::string fraction;
  Int128 rest = rounded % Decimal::kScale;
  for (int i = 0; i < places; ++i) {
    rest *= 10;
    fraction.push_back(static_cast<char>('0' + static_cast<int>(rest / Decimal::kScale)));
    rest %= Decimal::kScale;
  }
  std::string text = (negative && rounded != 0 ? "-" : "") + whole;
  if (places > 0) text += "." + fraction;
  return text;
}

std::string pad(std::int64_t n, std::size_t width, char with = '0') {
  std::string s = std::to_string(n);
  return s.size() < width ? std::string(width - s.size(), with) + s : s;
}

constexpr std::string_view kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};

// 0: Monday.
int weekday_of(DateDays date) { return static_cast<int>(((date + 3) % 7 + 7) % 7); }

// One letter after the percent sign. `plain`: without padding, as `%-d`.
std::string wall_letter(char letter, bool plain, DateDays date, DurationMs of_day) {
  const Ymd ymd = ymd_of(date);
  const std::int64_t hour = of_day / kHour;
  const std::int64_t hour12 = hour % 12 == 0 ? 12 : hour % 12;
  const std::size_t two = plain ? 1 : 2;
  switch (letter) {
    case 'Y': return pad(ymd.year, 4);
    case 'y': return pad(ymd.year % 100, two);
    case 'm': return pad(ymd.month, two);
    case 'd': return pad(ymd.day, two);
    case 'e': return pad(ymd.day, two, ' ');
    case 'H': return pad(hour, two);
    case 'I': return pad(hour12, two);
    case 'M': return pad(of_day / kMinute % 60, two);
    case 'S': return pad(of_day / kSecond % 60, two);
    case 'p': return hour < 12 ? "AM" : "PM";
    case 'j': return pad(date - days_of({ymd.year, 1, 1}) + 1, plain ? 1 : 3);
    case 'A': return std::string(kDays[weekday_of(date)]);
    case 'a': return std::string(kDays[weekday_of(date)].substr(0, 3));
    case 'B': return std::string(kMonths[ymd.month - 1]);
    case 'b': return std::string(kMonths[ymd.month - 1].substr(0, 3));
    case 'u': return std::to_string(weekday_of(date) + 1);
    case 'F': return pad(ymd.year, 4) + "-" + pad(ymd.month, 2) + "-" + pad(ymd.day, 2);
    case '%': return "%";
    default: return std::string("%") + letter;
  }
}

// A date or time in a subset of Ruby's strftime; other letters stand for themselves.
std::string format_wall(std::string_view pattern, DateDays date, DurationMs of_day) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out.push_back(pattern[i]);
      continue;
    }
    const bool plain = pattern[i + 1] == '-' && i + 2 < pattern.size();
    i += plain ? 2 : 1;
    out += wall_letter(pattern[i], plain, date, of_day);
  }
  return out;
}

std::string format_moment(const FilterContext& context, const ValueView& v, std::string_view pattern, bool time) {
  if (v.kind != Kind::date && v.kind != Kind::timestamp) return to_text(v);
  LocalTime wall{static_cast<DateDays>(v.i), 0, 0};
  if (v.kind == Kind::timestamp) wall = (context.evaluator != nullptr ? context.evaluator->zone() : Zone()).local(v.i);
  static constexpr std::string_view kStyles[] = {"short", "medium", "long", "full"};
  const auto* const style = std::ranges::find(kStyles, pattern);
  if (style == std::end(kStyles)) return format_wall(pattern, wall.date, wall.of_day);
  const std::string_view language = context.language.empty() ? "en" : context.language;
  const auto chosen = static_cast<DateStyle>(style - std::begin(kStyles));
  return time ? locale_time(language, chosen, wall.of_day) : locale_date(language, chosen, wall.date);
}

int number_arg(const Filter& filter, std::size_t i, int fallback) {
  if (i >= filter.args.size()) return fallback;
  int n = 0;
  for (const char c : filter.args[i]) {
    if (c < '0' || c > '9' || n > 100000) return fallback;
    n = n * 10 + (c - '0');
  }
  return n;
}

// The shown value as a number, text too, as Liquid does; missing when it is none.
Value numeric_of(const Shown& shown) {
  if (!shown.is_text && is_numeric(shown.value.kind)) return shown.value;
  const std::string text = shown.as_text();
  const Result<Decimal> d = Decimal::parse(text);
  if (shown.missing() || !d) return {};
  if (text.find_first_of(".eE") == std::string::npos) return Value::of_integer(d->units / Decimal::kScale);
  return Value::of_decimal(*d);
}

// Halves away from zero.
Int128 divide(Int128 a, Int128 b) {
  const bool negative = (a < 0) != (b < 0);
  if (a < 0) a = -a;
  if (b < 0) b = -b;
  const Int128 q = (a + b / 2) / b;
  return negative ? -q : q;
}

// Exact where six digits after the point are enough, else rounded to them. What does not fit, or is divided by zero, is nil.
Value calculate(Fn fn, const Value& left, const Value& right) {
  if (left.missing() || right.missing()) return {};
  const bool whole = left.kind == Kind::integer && right.kind == Kind::integer;
  const Int128 a = units_of(left.view());
  const Int128 b = units_of(right.view());
  constexpr Int128 kScale = Decimal::kScale;
  constexpr Int128 kRoom = Int128{Decimal::kMaxUnits} * kScale;  // of an operand
  if (a > kRoom || a < -kRoom || b > kRoom || b < -kRoom) return {};
  Int128 units = 0;
  switch (fn) {
    case Fn::plus: units = a + b; break;
    case Fn::minus: units = a - b; break;
    case Fn::times:
      if (a != 0 && (b > kRoom * kScale / (a < 0 ? -a : a) || b < -(kRoom * kScale / (a < 0 ? -a : a)))) return {};
      units = divide(a * b, kScale);
      break;
    default: {
      if (b == 0) return {};
      if (whole) {
        Int128 q = a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) --q;  // as Liquid: down
        units = q * kScale;
      } else {
        units = divide(a * kScale, b);
      }
    }
  }
  if (units > Decimal::kMaxUnits || units < -Int128{Decimal::kMaxUnits}) return {};
  return whole ? Value::of_integer(static_cast<std::int64_t>(units / kScale)) : Value::of_decimal(Decimal{static_cast<std::int64_t>(units)});
}

std::string money(const FilterContext& context, const Filter& filter, const ValueView& view) {
  const std::string_view language = filter.args.size() > 1 ? std::string_view(filter.args[1]) : context.language;
  if (!language.empty() && !filter.args.empty()) return locale_money(language, filter.args[0], fixed_places(view, 6));
  return (filter.args.empty() ? std::string() : filter.args[0] + " ") + group_thousands(fixed_places(view, 2));
}

std::string number(const FilterContext& context, const Filter& filter, const ValueView& view) {
  const std::string digits = filter.args.empty() ? to_text(view) : fixed_places(view, number_arg(filter, 0, 0));
  return context.language.empty() ? group_thousands(digits) : locale_number(context.language, digits);
}

// Characters as people count them; the mark that something was cut off counts too, as in Liquid.
std::string truncate(const Filter& filter, std::string text) {
  const auto n = static_cast<std::size_t>(number_arg(filter, 0, 50));
  if (text.size() <= n || length_graphemes(text) <= n) return text;
  const std::string_view mark = filter.args.size() > 1 ? std::string_view(filter.args[1]) : "…";
  const std::size_t room = length_graphemes(mark);
  return std::string(prefix_graphemes(text, n > room ? n - room : 0)) + std::string(mark);
}

std::string mask(const Filter& filter, const std::string& text) {
  const std::size_t n = length_utf8(text);
  const std::size_t keep = std::min<std::size_t>(static_cast<std::size_t>(number_arg(filter, 0, 4)), n);
  return std::string(n - keep, '*') + text.substr(prefix_utf8(text, n - keep).size());
}

std::string capitalize(const std::string& text) {
  const std::string_view first = prefix_graphemes(text, 1);
  return to_upper(first) + to_lower(std::string_view(text).substr(first.size()));
}

// nil, false, and empty texts and lists, as Liquid has it.
bool takes_default(const Shown& shown) {
  if (shown.is_text) return shown.text.empty();
  const Value& v = shown.value;
  return v.missing() || (v.kind == Kind::boolean && v.bits == 0) || ((v.kind == Kind::text || v.kind == Kind::list) && v.bytes.empty());
}

void apply_list(const Filter& filter, Shown& shown) {
  const std::vector<std::string_view> items = unpack_list(shown.value.bytes);
  if (filter.fn == Fn::join) {
    const std::string_view between = filter.args.empty() ? std::string_view(", ") : filter.args[0];
    for (std::size_t i = 0; i < items.size(); ++i) shown.text.append(i == 0 ? "" : between).append(items[i]);
    shown.is_text = true;
  } else if (items.empty()) {
    shown.value = {};
  } else {
    shown.value = Value::of_text(std::string(filter.fn == Fn::first ? items.front() : items.back()));
  }
}

}  // namespace

void apply_filter(const FilterContext& context, const Filter& filter, const Shown* operand, Shown& shown) {
  const auto become = [&](std::string text) {
    shown.text = std::move(text);
    shown.is_text = true;
  };
  if (filter.fn == Fn::default_) {
    if (!takes_default(shown)) return;
    if (operand != nullptr)
      shown = *operand;
    else
      become(filter.args.empty() ? "" : filter.args[0]);
    return;
  }
  if (shown.missing()) return;
  const ValueView view = shown.value.view();
  const bool numeric = !shown.is_text && is_numeric(view.kind);
  switch (filter.fn) {
    case Fn::date:
    case Fn::time:
      if (!shown.is_text)
        become(format_moment(context, view, filter.args.empty() ? (filter.fn == Fn::date ? "%Y-%m-%d" : "%H:%M") : filter.args[0], filter.fn == Fn::time));
      break;
    case Fn::number:
      if (numeric) become(number(context, filter, view));
      break;
    case Fn::money:
      if (numeric) become(money(context, filter, view));
      break;
    case Fn::truncate: become(truncate(filter, shown.as_text())); break;
    case Fn::upcase: become(to_upper(shown.as_text())); break;
    case Fn::downcase: become(to_lower(shown.as_text())); break;
    case Fn::capitalize: become(capitalize(shown.as_text())); break;
    case Fn::mask: become(mask(filter, shown.as_text())); break;
    case Fn::size: {
      const std::size_t n = !shown.is_text && view.kind == Kind::list ? list_size(view.bytes) : length_utf8(shown.as_text());
      shown = {Value::of_integer(static_cast<std::int64_t>(n)), {}, false};
      break;
    }
    case Fn::join:
    case Fn::first:
    case Fn::last:
      if (!shown.is_text && view.kind == Kind::list) apply_list(filter, shown);
      break;
    case Fn::times:
    case Fn::plus:
    case Fn::minus:
    case Fn::divided_by: {
      const Shown given = operand != nullptr ? *operand : Shown{{}, filter.args.empty() ? "" : filter.args[0], true};
      shown = {calculate(filter.fn, numeric_of(shown), numeric_of(given)), {}, false};
      break;
    }
    case Fn::default_: break;
  }
}

void append_escaped(std::string& out, std::string_view text, Escape how) {
  if (how == Escape::none) {
    out += text;
    return;
  }
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (how == Escape::header) {
      out.push_back(code < 0x20 || code == 0x7f ? ' ' : c);
    } else if (how == Escape::sms) {
      if (c == '\n' || (code >= 0x20 && code != 0x7f)) out.push_back(c);
    } else {
      switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out.push_back(c);
      }
    }
  }
}

const Member* find_member(const Plan& plan, std::string_view id) {
  if (id.empty()) return nullptr;
  for (const Team& team : plan.teams) {
    const auto found = std::ranges::find(team.members, id, &Member::id);
    if (found != team.members.end()) return &*found;
  }
  return nullptr;
}

// `hired` also gives `tenure_days`, whole 24-hour days since the start of that day in UTC.
Value member_property(const Member& member, std::string_view name, TimeMs now) {
  if (name == "id") return Value::of_text(member.id);
  if (name == "name") return Value::of_text(member.name);
  if (name == "email") return Value::of_text(member.email);
  const std::string_view wanted = name == "tenure_days" ? "hired" : name;
  for (const auto& [key, value] : member.properties) {
    if (key != wanted) continue;
    if (name != "tenure_days") return value;
    const TimeMs hired = value.kind == Kind::date ? value.bits * kDay : value.bits;
    if (value.kind != Kind::date && value.kind != Kind::timestamp) return {};
    const DurationMs age = now - hired;
    return Value::of_integer(age >= 0 ? age / kDay : -((-age + kDay - 1) / kDay));
  }
  return {};
}

std::string digest_mark(std::string_view property, Escape escape) {
  return "nudge-digest-" + std::string(property) + "-" + std::to_string(static_cast<int>(escape)) + ";";
}

void fill_late(ActionOut& action, const Member* member, const std::vector<std::pair<std::string, Value>>* more) {
  std::string out;
  std::size_t from = 0;
  for (const LateText& late : action.late) {
    if (late.at < from || late.at > action.payload.size()) break;
    out.append(action.payload, from, late.at - from);
    from = late.at;
    if (constexpr std::string_view kOfDigest = "digest."; late.property.starts_with(kOfDigest)) {
      out += digest_mark(std::string_view(late.property).substr(kOfDigest.size()), late.escape);
      continue;
    }
    Shown shown;
    if (more != nullptr) {
      const auto known = std::ranges::find(*more, late.property, &std::pair<std::string, Value>::first);
      if (known != more->end()) shown.value = known->second;
    }
    if (member != nullptr) shown.value = member_property(*member, late.property, action.at);
    for (const Filter& filter : late.filters) apply_filter({nullptr, late.locale}, filter, nullptr, shown);
    if (shown.missing()) continue;
    std::string text;
    append_escaped(text, shown.as_text(), late.escape);
    append_json_escaped(out, text);
  }
  out.append(action.payload, from);
  action.payload = std::move(out);
  action.late.clear();
}

}  // namespace nudge
