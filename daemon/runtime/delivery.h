// Delivery: takes what waits in the outbox to the connectors, and what they say back to the books.
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
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/clock.h"
#include "daemon/runtime/committer.h"
#include "daemon/runtime/delivery_policy.h"
#include "daemon/runtime/erased.h"
#include "daemon/runtime/gate.h"
#include "daemon/runtime/receipts.h"
#include "daemon/runtime/records.h"
#include "daemon/runtime/unsubscribe.h"

namespace nudge::daemon {

struct ConnectorSetup {
  connectors::ConnectorSpec spec;
  bool fallback = false;  // takes every kind that no other connector is for (maildrop)
  LaneOptions delivery;
};

struct DeliveryOptions {
  UnsubscribeLinks unsubscribe;
  ApprovalLinks approvals;
  std::vector<ConnectorSetup> connectors;
  // The connector's setup as the configuration has it now, for a restart. Empty: as it was.
  std::function<Result<ConnectorSetup>(const std::string& name)> reread;
};

// Moves a record from the state `before` to its own in the books and counters.
void book_action(CommitContext& context, ActionState before, const ActionRecord& after);

// What people can say about actions; what each is for: states_for().
enum class Word : std::uint8_t {
  retry,    // now, with all its attempts again
  discard,  // it never leaves (again)
  release,  // what was kept goes out
  arrived,  // an unknown one did arrive
};
std::optional<Word> find_word(std::string_view name);
std::string_view states_for(Word word);
bool may_be_told(ActionState state, Word word);
// Who, why; and with retry, when the address was wrong, the right one.
struct Told {
  std::string author, reason, to;
};
// The record after the word. Pure.
ActionRecord told(ActionRecord record, Word word, const Told& by, TimeMs now);

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

// How a callback ended, for whoever called.
struct CallbackResult {
  int status = 200;
  std::string type, body;                              // the answer that the provider expects; type: json, xml, text
  std::string why;                                     // of a status that is not 200
  std::uint64_t told = 0, doubled = 0, unmatched = 0;  // reports
};
using CallbackDone = std::function<void(const CallbackResult&)>;

struct ConnectorFigures {
  std::string name;
  std::string kind;
  bool fallback = false;
  connectors::ConnectorStatus status;
  std::size_t waiting = 0;  // actions due now or later
  std::size_t under_way = 0;
  Breaker::State breaker = Breaker::State::closed;
  TimeMs breaker_until = 0;  // open: when the next attempt is made
  std::uint64_t breaker_opened = 0;
  std::string breaker_why;   // of the failure that opened it
  TimeMs paused_until = 0;   // the provider asked for a pause
  std::uint64_t throttles = 0;
  std::size_t window = 0;    // so many at once at this moment
  std::string rates;         // "10/s, 1000/h"; empty: no limit
  std::string account;
  std::string on_unknown;    // what is done after an unknown outcome, when a rule does not say
  // Callbacks: taken, refused (not from the provider), failed; and what was in those taken.
  std::uint64_t callbacks_taken = 0, callbacks_refused = 0, callbacks_failed = 0;
  std::uint64_t reports_told = 0, reports_doubled = 0, reports_unmatched = 0;
};

class Delivery {
 public:
  Delivery(DeliveryOptions options, Store& store, LogicalClock& clock, Committer& committer, Gate& gate, PostEvent post, AskPolicies ask,
           std::function<std::shared_ptr<const Plan>()> plan);
  ~Delivery();

  // Before start(): whose old actions and tasks are nobody's any more.
  void use_erased(const ErasedIds& erased) { erased_ = &erased; }
  // Lets go of what waits for those who are in the list by now; `done` is told, on delivery's thread, how many messages of theirs are at a
  // provider at this moment: they may arrive, and their outcome goes nowhere.
  void forget_erased(std::function<void(std::uint64_t in_flight)> done);

  // Reads what is pending, starts the connectors and the thread. What was in flight when the last process ended is treated as unknown.
  Result<void> start();
  // Takes nothing new to the connectors, waits up to `deadline` for what is under way, then ends.
  void stop(std::chrono::milliseconds deadline);

  // A new action that is on disk.
  void add(const ActionRecord& record);
  // An action that a policy dropped: tells the rules (message_held).
  void tell_held(const ActionRecord& record);
  // What people have set is another: looks at everything that is due again.
  void controls_changed();

  using Done = std::function<void(Result<void>)>;
  // A person's word on actions, by the sixteen bytes of their ids. Answers with how many it was for; of one action that it is not for, with the
  // error (not_found, conflict). Of many those that changed meanwhile are left out.
  using Counted = std::function<void(Result<std::uint64_t>)>;
  void tell(std::vector<std::string> ids, Word word, Told by, Counted done);
  // The same (release or discard) on all that the brake or a budget keeps of a rule.
  void settle_kept(RuleId rule, Word word, Told by, Counted done);

  // Replaces the connector's process (a new binary, new secrets, a new configuration) without losing an action: nothing new is handed to it,
  // what is under way gets its outcome, then the next process goes on. Returns at once; not found, or why the new setup is no good.
  Result<void> restart_connector(const std::string& name);
  // What came to /v1/callbacks/CONNECTOR; the payload as PROTOCOL.md has it. `done` is told once what it reports is on disk.
  void receive(std::string connector, std::string payload_json, CallbackDone done);

  std::vector<ConnectorFigures> figures() const;

 private:
  struct Lane;
  struct Call;
  enum class ReportEnd : std::uint8_t { none, told, doubled, unmatched };
  void on_callback(const std::string& lane, const std::string& id, const connectors::Outcome& outcome);
  void report_booked(const std::string& lane, const std::shared_ptr<Call>& call, ReportEnd end);
  std::function<void()> booked(const std::string& lane, const std::shared_ptr<Call>& call, ReportEnd end, std::string busy);
  std::optional<ActionRecord> action_of(const Lane& lane, const ProviderReport& report);
  void book_report(Lane& lane, const ProviderReport& report, const std::shared_ptr<Call>& call);
  void book_receipt(Lane& lane, const ProviderReport& report, const ActionRecord& record, const std::shared_ptr<Call>& call);
  void book_reply(Lane& lane, const ProviderReport& report, const std::optional<ActionRecord>& record, const std::shared_ptr<Call>& call);
  void book_word(Lane& lane, const ProviderReport& report, const ActionRecord& record, const std::shared_ptr<Call>& call);
  std::optional<Suppression> suppression_of(const ActionRecord& record, const std::string& author, std::string reason, TimeMs now) const;
  // Whether the provider has reported on it: then it has it, whatever became of the answer.
  bool reported(const ActionRecord& record) const;
  void run();
  void work(TimeMs now, TimeMs& next);
  void send_due(Lane& lane, TimeMs now);
  bool begin_next(Lane& lane, TimeMs now);
  TimeMs next_for(Lane& lane, TimeMs now) const;
  void settle_lost(Lane& lane);
  void hand_over(Lane& lane, ActionRecord record);
  void submit(Lane& lane, const std::string& id);
  void start_process(Lane& lane, const connectors::ConnectorSpec& spec);
  bool restarting(Lane& lane, TimeMs now);
  void show(Lane& lane, TimeMs now);
  void note_health(Lane& lane, const connectors::Outcome& outcome, TimeMs now);
  // Before an attempt that may be the first to leave: see delivery_gate.cpp. False: it does not leave now, and that is dealt with.
  bool may_leave(Lane& lane, ActionRecord& record, TimeMs now);
  void on_policies(const std::string& lane, const std::string& id, PolicyVerdict verdict);
  void hold_back(Lane& lane, ActionRecord record, Held held, std::string words);
  void leave_unknown(Lane& lane, ActionRecord record, std::string words);
  void put_off(Lane& lane, ActionRecord record, TimeMs until, std::string words);
  Result<void> tell_held_again();
  bool wakes_rules(const ActionOut& action) const;
  using Ids = std::shared_ptr<const std::vector<std::string>>;
  void tell_portion(const Ids& ids, std::size_t from, Word word, const Told& by, std::uint64_t before, const Counted& done);
  Result<ActionRecord> idle_action(const std::string& id, Word word);
  void on_outcome(const std::string& lane, const connectors::DeliverRequest& request, const connectors::Outcome& outcome);
  void settle(Lane& lane, ActionRecord record, const connectors::Outcome& outcome);
  // The facts that an answer makes; none, and the record dead with the reason, when it does not fit.
  std::vector<Input> facts_of_answer(ActionRecord& record, const connectors::Outcome& outcome, TimeMs now) const;
  void schedule(const ActionRecord& record);
  Lane* lane_of(const ActionOut& action, std::string& why_not);
  void bury(ActionRecord record, std::string note);
  void tell_owner(ActionRecord record);
  Input held_event(const ActionOut& action, const std::string& reason, TimeMs at) const;
  Input event_for(std::string_view type, const ActionOut& action, std::string id_suffix, TimeMs at) const;
  void post_command(std::function<void()> command);
  bool erased(const ActionOut& action) const { return erased_ != nullptr && erased_->covers(action.customer, action.at); }

  const DeliveryOptions options_;
  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  Gate& gate_;
  const PostEvent post_;
  const AskPolicies ask_;
  const std::function<std::shared_ptr<const Plan>()> plan_;
  const ErasedIds* erased_ = nullptr;

  // Delivery thread only (and start()).
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::map<std::string, std::shared_ptr<Account>> accounts_;  // by name; of connectors that share one
  std::size_t first_lane_ = 0;                                // takes turns, so that no lane has an account's first choice
  std::uint64_t calls_made_ = 0;
  std::set<std::string> busy_;  // actions with a change by a command under way

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> commands_;
  bool stopping_ = false;
  bool draining_ = false;

  std::thread thread_;
};

}  // namespace nudge::daemon
