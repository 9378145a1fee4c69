// Keys on disk. Bytes compare (memcmp) as the values do, field by field, and no field is confused with the start of a longer one:
// integers are big-endian of fixed width (signed ones with the sign bit flipped), texts are escaped and ended.
// What is kept by customer starts with the slot, so that a slot is one contiguous range. Pure functions, no shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nudge::daemon {

// Builds a key: Key{}.u8(slot).i64(due_ms).text(customer).take()
class Key {
 public:
  Key& u8(std::uint8_t v) { return big_endian(v, 1); }
  Key& u16(std::uint16_t v) { return big_endian(v, 2); }
  Key& u32(std::uint32_t v) { return big_endian(v, 4); }
  Key& u64(std::uint64_t v) { return big_endian(v, 8); }
  Key& i64(std::int64_t v) { return big_endian(static_cast<std::uint64_t>(v) ^ (std::uint64_t{1} << 63), 8); }
  // Any bytes: 00 becomes 00 ff, and 00 01 ends the text. So "a" sorts before "a\0" and before "ab", whatever field follows.
  Key& text(std::string_view v);
  // As they are, without an end; only as the last field or with a width that both sides know.
  Key& raw(std::string_view v) {
    bytes_.append(v);
    return *this;
  }

  std::string_view view() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  Key& big_endian(std::uint64_t v, int width) {
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) bytes_.push_back(static_cast<char>(v >> shift));
    return *this;
  }
  std::string bytes_;
};

// Takes a key apart in the order it was built. After the first mismatch it is bad() and answers zeros, so that a reader checks once at the
// end.
class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : left_(key) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64() { return big_endian(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(big_endian(8) ^ (std::uint64_t{1} << 63)); }
  std::string text();
  // Everything that is left.
  std::string_view raw() { return std::exchange(left_, {}); }

  bool bad() const { return bad_; }
  // True when all fields were read and none was wrong.
  bool complete() const { return !bad_ && left_.empty(); }

 private:
  std::uint64_t big_endian(std::size_t width);
  std::string_view left_;
  bool bad_ = false;
};

// The smallest key above every key that starts with `prefix`: the `to` of a scan over the prefix. Empty (= no upper end) if there is none.
std::string prefix_end(std::string_view prefix);

// Family::log: the sequence.
std::string log_key(std::uint64_t sequence);
std::optional<std::uint64_t> parse_log_key(std::string_view key);

// Family::customer: slot, customer.
std::string customer_key(std::uint8_t slot, std::string_view customer);
struct CustomerKey {
  std::uint8_t slot = 0;
  std::string customer;
};
std::optional<CustomerKey> parse_customer_key(std::string_view key);
// Everything of one slot, in any family keyed by slot first.
std::string slot_prefix(std::uint8_t slot);

// Family::timer: slot, due instant (milliseconds since 1970), customer; a scan of a slot gives the timers in due order.
std::string timer_key(std::uint8_t slot, std::int64_t due_ms, std::string_view customer);
struct TimerKey {
  std::uint8_t slot = 0;
  std::int64_t due_ms = 0;
  std::string customer;
};
std::optional<TimerKey> parse_timer_key(std::string_view key);

}  // namespace nudge::daemon
