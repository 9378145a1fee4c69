// The queue in front of one connector: which action goes next. Pure; time comes from outside.
//
// Of the actions whose time has come the highest priority goes first, and a lower one gets every eighth place, so that it never stands
// still. Within a priority the rules take turns, so that a rule with 40,000 messages does not keep another's one waiting. Within a rule it
// is first come, first served. When `ordered`, a customer's actions go one after the other, in the order in which they were decided: the
// next one goes when the one before it has its outcome.
//
// Not thread-safe; delivery's thread owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/base/time.h"
#include "engine/model/customer.h"

namespace nudge::daemon {

class FairQueue {
 public:
  struct Entry {
    std::string id;  // of the action: its sixteen bytes
    RuleId rule = 0;
    std::int32_t priority = 50;
    std::uint64_t number = 0;    // order of decision
    std::uint64_t customer = 0;  // a hash of the id
  };

  void set_ordered(bool ordered) { ordered_ = ordered; }
  // It may go from `at` on. Put again, it goes at the time that was said last.
  void put(TimeMs at, Entry entry);
  // It is under way already (since before a restart): ordered, the customer's later ones wait for its done() or put().
  void expect(const Entry& entry);
  // The next one, or none. Ordered: the customer's next one waits until done() or put() of this one.
  std::optional<Entry> take(TimeMs now);
  // The action has its outcome, or is none of this queue's any more.
  void done(const Entry& entry);
  // Not after `now`: take() gives one. kNever: nothing waits for its time.
  TimeMs next(TimeMs now);
  std::size_t size() const { return later_.size() + ready_size_ + parked_size_; }

 private:
  struct Turn {
    std::map<RuleId, std::deque<Entry>> rules;
    std::deque<RuleId> order;  // rules with something ready, the next one first
    std::uint64_t served = 0;  // turn_ when it last gave one
  };
  void wake(TimeMs now);
  void make_ready(Entry entry);
  static Entry take_from(Turn& turn);

  bool ordered_ = false;
  std::set<std::pair<TimeMs, std::uint64_t>> times_;                   // of later_: (when, number)
  std::unordered_map<std::uint64_t, std::pair<TimeMs, Entry>> later_;  // by number
  std::map<std::int32_t, Turn, std::greater<>> ready_;                 // by priority
  // Ordered: what each customer has here or under way, by number; with the entry when its time has come and it is not its turn.
  std::unordered_map<std::uint64_t, std::map<std::uint64_t, std::optional<Entry>>> customers_;
  std::size_t ready_size_ = 0, parked_size_ = 0;
  std::uint64_t turn_ = 0;
};

}  // namespace nudge::daemon
