#include "engine/base/text.h"

#include <unicode/ucasemap.h>

#include <cstdint>
#include <cstring>

namespace nudge {
namespace {

bool all_ascii(std::string_view s) {
  std::size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, s.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; i < s.size(); ++i) {
    if (static_cast<std::uint8_t>(s[i]) >= 0x80) return false;
  }
  return true;
}

// Immutable after opening, so that every thread may use it.
const UCaseMap* fold_map() {
  static const UCaseMap* map = [] {
    UErrorCode status = U_ZERO_ERROR;
    return ucasemap_open("", U_FOLD_CASE_DEFAULT, &status);
  }();
  return map;
}

bool is_lead(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) != 0x80; }

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto* end = p + bytes.size();
  while (p != end) {
    if (end - p >= 8) {
      std::uint64_t word;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080ULL) == 0) {
        p += 8;
        continue;
      }
    }
    const std::uint8_t lead = *p++;
    if (lead < 0x80) continue;
    // The second byte's range shuts out over-long forms, surrogates and what lies above U+10FFFF.
    int more = 0;
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (end - p < more) return false;
    for (int i = 0; i < more; ++i, low = 0x80, high = 0xbf) {
      if (*p < low || *p > high) return false;
      ++p;
    }
  }
  return true;
}

std::string fold_case(std::string_view text) {
  std::string out(text);
  if (all_ascii(text)) {
    for (char& c : out) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return out;
  }
  const auto length = static_cast<std::int32_t>(text.size());
  // Nearly always as long as the text; the second round is for the few that grow.
  for (int round = 0; round < 2; ++round) {
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t need =
        ucasemap_utf8FoldCase(fold_map(), out.data(), static_cast<std::int32_t>(out.size()), text.data(), length, &status);
    const bool fits = need <= static_cast<std::int32_t>(out.size());
    if (U_FAILURE(status) && status != U_BUFFER_OVERFLOW_ERROR) return std::string(text);
    out.resize(static_cast<std::size_t>(need));
    if (fits) break;
  }
  return out;
}

std::size_t length_utf8(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += is_lead(c) ? 1U : 0U;
  return n;
}

std::string_view prefix_utf8(std::string_view text, std::size_t n) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_lead(text[i]) && seen++ == n) return text.substr(0, i);
  }
  return text;
}

void append_json_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(done, i - done));
    done = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        out += "\\u00";
        out += kDigits[c >> 4];
        out += kDigits[c & 0xf];
    }
  }
  out.append(text.substr(done));
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

bool is_phone(std::string_view text) {
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (!((c == '+' && i == 0) || c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' || c == '/')) {
      return false;
    }
  }
  return digits >= 3 && digits <= 20;
}

}  // namespace nudge
