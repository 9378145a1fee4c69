// A company in memory: runs a plan over customers in virtual time with the daemon's own engine and desk. Tests of rules, backtests and
// replay stand on it.
//
// It keeps the daemon's promises about instants: what arrives for a customer at one millisecond is judged together, boundaries are judged
// in due order over all customers, a timer never runs early. Deterministic: the same calls give the same record, bit for bit. Not
// thread-safe; owns all it holds.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/desk.h"
#include "engine/core/engine.h"
#include "engine/plan/registry.h"

namespace nudge {

// All that was decided so far, in the order of the log.
struct WorldRecord {
  struct CustomerEdge {
    std::string customer;
    std::string segment;
    Edge edge;
  };
  struct InputReceipt {
    std::string customer;
    std::string id;
    Receipt receipt;
  };
  std::vector<CustomerEdge> edges;
  std::vector<Decision> decisions;
  std::vector<ActionOut> actions;
  std::vector<HeldAction> held;  // dropped or kept by a policy
  std::vector<InputReceipt> receipts;
};

// One judgement of one customer, told to a watcher right after it. Valid during the call.
struct Judgement {
  const CustomerState& state;     // after it
  std::span<const Input> inputs;  // what arrived
  std::span<const Run> waiting;   // the runs that waited before it
  TimeMs now = 0;
  std::size_t edges = 0, decisions = 0, actions = 0;  // how long these lists of the record were before it
};

class World {
 public:
  // Called after each judgement: for coverage of tests. Costs nothing when there is none.
  using Watcher = std::function<void(const World&, const Judgement&)>;
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }

  // Nobody is known and nothing is switched on; the clock shows `start`.
  explicit World(TimeMs start);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Switches a plan on at the clock, after all that was due by then; a later one takes over as a reload does. Its catalog must continue the
  // ids of the one before it (Catalog::continue_from).
  void load(std::unique_ptr<Plan> plan);
  const Plan& plan() const { return *plan_; }

  TimeMs clock() const { return clock_; }
  // Judges everything due before `now`, each at its own instant, and lets the clock show `now`. What is due at `now` waits for what else
  // arrives then. An instant before the clock changes nothing.
  void move_to(TimeMs now);
  // Judges what arrived at the clock and what is due at it. To be called before looking at results.
  void settle();
  // The same, and what follows at once from what rules wrote, with what follows from that: the clock moves on by those milliseconds.
  void settle_writes();
  // Takes in what arrives at the clock. It is judged with all that arrives for this customer at this instant.
  void submit(Input input);
  // The same at a later instant.
  void submit_at(TimeMs arrival, Input input);

  // Null: never heard of.
  const CustomerState* find(std::string_view customer) const;
  const std::map<std::string, CustomerState, std::less<>>& customers() const { return states_; }
  // Whether the customer is in the segment by what was judged.
  bool is_member(std::string_view customer, const Segment& segment) const;
  // Who is in it, in the order of ids.
  std::vector<std::string> members(const Segment& segment) const;
  // For whom the condition holds at any instant, by what is known now, in the order of ids.
  std::vector<std::string> members_at(NodeId node, TimeMs at);
  // The value of a trait or score for a customer at the clock; missing when the customer is not known.
  Value value(std::string_view customer, ExprId expr) { return value_at(customer, expr, clock_); }
  Value value_at(std::string_view customer, ExprId expr, TimeMs at);
  // The same for the score plan().scores[index].
  Value score_at(std::string_view customer, std::uint32_t index, TimeMs at);
  Value score(std::string_view customer, std::uint32_t index) { return score_at(customer, index, clock_); }

  // An attribute's value at the clock, missing when there is none; whether the customer carries a tag.
  Value attribute(std::string_view customer, AttributeId attribute) const;
  bool has_tag(std::string_view customer, std::string_view tag) const;

  const WorldRecord& record() const { return record_; }
  // All call tasks there ever were, as they are now, in the order in which they were made.
  const std::vector<Task>& tasks() const { return tasks_; }
  const Desk& desk() const { return desk_; }
  // A person's word on the newest open task of the rule for the customer. Error: there is none, or it is not to be done now.
  Result<void> work(std::string_view customer, std::string_view rule, TaskCommand command);
  // Everything that ever waited for a yes, as it is now, in the order in which it was asked.
  const std::vector<Request>& approvals() const { return requests_; }
  // The answer to what waits longest of the rule for the customer. Error: nothing waits, or another is asked.
  Result<void> answer_approval(std::string_view customer, std::string_view rule, ApprovalCommand command);
  // A person's word on an opportunity; and all there ever were, by id.
  Result<void> deal(const DealCommand& command);
  const std::map<std::string, Opportunity, std::less<>>& deals() const { return deals_; }
  // A person's word on a lead.
  Result<void> lead(const LeadCommand& command);
  // Closes the newest open task of the rule for the customer and tells the rules so (task_completed). False when there is none.
  bool complete_task(std::string_view customer, std::string_view rule, std::string_view disposition, std::string_view note);
  // How the newest action of the rule for the customer went, told to the rules: "accepted", "delivered", "failed", "held", "replied" (with
  // what was answered), "unsubscribed". False when there is none.
  bool report_delivery(std::string_view customer, std::string_view rule, std::string_view outcome, std::string_view detail,
                       std::string_view text = {});

  // What the newest `enrich` of the rule for the customer was answered (a JSON object): written as in the daemon, and told to the rules as
  // accepted or, when it does not fit, as failed. False and the reason in `problem` when it does not fit, or there is no such action.
  bool answer(std::string_view customer, std::string_view rule, std::string_view result, std::string& problem);

  // 32 hexadecimal digits over all decisions and actions in order: equal digests mean equal decisions.
  std::string digest() const { return to_hex(digest_); }

 private:
  struct Arrivals {
    std::string customer;
    std::vector<Input> inputs;
  };
  // What arrives at one instant: customers in the order of arrival, and where each is.
  struct Instant {
    std::vector<Arrivals> customers;
    std::map<std::string, std::size_t, std::less<>> index;
  };
  CustomerState& state_of(std::string_view customer);
  void judge(CustomerState& state, std::span<const Input> inputs, TimeMs now);
  void keep(const CustomerState& state, Effects& effects);
  void schedule(const CustomerState& state);
  // The earliest instant at which anything is to be judged: an input under way, a boundary, a task's deadline.
  TimeMs next_instant() const;
  void run_instant(TimeMs at);
  void keep_work(WorkOut& out);
  void hear(std::span<const Input> inputs, std::span<const Receipt> receipts);
  void act_on_leads(const ActionOut& action, WorkOut& out);
  void tell_held(const HeldAction& held);
  void run_work(TimeMs at);
  void run_approvals(TimeMs at);
  void run_digests(TimeMs at);
  void keep_approvals(ApprovalOut& out);
  void send_released(ActionOut action);
  void hold_released(ActionOut action, Held held, std::string words);
  // An event that nudge itself makes about one of its actions. Fields that the catalog's event does not have are left out.
  void echo(const ActionOut& action, std::string_view type, std::string_view suffix, TimeMs at,
            const std::vector<std::pair<std::string_view, Value>>& more);

  Watcher watcher_;
  Engine engine_;
  Desk desk_;
  Registry registry_;
  std::shared_ptr<const Plan> plan_;
  TimeMs clock_;
  std::map<std::string, CustomerState, std::less<>> states_;
  std::set<std::pair<TimeMs, std::string>> due_;       // by instant, then customer
  std::map<std::string, TimeMs, std::less<>> due_of_;  // customer -> its entry in due_
  std::map<TimeMs, Instant> arriving_;
  std::vector<Task> tasks_;
  std::map<Hash128, std::size_t> task_index_;
  std::vector<Request> requests_;
  std::uint64_t hits_ = 0;  // of digests
  std::multimap<TimeMs, ActionOut> released_;  // approved, and waiting until a policy lets them through
  std::map<std::string, Opportunity, std::less<>> deals_;
  WorldRecord record_;
  TimeMs writes_until_ = kAlways;  // what was written so far has taken effect by then
  Hash128 digest_;
};

}  // namespace nudge
