// Attempts: from the queue to the connector, and what comes back.
#include <algorithm>
#include <utility>

#include "daemon/log/log.h"
#include "daemon/runtime/crash_point.h"
#include "daemon/runtime/delivery_lane.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"
#include "engine/core/enrich.h"

namespace nudge::daemon {

// What was in flight when the last process ended, once the connector has said what it is.
void Delivery::settle_lost(Lane& lane) {
  std::map<std::string, ActionRecord> lost;
  lost.swap(lane.lost);
  for (auto& [id, record] : lost) {
    if (!record.attempts.empty()) record.attempts.pop_back();
    settle(lane, std::move(record), {.status = connectors::OutcomeStatus::unknown, .detail = "nudge ended before the answer came"});
  }
}

void Delivery::start_process(Lane& lane, const connectors::ConnectorSpec& spec) {
  const std::string name = lane.name;
  lane.process = std::make_unique<connectors::ConnectorProcess>(
      spec,
      [this, name](const connectors::DeliverRequest& request, const connectors::Outcome& outcome) { on_outcome(name, request, outcome); },
      [](int level, std::string_view connector, std::string_view text) {
        const std::initializer_list<log::Field> fields{{"connector", connector}, {"text", text}};
        if (level >= 3)
          log::error("connector", fields);
        else if (level == 2)
          log::warn("connector", fields);
        else if (level == 1)
          log::info("connector", fields);
        else
          log::debug("connector", fields);
      });
}

Result<void> Delivery::restart_connector(const std::string& name) {
  const auto known = std::ranges::find_if(options_.connectors, [&](const ConnectorSetup& c) { return c.spec.name == name; });
  if (known == options_.connectors.end()) return fail(Code::not_found, "there is no connector `" + name + "`");
  Result<ConnectorSetup> setup = options_.reread ? options_.reread(name) : Result<ConnectorSetup>(*known);
  if (!setup) return std::unexpected(std::move(setup).error());
  post_command([this, setup = *std::move(setup)] {
    Lane& lane = *lanes_[setup.spec.name];
    lane.restart_by = clock_.now() + setup.spec.timeout_ms + kSecond;
    lane.restart = setup;
  });
  return {};
}

// True while the lane waits for its restart.
bool Delivery::restarting(Lane& lane, TimeMs now) {
  if (!lane.restart) return false;
  if (!lane.under_way.empty() && now < lane.restart_by) return true;
  const ConnectorSetup setup = *std::exchange(lane.restart, std::nullopt);
  log::info("a connector is started anew", {{"connector", lane.name}});
  lane.process->stop(0);
  lane.most = setup.spec.in_flight_max;
  lane.breaker = Breaker(setup.delivery.breaker);
  if (lane.options.account.empty() && lane.options.rates != setup.delivery.rates)
    lane.account = std::make_shared<Account>(setup.delivery.rates);
  // The account that it shares, and whether its queue is ordered, change at a start of nudged only.
  const std::string account = lane.options.account;
  const bool ordered = lane.options.ordered;
  lane.options = setup.delivery;
  lane.options.account = account;
  lane.options.ordered = ordered;
  start_process(lane, setup.spec);
  return false;
}

void Delivery::send_due(Lane& lane, TimeMs now) {
  if (restarting(lane, now)) return;
  const connectors::ConnectorStatus status = lane.process->status();
  if (status.description_json != lane.described) {
    lane.described = status.description_json;
    lane.help = help_of(lane.described);
  }
  const bool failed = status.state == connectors::ConnectorState::failed;
  if (!lane.lost.empty() && !lane.described.empty()) settle_lost(lane);
  if (gate_.controls()->stopped) {  // stop-all: everything stays where it is
    for (const ActionRecord& record : lane.cleared) lane.queue.put(record.next_at, entry_of(record));
    return lane.cleared.clear();
  }
  // While the process is being started nothing is handed over: with nobody to take it, it would only look as if it may have been sent.
  if (status.state != connectors::ConnectorState::ready && !failed) return;
  while (!lane.cleared.empty() && lane.account->next(now) <= now) {
    ActionRecord record = std::move(lane.cleared.front());
    lane.cleared.pop_front();
    hand_over(lane, std::move(record));
  }
  // Stopped in this very moment, may_leave() puts the action back: asked each time, so that it is not taken again and again.
  while (!gate_.controls()->stopped && lane.room(now) > 0 && lane.account->next(now) <= now && begin_next(lane, now)) {}
}

// When send_due() has something to do again, as far as time alone makes it so.
TimeMs Delivery::next_for(Lane& lane, TimeMs now) const {
  if (gate_.controls()->stopped) return kNever;
  const TimeMs account = lane.account->next(now);
  if (!lane.cleared.empty()) return account;
  if (lane.breaker.state(now) == Breaker::State::open) return std::max(lane.breaker.until(), lane.queue.next(now));
  if (lane.room(now) == 0) return kNever;
  const TimeMs queue = lane.queue.next(now);
  return queue == kNever ? kNever : std::max(queue, account);
}

// Takes the next action and hands it over, or asks whether it may leave. False: there is none.
bool Delivery::begin_next(Lane& lane, TimeMs now) {
  const std::optional<FairQueue::Entry> entry = lane.queue.take(now);
  if (!entry) return false;
  const std::string& id = entry->id;
  if (lane.under_way.contains(id) || lane.asking.contains(id)) return true;
  if (busy_.contains(id)) {  // somebody is changing it at this moment
    lane.queue.put(now + 100, *entry);
    return true;
  }
  Result<std::optional<std::string>> bytes = store_.get(Family::outbox, action_key(true, id));
  if (!bytes || !bytes->has_value()) {  // discarded meanwhile
    lane.queue.done(*entry);
    return true;
  }
  Result<ActionRecord> record = decode_action_record(**bytes);
  if (!record || erased(record->action) || (record->state != ActionState::waiting && record->state != ActionState::retrying)) {
    if (!record) log::error("an action can't be read and is left alone", {{"error", record.error()}});
    lane.queue.done(*entry);
    return true;
  }
  if (record->tries > 0 && reported(*record)) {  // no second one of what has arrived
    settle(lane, *std::move(record), {.status = connectors::OutcomeStatus::unknown, .detail = "the provider reports on it"});
    return true;
  }
  if (record->ask || may_leave(lane, *record, now)) hand_over(lane, *std::move(record));
  return true;
}

void Delivery::hand_over(Lane& lane, ActionRecord record) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  lane.account->take(now);
  record.state = ActionState::in_flight;
  record.changed_at = now;
  record.connector = lane.name;
  ++record.tries;
  if (!record.ask) {
    record.sent_at = now;
    if (record.first_sent_at == 0) record.first_sent_at = now;
  }
  record.attempts.push_back({now, record.ask ? "asking" : "sending", "", "", 0});
  if (record.attempts.size() > kAttemptsKept) record.attempts.erase(record.attempts.begin());
  const std::string id = id_bytes(record.action.id);
  lane.under_way[id] = record;
  committer_.change(
      [before, record](CommitContext& c) {
        ++c.delta[Counter::attempts];
        book_action(c, before, record);
      },
      [this, name = lane.name, id](const Error* failure) {
        if (failure != nullptr) return;
        post_command([this, name, id] { submit(*lanes_[name], id); });
      });
}

// The record says `in_flight` on disk: now the connector gets it.
void Delivery::submit(Lane& lane, const std::string& id) {
  const auto it = lane.under_way.find(id);
  if (it == lane.under_way.end()) return;
  const ActionRecord& r = it->second;
  if (erased(r.action)) {
    lane.queue.done(entry_of(r));
    lane.under_way.erase(it);
    return;
  }
  connectors::DeliverRequest request;
  request.action_id = to_hex(r.action.id);
  request.kind = r.action.kind;
  request.channel = r.action.channel;
  request.attempt = r.tries;
  request.customer_id = r.action.customer;
  request.payload_json = r.action.asks_for.empty() ? digest_of_one(r.action) : options_.approvals.filled(r.action);
  // Test mode changes where it goes, and nothing else; the record keeps what was meant.
  if (const GateVerdict gate = gate_.ask(r.action, clock_.now()); !gate.send_to.empty())
    request.payload_json = with_recipient(request.payload_json, gate.send_to);
  // A mail that sells carries its way out; the same link at every attempt.
  if (r.action.channel == "email" && r.action.purpose == Purpose::marketing && options_.unsubscribe.on())
    request.payload_json =
        with_unsubscribe(request.payload_json,
                         options_.unsubscribe.link({r.action.customer, r.action.channel, std::string(purpose_name(r.action.purpose))}));
  request.created_ms = r.action.at;
  request.query = r.ask;
  if (r.ask) request.provider_ref = provider_ref_of(r);
  const bool taken = lane.process->submit(request);
  crash_point("submitted");
  if (taken) return;
  ActionRecord record = r;
  lane.under_way.erase(it);
  record.attempts.pop_back();
  settle(lane, std::move(record),
         {.status = connectors::OutcomeStatus::not_sent, .retryable = true, .detail = "the connector takes nothing at the moment"});
}

void Delivery::on_outcome(const std::string& name, const connectors::DeliverRequest& request, const connectors::Outcome& outcome) {
  if (request.receive) return on_callback(name, request.action_id, outcome);
  std::optional<std::string> id = id_from_hex(request.action_id);
  if (!id) return;
  crash_point("answered");
  post_command([this, name, id = *std::move(id), outcome] {
    Lane& lane = *lanes_[name];
    const auto it = lane.under_way.find(id);
    if (it == lane.under_way.end()) return;
    ActionRecord record = std::move(it->second);
    lane.under_way.erase(it);
    if (!record.attempts.empty()) record.attempts.pop_back();  // the place that was kept for this outcome
    note_health(lane, outcome, clock_.now());
    if (erased(record.action)) return lane.queue.done(entry_of(record));
    settle(lane, std::move(record), outcome);
  });
}

void Delivery::forget_erased(std::function<void(std::uint64_t)> done) {
  post_command([this, done = std::move(done)] {
    std::uint64_t in_flight = 0;
    const auto gone = [this](const auto& kept) { return erased(kept.second.action); };
    for (auto& [name, lane] : lanes_) {
      std::erase_if(lane->lost, gone);
      for (const auto& asked : lane->asking)
        if (gone(asked)) lane->queue.done(entry_of(asked.second));
      std::erase_if(lane->asking, gone);
      for (const ActionRecord& record : lane->cleared)
        if (erased(record.action)) lane->queue.done(entry_of(record));
      std::erase_if(lane->cleared, [this](const ActionRecord& record) { return erased(record.action); });
      in_flight += static_cast<std::uint64_t>(std::ranges::count_if(lane->under_way, gone));
    }
    done(in_flight);
  });
}

void Delivery::note_health(Lane& lane, const connectors::Outcome& outcome, TimeMs now) {
  const std::uint64_t opened = lane.breaker.opened();
  switch (health_of(outcome)) {
    case Health::good:
      lane.breaker.good();
      lane.account->good();
      return;
    case Health::throttled:
      lane.breaker.good();  // it is there, and says so
      lane.account->throttled(now, outcome.retry_after_ms, lane.under_way.size() + 1);
      return;
    case Health::bad: lane.breaker.bad(now); break;
    case Health::bad_config: lane.breaker.bad(now, true); break;
  }
  if (lane.breaker.opened() == opened) return;
  {
    const std::lock_guard lock(mutex_);
    lane.shown.breaker_why = outcome.detail;
  }
  log::warn("a connector fails: nothing is handed to it for a while",
            {{"connector", lane.name}, {"until", format_timestamp(lane.breaker.until())}, {"reason", outcome.detail}});
}

// Books an outcome. What is final goes into the same batch as the built-in event that tells the rules of it.
void Delivery::settle(Lane& lane, ActionRecord record, const connectors::Outcome& outcome) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  if (!record.ask && outcome.status == connectors::OutcomeStatus::unknown) record.sent_at = now;  // until now it may have been on its way
  NextStep next = next_step(record, outcome, lane.help, lane.options, now);
  if (outcome.status == connectors::OutcomeStatus::unknown && reported(record))
    next = {.state = ActionState::accepted, .note = "the provider reports on it, so it has taken it"};
  record.attempts.push_back(
      {now, std::string(connectors::to_string(outcome.status)), outcome.detail, outcome.provider_ref, outcome.http_status});
  if (record.attempts.size() > kAttemptsKept) record.attempts.erase(record.attempts.begin());
  record.state = next.state;
  record.next_at = next.next_at;
  record.note = next.note;
  record.ask = next.query;
  record.perhaps = next.perhaps;
  record.changed_at = now;
  if (next.state != ActionState::retrying) lane.queue.done(entry_of(record));
  if (next.state == ActionState::accepted || next.state == ActionState::dead) {
    std::vector<Input> inputs = facts_of_answer(record, outcome, now);
    const bool ok = record.state == ActionState::accepted;
    inputs.insert(inputs.begin(), event_for(ok ? "message_accepted" : "message_failed", record.action,
                                            (ok ? "accepted:" : "failed:") + std::to_string(record.tries), now));
    if (!ok) set_text_field(*plan_()->catalog, inputs.front(), "reason", record.note);
    std::optional<Suppression> gone;
    if (std::string why = address_is_gone(record.action.channel, outcome); !why.empty()) {
      std::string address = normal_address(member_text(record.action.payload, "to"));
      if (!address.empty() && !gate_.test_mode())
        gone = {Suppression::Kind::address, std::move(address), record.action.channel, now, record.connector, std::move(why)};
    }
    post_.many(std::move(inputs),
               [this, before, ways = lane.help.receives, record = std::move(record), gone = std::move(gone)](CommitContext& c, Receipt) {
                 book_action(c, before, record);
                 if (ways) put_ways_back(c.set, record);
                 if (gone) gate_.add(c, *gone);  // in the same batch: a bounce is never forgotten
               });
    return;
  }
  committer_.change(
      [before, record, ways = lane.help.receives && record.state == ActionState::unknown](CommitContext& c) {
        book_action(c, before, record);
        if (ways) put_ways_back(c.set, record);
      },
      [this, record](const Error* failure) {
        if (failure == nullptr && record.state == ActionState::retrying) post_command([this, record] { schedule(record); });
      });
}

std::vector<Input> Delivery::facts_of_answer(ActionRecord& record, const connectors::Outcome& outcome, TimeMs now) const {
  if (record.action.kind != kEnrich || record.state != ActionState::accepted) return {};
  Result<Enriched> made = enriched(*plan_()->catalog, record.action, outcome.result_json, now);
  if (!made) {
    record.state = ActionState::dead;
    record.note = made.error().message;
    return {};
  }
  record.note = "written: " + made->written;
  return std::move(made->facts);
}

}  // namespace nudge::daemon
