#include "daemon/runtime/delivery.h"

#include <algorithm>

#include "daemon/log/log.h"
#include "daemon/runtime/delivery_lane.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"
#include "engine/core/enrich.h"
#include "engine/core/write.h"

namespace nudge::daemon {
namespace {

Counter counter_of(ActionState s) {
  switch (s) {
    case ActionState::waiting: return Counter::waiting;
    case ActionState::in_flight: return Counter::in_flight;
    case ActionState::retrying: return Counter::retrying;
    case ActionState::unknown: return Counter::unknown;
    case ActionState::accepted: return Counter::accepted;
    case ActionState::dead: return Counter::dead;
    case ActionState::discarded: return Counter::discarded;
    case ActionState::cancelled: return Counter::cancelled;
    case ActionState::held: return Counter::held_back;
    case ActionState::kept: return Counter::kept;
  }
  return Counter::dead;
}

bool serves(std::string_view connector_kind, std::string_view channel) {
  return connector_kind == channel || (connector_kind == "smtp" && channel == "email");
}

}  // namespace

void book_action(CommitContext& context, ActionState before, const ActionRecord& after) {
  --context.delta[counter_of(before)];
  ++context.delta[counter_of(after.state)];
  RuleStats& rule = context.delta.rules[after.action.rule_id];
  if (before != ActionState::accepted && after.state == ActionState::accepted) ++rule.accepted;
  if (before != ActionState::dead && after.state == ActionState::dead) ++rule.failed;
  if (before == ActionState::dead) --rule.failed;
  if (after.state == ActionState::dead || after.state == ActionState::retrying || after.state == ActionState::unknown) {
    rule.last_error = after.note;
    rule.last_error_at = after.changed_at;
  }
  const std::string id = id_bytes(after.action.id);
  if (is_pending(before) != is_pending(after.state)) context.set.erase(Family::outbox, action_key(is_pending(before), id));
  std::string bytes;
  encode_record(bytes, after);
  context.set.put(Family::outbox, action_key(is_pending(after.state), id), bytes);
}

Delivery::Delivery(DeliveryOptions options, Store& store, LogicalClock& clock, Committer& committer, Gate& gate, PostEvent post,
                   AskPolicies ask, std::function<std::shared_ptr<const Plan>()> plan)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      committer_(committer),
      gate_(gate),
      post_(std::move(post)),
      ask_(std::move(ask)),
      plan_(std::move(plan)) {}

Delivery::~Delivery() { stop(std::chrono::milliseconds(0)); }

Result<void> Delivery::start() {
  for (const ConnectorSetup& setup : options_.connectors) {
    auto lane = std::make_unique<Lane>();
    lane->name = setup.spec.name;
    lane->kind = setup.spec.kind;
    lane->fallback = setup.fallback;
    lane->most = setup.spec.in_flight_max;
    lanes_[lane->name] = std::move(lane);
  }
  std::optional<Error> error;
  const std::string pending = action_key(true, "");
  NUDGE_TRY(store_.scan(Family::outbox, pending, prefix_end(pending), [&](std::string_view, std::string_view value) {
    Result<ActionRecord> record = decode_action_record(value);
    if (!record) {
      error = std::move(record).error();
      return false;
    }
    if (record->state == ActionState::in_flight) {
      const auto lane = lanes_.find(record->connector);
      if (lane != lanes_.end())
        lane->second->lost.emplace(id_bytes(record->action.id), *std::move(record));
      else
        schedule(*record);
    } else if (record->state != ActionState::unknown && record->state != ActionState::kept) {
      schedule(*record);
    }
    return true;
  }));
  const std::string open = task_key(true, "");
  NUDGE_TRY(store_.scan(Family::task, open, prefix_end(open), [&](std::string_view, std::string_view value) {
    Result<TaskRecord> task = decode_task_record(value);
    if (!task) {
      error = std::move(task).error();
      return false;
    }
    const std::string id = id_bytes(task->action.id);
    if (task->action.due != 0 && !task->overdue) deadlines_.emplace(task->action.due, id);
    return true;
  }));
  std::vector<std::string> untold;
  const std::string mark = task_untold_key("");
  NUDGE_TRY(store_.scan(Family::task, mark, prefix_end(mark), [&](std::string_view key, std::string_view) {
    untold.emplace_back(key.substr(mark.size()));
    return true;
  }));
  NUDGE_TRY(tell_held_again());
  for (const std::string& id : untold) {
    for (const bool is_open : {true, false}) {
      NUDGE_ASSIGN(const auto bytes, store_.get(Family::task, task_key(is_open, id)));
      if (!bytes) continue;
      NUDGE_ASSIGN(const TaskRecord task, decode_task_record(*bytes));
      tell_created(task.action);
    }
  }
  if (error) return std::unexpected(*std::move(error));
  for (const ConnectorSetup& setup : options_.connectors) {
    Lane& lane = *lanes_[setup.spec.name];
    const std::string name = lane.name;
    lane.process = std::make_unique<connectors::ConnectorProcess>(
        setup.spec,
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
  thread_ = std::thread([this] { run(); });
  return {};
}

void Delivery::stop(std::chrono::milliseconds deadline) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  for (auto& [name, lane] : lanes_) {
    if (lane->process) lane->process->stop(deadline.count());
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Delivery::post_command(std::function<void()> command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void Delivery::add(const ActionRecord& record) {
  post_command([this, number = record.number, action = record.action, next_at = record.next_at] {
    ActionRecord fresh;
    fresh.number = number;
    fresh.next_at = next_at;
    fresh.action = action;
    schedule(fresh);
  });
}

void Delivery::add(const TaskRecord& task) {
  post_command([this, action = task.action] {
    if (action.due != 0) deadlines_.emplace(action.due, id_bytes(action.id));
    tell_created(action);
  });
}

std::vector<ConnectorFigures> Delivery::figures() const {
  std::vector<ConnectorFigures> all;
  for (const auto& [name, lane] : lanes_) {
    ConnectorFigures f;
    f.name = name;
    f.kind = lane->kind;
    f.fallback = lane->fallback;
    if (lane->process) f.status = lane->process->status();
    f.waiting = lane->waiting_shown.load();
    f.under_way = lane->under_way_shown.load();
    all.push_back(std::move(f));
  }
  return all;
}

void Delivery::run() {
  while (true) {
    std::deque<std::function<void()>> commands;
    bool stopping = false, draining = false;
    {
      const std::lock_guard lock(mutex_);
      commands.swap(commands_);
      stopping = stopping_;
      draining = draining_;
    }
    for (auto& command : commands) command();
    TimeMs next = kNever;
    const TimeMs now = clock_.now();
    if (!draining) work(now, next);
    for (auto& [name, lane] : lanes_) {
      lane->waiting_shown = lane->due.size() + lane->lost.size() + lane->asking.size();
      lane->under_way_shown = lane->under_way.size();
    }
    std::unique_lock lock(mutex_);
    if (stopping && commands_.empty()) return;
    const TimeMs wait = next == kNever ? kDay : std::max<TimeMs>(0, next - now);
    const auto most = std::min(clock_.patience(), std::chrono::milliseconds(wait));
    wake_.wait_for(lock, most, [this] { return !commands_.empty() || stopping_; });
  }
}

// Does what is due at `now`; sets `next` to when there is more.
void Delivery::work(TimeMs now, TimeMs& next) {
  while (!deadlines_.empty() && deadlines_.begin()->first < now) {
    const std::string id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    tell_overdue(id);
  }
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first + 1);
  for (auto& [name, lane] : lanes_) {
    if (!lane->process) continue;
    send_due(*lane, now);
    if (gate_.controls()->stopped) continue;
    if (!lane->due.empty() && lane->under_way.size() + lane->asking.size() < lane->most) next = std::min(next, lane->due.begin()->first);
  }
}

Delivery::Lane* Delivery::lane_of(const ActionOut& action, std::string& why_not) {
  if (!action.connector.empty()) {
    const auto it = lanes_.find(action.connector);
    if (it != lanes_.end()) return it->second.get();
    why_not = "no connector `" + action.connector + "` is configured; add it to the configuration and retry this action";
    return nullptr;
  }
  Lane* fallback = nullptr;
  for (auto& [name, lane] : lanes_) {
    if (serves(lane->kind, action.channel)) return lane.get();
    if (lane->fallback && action.kind != kEnrich) fallback = lane.get();  // a drop keeps messages; it answers nothing
  }
  if (fallback == nullptr)
    why_not = "no connector for `" + action.channel + "` is configured; add one to the configuration and retry this action";
  return fallback;
}

void Delivery::schedule(const ActionRecord& record, bool query) {
  if (record.action.kind == "assign_owner") return tell_owner(record);
  std::string why_not;
  Lane* lane = lane_of(record.action, why_not);
  if (lane == nullptr) return bury(record, std::move(why_not));
  const std::string id = id_bytes(record.action.id);
  lane->due.emplace(record.next_at, id);
  if (query) lane->ask.insert(id);
}

// Hands the desk's choice to the customer's own shard as an input of the log. Told twice (a restart came between) it is a duplicate.
void Delivery::tell_owner(ActionRecord record) {
  const ActionState before = record.state;
  record.changed_at = clock_.now();
  std::optional<Input> fact = owner_fact(*plan_()->catalog, record.action);
  if (!fact) {
    record.state = ActionState::dead;
    record.note = "the owner was not written: nobody was chosen, or the catalog no longer has the attribute";
    committer_.change([before, record = std::move(record)](CommitContext& c) { book_action(c, before, record); });
    return;
  }
  record.state = ActionState::accepted;
  post_(*std::move(fact), [before, record = std::move(record)](CommitContext& c, Receipt) { book_action(c, before, record); });
}

// Gives an action up that never got to a connector.
void Delivery::bury(ActionRecord record, std::string note) {
  const ActionState before = record.state;
  record.state = ActionState::dead;
  record.note = std::move(note);
  record.changed_at = clock_.now();
  Input event = event_for("message_failed", record.action, "failed:" + std::to_string(record.tries), record.changed_at);
  post_(std::move(event), [before, record = std::move(record)](CommitContext& c, Receipt) { book_action(c, before, record); });
}

void Delivery::send_due(Lane& lane, TimeMs now) {
  const connectors::ConnectorStatus status = lane.process->status();
  if (!lane.lost.empty() && (!status.description_json.empty() || status.state == connectors::ConnectorState::failed)) {
    std::map<std::string, ActionRecord> lost;
    lost.swap(lane.lost);
    for (auto& [id, record] : lost) {
      if (!record.attempts.empty()) record.attempts.pop_back();
      settle(lane, std::move(record), {.status = connectors::OutcomeStatus::unknown, .detail = "nudge ended before the answer came"});
    }
  }
  if (gate_.controls()->stopped) return;  // stop-all: everything stays where it is
  while (lane.under_way.size() + lane.asking.size() < lane.most && !lane.due.empty() && lane.due.begin()->first <= now) {
    const std::string id = lane.due.begin()->second;
    lane.due.erase(lane.due.begin());
    const bool query = lane.ask.erase(id) > 0;
    Result<std::optional<std::string>> bytes = store_.get(Family::outbox, action_key(true, id));
    if (!bytes || !bytes->has_value()) continue;  // discarded meanwhile
    Result<ActionRecord> record = decode_action_record(**bytes);
    if (!record) {
      log::error("an action can't be read and is left alone", {{"error", record.error()}});
      continue;
    }
    if (!query && !may_leave(lane, *record, now)) continue;
    hand_over(lane, *std::move(record), query);
  }
}

void Delivery::hand_over(Lane& lane, ActionRecord record, bool query) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  record.state = ActionState::in_flight;
  record.changed_at = now;
  record.connector = lane.name;
  ++record.tries;
  record.attempts.push_back({now, query ? "asking" : "sending", "", "", 0});
  if (record.attempts.size() > kAttemptsKept) record.attempts.erase(record.attempts.begin());
  const std::string id = id_bytes(record.action.id);
  lane.under_way[id] = record;
  committer_.change(
      [before, record](CommitContext& c) {
        ++c.delta[Counter::attempts];
        book_action(c, before, record);
      },
      [this, name = lane.name, id, query](const Error* failure) {
        if (failure != nullptr) return;
        post_command([this, name, id, query] {
          Lane& to = *lanes_[name];
          const auto it = to.under_way.find(id);
          if (it == to.under_way.end()) return;
          const ActionRecord& r = it->second;
          connectors::DeliverRequest request;
          request.action_id = to_hex(r.action.id);
          request.kind = r.action.kind;
          request.channel = r.action.channel;
          request.attempt = r.tries;
          request.customer_id = r.action.customer;
          request.payload_json = r.action.payload;
          // Test mode changes where it goes, and nothing else; the record keeps what was meant.
          if (const GateVerdict gate = gate_.ask(r.action, clock_.now()); !gate.send_to.empty())
            request.payload_json = with_recipient(r.action.payload, gate.send_to);
          // A mail that sells carries its way out; the same link at every attempt.
          if (r.action.channel == "email" && r.action.purpose == Purpose::marketing && options_.unsubscribe.on())
            request.payload_json = with_unsubscribe(
                request.payload_json, options_.unsubscribe.link({r.action.customer, r.action.channel, std::string(purpose_name(r.action.purpose))}));
          request.created_ms = r.action.at;
          request.query = query;
          if (query && r.attempts.size() >= 2) request.provider_ref = r.attempts[r.attempts.size() - 2].provider_ref;
          if (to.process->submit(request)) return;
          ActionRecord record_back = r;
          to.under_way.erase(it);
          record_back.attempts.pop_back();
          settle(to, std::move(record_back),
                 {.status = connectors::OutcomeStatus::not_sent, .retryable = true, .detail = "the connector takes nothing at the moment"});
        });
      });
}

void Delivery::on_outcome(const std::string& name, const connectors::DeliverRequest& request, const connectors::Outcome& outcome) {
  std::optional<std::string> id = id_from_hex(request.action_id);
  if (!id) return;
  post_command([this, name, id = *std::move(id), outcome] {
    Lane& lane = *lanes_[name];
    const auto it = lane.under_way.find(id);
    if (it == lane.under_way.end()) return;
    ActionRecord record = std::move(it->second);
    lane.under_way.erase(it);
    if (!record.attempts.empty()) record.attempts.pop_back();  // the place that was kept for this outcome
    settle(lane, std::move(record), outcome);
  });
}

// Books an outcome. What is final goes into the same batch as the built-in event that tells the rules of it.
void Delivery::settle(Lane& lane, ActionRecord record, const connectors::Outcome& outcome) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  const Help help = help_of(lane.process ? lane.process->status().description_json : "");
  const NextStep next = next_step(record, outcome, help, options_, now);
  record.attempts.push_back(
      {now, std::string(connectors::to_string(outcome.status)), outcome.detail, outcome.provider_ref, outcome.http_status});
  if (record.attempts.size() > kAttemptsKept) record.attempts.erase(record.attempts.begin());
  record.state = next.state;
  record.next_at = next.next_at;
  record.note = next.note;
  record.changed_at = now;
  if (next.state == ActionState::accepted || next.state == ActionState::dead) {
    std::vector<Input> inputs = facts_of_answer(record, outcome, now);
    const bool ok = record.state == ActionState::accepted;
    inputs.insert(inputs.begin(), event_for(ok ? "message_accepted" : "message_failed", record.action,
                                            (ok ? "accepted:" : "failed:") + std::to_string(record.tries), now));
    std::optional<Suppression> gone;
    if (std::string why = address_is_gone(record.action.channel, outcome); !why.empty()) {
      std::string address = normal_address(member_text(record.action.payload, "to"));
      if (!address.empty() && !gate_.test_mode())
        gone = {Suppression::Kind::address, std::move(address), record.action.channel, now, record.connector, std::move(why)};
    }
    post_.many(std::move(inputs), [this, before, record = std::move(record), gone = std::move(gone)](CommitContext& c, Receipt) {
      book_action(c, before, record);
      if (gone) gate_.add(c, *gone);  // in the same batch: a bounce is never forgotten
    });
    return;
  }
  committer_.change([before, record](CommitContext& c) { book_action(c, before, record); },
                    [this, record, query = next.query](const Error* failure) {
                      if (failure == nullptr && record.state == ActionState::retrying)
                        post_command([this, record, query] { schedule(record, query); });
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
