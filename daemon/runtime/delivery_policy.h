// What follows an attempt, as pure functions: every case is a line in a test. The picture of the states: docs/delivery.md.
#pragma once

#include <string>
#include <string_view>

#include "connectors/host/connector_process.h"
#include "daemon/runtime/pace.h"
#include "daemon/runtime/records.h"

namespace nudge::daemon {

// `delivery:` of a connector in the configuration.
struct LaneOptions {
  Account::Options rates;
  std::string account;   // connectors that name the same account share its rates; empty: its own
  bool ordered = false;  // a customer's actions one after the other
  OnUnknown on_unknown = OnUnknown::by_connector;
  BreakerOptions breaker;
  DurationMs retry_first = 2 * kSecond;  // pause after the first failed attempt; doubles, with jitter
  DurationMs retry_most = kHour;
  std::uint32_t tries_most = 12;
  DurationMs config_retry = kMinute;  // pause after bad_config, which a person has to mend
  DurationMs age_most = 7 * kDay;     // an action that could not be sent for this long is given up
  DurationMs settle = kMinute;        // verify: what the provider does not know so long after the attempt never arrived
  DurationMs key_window = 0;          // so long the provider remembers a key; 0: for ever
};

// What the connector says of itself.
struct Help {
  enum class Idempotency : std::uint8_t { none, key, query };
  Idempotency idempotency = Idempotency::none;
  bool retry_unknown = false;
  bool can_ask = false;  // query
  bool receives = false;  // its provider calls back
};
Help help_of(std::string_view description_json);

// The word that holds for an action: the rule's, else the connector's configuration's, else what the channel makes sensible (a key: retry;
// a query: verify; else what the connector says). A word that the connector can't keep becomes the next safer one: verify without a query
// is hold, unless a key makes a repeat harmless.
OnUnknown on_unknown_of(OnUnknown rule, const LaneOptions& options, const Help& help);

// What to do after an attempt.
struct NextStep {
  ActionState state = ActionState::dead;
  TimeMs next_at = 0;
  bool query = false;    // ask the provider what became of it, instead of sending again
  bool perhaps = false;  // an attempt may have arrived
  std::string note;
};
NextStep next_step(const ActionRecord& record, const connectors::Outcome& outcome, const Help& help, const LaneOptions& options,
                   TimeMs now);

// The pause before attempt `tries` + 1: doubling, and spread by the action's id so that a thousand failures do not come back at once.
DurationMs backoff(const Hash128& id, std::uint32_t tries, const LaneOptions& options);

// What an outcome says of the provider, for the breaker and the account.
enum class Health : std::uint8_t { good, throttled, bad, bad_config };
Health health_of(const connectors::Outcome& outcome);

// Why no message will ever arrive at this address, as the provider's answer says: the mailbox does not exist (5.1.1, 5.1.10), or its owner
// has opted out with the provider (21610). Empty: the answer says nothing of the kind.
std::string address_is_gone(std::string_view channel, const connectors::Outcome& outcome);

// The provider's own id of what it took, from the last attempt that gave one.
std::string provider_ref_of(const ActionRecord& record);

}  // namespace nudge::daemon
