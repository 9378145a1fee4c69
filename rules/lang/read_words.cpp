// Small words and times that several readers share.
#include <algorithm>
#include <array>
#include <charconv>

#include "engine/base/cron.h"
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
  const Result<Cron> cron = Cron::parse(text);
  if (!cron) return cron.error().message;
  return cron->next(0, Zone()) == kNever ? "this schedule never comes: no year has such a day" : "";
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
