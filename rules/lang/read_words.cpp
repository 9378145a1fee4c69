// Small words and times that several readers share.
#include <algorithm>
#include <array>
#include <charconv>

#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

bool digits(std::string_view text) {
  return !text.empty() && text.size() <= 4 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct CronField {
  std::string_view name;
  int low, high;
  std::string_view words;  // three letters each, from `low` on
};
constexpr std::array<CronField, 5> kCron = {{{"minute", 0, 59, ""},
                                             {"hour", 0, 23, ""},
                                             {"day of the month", 1, 31, ""},
                                             {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                             {"weekday", 0, 7, "sunmontuewedthufrisat"}}};

bool cron_value(const CronField& field, std::string_view text, int& value) {
  if (digits(text)) {
    value = number(text);
    return value >= field.low && value <= field.high;
  }
  if (text.size() != 3) return false;
  for (std::size_t i = 0; i + 3 <= field.words.size(); i += 3) {
    if (field.words.substr(i, 3) == text) {
      value = field.low + static_cast<int>(i / 3);
      return true;
    }
  }
  return false;
}

bool cron_item(const CronField& field, std::string_view item) {
  if (const std::size_t slash = item.find('/'); slash != std::string_view::npos) {
    const std::string_view step = item.substr(slash + 1);
    if (!digits(step) || number(step) == 0 || number(step) > field.high) return false;
    item = item.substr(0, slash);
    if (item != "*" && item.find('-') == std::string_view::npos) return false;
  }
  if (item == "*") return true;
  int low = 0;
  int high = 0;
  const std::size_t dash = item.find('-');
  if (dash == std::string_view::npos) return cron_value(field, item, low);
  return cron_value(field, item.substr(0, dash), low) && cron_value(field, item.substr(dash + 1), high) && low <= high;
}

}  // namespace

std::optional<DurationMs> parse_clock(std::string_view text, bool end) {
  if (text.size() != 5 || text[2] != ':' || !digits(text.substr(0, 2)) || !digits(text.substr(3))) return std::nullopt;
  const int hour = number(text.substr(0, 2));
  const int minute = number(text.substr(3));
  if (minute > 59 || hour > 24 || (hour == 24 && (!end || minute != 0))) return std::nullopt;
  return hour * kHour + minute * kMinute;
}

std::optional<DurationMs> parse_signed_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const Result<DurationMs> value = parse_duration(text);
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

std::string check_cron(std::string_view text) {
  std::vector<std::string_view> fields;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find(' ', i), text.size());
    if (end > i) fields.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  if (fields.size() != kCron.size())
    return "a schedule has 5 fields (minute hour day month weekday), this one has " + std::to_string(fields.size());
  for (std::size_t f = 0; f < fields.size(); ++f) {
    std::string_view rest = fields[f];
    while (true) {
      const std::size_t comma = rest.find(',');
      if (!cron_item(kCron[f], rest.substr(0, comma))) {
        return doc::quoted(fields[f]) + " is no valid " + std::string(kCron[f].name) + " of a schedule (" + std::to_string(kCron[f].low) +
               " to " + std::to_string(kCron[f].high) + ")";
      }
      if (comma == std::string_view::npos) break;
      rest = rest.substr(comma + 1);
    }
  }
  return "";
}

const std::vector<std::string_view>& comparison_words() {
  static const std::vector<std::string_view> kWords = {"equals",
                                                       "not_equals",
                                                       "in",
                                                       "not_in",
                                                       "contains",
                                                       "not_contains",
                                                       "starts_with",
                                                       "ends_with",
                                                       "matches",
                                                       "exists",
                                                       "greater_than",
                                                       "at_least",
                                                       "less_than",
                                                       "at_most",
                                                       "between",
                                                       "before",
                                                       "after",
                                                       "within",
                                                       "older_than",
                                                       "in_next",
                                                       "anniversary_in_next",
                                                       "anniversary_today",
                                                       "has",
                                                       "has_any",
                                                       "has_all",
                                                       "size",
                                                       "days_since",
                                                       "changed",
                                                       "has_been",
                                                       "band"};
  return kWords;
}

Comparison read_comparison(MapReader& map, bool in_aggregate) {
  Comparison comparison;
  const Context& context = map.context();
  const doc::Entry* chosen = nullptr;
  for (const std::string_view word : comparison_words()) {
    if (in_aggregate && (word == "days_since" || word == "changed" || word == "has_been" || word == "band")) continue;
    const doc::Entry* entry = map.take(word);
    if (entry == nullptr) continue;
    if (chosen == nullptr || entry->key_mark.offset < chosen->key_mark.offset) std::swap(chosen, entry);
    if (entry == nullptr) continue;
    context.error("R0403", entry->key_mark,
                  "a condition has one operator; " + doc::quoted(chosen->key) + " and " + doc::quoted(entry->key) + " are two",
                  "use `between: [low, high]`, or write two conditions under `all:`");
  }
  if (const doc::Entry* ignore = map.take("ignore_case")) {
    const doc::Read<bool> value = doc::read_bool(*ignore->value);
    if (!value) context.error("R0104", ignore->value->mark, value.error().message, value.error().hint);
    comparison.ignore_case = value.value_or(false);
    comparison.ignore_case_at = context.at(ignore->key_mark);
  }
  if (chosen == nullptr) return comparison;
  comparison.op = chosen->key;
  comparison.operand = {chosen->value, context.at(chosen->value->mark), context.at(chosen->key_mark)};
  return comparison;
}

}  // namespace nudge::lang
