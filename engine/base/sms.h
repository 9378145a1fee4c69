// How a text travels by SMS: the alphabet and the number of segments, as the networks count them (3GPP TS 23.038 and 23.040). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace nudge {

struct SmsCount {
  bool gsm7 = true;          // else UCS-2
  std::size_t units = 0;     // septets of GSM-7 (characters of the extension table are two), or 16-bit units of UCS-2
  std::size_t segments = 0;  // 0 for an empty text
};

// The text must be UTF-8. One segment holds 160 septets or 70 units; of a longer text each holds 153 or 67, and neither an escaped
// character nor a surrogate pair is cut in two.
SmsCount count_sms(std::string_view text);

// Septets of one character in GSM-7: 1, 2, or 0 when it is not of that alphabet.
int gsm7_septets(char32_t c);

}  // namespace nudge
