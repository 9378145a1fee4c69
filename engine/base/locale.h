// Text, numbers, money and dates as people of a language write them (Unicode CLDR, by ICU). Pure; safe from any thread. Digits are taken as
// given, never through a double.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/time.h"

namespace nudge {

// A language tag such as `zh`, `zh-CN` or `de_CH`, in any case: letters, then subtags of letters and digits.
bool is_language_tag(std::string_view tag);
// `zh_hant_TW` -> `zh-hant-tw`: lower case, hyphens. What tags are compared by.
std::string normal_language(std::string_view tag);

// A currency code of ISO 4217 that ICU knows.
bool is_currency(std::string_view code);
// `digits` is plain decimal text such as "-1234.50"; it is rounded, halves away from zero, to the digits that the currency has.
std::string locale_money(std::string_view language, std::string_view currency, const std::string& digits);
// With all digits given.
std::string locale_number(std::string_view language, const std::string& digits);

enum class DateStyle : std::uint8_t { short_, medium, long_, full };
// A calendar date, or the time of a day, in the form that the language has for it.
std::string locale_date(std::string_view language, DateStyle style, DateDays date);
std::string locale_time(std::string_view language, DateStyle style, DurationMs of_day);

// Upper and lower case by Unicode, whatever the language.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

// Characters as a reader counts them: an emoji with its modifiers, or a letter with its accents, is one.
std::size_t length_graphemes(std::string_view text);
// The first n of them.
std::string_view prefix_graphemes(std::string_view text, std::size_t n);

}  // namespace nudge
