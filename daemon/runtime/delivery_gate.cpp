// Before an action leaves: what the gate and the customer's policies say to one that had to wait.
#include <algorithm>

#include "daemon/runtime/actions.h"
#include "daemon/runtime/delivery_lane.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

// An action that waited longer than this is judged again: consent may be gone, quiet hours begun. Below it the decision is as good as new.
constexpr DurationMs kFresh = kSecond;

}  // namespace

bool Delivery::wakes_rules(const ActionOut& action) const {
  const std::shared_ptr<const Plan> plan = plan_();
  const EventTypeId cause = action.cause.type;
  return cause >= plan->catalog->events.size() || plan->catalog->events[cause].name != "message_held";
}

void Delivery::controls_changed() {
  post_command([] {});
}

void Delivery::tell_held(const ActionRecord& record) {
  post_command([this, action = record.action, note = record.note] {
    if (erased(action)) return;
    const std::string id = id_bytes(action.id);
    if (!wakes_rules(action)) {  // rules that answer what they could not send would wake each other for ever
      committer_.change([id](CommitContext& c) { c.set.erase(Family::outbox, held_untold_key(id)); });
      return;
    }
    post_(held_event(action, note, action.at), [id](CommitContext& c, Receipt) { c.set.erase(Family::outbox, held_untold_key(id)); });
  });
}

// What the last process dropped and did not get to tell.
Result<void> Delivery::tell_held_again() {
  std::vector<std::string> untold;
  const std::string mark = held_untold_key("");
  NUDGE_TRY(store_.scan(Family::outbox, mark, prefix_end(mark), [&](std::string_view key, std::string_view) {
    untold.emplace_back(key.substr(mark.size()));
    return true;
  }));
  for (const std::string& id : untold) {
    NUDGE_ASSIGN(const ActionRecord record, find_action(store_, id));
    tell_held(record);
  }
  return {};
}

bool Delivery::may_leave(Lane& lane, ActionRecord& record, TimeMs now) {
  const GateVerdict gate = gate_.ask(record.action, now);
  if (gate.kind == GateVerdict::Kind::wait) {  // stopped in this very moment
    lane.queue.put(record.next_at, entry_of(record));
    return false;
  }
  std::string expired;
  if (now >= record.action.expires_at) expired = "expired: it could not leave before " + format_timestamp(record.action.expires_at);
  if (record.perhaps) {  // it may have arrived: a repeat under the same key, unless it is no longer wanted
    if (expired.empty() && gate.kind == GateVerdict::Kind::go) return true;
    leave_unknown(lane, std::move(record), "it may have arrived, and is not repeated: " + (expired.empty() ? gate.words : expired));
    return false;
  }
  if (!expired.empty()) {
    hold_back(lane, std::move(record), Held::expired, std::move(expired));
    return false;
  }
  if (gate.kind == GateVerdict::Kind::hold) {
    hold_back(lane, std::move(record), gate.held, gate.words);
    return false;
  }
  if (now - record.action.at < kFresh) return true;
  const std::string id = id_bytes(record.action.id);
  const ActionOut action = record.action;
  lane.asking.emplace(id, std::move(record));
  ask_(action, [this, name = lane.name, id](PolicyVerdict verdict) {
    post_command([this, name, id, verdict = std::move(verdict)] { on_policies(name, id, verdict); });
  });
  return false;
}

void Delivery::on_policies(const std::string& name, const std::string& id, PolicyVerdict verdict) {
  Lane& lane = *lanes_[name];
  const auto it = lane.asking.find(id);
  if (it == lane.asking.end()) return;
  ActionRecord record = std::move(it->second);
  lane.asking.erase(it);
  const TimeMs now = clock_.now();
  switch (verdict.kind) {
    case PolicyVerdict::Kind::allow:
      if (gate_.controls()->stopped) return lane.queue.put(record.next_at, entry_of(record));
      if (lane.account->next(now) <= now) return hand_over(lane, std::move(record));
      // The provider asked for a pause meanwhile: it is judged again afterwards, when that may be long.
      if (lane.account->next(now) - now > kFresh) return lane.queue.put(lane.account->next(now), entry_of(record));
      return lane.cleared.push_back(std::move(record));
    case PolicyVerdict::Kind::defer: return put_off(lane, std::move(record), verdict.until, std::move(verdict.words));
    case PolicyVerdict::Kind::drop: return hold_back(lane, std::move(record), verdict.held, std::move(verdict.words));
  }
}

// What may have arrived and is not to be repeated: a person decides.
void Delivery::leave_unknown(Lane& lane, ActionRecord record, std::string words) {
  const ActionState before = record.state;
  record.state = ActionState::unknown;
  record.note = std::move(words);
  record.changed_at = clock_.now();
  lane.queue.done(entry_of(record));
  committer_.change([before, record = std::move(record)](CommitContext& c) { book_action(c, before, record); });
}

void Delivery::put_off(Lane& lane, ActionRecord record, TimeMs until, std::string words) {
  const ActionState before = record.state;
  record.next_at = until;
  record.changed_at = clock_.now();
  record.note = std::move(words);
  lane.queue.put(until, entry_of(record));
  committer_.change([before, record = std::move(record)](CommitContext& c) { book_action(c, before, record); });
}

void Delivery::hold_back(Lane& lane, ActionRecord record, Held held, std::string words) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  record.state = held == Held::expired ? ActionState::cancelled : ActionState::held;
  record.held = held;
  record.note = std::move(words);
  record.changed_at = now;
  lane.queue.done(entry_of(record));
  const auto book = [before, record](CommitContext& c) {
    ++c.delta.rules[record.action.rule_id].dropped[static_cast<std::size_t>(record.held) % kHeldReasons];
    book_action(c, before, record);
  };
  if (!wakes_rules(record.action)) return committer_.change(book);
  post_(held_event(record.action, record.note, now), [book](CommitContext& c, Receipt) { book(c); });
}

}  // namespace nudge::daemon
