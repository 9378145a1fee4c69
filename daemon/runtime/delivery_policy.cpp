// What follows an attempt: pure functions, so that every case is a line in a test.
#include <algorithm>

#include "daemon/runtime/delivery.h"
#include "daemon/runtime/payload.h"
#include "engine/base/hash.h"

namespace nudge::daemon {

Help help_of(std::string_view description_json) {
  Help help;
  const std::string idempotency = member_text(description_json, "idempotency");
  if (idempotency == "key") help.idempotency = Help::Idempotency::key;
  if (idempotency == "query") help.idempotency = Help::Idempotency::query;
  help.retry_unknown = member_text(description_json, "default_on_unknown") == "retry";
  return help;
}

DurationMs backoff(const Hash128& id, std::uint32_t tries, const DeliveryOptions& options) {
  const std::uint32_t doublings = std::min(tries > 0 ? tries - 1 : 0, 30U);
  const DurationMs whole = std::min(options.retry_most, options.retry_first << std::min(doublings, 20U));
  const std::string bytes = id_bytes(id);
  const std::uint64_t spread = hash64(bytes, tries) % 1000;  // from half the pause to the whole of it
  return whole / 2 + static_cast<DurationMs>(static_cast<std::uint64_t>(whole / 2) * spread / 1000);
}

std::string address_is_gone(std::string_view channel, const connectors::Outcome& outcome) {
  if (outcome.status != connectors::OutcomeStatus::not_sent || outcome.retryable) return {};
  const auto says = [&](std::string_view code) {
    const std::string_view text = outcome.detail;
    const auto part = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    for (std::size_t at = text.find(code); at != std::string_view::npos; at = text.find(code, at + 1)) {
      const std::size_t end = at + code.size();
      const bool starts = at == 0 || !part(text[at - 1]);
      if (starts && (end == text.size() || !part(text[end]) || (text[end] == '.' && (end + 1 == text.size() || !part(text[end + 1]))))) return true;
    }
    return false;
  };
  if (channel == "email" && (says("5.1.1") || says("5.1.10"))) return "hard bounce: " + outcome.detail;
  if (channel == "sms" && says("21610")) return "opted out with the provider: " + outcome.detail;
  return {};
}

NextStep next_step(const ActionRecord& record, const connectors::Outcome& outcome, const Help& help, const DeliveryOptions& options,
                   TimeMs now) {
  using connectors::OutcomeStatus;
  const DurationMs pause = std::max<DurationMs>(backoff(record.action.id, record.tries, options), outcome.retry_after_ms);
  const bool too_old = now - record.action.at >= options.age_most;
  const bool too_often = record.tries >= options.tries_most;
  switch (outcome.status) {
    case OutcomeStatus::accepted: return {ActionState::accepted, 0, false, {}};
    case OutcomeStatus::not_sent:
      if (!outcome.retryable) return {ActionState::dead, 0, false, outcome.detail};
      if (too_often)
        return {ActionState::dead, 0, false, "given up after " + std::to_string(record.tries) + " attempts: " + outcome.detail};
      if (too_old) return {ActionState::dead, 0, false, "given up after " + format_duration(options.age_most) + ": " + outcome.detail};
      return {ActionState::retrying, now + pause, false, outcome.detail};
    case OutcomeStatus::bad_config:
      if (too_old) return {ActionState::dead, 0, false, "given up after " + format_duration(options.age_most) + ": " + outcome.detail};
      return {ActionState::retrying, now + std::max(options.config_retry, outcome.retry_after_ms), false,
              "the connector's configuration must be mended: " + outcome.detail};
    case OutcomeStatus::unknown: break;
  }
  const bool may_repeat = help.idempotency == Help::Idempotency::key || help.retry_unknown;
  if (help.idempotency == Help::Idempotency::query && !too_often && !too_old) {
    return {ActionState::retrying, now + pause, true, "asking the provider what became of it: " + outcome.detail};
  }
  if (may_repeat && !too_often && !too_old) return {ActionState::retrying, now + pause, false, outcome.detail};
  return {ActionState::unknown, 0, false, "it may have arrived; retry or discard it: " + outcome.detail};
}

}  // namespace nudge::daemon
