// Bytes in and out: little-endian varints and length-prefixed strings, for records on disk. A reader never reads past its end: after the
// first failure it is `bad()` and every later read answers zero, so that a decoder checks once at the end.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace nudge {

// Appends to a string. In its raw mode, for records that are made by the million, it keeps room ahead in the string and writes there without
// asking the string each time: then nobody else may look at the string until finish().
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { finish(); }

  // Raw mode from here on, until finish().
  void start_raw() {
    if (p_ == nullptr) make_room(out_.size(), kRawBytes);
  }
  void finish() {
    if (p_ == nullptr) return;
    out_.resize(static_cast<std::size_t>(p_ - out_.data()));
    p_ = end_ = nullptr;
  }

  void u8(std::uint8_t v) {
    if (p_ == nullptr) return out_.push_back(static_cast<char>(v));
    *room(1) = static_cast<char>(v);
    ++p_;
  }
  void varint(std::uint64_t v) {
    if (p_ != nullptr) {
      char* p = room(kVarintBytes);
      for (; v >= 0x80; v >>= 7) *p++ = static_cast<char>(v | 0x80);
      *p++ = static_cast<char>(v);
      p_ = p;
      return;
    }
    if (v < 0x80) return out_.push_back(static_cast<char>(v));
    char bytes[kVarintBytes];
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
    raw({bytes, 8});
  }
  void f64(double v) { fixed64(std::bit_cast<std::uint64_t>(v)); }
  void string(std::string_view s) {
    varint(s.size());
    raw(s);
  }
  // As they are; the reader knows how many.
  void raw(std::string_view bytes) {
    if (p_ == nullptr) {
      out_.append(bytes);
    } else if (!bytes.empty()) {
      std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
      p_ += bytes.size();
    }
  }

 private:
  static constexpr std::size_t kVarintBytes = 10;
  static constexpr std::size_t kRawBytes = 512;

  // Where at least n bytes can be written.
  char* room(std::size_t n) {
    if (static_cast<std::size_t>(end_ - p_) < n) make_room(static_cast<std::size_t>(p_ - out_.data()), n);
    return p_;
  }
  void make_room(std::size_t used, std::size_t n) {
    const std::size_t size = std::max(used + n, 2 * used);
    out_.resize(size);
    p_ = out_.data() + used;
    end_ = out_.data() + size;
  }

  std::string& out_;
  char* p_ = nullptr;  // raw: where the next byte goes; null: not raw
  char* end_ = nullptr;
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
