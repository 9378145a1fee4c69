// Delivery: takes what waits in the outbox to the connectors, and what they say back to the books. Also keeps the task list's deadlines.
//
// One thread. The order of an attempt: the record says `in_flight` on disk, then the connector gets it; its outcome and the built-in event
// that tells of it reach the disk in one batch. So after a crash nothing that may have been sent looks as if it had not been.
//
// Thread-safety: add(), the commands and figures() from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "connectors/host/connector_process.h"
#include "daemon/runtime/clock.h"
#include "daemon/runtime/committer.h"
#include "daemon/runtime/gate.h"
#include "daemon/runtime/records.h"
#include "daemon/runtime/unsubscribe.h"

namespace nudge::daemon {

struct ConnectorSetup {
  connectors::ConnectorSpec spec;
  bool fallback = false;  // takes every kind that no other connector is for (maildrop)
};

struct DeliveryOptions {
  UnsubscribeLinks unsubscribe;
  std::vector<ConnectorSetup> connectors;
  DurationMs retry_first = 2 * kSecond;  // pause after the first failed attempt; doubles, with jitter
  DurationMs retry_most = kHour;
  std::uint32_t tries_most = 12;
  DurationMs config_retry = kMinute;  // pause after bad_config, which a person has to mend
  DurationMs age_most = 7 * kDay;     // an action that could not be sent for this long is given up
};

// What to do after an attempt. Pure; see next_step().
struct NextStep {
  ActionState state = ActionState::dead;
  TimeMs next_at = 0;
  bool query = false;  // ask the provider what became of it, instead of sending again
  std::string note;
};
// What the connector says of itself.
struct Help {
  enum class Idempotency : std::uint8_t { none, key, query };
  Idempotency idempotency = Idempotency::none;
  bool retry_unknown = false;
};
Help help_of(std::string_view description_json);
NextStep next_step(const ActionRecord& record, const connectors::Outcome& outcome, const Help& help, const DeliveryOptions& options,
                   TimeMs now);
// The pause before attempt `tries` + 1: doubling, and spread by the action's id so that a thousand failures do not come back at once.
DurationMs backoff(const Hash128& id, std::uint32_t tries, const DeliveryOptions& options);

// Why no message will ever arrive at this address, as the provider's answer says: the mailbox does not exist (5.1.1, 5.1.10), or its owner has
// opted out with the provider (21610). Empty: the answer says nothing of the kind.
std::string address_is_gone(std::string_view channel, const connectors::Outcome& outcome);

// Moves a record from the state `before` to its own in the books and counters.
void book_action(CommitContext& context, ActionState before, const ActionRecord& after);

// Puts what nudge itself has to tell on its way to its customer's shard, with a change that goes into the same batch.
struct PostEvent {
  std::function<void(std::vector<Input>, Attachment)> many;  // of one customer; all in one batch, judged at one instant
  void operator()(Input input, Attachment attachment) const {
    std::vector<Input> one;
    one.push_back(std::move(input));
    many(std::move(one), std::move(attachment));
  }
};

// Asks the customer's shard what the policies say to an action that waited; answers on another thread.
using AskPolicies = std::function<void(const ActionOut&, std::function<void(PolicyVerdict)>)>;

struct ConnectorFigures {
  std::string name;
  std::string kind;
  bool fallback = false;
  connectors::ConnectorStatus status;
  std::size_t waiting = 0;  // actions due now or later
  std::size_t under_way = 0;
};

class Delivery {
 public:
  Delivery(DeliveryOptions options, Store& store, LogicalClock& clock, Committer& committer, Gate& gate, PostEvent post, AskPolicies ask,
           std::function<std::shared_ptr<const Plan>()> plan);
  ~Delivery();

  // Reads what is pending, starts the connectors and the thread. What was in flight when the last process ended is treated as unknown.
  Result<void> start();
  // Takes nothing new to the connectors, waits up to `deadline` for what is under way, then ends.
  void stop(std::chrono::milliseconds deadline);

  // A new action or task that is on disk.
  void add(const ActionRecord& record);
  void add(const TaskRecord& record);
  // An action that a policy dropped: tells the rules (message_held).
  void tell_held(const ActionRecord& record);
  // What people have set is another: looks at everything that is due again.
  void controls_changed();

  using Done = std::function<void(Result<void>)>;
  // A person's word on a dead or unknown action, by the sixteen bytes of its id.
  void retry(std::string id, Done done);
  void discard(std::string id, std::string reason, Done done);
  // A person's word on what the brake or a budget keeps of a rule: it goes out now, or never. Answers with how many there were.
  using Counted = std::function<void(Result<std::uint64_t>)>;
  void release_kept(RuleId rule, std::string author, std::string reason, Counted done);
  void discard_kept(RuleId rule, std::string author, std::string reason, Counted done);
  void complete_task(std::string id, std::string disposition, std::string note, std::string by, Done done);

  std::vector<ConnectorFigures> figures() const;

 private:
  struct Lane;
  void run();
  void work(TimeMs now, TimeMs& next);
  void send_due(Lane& lane, TimeMs now);
  void hand_over(Lane& lane, ActionRecord record, bool query);
  // Before an attempt that may be the first to leave: see delivery_gate.cpp. False: it does not leave now, and that is dealt with.
  bool may_leave(Lane& lane, ActionRecord& record, TimeMs now);
  void on_policies(const std::string& lane, const std::string& id, PolicyVerdict verdict);
  void hold_back(ActionRecord record, Held held, std::string words);
  void put_off(Lane& lane, ActionRecord record, TimeMs until, std::string words);
  Result<void> tell_held_again();
  bool wakes_rules(const ActionOut& action) const;
  void settle_kept(RuleId rule, bool release, const std::string& author, const std::string& reason, const Counted& done);
  void on_outcome(const std::string& lane, const connectors::DeliverRequest& request, const connectors::Outcome& outcome);
  void settle(Lane& lane, ActionRecord record, const connectors::Outcome& outcome);
  // The facts that an answer makes; none, and the record dead with the reason, when it does not fit.
  std::vector<Input> facts_of_answer(ActionRecord& record, const connectors::Outcome& outcome, TimeMs now) const;
  void schedule(const ActionRecord& record, bool query = false);
  Lane* lane_of(const ActionOut& action, std::string& why_not);
  void bury(ActionRecord record, std::string note);
  void tell_owner(ActionRecord record);
  void tell_created(const ActionOut& action);
  void tell_overdue(const std::string& id);
  std::optional<TaskRecord> escalation_of(const TaskRecord& overdue, TimeMs now) const;
  void command_retry(const std::string& id, const Done& done);
  void command_discard(const std::string& id, const std::string& reason, const Done& done);
  void command_complete(const std::string& id, const std::string& disposition, const std::string& note, const std::string& by,
                        const Done& done);
  Result<ActionRecord> load_pending_or_final(const std::string& id);
  Input held_event(const ActionOut& action, const std::string& reason, TimeMs at) const;
  Input event_for(std::string_view type, const ActionOut& action, std::string id_suffix, TimeMs at) const;
  void post_command(std::function<void()> command);

  const DeliveryOptions options_;
  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  Gate& gate_;
  const PostEvent post_;
  const AskPolicies ask_;
  const std::function<std::shared_ptr<const Plan>()> plan_;

  // Delivery thread only (and start()).
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::set<std::pair<TimeMs, std::string>> deadlines_;  // of open tasks
  std::set<std::string> busy_;                          // actions and tasks with a change by a command or a deadline under way

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> commands_;
  bool stopping_ = false;
  bool draining_ = false;

  std::thread thread_;
};

}  // namespace nudge::daemon
