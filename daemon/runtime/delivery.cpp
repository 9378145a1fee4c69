#include "daemon/runtime/delivery.h"

#include <algorithm>

#include "daemon/log/log.h"
#include "daemon/runtime/crash_point.h"
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
  if (crash_points_set()) {  // every change of state comes by here: before and after it is on disk
    const std::string_view to = after.state == ActionState::retrying && after.ask ? "asking" : action_state_name(after.state);
    std::string name = "before:" + std::string(action_state_name(before)) + ">" + std::string(to);
    crash_point(name);
    context.after.push_back([name = "after" + name.substr(6)] { crash_point(name); });
  }
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
    auto lane = std::make_unique<Lane>(setup.delivery);
    lane->name = setup.spec.name;
    const std::string& account = setup.delivery.account;
    if (!account.empty()) {
      std::shared_ptr<Account>& shared = accounts_[account];
      if (!shared) shared = std::make_shared<Account>(setup.delivery.rates);
      lane->account = shared;
    } else {
      lane->account = std::make_shared<Account>(setup.delivery.rates);
    }
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
    if (erased(record->action)) return true;
    if (record->state == ActionState::in_flight) {
      const auto lane = lanes_.find(record->connector);
      if (lane != lanes_.end()) {
        lane->second->queue.expect(entry_of(*record));
        lane->second->lost.emplace(id_bytes(record->action.id), *std::move(record));
      } else {
        record->perhaps = true;
        bury(*std::move(record), "it may have arrived: nudge ended before the answer came, and its connector is no longer configured");
      }
    } else if (record->state != ActionState::unknown && record->state != ActionState::kept) {
      schedule(*record);
    }
    return true;
  }));
  NUDGE_TRY(tell_held_again());
  if (error) return std::unexpected(*std::move(error));
  for (const ConnectorSetup& setup : options_.connectors) start_process(*lanes_[setup.spec.name], setup.spec);
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

std::vector<ConnectorFigures> Delivery::figures() const {
  std::vector<ConnectorFigures> all;
  for (const auto& [name, lane] : lanes_) {
    const std::lock_guard lock(mutex_);
    ConnectorFigures& f = all.emplace_back(lane->shown);
    f.name = name;
    f.kind = lane->kind;
    f.fallback = lane->fallback;
    f.account = lane->options.account;
    for (const Rate& rate : lane->options.rates.rates) f.rates += (f.rates.empty() ? "" : ", ") + format_rate(rate);
    if (lane->process) f.status = lane->process->status();
    f.callbacks_taken = lane->callbacks_taken.load();
    f.callbacks_refused = lane->callbacks_refused.load();
    f.callbacks_failed = lane->callbacks_failed.load();
    f.reports_told = lane->reports_told.load();
    f.reports_doubled = lane->reports_doubled.load();
    f.reports_unmatched = lane->reports_unmatched.load();
  }
  return all;
}

void Delivery::show(Lane& lane, TimeMs now) {
  ConnectorFigures& f = lane.shown;
  f.waiting = lane.queue.size() + lane.lost.size() + lane.asking.size() + lane.cleared.size();
  f.under_way = lane.under_way.size();
  f.breaker = lane.breaker.state(now);
  f.breaker_until = f.breaker == Breaker::State::open ? lane.breaker.until() : 0;
  f.breaker_opened = lane.breaker.opened();
  f.paused_until = lane.account->paused_until() > now ? lane.account->paused_until() : 0;
  f.throttles = lane.account->throttles();
  f.window = std::min(lane.breaker.allowed(now, lane.most), lane.account->window(lane.most));
  f.on_unknown = lane.described.empty() ? "" : on_unknown_name(on_unknown_of(OnUnknown::by_connector, lane.options, lane.help));
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
    std::unique_lock lock(mutex_);
    for (auto& [name, lane] : lanes_) show(*lane, now);
    if (stopping && commands_.empty()) return;
    const TimeMs wait = next == kNever ? kDay : std::max<TimeMs>(0, next - now);
    const auto most = std::min(clock_.patience(), std::chrono::milliseconds(wait));
    wake_.wait_for(lock, most, [this] { return !commands_.empty() || stopping_; });
  }
}

// Does what is due at `now`; sets `next` to when there is more.
void Delivery::work(TimeMs now, TimeMs& next) {
  if (lanes_.empty()) return;
  first_lane_ = (first_lane_ + 1) % lanes_.size();
  auto it = std::next(lanes_.begin(), static_cast<std::ptrdiff_t>(first_lane_));
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *it->second;
    if (++it == lanes_.end()) it = lanes_.begin();
    if (!lane.process) continue;
    send_due(lane, now);
    next = std::min(next, next_for(lane, now));
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

FairQueue::Entry entry_of(const ActionRecord& record) {
  return {id_bytes(record.action.id), record.action.rule_id, record.action.priority, record.number, hash64(record.action.customer, 0)};
}

void Delivery::schedule(const ActionRecord& record) {
  if (erased(record.action)) return;
  if (record.action.kind == "assign_owner") return tell_owner(record);
  std::string why_not;
  Lane* lane = lane_of(record.action, why_not);
  if (lane == nullptr) return bury(record, std::move(why_not));
  lane->queue.put(record.next_at, entry_of(record));
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
  record.state = record.perhaps ? ActionState::unknown : ActionState::dead;
  record.note = std::move(note);
  record.changed_at = clock_.now();
  if (record.perhaps) return committer_.change([before, record = std::move(record)](CommitContext& c) { book_action(c, before, record); });
  Input event = event_for("message_failed", record.action, "failed:" + std::to_string(record.tries), record.changed_at);
  set_text_field(*plan_()->catalog, event, "reason", record.note);
  post_(std::move(event), [before, record = std::move(record)](CommitContext& c, Receipt) { book_action(c, before, record); });
}

}  // namespace nudge::daemon
