// A person's word on actions: try it again, give it up, let it out, it arrived. One or many; the states that each word is for stand in
// docs/delivery.md.
#include <algorithm>

#include "daemon/runtime/actions.h"
#include "daemon/runtime/delivery_lane.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kPortion = 500;  // settled in one commit

// Whom the desk counts it for, when it will not be done after all.
void close_task(CommitContext& c, const ActionRecord& record) {
  if (record.action.kind != "call_task" || record.action.owner.empty()) return;
  c.desk.roster().returned(record.action.owner, record.action.terms.units);
  c.desk_changed = true;
}

}  // namespace

std::optional<Word> find_word(std::string_view name) {
  if (name == "retry") return Word::retry;
  if (name == "discard") return Word::discard;
  if (name == "release") return Word::release;
  if (name == "arrived") return Word::arrived;
  return std::nullopt;
}

std::string_view states_for(Word word) {
  switch (word) {
    case Word::retry: return "dead, unknown or retrying";
    case Word::discard: return "dead, unknown, kept, waiting or retrying";
    case Word::release: return "kept";
    case Word::arrived: return "unknown";
  }
  return "";
}

bool may_be_told(ActionState state, Word word) {
  switch (word) {
    case Word::retry: return state == ActionState::dead || state == ActionState::unknown || state == ActionState::retrying;
    case Word::discard:
      return state == ActionState::dead || state == ActionState::unknown || state == ActionState::kept || state == ActionState::waiting ||
             state == ActionState::retrying;
    case Word::release: return state == ActionState::kept;
    case Word::arrived: return state == ActionState::unknown;
  }
  return false;
}

ActionRecord told(ActionRecord record, Word word, const Told& by, TimeMs now) {
  const std::string who = by.author.empty() ? "" : " by " + by.author;
  const std::string why = by.reason.empty() ? "" : ": " + by.reason;
  record.changed_at = now;
  switch (word) {
    case Word::retry:
      record.state = ActionState::retrying;
      record.next_at = now;
      record.tries = 0;  // all attempts are there again
      record.first_sent_at = 0;
      record.ask = false;
      record.note = "retried" + (who.empty() ? " by a person" : who) + why;
      if (!by.to.empty()) {
        record.note = "address mended" + who + ", was " + member_text(record.action.payload, "to") + why;
        record.action.payload = with_recipient(record.action.payload, by.to);
      }
      break;
    case Word::discard:
      record.state = ActionState::discarded;
      record.note = "discarded" + who + why;
      break;
    case Word::release:
      record.state = record.action.kind == "call_task" ? ActionState::accepted : ActionState::waiting;
      record.next_at = now;
      record.note = "released" + who + why;
      break;
    case Word::arrived:
      record.state = ActionState::accepted;
      record.perhaps = false;
      record.note = "it arrived, says" + (who.empty() ? " a person" : who.substr(3)) + why;
      break;
  }
  return record;
}

void Delivery::tell(std::vector<std::string> ids, Word word, Told by, Counted done) {
  post_command([this, ids = std::make_shared<const std::vector<std::string>>(std::move(ids)), word, by = std::move(by),
                done = std::move(done)] { tell_portion(ids, 0, word, by, 0, done); });
}

// In portions, each one commit: a crash in between leaves the rest as it was, and asking again goes on with it. Between two portions
// delivery goes on.
void Delivery::tell_portion(const Ids& ids, std::size_t from, Word word, const Told& by, std::uint64_t before, const Counted& done) {
  const TimeMs now = clock_.now();
  struct Settled {
    ActionState before;
    ActionRecord after;
  };
  auto changes = std::make_shared<std::vector<Settled>>();
  const std::size_t end = std::min(ids->size(), from + kPortion);
  for (std::size_t i = from; i < end; ++i) {
    Result<ActionRecord> record = idle_action((*ids)[i], word);
    if (!record) {
      if (ids->size() == 1) return done(std::unexpected(std::move(record).error()));
      continue;  // it changed between the count and now; the answer says how many there were
    }
    busy_.insert((*ids)[i]);
    const ActionState state = record->state;
    changes->push_back({state, told(*std::move(record), word, by, now)});
  }
  const std::uint64_t total = before + changes->size();
  const auto next = [this, ids, end, word, by, total, changes, done](const Error* failure) {
    if (failure != nullptr) return done(std::unexpected(*failure));
    post_command([this, ids, end, word, by, total, changes, done] {
      for (const Settled& change : *changes) {
        busy_.erase(id_bytes(change.after.action.id));
        const ActionState state = change.after.state;
        if (state == ActionState::waiting || state == ActionState::retrying) schedule(change.after);
      }
      if (end < ids->size()) return tell_portion(ids, end, word, by, total, done);
      done(total);
    });
  };
  if (changes->empty()) return next(nullptr);
  if (word == Word::arrived) {  // the rules hear of it, in the same batch
    auto left = std::make_shared<std::size_t>(changes->size());
    for (const auto& [state, after] : *changes) {
      post_(event_for("message_accepted", after.action, "accepted:" + std::to_string(after.tries), now),
            [state, after, left, next](CommitContext& c, Receipt) {
              book_action(c, state, after);
              c.after.push_back([left, next] {
                if (--*left == 0) next(nullptr);
              });
            });
    }
    return;
  }
  committer_.change(
      [this, changes, word](CommitContext& c) {
        for (const auto& [state, after] : *changes) {
          book_action(c, state, after);
          if (word == Word::release && after.state == ActionState::accepted)
            c.desk.work().add(*plan_(), after.action, after.number, c.now, c.work);
          if (word == Word::discard && state == ActionState::kept) close_task(c, after);
        }
      },
      next);
}

// An action that the word is for, and that nothing is being done with at this moment.
Result<ActionRecord> Delivery::idle_action(const std::string& id, Word word) {
  NUDGE_ASSIGN(ActionRecord record, find_action(store_, id));
  if (erased(record.action)) return fail(Code::not_found, "there is no action with this id");
  bool under_way = record.state == ActionState::in_flight || busy_.contains(id);
  for (const auto& [name, lane] : lanes_) {
    under_way = under_way || lane->under_way.contains(id) || lane->asking.contains(id) ||
                std::ranges::any_of(lane->cleared, [&](const ActionRecord& r) { return id_bytes(r.action.id) == id; });
  }
  if (under_way) return fail(Code::conflict, "the action is under way at this moment; try again when it has its outcome");
  if (record.state == ActionState::kept && record.held == Held::approval)
    return fail(Code::conflict, "the action waits for somebody's yes: `nudge approval approve` or `reject` with its id");
  if (record.state == ActionState::kept && record.held == Held::none)
    return fail(Code::conflict, "the action is " + record.note + ", and goes out with it");
  if (!may_be_told(record.state, word)) {
    return fail(Code::conflict, "the action is " + std::string(action_state_name(record.state)) + "; only one that is " +
                                    std::string(states_for(word)) + " can be " +
                                    std::string(word == Word::retry     ? "retried"
                                                : word == Word::discard ? "discarded"
                                                : word == Word::release ? "released"
                                                                        : "called arrived"));
  }
  return record;
}

void Delivery::settle_kept(RuleId rule, Word word, Told by, Counted done) {
  post_command([this, rule, word, by = std::move(by), done = std::move(done)] {
    std::vector<std::pair<std::uint64_t, std::string>> kept;
    const std::string pending = action_key(true, "");
    const Result<void> scanned = store_.scan(Family::outbox, pending, prefix_end(pending), [&](std::string_view, std::string_view value) {
      const Result<ActionRecord> record = decode_action_record(value);
      if (record && record->state == ActionState::kept && record->held != Held::approval && record->held != Held::none && record->action.rule_id == rule)
        kept.emplace_back(record->number, id_bytes(record->action.id));
      return true;
    });
    if (!scanned) return done(std::unexpected(scanned.error()));
    std::ranges::sort(kept);
    auto ids = std::make_shared<std::vector<std::string>>();
    for (auto& [number, id] : kept) ids->push_back(std::move(id));
    tell_portion(ids, 0, word, by, 0, done);
  });
}

}  // namespace nudge::daemon
