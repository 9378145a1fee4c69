#include "engine/base/decimal.h"

#include <bit>
#include <cmath>
#include <limits>

namespace nudge {
namespace {

__extension__ typedef unsigned __int128 UInt128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::unexpected<Error> bad(std::string_view text, std::string_view why) {
  constexpr std::size_t kShown = 40;
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown) shown += "…";
  return fail(Code::invalid, "\"" + shown + "\" is no decimal: " + std::string(why));
}

// What a double is made of: (-1)^negative * mantissa * 2^(position - 1074).
struct Parts {
  std::uint64_t mantissa;
  unsigned position;
  bool negative;
};

Parts split(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto exponent = static_cast<unsigned>((bits >> 52) & 0x7ff);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  if (exponent == 0) return {fraction, 0, (bits >> 63) != 0};
  return {fraction | (std::uint64_t{1} << 52), exponent - 1, (bits >> 63) != 0};
}

// Adds magnitude * 2^position (in units of 2^-1074) into limbs of 32 bits without carrying.
void add_at(std::int64_t* limbs, UInt128 magnitude, unsigned position, bool negative) {
  unsigned limb = position / 32;
  const unsigned shift = position % 32;
  // The lowest piece first, cut at a limb's border; then whole limbs.
  std::uint64_t piece = (static_cast<std::uint64_t>(magnitude) << shift) & 0xffffffffU;
  magnitude >>= 32 - shift;
  for (;;) {
    limbs[limb] += negative ? -static_cast<std::int64_t>(piece) : static_cast<std::int64_t>(piece);
    if (magnitude == 0) return;
    ++limb;
    piece = static_cast<std::uint64_t>(magnitude) & 0xffffffffU;
    magnitude >>= 32;
  }
}

// Carries, so that every limb but the last lies in 0 … 2^32 - 1; the last has the sign.
void carry(std::int64_t* limbs, int n) {
  std::int64_t over = 0;
  for (int i = 0; i < n - 1; ++i) {
    const std::int64_t v = limbs[i] + over;
    limbs[i] = v & 0xffffffff;
    over = v >> 32;
  }
  limbs[n - 1] += over;
}

int sign_of(const std::int64_t* limbs, int n) {
  if (limbs[n - 1] != 0) return limbs[n - 1] < 0 ? -1 : 1;
  for (int i = n - 2; i >= 0; --i) {
    if (limbs[i] != 0) return 1;
  }
  return 0;
}

}  // namespace

Result<Decimal> Decimal::parse(std::string_view text) {
  std::size_t pos = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++pos;
  // Digits without leading zeros; `scale` of them stand after the point.
  std::string digits;
  std::int64_t scale = 0;
  const std::size_t whole = pos;
  for (; pos < text.size() && is_digit(text[pos]); ++pos) digits += text[pos];
  if (pos == whole) return bad(text, "it must start with a digit");
  if (text[whole] == '0' && pos - whole > 1) return bad(text, "it must not start with needless zeros");
  if (pos < text.size() && text[pos] == '.') {
    const std::size_t point = ++pos;
    for (; pos < text.size() && is_digit(text[pos]); ++pos) digits += text[pos];
    if (pos == point) return bad(text, "digits must follow the point");
    scale = static_cast<std::int64_t>(pos - point);
  }
  if (pos < text.size() && (text[pos] == 'e' || text[pos] == 'E')) {
    ++pos;
    const bool down = pos < text.size() && text[pos] == '-';
    if (pos < text.size() && (text[pos] == '-' || text[pos] == '+')) ++pos;
    const std::size_t start = pos;
    std::int64_t exponent = 0;
    for (; pos < text.size() && is_digit(text[pos]); ++pos) {
      if (exponent < 1'000'000'000'000) exponent = exponent * 10 + (text[pos] - '0');
    }
    if (pos == start) return bad(text, "digits must follow the e");
    scale += down ? exponent : -exponent;
  }
  if (pos != text.size()) return bad(text, "it may hold only digits, one point, a minus in front and an exponent");

  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  const std::size_t last = digits.find_last_not_of('0');
  scale -= static_cast<std::int64_t>(digits.size() - 1 - last);
  digits = digits.substr(first, last - first + 1);
  if (scale > 6) return bad(text, "it has more than 6 digits after the point, and a value is never rounded");
  if (static_cast<std::int64_t>(digits.size()) - scale > 12) return bad(text, "it has more than 12 digits before the point");
  std::int64_t units = 0;
  for (const char c : digits) units = units * 10 + (c - '0');
  for (std::int64_t i = scale; i < 6; ++i) units *= 10;
  return Decimal{negative ? -units : units};
}

std::string format_units(Int128 units) {
  const bool negative = units < 0;
  UInt128 rest = negative ? -static_cast<UInt128>(units) : static_cast<UInt128>(units);
  std::string fraction;
  for (int i = 0; i < 6; ++i, rest /= 10) {
    const char digit = static_cast<char>('0' + static_cast<int>(rest % 10));
    if (digit != '0' || !fraction.empty()) fraction.insert(fraction.begin(), digit);
  }
  std::string whole;
  do {
    whole.insert(whole.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  std::string out = negative ? "-" : "";
  out += whole;
  if (!fraction.empty()) out.append(".").append(fraction);
  return out;
}

std::string format_decimal(Decimal d) { return format_units(d.units); }

void ExactSum::add(double x) {
  const Parts p = split(x);
  if (p.mantissa == 0) return;
  add_at(limbs_, p.mantissa, p.position, p.negative);
  if (++pending_ == (1U << 30)) normalize();
}

void ExactSum::normalize() const {
  carry(limbs_, kLimbs);
  pending_ = 0;
}

int ExactSum::compare(double bound, std::int64_t factor) const {
  normalize();
  const Parts p = split(bound);
  std::int64_t rest[kLimbs];
  for (int i = 0; i < kLimbs; ++i) rest[i] = limbs_[i];
  const auto size = factor < 0 ? -static_cast<std::uint64_t>(factor) : static_cast<std::uint64_t>(factor);
  add_at(rest, static_cast<UInt128>(p.mantissa) * size, p.position, p.negative == (factor < 0));
  // p.negative == (factor < 0) means that the product is positive, so it was taken away.
  carry(rest, kLimbs);
  return sign_of(rest, kLimbs);
}

double ExactSum::value() const {
  normalize();
  const int sign = sign_of(limbs_, kLimbs);
  if (sign == 0) return 0.0;
  std::int64_t magnitude[kLimbs];
  for (int i = 0; i < kLimbs; ++i) magnitude[i] = sign < 0 ? -limbs_[i] : limbs_[i];
  carry(magnitude, kLimbs);

  int top = kLimbs - 1;
  while (magnitude[top] == 0) --top;
  const int high = top * 32 + 63 - std::countl_zero(static_cast<std::uint64_t>(magnitude[top]));  // the highest bit that is set
  const auto bit = [&](int i) { return (static_cast<std::uint64_t>(magnitude[i / 32]) >> (i % 32)) & 1U; };
  const int low = high > 52 ? high - 52 : 0;
  std::uint64_t mantissa = 0;
  for (int i = high; i >= low; --i) mantissa = mantissa << 1 | bit(i);
  if (low > 0 && bit(low - 1) != 0) {
    bool sticky = (mantissa & 1U) != 0;
    for (int i = low - 2; i >= 0 && !sticky; --i) sticky = bit(i) != 0;
    if (sticky) ++mantissa;
  }
  double v = std::ldexp(static_cast<double>(mantissa), low - 1074);
  // A sum of finite numbers is finite.
  if (std::isinf(v)) v = std::numeric_limits<double>::max();
  return sign < 0 ? -v : v;
}

}  // namespace nudge
