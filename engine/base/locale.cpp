#include "engine/base/locale.h"

#include <unicode/brkiter.h>
#include <unicode/currunit.h>
#include <unicode/numberformatter.h>
#include <unicode/smpdtfmt.h>
#include <unicode/ubrk.h>
#include <unicode/ucurr.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>

#include <algorithm>
#include <map>
#include <memory>

namespace nudge {
namespace {

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

icu::UnicodeString wide(std::string_view text) { return icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())}); }

std::string narrow(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

icu::Locale locale_of(std::string_view language) {
  UErrorCode status = U_ZERO_ERROR;
  icu::Locale locale = icu::Locale::forLanguageTag({language.data(), static_cast<int32_t>(language.size())}, status);
  return U_FAILURE(status) ? icu::Locale::getRoot() : locale;
}

// Formatters are costly to make and cheap to use; each thread keeps those it has made. There are as many as languages and currencies in the
// templates of a company, so nothing is thrown away.
const icu::number::LocalizedNumberFormatter& number_formatter(std::string_view language, std::string_view currency) {
  thread_local std::map<std::string, icu::number::LocalizedNumberFormatter> kept;
  const std::string key = std::string(language) + '\n' + std::string(currency);
  const auto found = kept.find(key);
  if (found != kept.end()) return found->second;
  auto formatter =
      icu::number::NumberFormatter::withLocale(locale_of(language)).roundingMode(UNUM_ROUND_HALFUP).precision(icu::number::Precision::unlimited());
  if (!currency.empty()) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::CurrencyUnit unit(wide(currency).getTerminatedBuffer(), status);
    formatter = std::move(formatter).unit(unit).precision(icu::number::Precision::currency(UCURR_USAGE_STANDARD));
  }
  return kept.emplace(key, std::move(formatter)).first->second;
}

std::string formatted(const icu::number::LocalizedNumberFormatter& formatter, const std::string& digits) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::number::FormattedNumber number = formatter.formatDecimal(digits, status);
  const icu::UnicodeString text = number.toString(status);
  return U_FAILURE(status) ? digits : narrow(text);
}

icu::DateFormat::EStyle style_of(DateStyle style) {
  switch (style) {
    case DateStyle::short_: return icu::DateFormat::kShort;
    case DateStyle::long_: return icu::DateFormat::kLong;
    case DateStyle::full: return icu::DateFormat::kFull;
    case DateStyle::medium: break;
  }
  return icu::DateFormat::kMedium;
}

// `at`: milliseconds of the wall as if it stood in UTC.
std::string wall_text(std::string_view language, DateStyle style, bool time, std::int64_t at) {
  thread_local std::map<std::string, std::unique_ptr<icu::DateFormat>> kept;
  const std::string key = std::string(language) + (time ? "\nt" : "\nd") + static_cast<char>('0' + static_cast<int>(style));
  std::unique_ptr<icu::DateFormat>& format = kept[key];
  if (format == nullptr) {
    const icu::Locale locale = locale_of(language);
    format.reset(time ? icu::DateFormat::createTimeInstance(style_of(style), locale)
                      : icu::DateFormat::createDateInstance(style_of(style), locale));
    if (format != nullptr) format->setTimeZone(*icu::TimeZone::getGMT());
  }
  if (format == nullptr) return {};
  icu::UnicodeString text;
  format->format(static_cast<UDate>(at), text);
  return narrow(text);
}

// Calls f with the end of each character until it says no.
template <class F>
void each_grapheme(std::string_view text, F&& f) {
  UErrorCode status = U_ZERO_ERROR;
  thread_local const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  status = U_ZERO_ERROR;
  UText source = UTEXT_INITIALIZER;
  utext_openUTF8(&source, text.data(), static_cast<int64_t>(text.size()), &status);
  if (breaks != nullptr && U_SUCCESS(status)) {
    breaks->setText(&source, status);
    for (int32_t end = breaks->next(); end != icu::BreakIterator::DONE; end = breaks->next()) {
      if (!f(static_cast<std::size_t>(end))) break;
    }
    // The iterator must not keep pointing into a text that may go away.
    UText none = UTEXT_INITIALIZER;
    utext_openUTF8(&none, "", 0, &status);
    breaks->setText(&none, status);
    utext_close(&none);
  }
  utext_close(&source);
}

// Without a carriage return, every character of ASCII is one on its own.
bool one_by_one(std::string_view text) { return ascii(text) && text.find('\r') == std::string_view::npos; }

}  // namespace

bool is_language_tag(std::string_view tag) {
  std::size_t part = 0;
  bool first = true;
  if (tag.size() > 35) return false;
  for (const char c : tag) {
    if (c == '-' || c == '_') {
      if (part < (first ? 2U : 1U)) return false;
      first = false;
      part = 0;
      continue;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if ((!letter && (first || c < '0' || c > '9')) || ++part > (first ? 3U : 8U)) return false;
  }
  return part >= (first ? 2U : 1U);
}

std::string normal_language(std::string_view tag) {
  std::string out(tag);
  for (char& c : out) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_currency(std::string_view code) {
  if (code.size() != 3 || !std::ranges::all_of(code, [](char c) { return c >= 'A' && c <= 'Z'; })) return false;
  icu::UnicodeString name = wide(code);
  UErrorCode status = U_ZERO_ERROR;
  return ucurr_getNumericCode(name.getTerminatedBuffer()) != 0 && U_SUCCESS(status);
}

std::string locale_money(std::string_view language, std::string_view currency, const std::string& digits) {
  return formatted(number_formatter(language, currency), digits);
}

std::string locale_number(std::string_view language, const std::string& digits) {
  // Digits after the point are kept as they are, zeros too.
  const std::size_t point = digits.find('.');
  const int places = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
  UErrorCode status = U_ZERO_ERROR;
  const icu::number::FormattedNumber number =
      number_formatter(language, "").precision(icu::number::Precision::fixedFraction(places)).formatDecimal(digits, status);
  const icu::UnicodeString text = number.toString(status);
  return U_FAILURE(status) ? digits : narrow(text);
}

std::string locale_date(std::string_view language, DateStyle style, DateDays date) {
  return wall_text(language, style, false, std::int64_t{date} * kDay);
}

std::string locale_time(std::string_view language, DateStyle style, DurationMs of_day) { return wall_text(language, style, true, of_day); }

std::string to_upper(std::string_view text) {
  if (!ascii(text)) return narrow(wide(text).toUpper(icu::Locale::getRoot()));
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string to_lower(std::string_view text) {
  if (!ascii(text)) return narrow(wide(text).toLower(icu::Locale::getRoot()));
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::size_t length_graphemes(std::string_view text) {
  if (one_by_one(text)) return text.size();
  std::size_t n = 0;
  each_grapheme(text, [&](std::size_t) { return ++n > 0; });
  return n;
}

std::string_view prefix_graphemes(std::string_view text, std::size_t n) {
  if (n == 0) return {};
  if (one_by_one(text)) return text.substr(0, n);
  std::size_t end_of = 0;
  std::size_t seen = 0;
  each_grapheme(text, [&](std::size_t end) {
    end_of = end;
    return ++seen < n;
  });
  return text.substr(0, end_of);
}

}  // namespace nudge
