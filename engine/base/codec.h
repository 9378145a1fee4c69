// Bytes in and out: little-endian varints and length-prefixed strings, for records on disk. A reader never reads past its end: after the
// first failure it is `bad()` and every later read answers zero, so that a decoder checks once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace nudge {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void varint(std::uint64_t v) {
    if (v < 0x80) return out_.push_back(static_cast<char>(v));
    char bytes[10];
    std::size_t n = 0;
    for (; v >= 0x80; v >>= 7) bytes[n++] = static_cast<char>(v | 0x80);
    bytes[n++] = static_cast<char>(v);
    out_.append(bytes, n);
  }
  // Zig-zag, so that small negative numbers stay small.
  void svarint(std::int64_t v) { varint((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63)); }
  void fixed64(std::uint64_t v) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(v >> (8 * i));
    out_.append(bytes, 8);
  }
  void f64(double v) { fixed64(std::bit_cast<std::uint64_t>(v)); }
  void string(std::string_view s) {
    varint(s.size());
    out_.append(s);
  }
  // As they are; the reader knows how many.
  void raw(std::string_view bytes) { out_.append(bytes); }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : p_(in.data()), end_(in.data() + in.size()) {}
  bool bad() const { return bad_; }
  bool at_end() const { return p_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - p_); }
  std::uint8_t u8() {
    if (p_ == end_) {
      bad_ = true;
      return 0;
    }
    return static_cast<std::uint8_t>(*p_++);
  }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) break;
      const auto byte = static_cast<std::uint8_t>(*p_++);
      v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    bad_ = true;
    p_ = end_;
    return 0;
  }
  std::int64_t svarint() {
    const std::uint64_t v = varint();
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
  }
  std::uint64_t fixed64() {
    if (left() < 8) {
      bad_ = true;
      p_ = end_;
      return 0;
    }
    std::uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p_[i])) << (8 * i);
    p_ += 8;
    return v;
  }
  double f64() { return std::bit_cast<double>(fixed64()); }
  // A view into the input.
  std::string_view string() { return bytes(varint()); }
  // The next n bytes, as they are.
  std::string_view bytes(std::uint64_t n) {
    if (n > left()) {
      spoil();
      return {};
    }
    std::string_view s(p_, static_cast<std::size_t>(n));
    p_ += n;
    return s;
  }
  // What was read makes no sense: from here on everything is bad.
  void spoil() {
    bad_ = true;
    p_ = end_;
  }

 private:
  const char* p_;
  const char* end_;
  bool bad_ = false;
};

}  // namespace nudge
