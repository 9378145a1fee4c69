// Before an action leaves: what the gate and the customer's policies say to one that had to wait, and what people do with what is kept.
#include <algorithm>

#include "daemon/runtime/delivery_lane.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

// An action that waited longer than this is judged again: consent may be gone, quiet hours begun. Below it the decision is as good as new.
constexpr DurationMs kFresh = kSecond;
constexpr std::size_t kPortion = 500;  // kept actions settled in one commit

// Whether every attempt so far provably did not arrive.
bool never_left(const ActionRecord& record) {
  for (const Attempt& attempt : record.attempts) {
    if (attempt.status != "not_sent" && attempt.status != "bad_config") return false;
  }
  return record.attempts.size() == record.tries || record.tries == 0;
}

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
    NUDGE_ASSIGN(const ActionRecord record, load_pending_or_final(id));
    tell_held(record);
  }
  return {};
}

bool Delivery::may_leave(Lane& lane, ActionRecord& record, TimeMs now) {
  if (!never_left(record)) return true;  // it may have arrived: the next attempt finds that out, or repeats it under the same key
  if (now >= record.action.expires_at) {
    hold_back(std::move(record), Held::expired, "expired: it could not leave before " + format_timestamp(record.action.expires_at));
    return false;
  }
  GateVerdict gate = gate_.ask(record.action, now);
  if (gate.kind == GateVerdict::Kind::hold) {
    hold_back(std::move(record), gate.held, std::move(gate.words));
    return false;
  }
  if (gate.kind == GateVerdict::Kind::wait) {  // stopped in this very moment
    lane.due.emplace(record.next_at, id_bytes(record.action.id));
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
  switch (verdict.kind) {
    case PolicyVerdict::Kind::allow:
      if (gate_.controls()->stopped) {
        lane.due.emplace(record.next_at, id);
        return;
      }
      return hand_over(lane, std::move(record), false);
    case PolicyVerdict::Kind::defer: return put_off(lane, std::move(record), verdict.until, std::move(verdict.words));
    case PolicyVerdict::Kind::drop: return hold_back(std::move(record), verdict.held, std::move(verdict.words));
  }
}

void Delivery::put_off(Lane& lane, ActionRecord record, TimeMs until, std::string words) {
  const ActionState before = record.state;
  record.next_at = until;
  record.changed_at = clock_.now();
  record.note = std::move(words);
  lane.due.emplace(until, id_bytes(record.action.id));
  committer_.change([before, record = std::move(record)](CommitContext& c) { book_action(c, before, record); });
}

void Delivery::hold_back(ActionRecord record, Held held, std::string words) {
  const ActionState before = record.state;
  const TimeMs now = clock_.now();
  record.state = held == Held::expired ? ActionState::cancelled : ActionState::held;
  record.held = held;
  record.note = std::move(words);
  record.changed_at = now;
  const auto book = [before, record](CommitContext& c) {
    ++c.delta.rules[record.action.rule_id].dropped[static_cast<std::size_t>(record.held) % kHeldReasons];
    book_action(c, before, record);
  };
  if (!wakes_rules(record.action)) return committer_.change(book);
  post_(held_event(record.action, record.note, now), [book](CommitContext& c, Receipt) { book(c); });
}

void Delivery::release_kept(RuleId rule, std::string author, std::string reason, Counted done) {
  post_command([this, rule, author = std::move(author), reason = std::move(reason), done = std::move(done)] {
    settle_kept(rule, true, author, reason, done);
  });
}

void Delivery::discard_kept(RuleId rule, std::string author, std::string reason, Counted done) {
  post_command([this, rule, author = std::move(author), reason = std::move(reason), done = std::move(done)] {
    settle_kept(rule, false, author, reason, done);
  });
}

// What is kept goes its way in portions, each one commit: a restart in between leaves the rest kept, and asking again goes on with it.
void Delivery::settle_kept(RuleId rule, bool release, const std::string& author, const std::string& reason, const Counted& done) {
  std::vector<ActionRecord> kept;
  const std::string pending = action_key(true, "");
  const Result<std::uint64_t> scanned = [&]() -> Result<std::uint64_t> {
    NUDGE_TRY(store_.scan(Family::outbox, pending, prefix_end(pending), [&](std::string_view, std::string_view value) {
      Result<ActionRecord> record = decode_action_record(value);
      if (record && record->state == ActionState::kept && record->action.rule_id == rule) kept.push_back(*std::move(record));
      return true;
    }));
    return kept.size();
  }();
  if (!scanned || kept.empty()) return done(scanned);
  std::ranges::sort(kept, {}, &ActionRecord::number);
  const TimeMs now = clock_.now();
  const std::string note = std::string(release ? "released by " : "discarded by ") + author + ": " + reason;
  for (std::size_t from = 0; from < kept.size(); from += kPortion) {
    std::vector<ActionRecord> portion(
        std::make_move_iterator(kept.begin() + static_cast<std::ptrdiff_t>(from)),
        std::make_move_iterator(kept.begin() + static_cast<std::ptrdiff_t>(std::min(kept.size(), from + kPortion))));
    const bool last = from + kPortion >= kept.size();
    for (ActionRecord& record : portion) {
      const bool task = record.action.kind == "call_task";
      record.state = !release ? ActionState::discarded : task ? ActionState::accepted : ActionState::waiting;
      record.next_at = record.changed_at = now;
      record.note = note;
    }
    auto shared = std::make_shared<std::vector<ActionRecord>>(std::move(portion));
    committer_.change(
        [this, shared, release](CommitContext& c) {
          for (const ActionRecord& record : *shared) {
            book_action(c, ActionState::kept, record);
            if (record.action.kind != "call_task") continue;
            if (release) {
              c.after.push_back([this, task = put_task(c.set, c.delta, record)] { add(task); });
            } else if (!record.action.owner.empty()) {
              c.desk.task_closed(record.action.owner);
              c.desk_changed = true;
            }
          }
        },
        [this, shared, release, last, total = kept.size(), done](const Error* failure) {
          if (failure != nullptr) {
            if (last) done(std::unexpected(*failure));
            return;
          }
          if (release) {
            for (const ActionRecord& record : *shared) {
              if (record.state == ActionState::waiting) add(record);
            }
          }
          if (last) done(total);
        });
  }
}

}  // namespace nudge::daemon
