#include "daemon/runtime/delivery_policy.h"

#include <algorithm>

#include "daemon/runtime/payload.h"
#include "engine/base/hash.h"

namespace nudge::daemon {

Help help_of(std::string_view description_json) {
  Help help;
  const std::string idempotency = member_text(description_json, "idempotency");
  if (idempotency == "key") help.idempotency = Help::Idempotency::key;
  if (idempotency == "query") help.idempotency = Help::Idempotency::query;
  help.can_ask = help.idempotency == Help::Idempotency::query;
  help.receives = member_text(description_json, "receives") == "true";
  help.retry_unknown = member_text(description_json, "default_on_unknown") == "retry";
  return help;
}

DurationMs backoff(const Hash128& id, std::uint32_t tries, const LaneOptions& options) {
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
      if (starts && (end == text.size() || !part(text[end]) || (text[end] == '.' && (end + 1 == text.size() || !part(text[end + 1])))))
        return true;
    }
    return false;
  };
  if (channel == "email" && (says("5.1.1") || says("5.1.10"))) return "hard bounce: " + outcome.detail;
  if (channel == "sms" && says("21610")) return "opted out with the provider: " + outcome.detail;
  return {};
}

OnUnknown on_unknown_of(OnUnknown rule, const LaneOptions& options, const Help& help) {
  const bool key = help.idempotency == Help::Idempotency::key;
  OnUnknown word = rule != OnUnknown::by_connector ? rule : options.on_unknown;
  if (word == OnUnknown::by_connector)
    word = key ? OnUnknown::retry : help.can_ask ? OnUnknown::verify : help.retry_unknown ? OnUnknown::retry : OnUnknown::hold;
  if (word == OnUnknown::verify && !help.can_ask) word = key ? OnUnknown::retry : OnUnknown::hold;
  return word;
}

Health health_of(const connectors::Outcome& outcome) {
  using connectors::OutcomeStatus;
  switch (outcome.status) {
    case OutcomeStatus::accepted: return Health::good;
    case OutcomeStatus::bad_config: return Health::bad_config;
    case OutcomeStatus::unknown: return Health::bad;
    case OutcomeStatus::not_sent: break;
  }
  if (!outcome.retryable) return Health::good;  // it answered, and spoke of this one message
  // 403: how GitHub and Salesforce say that the account's calls are used up.
  const bool asks = (outcome.http_status == 503 || outcome.http_status == 403) && outcome.retry_after_ms > 0;
  if (outcome.http_status == 429 || outcome.http_status == 421 || asks) return Health::throttled;
  // An answer about this one message: a number's own limit, a mailbox that is full, a conflict.
  const int status = outcome.http_status;
  const bool of_one = status == 200 || (status >= 400 && status < 500 && status != 408) || (status < 500 && outcome.retry_after_ms > 0);
  return of_one ? Health::good : Health::bad;
}

std::string provider_ref_of(const ActionRecord& record) {
  for (auto attempt = record.attempts.rbegin(); attempt != record.attempts.rend(); ++attempt) {
    if (!attempt->provider_ref.empty()) return attempt->provider_ref;
  }
  return {};
}

namespace {

// No further attempt helps, or is left. What may have arrived is never called dead.
NextStep given_up(bool perhaps, std::string why) {
  if (!perhaps) return {ActionState::dead, 0, false, false, std::move(why)};
  return {ActionState::unknown, 0, false, true, "it may have arrived; retry or discard it: " + std::move(why)};
}

NextStep after_unknown(const ActionRecord& record, const connectors::Outcome& outcome, OnUnknown word, const Help& help,
                       const LaneOptions& options, TimeMs next_at) {
  const bool key = help.idempotency == Help::Idempotency::key;
  const bool forgotten = key && options.key_window > 0 && record.first_sent_at != 0 && next_at - record.first_sent_at >= options.key_window;
  if (word == OnUnknown::verify)
    return {ActionState::retrying, next_at, true, true, "asking the provider what became of it: " + outcome.detail};
  if (word == OnUnknown::retry && !forgotten) return {ActionState::retrying, next_at, false, true, outcome.detail};
  const std::string why = forgotten ? "the provider remembers a key for " + format_duration(options.key_window) + " only: " : "";
  return given_up(true, why + outcome.detail);
}

}  // namespace

NextStep next_step(const ActionRecord& record, const connectors::Outcome& outcome, const Help& help, const LaneOptions& options,
                   TimeMs now) {
  using connectors::OutcomeStatus;
  const OnUnknown word = on_unknown_of(record.action.on_unknown, options, help);
  const DurationMs pause = std::max<DurationMs>(backoff(record.action.id, record.tries, options), outcome.retry_after_ms);
  std::string end;
  if (record.tries >= options.tries_most) end = "given up after " + std::to_string(record.tries) + " attempts: " + outcome.detail;
  if (now - record.action.at >= options.age_most) end = "given up after " + format_duration(options.age_most) + ": " + outcome.detail;
  switch (outcome.status) {
    case OutcomeStatus::accepted: return {ActionState::accepted, 0, false, false, {}};
    case OutcomeStatus::unknown:
      if (!end.empty()) return given_up(true, end);
      return after_unknown(record, outcome, word, help, options, now + pause);
    case OutcomeStatus::bad_config:
      if (now - record.action.at >= options.age_most) return given_up(record.perhaps, end);
      return {ActionState::retrying, now + std::max(options.config_retry, outcome.retry_after_ms), record.ask, record.perhaps,
              "the connector's configuration must be mended: " + outcome.detail};
    case OutcomeStatus::not_sent: break;
  }
  if (record.ask) {  // the provider says that it does not have it; it may still be on its way there
    if (!end.empty()) return given_up(true, end);
    const TimeMs settled = record.sent_at + options.settle;
    if (now < settled)
      return {ActionState::retrying, std::max(now + pause, std::min(settled, now + 4 * pause)), true, true,
              "the provider does not know it yet; asked again until " + format_timestamp(settled)};
    return {ActionState::retrying, now, false, false, "the provider does not have it: it is sent again"};
  }
  if (!outcome.retryable) return given_up(record.perhaps, outcome.detail);
  if (!end.empty()) return given_up(record.perhaps, end);
  return {ActionState::retrying, now + pause, false, record.perhaps, outcome.detail};
}

}  // namespace nudge::daemon
