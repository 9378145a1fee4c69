#include "engine/base/sms.h"

#include <unicode/utf8.h>

#include <cstdint>

namespace nudge {
namespace {

// The default alphabet beyond ASCII, and what of ASCII it has.
constexpr std::u32string_view kBasic =
    U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
constexpr std::u32string_view kExtension = U"\f^{}\\[~]|€";

// Each character of the text as a code point.
template <class F>
void each_character(std::string_view text, F&& f) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto size = static_cast<std::int32_t>(text.size());
  std::int32_t at = 0;
  while (at < size) {
    UChar32 c = 0;
    U8_NEXT(bytes, at, size, c);
    f(static_cast<char32_t>(c < 0 ? 0xfffd : c));
  }
}

// Fills segments one after the other with characters that are not cut.
class Filler {
 public:
  explicit Filler(std::size_t room) : room_(room) {}
  void put(std::size_t units) {
    if (segments_ == 0 || used_ + units > room_) {
      ++segments_;
      used_ = 0;
    }
    used_ += units;
  }
  std::size_t segments() const { return segments_; }

 private:
  std::size_t room_, used_ = 0, segments_ = 0;
};

}  // namespace

int gsm7_septets(char32_t c) {
  if ((c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9') || c == U' ') return 1;
  if (kBasic.find(c) != std::u32string_view::npos) return 1;
  return kExtension.find(c) != std::u32string_view::npos ? 2 : 0;
}

SmsCount count_sms(std::string_view text) {
  SmsCount count;
  std::size_t septets = 0;
  std::size_t wide = 0;
  each_character(text, [&](char32_t c) {
    const int n = gsm7_septets(c);
    if (n == 0) count.gsm7 = false;
    septets += static_cast<std::size_t>(n);
    wide += c > 0xffff ? 2 : 1;
  });
  count.units = count.gsm7 ? septets : wide;
  if (count.units == 0) return count;
  if (count.units <= (count.gsm7 ? 160U : 70U)) {
    count.segments = 1;
    return count;
  }
  Filler filler(count.gsm7 ? 153 : 67);
  each_character(text, [&](char32_t c) {
    filler.put(count.gsm7 ? static_cast<std::size_t>(gsm7_septets(c)) : c > 0xffff ? 2U : 1U);
  });
  count.segments = filler.segments();
  return count;
}

}  // namespace nudge
