// What follows an attempt (docs/delivery.md), as pure functions.
#include <doctest/doctest.h>

#include <set>

#include "daemon/runtime/delivery_policy.h"

using namespace nudge;
using namespace nudge::daemon;
using connectors::Outcome;
using connectors::OutcomeStatus;

namespace {

constexpr TimeMs kNow = 5000;

ActionRecord record_of(OnUnknown word = OnUnknown::by_connector) {
  ActionRecord r;
  r.action.id = hash128("c");
  r.action.customer = "c";
  r.action.at = 1000;
  r.action.on_unknown = word;
  r.tries = 1;
  r.sent_at = r.first_sent_at = 4000;
  return r;
}

Help help(Help::Idempotency idempotency, bool retry = false) { return {idempotency, retry, idempotency == Help::Idempotency::query}; }
const Help kNoHelp = help(Help::Idempotency::none), kKey = help(Help::Idempotency::key), kQuery = help(Help::Idempotency::query),
           kMild = help(Help::Idempotency::none, true);

NextStep after(const ActionRecord& r, Outcome outcome, const Help& h = kNoHelp, const LaneOptions& options = {}, TimeMs now = kNow) {
  return next_step(r, outcome, h, options, now);
}

}  // namespace

TEST_CASE("what follows an attempt") {
  const LaneOptions options;
  ActionRecord r = record_of();
  CHECK(after(r, {.status = OutcomeStatus::accepted}).state == ActionState::accepted);
  CHECK(after(r, {.status = OutcomeStatus::not_sent}).state == ActionState::dead);
  const NextStep again = after(r, {.status = OutcomeStatus::not_sent, .retryable = true});
  CHECK(again.state == ActionState::retrying);
  CHECK_FALSE(again.perhaps);
  CHECK(again.next_at >= kNow + options.retry_first / 2);
  CHECK(again.next_at <= kNow + options.retry_first);
  CHECK(after(r, {.status = OutcomeStatus::not_sent, .retryable = true, .retry_after_ms = 90'000}).next_at == kNow + 90'000);
  CHECK(after(r, {.status = OutcomeStatus::bad_config}).state == ActionState::retrying);
  CHECK(after(r, {.status = OutcomeStatus::bad_config}, kNoHelp, options, r.action.at + options.age_most).state == ActionState::dead);
  r.tries = options.tries_most;
  CHECK(after(r, {.status = OutcomeStatus::not_sent, .retryable = true}).state == ActionState::dead);
  CHECK(after(r, {.status = OutcomeStatus::unknown}, kKey).state == ActionState::unknown);
}

TEST_CASE("after unknown: the rule's word, else the connector's, else what the channel makes sensible") {
  const Outcome silent{.status = OutcomeStatus::unknown};
  const ActionRecord r = record_of();
  CHECK(after(r, silent).state == ActionState::unknown);
  CHECK(after(r, silent, kKey).state == ActionState::retrying);
  CHECK_FALSE(after(r, silent, kKey).query);
  CHECK(after(r, silent, kMild).state == ActionState::retrying);
  CHECK(after(r, silent, kQuery).query);
  LaneOptions hold;
  hold.on_unknown = OnUnknown::hold;
  for (const Help& h : {kNoHelp, kKey, kQuery, kMild}) {
    CHECK(after(r, silent, h, hold).state == ActionState::unknown);
    CHECK(after(record_of(OnUnknown::hold), silent, h).state == ActionState::unknown);
    const NextStep again = after(record_of(OnUnknown::retry), silent, h, hold);
    CHECK(again.state == ActionState::retrying);
    CHECK_FALSE(again.query);
    CHECK(again.perhaps);
  }
  // A word that the connector can't keep becomes the next safer one.
  CHECK(after(record_of(OnUnknown::verify), silent, kQuery).query);
  CHECK(after(record_of(OnUnknown::verify), silent, kKey).state == ActionState::retrying);
  CHECK(after(record_of(OnUnknown::verify), silent, kNoHelp).state == ActionState::unknown);
  CHECK(after(record_of(OnUnknown::verify), silent, kMild).state == ActionState::unknown);
}

TEST_CASE("verify: what the provider has is accepted; what it does not have is sent again, but not before it had time to arrive") {
  LaneOptions options;
  options.settle = 60'000;
  ActionRecord r = record_of(OnUnknown::verify);
  r.ask = r.perhaps = true;
  const Outcome absent{.status = OutcomeStatus::not_sent};
  CHECK(after(r, {.status = OutcomeStatus::accepted}, kQuery, options).state == ActionState::accepted);
  const NextStep early = after(r, absent, kQuery, options, r.sent_at + 59'999);
  CHECK(early.query);
  CHECK(early.perhaps);
  CHECK(early.state == ActionState::retrying);
  CHECK(early.next_at >= r.sent_at + 60'000);
  const NextStep late = after(r, absent, kQuery, options, r.sent_at + 60'000);
  CHECK(late.state == ActionState::retrying);
  CHECK_FALSE(late.query);
  CHECK_FALSE(late.perhaps);  // now it is known not to have arrived: policies are asked again, and it may still die
  const NextStep unclear = after(r, {.status = OutcomeStatus::unknown}, kQuery, options);
  CHECK(unclear.query);
  r.tries = options.tries_most;
  CHECK(after(r, {.status = OutcomeStatus::unknown}, kQuery, options).state == ActionState::unknown);
  CHECK(after(r, absent, kQuery, options).state == ActionState::unknown);
  CHECK(after(r, {.status = OutcomeStatus::bad_config}, kQuery, options).query);
}

TEST_CASE("what may have arrived is never called dead") {
  const LaneOptions options;
  ActionRecord r = record_of();
  r.perhaps = true;
  const NextStep refused = after(r, {.status = OutcomeStatus::not_sent, .detail = "no such number"}, kKey);
  CHECK(refused.state == ActionState::unknown);
  CHECK(refused.note == "it may have arrived; retry or discard it: no such number");
  CHECK(after(r, {.status = OutcomeStatus::not_sent, .retryable = true}, kKey).perhaps);
  CHECK(after(r, {.status = OutcomeStatus::bad_config}, kKey, options, r.action.at + options.age_most).state == ActionState::unknown);
  r.tries = options.tries_most;
  CHECK(after(r, {.status = OutcomeStatus::not_sent, .retryable = true}, kKey).state == ActionState::unknown);
}

TEST_CASE("a key is good only while the provider remembers it") {
  LaneOptions options;
  options.key_window = kDay;
  const Outcome silent{.status = OutcomeStatus::unknown, .retry_after_ms = 60'000};
  const ActionRecord r = record_of();
  CHECK(after(r, silent, kKey, options, r.first_sent_at + kDay - 60'001).state == ActionState::retrying);
  const NextStep forgotten = after(r, silent, kKey, options, r.first_sent_at + kDay - 60'000);
  CHECK(forgotten.state == ActionState::unknown);
  CHECK(forgotten.note.find("remembers a key for 1d only") != std::string::npos);
}

TEST_CASE("what an outcome says of the provider") {
  const auto refused = [](int status, std::int64_t after_ms = 0, bool retryable = true) {
    return health_of({.status = OutcomeStatus::not_sent, .retryable = retryable, .retry_after_ms = after_ms, .http_status = status});
  };
  CHECK(health_of({.status = OutcomeStatus::accepted}) == Health::good);
  CHECK(health_of({.status = OutcomeStatus::unknown}) == Health::bad);
  CHECK(health_of({.status = OutcomeStatus::bad_config}) == Health::bad_config);
  CHECK(refused(429) == Health::throttled);
  CHECK(refused(429, 1000) == Health::throttled);
  CHECK(refused(503, 1000) == Health::throttled);
  CHECK(refused(421) == Health::throttled);
  CHECK(refused(503) == Health::bad);
  CHECK(refused(500) == Health::bad);
  CHECK(refused(0) == Health::bad);               // no connection
  CHECK(refused(400, 0, false) == Health::good);  // it speaks of this one message
  CHECK(refused(200, 30'000) == Health::good);    // one number's own limit
  CHECK(refused(451) == Health::good);            // greylisting
  CHECK(refused(500, 30'000) == Health::bad);
}

TEST_CASE("pauses double, stay below the most, and spread by id") {
  const LaneOptions options;
  std::set<DurationMs> seen;
  for (int i = 0; i < 200; ++i) {
    const Hash128 id = hash128("a" + std::to_string(i));
    DurationMs before = 0;
    for (std::uint32_t tries = 1; tries < 40; ++tries) {
      const DurationMs pause = backoff(id, tries, options);
      const DurationMs whole = std::min<DurationMs>(options.retry_most, options.retry_first << std::min(tries - 1, 20U));
      CHECK(pause >= whole / 2);
      CHECK(pause <= whole);
      CHECK(pause == backoff(id, tries, options));
      before = pause;
    }
    seen.insert(before);
  }
  CHECK(seen.size() > 100);
}

TEST_CASE("an action's record keeps where it stands; one of an older version is read, and what it left open may have arrived") {
  ActionRecord r = record_of(OnUnknown::verify);
  r.state = ActionState::retrying;
  r.ask = r.perhaps = true;
  std::string bytes;
  encode_record(bytes, r);
  const Result<ActionRecord> back = decode_action_record(bytes);
  REQUIRE(back);
  CHECK(back->ask);
  CHECK(back->perhaps);
  CHECK(back->sent_at == 4000);
  CHECK(back->first_sent_at == 4000);
  CHECK(back->action.on_unknown == OnUnknown::verify);
  ActionRecord old = record_of();
  old.state = ActionState::retrying;
  old.sent_at = old.first_sent_at = 0;
  old.attempts.push_back({1, "not_sent", "", "", 503});
  bytes.clear();
  encode_record(bytes, old);
  CHECK_FALSE(decode_action_record(bytes)->perhaps);
  old.attempts.back().status = "unknown";
  bytes.clear();
  encode_record(bytes, old);
  CHECK(decode_action_record(bytes)->perhaps);
}
