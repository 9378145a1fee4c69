// Work: the open call tasks, their lives and clocks. A task is open, offered to somebody, accepted, and in the end done, cancelled or
// expired. What happens to it is decided here alone, in the order of the log: people's commands one after the other, clocks at their own
// instants. Pure: no clock, no I/O. Not thread-safe. The caller keeps what is touched; Work owns the open tasks, or, once the caller says that
// it can give them back (keep_elsewhere), no more of each than what it must know to choose: a million of them is then some 200 MB.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/effects.h"
#include "engine/core/opportunities.h"
#include "engine/core/roster.h"
#include "engine/model/input.h"

namespace nudge {

// Numbers are stored: append only.
enum class TaskState : std::uint8_t { open = 1, done = 2, offered = 3, accepted = 4, cancelled = 5, expired = 6 };
std::string_view task_state_name(TaskState s);
inline bool is_open(TaskState s) { return s == TaskState::open || s == TaskState::offered || s == TaskState::accepted; }

// One thing that happened to a task, for people.
struct TaskStep {
  TimeMs at = 0;
  std::string what;   // created, offered, accepted …
  std::string who;    // did it, or it was given to
  std::string words;  // why
};
inline constexpr std::size_t kTaskStepsKept = 64;

struct Task {
  std::uint64_t number = 0;  // of the action
  TaskState state = TaskState::open;
  bool overdue = false;  // the due time has passed while it was open, and that was told
  TimeMs done_at = 0;
  std::string disposition;
  std::string note;
  std::string done_by;
  ActionOut action;  // owner, due, mandatory, reason, payload (subject …), and how to assign it
  // Since the second form of the record:
  bool waits = false;             // for somebody who can take it
  TimeMs given_at = 0;            // when its owner got it
  TimeMs offer_until = kNever;    // offered: when it goes on to somebody else
  TimeMs not_before = 0;          // tried, to be tried again then
  TimeMs expires_at = kNever;     // closed then
  std::uint32_t tries = 0;        // that did not close it
  std::uint32_t told = 0;         // events about it, so that each has a name of its own
  std::vector<std::string> refused;  // never given to these again
  std::vector<TimeMs> rungs;      // of the ladder: when each is climbed; kNever: it was, or never will be
  std::vector<TaskStep> steps;    // the newest kTaskStepsKept
  // Since the third:
  bool sole_record = false;  // the action that made it has no record of its own
  std::string decided_for;   // then: the customer's name when it was decided, when it is another by now
};

struct TaskCommand {
  enum class Kind : std::uint8_t { accept, decline, complete, reassign, release, cancel };
  Kind kind = Kind::accept;
  Hash128 task;
  std::string by;           // who says so: a member's id, or a name
  std::string to;           // reassign: the member who gets it
  bool as_manager = false;  // may do it to other people's tasks
  std::string disposition, note, reason;
  TimeMs at = 0;  // complete: when to try again
};

// What a change did. `touched` are copies as they are now, closed ones too; each once, in the order of the first change.
struct WorkOut {
  std::vector<Task> touched;
  std::map<Hash128, std::size_t> places;  // in `touched`
  std::vector<Task> made;         // new tasks that follow from others: for managers
  std::vector<ActionOut> actions;  // to be delivered: tickets
  std::vector<Input> news;        // events about tasks, for the rules
  std::size_t overdue = 0;        // that are so since now
  LeadOut leads;                  // what was done to leads at the same time …
  DealOut deals;                  // … and to opportunities
};

class Work {
 public:
  Work() = default;
  Work(Work&&) = default;
  Work& operator=(Work&&) = default;
  // A new task, settled by the desk (its owner is known, or nobody is). `number` orders tasks. `sole_record`: the caller keeps the action in
  // no other place.
  void add(const Plan& plan, ActionOut action, std::uint64_t number, TimeMs now, WorkOut& out, bool sole_record = false);
  // A task as it was kept.
  void load(Task task);
  // From now on the caller gives back an open task as it was when it was last touched or made.
  void keep_elsewhere(std::function<Task(const Hash128&)> read) { read_ = std::move(read); }
  // The caller can give back all that was touched so far: nothing need stay here.
  void rest();
  // An open task as it is now; null: there is none with this id. Valid until the next change.
  const Task* find(const Hash128& id) { return known_.contains(id) ? &task(id) : nullptr; }
  // A person's word. Error: not_found, conflict (it is not in the state for that), invalid.
  Result<void> apply(const Plan& plan, Roster& roster, const TaskCommand& command, TimeMs now, WorkOut& out);
  // Withdraws a customer's open tasks of these rules (all rules: an empty list). The number of them.
  std::size_t withdraw(const Plan& plan, Roster& roster, std::string_view customer, const std::vector<std::string>& rules, std::string reason,
                       TimeMs now, WorkOut& out);
  // Both names are one customer's: the open tasks of `alias` are this customer's from now on. Again: nothing.
  void merged(std::string_view alias, std::string_view customer, TimeMs now, WorkOut& out);
  // Everything whose instant is at or before `now`, each at its own, in order; at most so many: next() tells of the others.
  void run(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out, std::size_t most = static_cast<std::size_t>(-1));
  // When run() has something to do; kNever: nothing is due by time alone.
  TimeMs next() const { return clocks_.empty() ? kNever : clocks_.front().first; }
  // The plan is another: whoever is new may take what waits, and what lies with people who are gone is given to others.
  void plan_changed(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out);
  // Somebody has room again: what waits is given out, the most urgent first.
  void hand_out(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out);

  // Open tasks in all, and by team: those of no team under the empty name.
  std::size_t size() const { return known_.size(); }
  struct Count {
    std::uint64_t open = 0, in_pool = 0;
  };
  const std::map<std::string, Count, std::less<>>& by_team() const { return by_team_; }

 private:
  // What is known of every open task.
  struct Known {
    TimeMs clock = kNever;                     // in clocks_
    std::uint64_t customer = 0;                // its hash
    std::pair<const std::string, Count>* team = nullptr;  // where it is counted
    bool in_pool = false;
    bool given = false;  // in given_
  };
  struct IdHash {
    std::size_t operator()(const Hash128& id) const { return static_cast<std::size_t>(id.lo); }
  };
  using Rank = std::tuple<int, std::int64_t, std::int64_t, std::uint64_t>;  // urgency, priority, due, number: the smallest goes first
  Rank rank_of(const Task& task) const;
  std::string likeness(const Task& task) const;
  Task& task(const Hash128& id);
  void count(const Task& task, Known& known);
  std::vector<Hash128> tasks_of(std::uint64_t customer) const;
  void take_from_customer(const Known& known, const Hash128& id);
  void forget(const Task& task);
  Task& insert(Task task);
  void arm(Task& task);
  void set_clock(const Hash128& id, TimeMs& clock, TimeMs at);
  bool strikes(const std::pair<TimeMs, Hash128>& clock) const;
  void drop_old_clocks();
  void set_waits(Task& task, bool waits);
  void set_clocks(const Plan& plan, Task& task, TimeMs from);
  void give(const Plan& plan, Roster& roster, Task& task, const Member& member, std::string_view team, const std::string& why, TimeMs now,
            WorkOut& out);
  void take_away(Roster& roster, Task& task);
  bool pass_on(const Plan& plan, Roster& roster, Task& task, TimeMs now, WorkOut& out);
  void close(const Plan& plan, Roster& roster, Task& task, TaskState state, TimeMs now, WorkOut& out);
  void try_again(const Plan& plan, Task& task, const TaskCommand& command, const Disposition& disposition, TimeMs now, WorkOut& out);
  Result<void> complete(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out);
  Result<void> decline(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out);
  Result<void> accept(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out);
  Result<void> move(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out);
  void strike(const Plan& plan, Roster& roster, Task& task, TimeMs at, WorkOut& out);
  void climb(const Plan& plan, Roster& roster, Task& task, std::size_t rung, TimeMs at, WorkOut& out);
  void tell(const Plan& plan, Task& task, std::string_view type, TimeMs at, const std::vector<std::pair<std::string_view, Value>>& more,
            WorkOut& out);
  void touch(const Task& task, WorkOut& out);

  std::function<Task(const Hash128&)> read_;
  std::map<Hash128, Task> here_;                            // with read_: those in use since rest(); else all
  std::unordered_map<Hash128, Known, IdHash> known_;        // has no order: nothing that is decided may hang on one
  // A heap by the earliest instant of each and its id; the all-zero id: hand_out. One that was set anew or closed leaves its old place
  // behind, which is passed over; the first one is never such. A million tasks are due at the end of the same day: a tree of them costs each
  // new one a walk through memory, and thrice the room.
  std::vector<std::pair<TimeMs, Hash128>> clocks_;
  TimeMs hand_out_at_ = kNever;                             // in clocks_
  std::map<std::string, std::set<std::pair<Rank, Hash128>>> waiting_;  // by likeness: what one can't get the others can't either
  std::unordered_multimap<std::uint64_t, Hash128> of_customer_;  // by the hash of the customer; in no order either
  std::set<Hash128> given_;                                 // to somebody, by an assignment
  std::map<std::string, Count, std::less<>> by_team_;
};

// The event that tells of a task. Fields that the catalog's event does not have are left out; no such event: its type is kNoEventType.
Input task_event(const Catalog& catalog, const ActionOut& action, std::string_view type, std::string_view suffix, TimeMs at,
                 const std::vector<std::pair<std::string_view, Value>>& more);
// The text of a member at the top of a JSON object; empty when there is none.
std::string json_text(std::string_view json, std::string_view name);
// The task by which a manager hears of one that is not done.
Task manager_task(const Plan& plan, const Task& about, std::string_view suffix, std::string subject, TimeMs now);

// Whom a `cancel_tasks` action means: the rules in its payload (none: all), and why.
struct Withdrawal {
  std::vector<std::string> rules;
  std::string reason;
};
Withdrawal withdrawal_of(const ActionOut& action);
// What a ticket about it says.
std::string ticket_payload(std::string_view subject, std::string_view body);

// The codec; the first form (without what came later) still decodes.
void encode_task(std::string& out, const Task& task);
Result<Task> decode_task(std::string_view bytes);
void encode_terms(Writer& out, const TaskTerms& terms);
bool decode_terms(Reader& in, TaskTerms& terms);

}  // namespace nudge
