// Keys: order kept, no field mistaken for another, everything read back.
#include "daemon/store/keys.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace nudge::daemon {

namespace {

using namespace std::string_literals;

// Texts that are apt to be confused: prefixes of each other, with zeros, with the bytes of the escape itself.
const std::vector<std::string> kTexts{"",     "\0"s,      "\0\0"s,    "\0\x01"s,    "\0\xff"s, "\x01",  "a",
                                      "a\0"s, "a\0\x01"s, "a\0\xff"s, "a\0\xff\0"s, "a\x01",   "a\xff", "aa",
                                      "ab",   "b",        "\xff",     "\xff\xff",   "张三",    "张三丰"};

}  // namespace

TEST_CASE("keys sort as their fields do") {
  using Fields = std::tuple<std::uint8_t, std::string, std::int64_t, std::string>;
  std::vector<Fields> all;
  for (const std::uint8_t slot : std::initializer_list<std::uint8_t>{0, 1, 127, 128, 255})
    for (const auto& text : kTexts)
      for (const std::int64_t number : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-256}, std::int64_t{-1}, std::int64_t{0},
                                        std::int64_t{1}, std::int64_t{255}, std::int64_t{256}, std::numeric_limits<std::int64_t>::max()})
        for (const std::string& last : {""s, "\0"s, "x"s}) all.emplace_back(slot, text, number, last);
  std::mt19937 random(7);
  std::size_t compared = 0;
  for (int i = 0; i < 200'000; ++i) {
    const Fields& a = all[random() % all.size()];
    const Fields& b = all[random() % all.size()];
    const auto key = [](const Fields& f) {
      return Key{}.u8(std::get<0>(f)).text(std::get<1>(f)).i64(std::get<2>(f)).raw(std::get<3>(f)).take();
    };
    if ((key(a) < key(b)) != (a < b) || (key(a) == key(b)) != (a == b)) FAIL("order differs for pair " << i);
    ++compared;
  }
  CHECK(compared == 200'000);
}

TEST_CASE("keys read back as they were built") {
  for (const auto& text : kTexts) {
    const std::string bytes = Key{}.u8(7).u16(0x1234).u32(0xdeadbeef).u64(1).i64(-5).text(text).text("next").raw("rest").take();
    KeyReader reader(bytes);
    CHECK(reader.u8() == 7);
    CHECK(reader.u16() == 0x1234);
    CHECK(reader.u32() == 0xdeadbeef);
    CHECK(reader.u64() == 1);
    CHECK(reader.i64() == -5);
    CHECK(reader.text() == text);
    CHECK(reader.text() == "next");
    CHECK(reader.raw() == "rest");
    CHECK(reader.complete());
    // Cut anywhere, it is bad or incomplete, never another value taken for whole.
    for (std::size_t cut = 0; cut < bytes.size() - 4; ++cut) {
      KeyReader part(std::string_view(bytes).substr(0, cut));
      part.u8(), part.u16(), part.u32(), part.u64(), part.i64(), part.text(), part.text();
      CHECK(part.bad());
    }
  }
}

TEST_CASE("one customer's keys are no prefix of another's") {
  for (const auto& a : kTexts)
    for (const auto& b : kTexts) {
      if (a == b) continue;
      CHECK_FALSE(customer_key(3, b).starts_with(customer_key(3, a)));
    }
  CHECK(customer_key(1, "z") < customer_key(2, "a"));
}

TEST_CASE("the end of a prefix is above all that starts with it and not above anything else") {
  CHECK(prefix_end("ab") == "ac");
  CHECK(prefix_end("a\xff") == "b");
  CHECK(prefix_end("\xff\xff").empty());
  CHECK(prefix_end("").empty());
  CHECK(prefix_end(slot_prefix(9)) == slot_prefix(10));
  CHECK(prefix_end(slot_prefix(255)).empty());
  for (const auto& text : kTexts) {
    const std::string key = customer_key(9, text);
    CHECK(key >= slot_prefix(9));
    CHECK(key < prefix_end(slot_prefix(9)));
  }
}

TEST_CASE("timers of a slot sort by due instant, also before 1970") {
  std::vector<std::string> keys{timer_key(4, 1'700'000'000'000, "a"), timer_key(4, -1, "zz"), timer_key(4, 0, "b"), timer_key(4, 0, "a"),
                                timer_key(3, std::numeric_limits<std::int64_t>::max(), "a")};
  std::ranges::sort(keys);
  std::vector<std::pair<std::int64_t, std::string>> order;
  for (const auto& key : keys) {
    const auto parts = parse_timer_key(key);
    REQUIRE(parts.has_value());
    order.emplace_back(parts->due_ms, parts->customer);
  }
  const std::vector<std::pair<std::int64_t, std::string>> expected{
      {std::numeric_limits<std::int64_t>::max(), "a"}, {-1, "zz"}, {0, "a"}, {0, "b"}, {1'700'000'000'000, "a"}};
  CHECK(order == expected);
}

TEST_CASE("keys of the wrong shape are refused") {
  CHECK_FALSE(parse_log_key("short").has_value());
  CHECK_FALSE(parse_log_key("much too long").has_value());
  CHECK(parse_log_key(log_key(42)) == 42);
  CHECK_FALSE(parse_customer_key("\x01"
                                 "abc")
                  .has_value());                                            // no end
  CHECK_FALSE(parse_customer_key(customer_key(1, "a") + "x").has_value());  // something after the end
  CHECK_FALSE(parse_customer_key("\x01"
                                 "a\0\x02"s)
                  .has_value());  // an escape that does not exist
  CHECK_FALSE(parse_timer_key(customer_key(1, "a")).has_value());
}

}  // namespace nudge::daemon
