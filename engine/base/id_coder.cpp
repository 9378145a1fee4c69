#include "engine/base/id_coder.h"

#include <algorithm>
#include <array>
#include <optional>

namespace nudge {
namespace {

// The first byte of an id. Below kSame: the length of a short one, whose bytes follow. Numbers are stored: append only.
constexpr std::uint8_t kSame = 0x80;    // as the one before
constexpr std::uint8_t kNumber = 0x81;  // as the one before, but for the digits at its end: the difference of the two numbers
constexpr std::uint8_t kHex = 0x82;     // 8-4-4-4-12 lower-case hexadecimal digits: 16 bytes
constexpr std::uint8_t kBase32 = 0x83;  // "g" and 13 characters, as intake gives them: 8 bytes, the highest first
constexpr std::uint8_t kLong = 0x84;    // a length and that many bytes

constexpr std::size_t kHexSize = 36;
constexpr std::size_t kBase32Size = 14;
constexpr std::string_view kBase32Digits = "0123456789abcdefghjkmnpqrstvwxyz";

bool is_dash(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool pack_hex(std::string_view id, std::array<char, 16>& out) {
  if (id.size() != kHexSize) return false;
  std::size_t digits = 0;
  int high = 0;
  for (std::size_t i = 0; i < kHexSize; ++i) {
    if (is_dash(i)) {
      if (id[i] != '-') return false;
      continue;
    }
    const int digit = hex_digit(id[i]);
    if (digit < 0) return false;
    if (digits % 2 == 0)
      high = digit;
    else
      out[digits / 2] = static_cast<char>(high * 16 + digit);
    ++digits;
  }
  return true;
}

void unpack_hex(Reader& in, std::string& out) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out.clear();
  for (std::size_t byte = 0; byte < 16; ++byte) {
    if (byte == 4 || byte == 6 || byte == 8 || byte == 10) out.push_back('-');
    const std::uint8_t v = in.u8();
    out.push_back(kDigits[v >> 4]);
    out.push_back(kDigits[v & 15]);
  }
}

std::optional<std::uint64_t> base32_number(std::string_view id) {
  static constexpr auto kValues = [] {
    std::array<std::int8_t, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < kBase32Digits.size(); ++i)
      values[static_cast<unsigned char>(kBase32Digits[i])] = static_cast<std::int8_t>(i);
    return values;
  }();
  if (id.size() != kBase32Size || id[0] != 'g') return std::nullopt;
  std::uint64_t number = 0;
  for (std::size_t i = 1; i < kBase32Size; ++i) {
    const int value = kValues[static_cast<unsigned char>(id[i])];
    if (value < 0 || (i == 1 && value > 15)) return std::nullopt;  // thirteen characters hold 65 bits
    number = number << 5 | static_cast<std::uint64_t>(value);
  }
  return number;
}

void unpack_base32(std::uint64_t number, std::string& out) {
  out.assign(kBase32Size, 'g');
  for (std::size_t i = kBase32Size - 1; i > 0; --i, number >>= 5) out[i] = kBase32Digits[number & 31];
}

}  // namespace

IdCoder::Numbered IdCoder::numbered(std::string_view id) {
  constexpr std::size_t kDigitsMax = 18;
  std::size_t head = id.size();
  while (head > 0 && id.size() - head < kDigitsMax && id[head - 1] >= '0' && id[head - 1] <= '9') --head;
  std::uint64_t number = 0;
  for (std::size_t i = head; i < id.size(); ++i) number = number * 10 + static_cast<std::uint64_t>(id[i] - '0');
  return {head, number};
}

void IdCoder::write(Writer& out, std::string_view id) {
  if (plain_) return out.string(id);
  if (!last_.empty() && id == last_) return out.u8(kSame);
  const Numbered now = numbered(id);
  const Numbered before = last_number_;
  const bool alike =
      last_.size() == id.size() && before.head == now.head && now.head < id.size() && last_.starts_with(id.substr(0, now.head));
  last_ = id;
  last_number_ = now;
  if (alike) {
    out.u8(kNumber);
    return out.svarint(static_cast<std::int64_t>(now.number - before.number));
  }
  std::array<char, 16> hex;
  if (pack_hex(id, hex)) {
    out.u8(kHex);
    out.raw({hex.data(), hex.size()});
  } else if (const auto number = base32_number(id)) {
    out.u8(kBase32);
    for (int shift = 56; shift >= 0; shift -= 8) out.u8(static_cast<std::uint8_t>(*number >> shift));
  } else {
    if (id.size() >= kSame) out.u8(kLong);
    out.string(id);
  }
}

std::string_view IdCoder::read(Reader& in) {
  if (plain_) return in.string();
  const std::uint8_t how = in.u8();
  if (how == kSame) return last_;
  if (how == kNumber) {
    last_number_.number += static_cast<std::uint64_t>(in.svarint());
    std::uint64_t left = last_number_.number;
    for (std::size_t i = last_.size(); i > last_number_.head; --i, left /= 10) last_[i - 1] = static_cast<char>('0' + left % 10);
    if (left != 0) in.spoil();
    return last_;
  }
  if (how == kHex) {
    unpack_hex(in, last_);
  } else if (how == kBase32) {
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | in.u8();
    unpack_base32(number, last_);
  } else if (how == kLong) {
    last_ = in.string();
  } else if (how < kSame) {
    last_ = in.bytes(how);
  } else {
    in.spoil();
  }
  last_number_ = numbered(last_);
  return last_;
}

}  // namespace nudge
