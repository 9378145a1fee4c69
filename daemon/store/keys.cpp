#include "daemon/store/keys.h"

#include <utility>

namespace nudge::daemon {

namespace {
constexpr char kZero = '\x00';
constexpr char kEscaped = '\xff';
constexpr char kEnd = '\x01';
}  // namespace

Key& Key::text(std::string_view v) {
  std::size_t start = 0;
  for (std::size_t zero = v.find(kZero); zero != std::string_view::npos; zero = v.find(kZero, start)) {
    bytes_.append(v.substr(start, zero + 1 - start)).push_back(kEscaped);
    start = zero + 1;
  }
  bytes_.append(v.substr(start)).push_back(kZero);
  bytes_.push_back(kEnd);
  return *this;
}

std::uint64_t KeyReader::big_endian(std::size_t width) {
  if (left_.size() < width) {
    bad_ = true;
    left_ = {};
    return 0;
  }
  std::uint64_t v = 0;
  for (const char c : left_.substr(0, width)) v = v << 8 | static_cast<std::uint8_t>(c);
  left_.remove_prefix(width);
  return v;
}

std::string KeyReader::text() {
  std::string out;
  for (;;) {
    const std::size_t zero = left_.find(kZero);
    if (zero == std::string_view::npos || zero + 1 >= left_.size()) break;
    const char mark = left_[zero + 1];
    out.append(left_.substr(0, zero));
    left_.remove_prefix(zero + 2);
    if (mark == kEnd) return out;
    if (mark != kEscaped) break;
    out.push_back(kZero);
  }
  bad_ = true;
  left_ = {};
  return {};
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::string log_key(std::uint64_t sequence) { return Key{}.u64(sequence).take(); }

std::optional<std::uint64_t> parse_log_key(std::string_view key) {
  KeyReader reader(key);
  const std::uint64_t sequence = reader.u64();
  if (!reader.complete()) return std::nullopt;
  return sequence;
}

std::string slot_prefix(std::uint8_t slot) { return Key{}.u8(slot).take(); }

std::string customer_key(std::uint8_t slot, std::string_view customer) { return Key{}.u8(slot).text(customer).take(); }

std::optional<CustomerKey> parse_customer_key(std::string_view key) {
  KeyReader reader(key);
  CustomerKey parts;
  parts.slot = reader.u8();
  parts.customer = reader.text();
  if (!reader.complete()) return std::nullopt;
  return parts;
}

std::string timer_key(std::uint8_t slot, std::int64_t due_ms, std::string_view customer) {
  return Key{}.u8(slot).i64(due_ms).text(customer).take();
}

std::optional<TimerKey> parse_timer_key(std::string_view key) {
  KeyReader reader(key);
  TimerKey parts;
  parts.slot = reader.u8();
  parts.due_ms = reader.i64();
  parts.customer = reader.text();
  if (!reader.complete()) return std::nullopt;
  return parts;
}

}  // namespace nudge::daemon
