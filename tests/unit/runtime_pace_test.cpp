// Rates, pauses, the breaker and the queue in front of a connector: time from outside, every number exact.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "daemon/runtime/fair_queue.h"
#include "daemon/runtime/pace.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

// When `count` of them go, one after the other as soon as each may.
std::vector<TimeMs> goes(Account& account, TimeMs now, int count) {
  std::vector<TimeMs> out;
  for (int i = 0; i < count; ++i) {
    now = account.next(now);
    account.take(now);
    out.push_back(now);
  }
  return out;
}

FairQueue::Entry entry(std::uint64_t number, RuleId rule = 1, std::int32_t priority = 50, std::uint64_t customer = 0) {
  return {"id" + std::to_string(number), rule, priority, number, customer == 0 ? number : customer};
}

std::vector<std::uint64_t> numbers(FairQueue& queue, TimeMs now, std::size_t most = 1000) {
  std::vector<std::uint64_t> out;
  while (out.size() < most) {
    const auto one = queue.take(now);
    if (!one) break;
    out.push_back(one->number);
  }
  return out;
}

}  // namespace

TEST_CASE("a rate lets through so many in so long, and never more") {
  Account account({{{20, kMinute}}, 0});
  CHECK(goes(account, 1000, 4) == std::vector<TimeMs>{1000, 4000, 7000, 10'000});
  CHECK(account.next(100'000) == 100'000);  // after a pause: the burst, which is one here
  account.take(100'000);
  CHECK(account.next(100'000) == 103'000);
}

TEST_CASE("a burst goes at once after a pause, and not at the start: a restart is no way around a rate") {
  Account account({{{10, kSecond}}, 5});
  CHECK(goes(account, 0, 3) == std::vector<TimeMs>{0, 100, 200});
  CHECK(goes(account, 10'000, 7) == std::vector<TimeMs>{10'000, 10'000, 10'000, 10'000, 10'000, 10'100, 10'200});
}

TEST_CASE("of two rates both hold") {
  Account account({{{10, kSecond}, {12, kMinute}}, 10});
  std::vector<TimeMs> at = goes(account, kHour, 12);
  for (std::size_t i = 1; i < at.size(); ++i) CHECK(at[i] - at[i - 1] == 5000);  // both begin with one: the slower one shows
}

TEST_CASE("in no window of a rate's time do more go than its count and its burst, whatever the pauses") {
  Account account({{{7, kSecond}}, 3});
  std::vector<TimeMs> at;
  TimeMs now = 50;
  for (int i = 0; i < 500; ++i) {
    now = account.next(now + (i % 13 == 0 ? 777 : 0));
    account.take(now);
    at.push_back(now);
  }
  for (std::size_t i = 0; i + 10 < at.size(); ++i) CHECK(at[i + 10] - at[i] >= kSecond);
}

TEST_CASE("no rate: no limit") {
  Account account({});
  CHECK(account.next(5) == 5);
  CHECK(account.window(8) == 8);
}

TEST_CASE("what the provider asks for is kept, up to an hour; without a number the pauses double") {
  Account account({});
  account.throttled(1000, 30'000, 4);
  CHECK(account.next(1000) == 31'000);
  account.throttled(31'000, 1'000'000'000, 4);
  CHECK(account.next(31'000) == 31'000 + kHour);
  Account silent({});
  silent.throttled(0, 0, 1);
  CHECK(silent.next(0) == 1000);
  silent.throttled(500, 0, 1);  // another answer of the same moment
  CHECK(silent.next(500) == 1000);
  silent.throttled(1000, 0, 1);
  CHECK(silent.next(1000) == 3000);
  silent.throttled(3000, 0, 1);
  CHECK(silent.next(3000) == 7000);
  silent.good();
  silent.throttled(7000, 0, 1);
  CHECK(silent.next(7000) == 8000);
}

TEST_CASE("after each 429 half as many go at once, and it grows back by one a round") {
  Account account({});
  CHECK(account.window(16) == 16);
  account.throttled(0, 1000, 16);
  CHECK(account.window(16) == 8);
  account.throttled(500, 1000, 15);  // of the same round
  CHECK(account.window(16) == 8);
  account.throttled(2000, 1000, 8);
  CHECK(account.window(16) == 4);
  for (int i = 0; i < 5; ++i) account.good();
  CHECK(account.window(16) == 5);
  for (int i = 0; i < 5; ++i) account.throttled(10'000 + i * 10'000, 1000, 1);
  CHECK(account.window(16) == 1);
}

TEST_CASE("the breaker: open after failures in a row, one probe, twice the pause when it fails") {
  Breaker breaker({3, 1000, 5000});
  breaker.bad(0);
  breaker.bad(10);
  breaker.good();
  breaker.bad(20);
  breaker.bad(30);
  CHECK(breaker.allowed(30, 8) == 8);
  breaker.bad(40);
  CHECK(breaker.state(40) == Breaker::State::open);
  CHECK(breaker.allowed(1039, 8) == 0);
  CHECK(breaker.allowed(1040, 8) == 1);
  CHECK(breaker.state(1040) == Breaker::State::half_open);
  breaker.bad(1040);
  CHECK(breaker.until() == 3040);
  breaker.bad(1050);  // one that was under way
  CHECK(breaker.until() == 3040);
  breaker.bad(3040);
  CHECK(breaker.until() == 7040);
  breaker.bad(7040);
  CHECK(breaker.until() == 12'040);  // the longest pause
  CHECK(breaker.opened() == 4);
  breaker.good();
  CHECK(breaker.allowed(7041, 8) == 8);
  breaker.bad(8000, true);  // a wrong password: at once, and the pauses begin anew
  CHECK(breaker.until() == 9000);
}

TEST_CASE("0 failures: no breaker") {
  Breaker breaker({0, 1000, 1000});
  for (int i = 0; i < 100; ++i) breaker.bad(i, true);
  CHECK(breaker.allowed(100, 8) == 8);
}

TEST_CASE("rules take turns: one with many does not keep another's one waiting") {
  FairQueue queue;
  for (std::uint64_t n = 1; n <= 1000; ++n) queue.put(0, entry(n, 1));
  queue.put(0, entry(2000, 2));
  queue.put(0, entry(2001, 3));
  CHECK(numbers(queue, 0, 6) == std::vector<std::uint64_t>{1, 2000, 2001, 2, 3, 4});
  CHECK(queue.size() == 996);
}

TEST_CASE("a higher priority goes first, and a lower one still gets every eighth place") {
  FairQueue queue;
  for (std::uint64_t n = 1; n <= 20; ++n) queue.put(0, entry(n, 1, 10));
  for (std::uint64_t n = 101; n <= 140; ++n) queue.put(0, entry(n, 2, 90));
  const std::vector<std::uint64_t> got = numbers(queue, 0, 16);
  int low = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] >= 100) continue;
    ++low;
    CHECK(i % 8 == 7);
  }
  CHECK(low == 2);
}

TEST_CASE("time decides first, and what is put again goes at the time said last") {
  FairQueue queue;
  queue.put(100, entry(1));
  queue.put(50, entry(2));
  CHECK(queue.next(0) == 50);
  CHECK(!queue.take(49));
  CHECK(numbers(queue, 60) == std::vector<std::uint64_t>{2});
  queue.put(500, entry(1));
  CHECK(queue.next(100) == 500);
  CHECK(queue.size() == 1);
  CHECK(numbers(queue, 500) == std::vector<std::uint64_t>{1});
  CHECK(queue.next(500) == kNever);
}

TEST_CASE("in order: a customer's next one waits for the outcome of the one before, others do not") {
  FairQueue queue;
  queue.set_ordered(true);
  for (std::uint64_t n = 1; n <= 3; ++n) queue.put(0, entry(n, 1, 50, 7));
  queue.put(0, entry(4, 1, 50, 8));
  CHECK(numbers(queue, 0) == std::vector<std::uint64_t>{1, 4});
  CHECK(queue.size() == 2);
  queue.put(100, entry(1, 1, 50, 7));  // it is tried again later: the others stay behind it
  CHECK(numbers(queue, 50).empty());
  CHECK(numbers(queue, 100) == std::vector<std::uint64_t>{1});
  queue.done(entry(1, 1, 50, 7));
  CHECK(numbers(queue, 100) == std::vector<std::uint64_t>{2});
  queue.done(entry(2, 1, 50, 7));
  queue.done(entry(4, 1, 50, 8));
  CHECK(numbers(queue, 100) == std::vector<std::uint64_t>{3});
  queue.done(entry(3, 1, 50, 7));
  CHECK(queue.size() == 0);
}

TEST_CASE("in order, after a restart: what was under way keeps the later ones back, whatever the order they are read in") {
  FairQueue queue;
  queue.set_ordered(true);
  queue.put(0, entry(9, 1, 50, 7));
  queue.put(0, entry(8, 1, 50, 7));
  queue.expect(entry(5, 1, 50, 7));
  CHECK(numbers(queue, 0).empty());
  queue.done(entry(5, 1, 50, 7));
  CHECK(numbers(queue, 0) == std::vector<std::uint64_t>{8});
  queue.done(entry(8, 1, 50, 7));
  CHECK(numbers(queue, 0) == std::vector<std::uint64_t>{9});
}
