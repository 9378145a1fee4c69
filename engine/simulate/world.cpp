#include "engine/simulate/world.h"

#include <algorithm>

#include "engine/base/codec.h"
#include "engine/base/limits.h"
#include "engine/core/enrich.h"
#include "engine/core/take_back.h"
#include "engine/core/write.h"

namespace nudge {

namespace {

// What goes out to somebody: not a task, nor what was written here.
bool is_message(const ActionOut& action) { return action.kind != "call_task" && action.kind != "assign_owner" && !done_by_engine(action); }

}  // namespace

World::World(TimeMs start) : clock_(start) {}

void World::load(std::unique_ptr<Plan> plan) {
  settle();
  registry_.bind(*plan, clock_);
  plan_ = std::move(plan);
  WorkOut work;
  desk_.plan_changed(*plan_, clock_, work);
  keep_work(work);
  for (auto& [id, state] : states_) {
    Effects effects;
    engine_.reconcile(*plan_, state, effects);
    const std::size_t edges = record_.edges.size(), decisions = record_.decisions.size(), actions = record_.actions.size();
    keep(state, effects);
    schedule(state);
    if (watcher_ && state.known()) watcher_(*this, {state, {}, {}, clock_, edges, decisions, actions});
  }
}

void World::move_to(TimeMs now) {
  if (now <= clock_) return;
  for (TimeMs at = next_instant(); at < now; at = next_instant()) {
    clock_ = std::max(clock_, at);
    run_instant(at);
  }
  clock_ = now;
}

void World::settle() {
  if (plan_ == nullptr) return;
  for (TimeMs at = next_instant(); at <= clock_; at = next_instant()) run_instant(at);
}

void World::settle_writes() {
  settle();
  // A chain ends by itself or is cut, so this ends too.
  for (TimeMs at = next_instant(); at <= writes_until_; at = next_instant()) {
    clock_ = std::max(clock_, at);
    settle();
  }
}

void World::submit(Input input) { submit_at(clock_, std::move(input)); }

void World::submit_at(TimeMs arrival, Input input) {
  Instant& instant = arriving_[std::max(arrival, clock_)];
  const auto [place, added] = instant.index.emplace(input.customer, instant.customers.size());
  if (added) instant.customers.push_back({input.customer, {}});
  instant.customers[place->second].inputs.push_back(std::move(input));
}

const CustomerState* World::find(std::string_view customer) const {
  const auto found = states_.find(customer);
  return found == states_.end() ? nullptr : &found->second;
}

bool World::is_member(std::string_view customer, const Segment& segment) const {
  const CustomerState* state = find(customer);
  return state != nullptr && state->is_member(segment.root);
}

std::vector<std::string> World::members(const Segment& segment) const {
  std::vector<std::string> ids;
  for (const auto& [id, state] : states_) {
    if (state.is_member(segment.root)) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> World::members_at(NodeId node, TimeMs at) {
  std::vector<std::string> ids;
  for (const auto& [id, state] : states_) {
    if (engine_.holds(*plan_, state, node, at)) ids.push_back(id);
  }
  return ids;
}

Value World::value_at(std::string_view customer, ExprId expr, TimeMs at) {
  const CustomerState* state = find(customer);
  return state == nullptr ? Value() : engine_.value(*plan_, *state, expr, at);
}

Value World::score_at(std::string_view customer, std::uint32_t index, TimeMs at) {
  const CustomerState* state = find(customer);
  return state == nullptr ? Value() : engine_.score(*plan_, *state, index, at);
}

Value World::attribute(std::string_view customer, AttributeId attribute) const {
  const CustomerState* state = find(customer);
  TimeMs until = kNever;
  return state == nullptr ? Value() : Value(state->attributes.at(attribute, clock_, until));
}

bool World::has_tag(std::string_view customer, std::string_view tag) const {
  const CustomerState* state = find(customer);
  const TagUpdate* last = nullptr;
  if (state == nullptr) return false;
  for (const TagUpdate& update : state->tags) {
    if (update.tag == tag && update.time <= clock_) last = &update;
  }
  return last != nullptr && !last->removed && last->expires > clock_;
}

CustomerState& World::state_of(std::string_view customer) {
  auto found = states_.find(customer);
  if (found == states_.end()) {
    found = states_.emplace(std::string(customer), CustomerState()).first;
    found->second.id = found->first;
  }
  return found->second;
}

void World::judge(CustomerState& state, std::span<const Input> inputs, TimeMs now) {
  // A customer already judged in this millisecond waits for the next one, as in the daemon.
  if (!inputs.empty() && state.known() && now <= state.clock) now = state.clock + 1;
  std::vector<Receipt> receipts;
  Effects effects;
  std::vector<Run> waiting;
  if (watcher_) waiting.assign(state.runs.begin(), state.runs.end());
  const std::size_t edges = record_.edges.size(), decisions = record_.decisions.size(), actions = record_.actions.size();
  if (inputs.empty()) {
    engine_.advance(*plan_, state, now + 1, effects);  // strictly before the end of this millisecond
  } else {
    engine_.step(*plan_, state, inputs, now, receipts, effects);
  }
  for (std::size_t i = 0; i < inputs.size() && i < receipts.size(); ++i) record_.receipts.push_back({state.id, inputs[i].id, receipts[i]});
  hear(inputs, receipts);
  keep(state, effects);
  schedule(state);
  if (watcher_) watcher_(*this, {state, inputs, waiting, now, edges, decisions, actions});
}

void World::keep(const CustomerState& state, Effects& effects) {
  desk_.settle(*plan_, effects);
  for (const Edge& edge : effects.edges) {
    const auto segment = plan_->segment_of_root.find(edge.root);
    record_.edges.push_back(
        {state.id, segment == plan_->segment_of_root.end() ? std::string() : plan_->segments[segment->second].name, edge});
  }
  std::string bytes;
  Writer writer(bytes);
  writer.fixed64(digest_.hi);
  writer.fixed64(digest_.lo);
  for (Decision& decision : effects.decisions) {
    decision.number = record_.decisions.size() + 1;
    encode_decision(writer, decision);
    record_.decisions.push_back(decision);
  }
  for (const Decision& decision : effects.decisions) {
    if (is_to_be_told(*plan_, decision)) submit_at(clock_, taken_back_input(decision));
  }
  for (const ActionOut& action : effects.actions) {
    encode_action(writer, action);
    if (is_hit(action)) {
      DigestOut gathered;
      desk_.digests().add(action, ++hits_, gathered);
      continue;
    }
    record_.actions.push_back(action);
    WorkOut work;
    if (action.kind == "call_task") desk_.work().add(*plan_, action, record_.actions.size(), action.at, work);
    if (action.kind == "cancel_tasks") {
      const Withdrawal what = withdrawal_of(action);
      desk_.work().withdraw(*plan_, desk_.roster(), action.customer, what.rules, what.reason, action.at, work);
    }
    act_on_leads(action, work);
    keep_work(work);
    if (done_by_engine(action)) writes_until_ = std::max(writes_until_, action.at + 2 * static_cast<TimeMs>(limits::kChainDepth));
    if (action.kind == "assign_owner" && action.assigns) {
      writes_until_ = std::max(writes_until_, action.at + 1);
      if (std::optional<Input> fact = owner_fact(*plan_->catalog, action)) submit_at(fact->time, std::move(*fact));
    }
  }
  for (ActionOut& action : effects.questions) {
    encode_action(writer, action);
    ApprovalOut asked;
    desk_.approvals().add(*plan_, std::move(action), record_.actions.size() + requests_.size() + 1, asked);
    keep_approvals(asked);
  }
  for (const HeldAction& held : effects.held_actions) {
    encode_action(writer, held.action);
    writer.u8(static_cast<std::uint8_t>(held.held));
    record_.held.push_back(held);
    tell_held(held);
  }
  if (bytes.size() > 2 * sizeof(std::uint64_t)) digest_ = hash128(bytes);
}

void World::hear(std::span<const Input> inputs, std::span<const Receipt> receipts) {
  std::vector<LeadSignal> signals;
  lead_signals(*plan_, inputs, receipts, signals);
  WorkOut out;
  for (const LeadSignal& signal : signals) desk_.hear(*plan_, signal, out);
  keep_work(out);
}

void World::act_on_leads(const ActionOut& action, WorkOut& out) {
  std::vector<LeadSignal> signals;
  lead_signals(*plan_, action, signals);
  for (const LeadSignal& signal : signals) desk_.hear(*plan_, signal, out);
  // A rule that closes what is no lead does nothing.
  if (const auto command = lead_command_of(action)) (void)desk_.leads().apply(*plan_, *command, action.at, out.leads);
}

Result<void> World::deal(const DealCommand& command) {
  WorkOut out;
  NUDGE_TRY(desk_.deals().apply(*plan_, command, clock_, out.deals));
  keep_work(out);
  return {};
}

Result<void> World::lead(const LeadCommand& command) {
  WorkOut out;
  NUDGE_TRY(desk_.leads().apply(*plan_, command, clock_, out.leads));
  keep_work(out);
  return {};
}

// Rules hear of what a policy held back, but not of what such a rule itself could not send: two of them would wake each other for ever.
void World::tell_held(const HeldAction& held) {
  const Catalog& catalog = *plan_->catalog;
  const EventTypeId cause = held.action.cause.type;
  if (held.kept || (cause < catalog.events.size() && catalog.events[cause].name == "message_held")) return;
  echo(held.action, "message_held", "held", held.action.at, {{"reason", Value::of_text(held.reason)}});
}

void World::schedule(const CustomerState& state) {
  const TimeMs due = Engine::next_due(state);
  const auto known = due_of_.find(state.id);
  if (known != due_of_.end()) {
    if (known->second == due) return;
    due_.erase({known->second, state.id});
    due_of_.erase(known);
  }
  if (due == kNever) return;
  due_.emplace(due, state.id);
  due_of_.emplace(state.id, due);
}

TimeMs World::next_instant() const {
  TimeMs at = kNever;
  if (!due_.empty()) at = std::min(at, due_.begin()->first);
  if (!arriving_.empty()) at = std::min(at, arriving_.begin()->first);
  at = std::min({at, desk_.next_clock(), desk_.approvals().next(), desk_.digests().next()});
  if (!released_.empty()) at = std::min(at, released_.begin()->first);
  return at;
}

void World::run_instant(TimeMs at) {
  run_work(at);
  if (const auto arrived = arriving_.find(at); arrived != arriving_.end()) {
    const Instant waiting = std::move(arrived->second);
    arriving_.erase(arrived);
    for (const Arrivals& one : waiting.customers) judge(state_of(one.customer), one.inputs, at);
  }
  while (!due_.empty() && due_.begin()->first <= at) {
    const std::pair<TimeMs, std::string> next = *due_.begin();
    CustomerState& state = state_of(next.second);
    judge(state, {}, next.first);
    // A boundary that asks to be judged again at the same instant would never end; the engine never does that.
    if (const auto again = due_of_.find(next.second); again != due_of_.end() && again->second <= next.first) {
      due_.erase({again->second, next.second});
      due_of_.erase(again);
    }
  }
}

// What became of tasks: kept for those who look, told to the rules a moment after it was decided.
void World::keep_work(WorkOut& out) {
  const auto put = [&](const Task& task) {
    const auto [place, added] = task_index_.emplace(task.action.id, tasks_.size());
    if (added)
      tasks_.push_back(task);
    else
      tasks_[place->second] = task;
  };
  for (const Task& task : out.made) put(task);
  for (const Task& task : out.touched) put(task);
  for (ActionOut& action : out.actions) record_.actions.push_back(std::move(action));
  for (std::vector<Input>* news : {&out.leads.news, &out.deals.news}) {
    for (Input& input : *news) submit_at(input.time, std::move(input));
  }
  for (const Opportunity& deal : out.deals.touched) deals_[deal.id] = deal;
  for (Input& input : out.news) {
    const std::string_view id = input.id;
    const bool created = id.ends_with(":created") || id.contains(":offered:");
    submit_at(created ? std::max(clock_, input.time + 1) : input.time, std::move(input));
  }
}

void World::run_work(TimeMs at) {
  if (plan_ == nullptr) return;
  run_approvals(at);
  run_digests(at);
  if (desk_.next_clock() > at) return;
  WorkOut out;
  desk_.run_clocks(*plan_, at, out);
  keep_work(out);
}

Result<void> World::work(std::string_view customer, std::string_view rule, TaskCommand command) {
  const auto task = std::find_if(tasks_.rbegin(), tasks_.rend(),
                                 [&](const Task& t) { return is_open(t.state) && t.action.customer == customer && t.action.rule == rule; });
  if (task == tasks_.rend())
    return nudge::fail(Code::not_found, "there is no open task of the rule `" + std::string(rule) + "` for " + std::string(customer));
  command.task = task->action.id;
  WorkOut out;
  NUDGE_TRY(desk_.work().apply(*plan_, desk_.roster(), command, clock_, out));
  keep_work(out);
  return {};
}

bool World::complete_task(std::string_view customer, std::string_view rule, std::string_view disposition, std::string_view note) {
  TaskCommand command;
  command.kind = TaskCommand::Kind::complete;
  command.disposition = disposition;
  command.note = note;
  return work(customer, rule, std::move(command)).has_value();
}

bool World::report_delivery(std::string_view customer, std::string_view rule, std::string_view outcome, std::string_view detail,
                            std::string_view text) {
  const auto action = std::find_if(record_.actions.rbegin(), record_.actions.rend(),
                                   [&](const ActionOut& a) { return a.customer == customer && a.rule == rule && is_message(a); });
  if (action == record_.actions.rend()) return false;
  std::vector<std::pair<std::string_view, Value>> more;
  if (!detail.empty()) more.emplace_back("reason", Value::of_text(detail));
  if (!text.empty()) more.emplace_back("text", Value::of_text(text));
  echo(*action, "message_" + std::string(outcome), outcome, clock_, more);
  return true;
}

bool World::answer(std::string_view customer, std::string_view rule, std::string_view result, std::string& problem) {
  const auto action = std::find_if(record_.actions.rbegin(), record_.actions.rend(),
                                   [&](const ActionOut& a) { return a.customer == customer && a.rule == rule && a.kind == kEnrich; });
  if (action == record_.actions.rend()) {
    problem = "there is no `enrich` of the rule `" + std::string(rule) + "` for " + std::string(customer);
    return false;
  }
  const TimeMs at = std::max(clock_, action->at + 1);
  Result<Enriched> made = enriched(*plan_->catalog, *action, result, at);
  writes_until_ = std::max(writes_until_, at);
  if (!made) {
    problem = made.error().message;
    echo(*action, "message_failed", "failed", clock_, {{"reason", Value::of_text(problem)}});
    return false;
  }
  for (Input& fact : made->facts) submit_at(at, std::move(fact));
  echo(*action, "message_accepted", "accepted", clock_, {});
  return true;
}

void World::echo(const ActionOut& action, std::string_view type, std::string_view suffix, TimeMs at,
                 const std::vector<std::pair<std::string_view, Value>>& more) {
  std::vector<std::pair<std::string_view, Value>> all{{"action", Value::of_text(to_hex(action.id))}, {"channel", Value::of_text(action.channel)}};
  if (!action.connector.empty()) all.emplace_back("connector", Value::of_text(action.connector));
  all.insert(all.end(), more.begin(), more.end());
  Input input = task_event(*plan_->catalog, action, type, suffix, at, all);
  if (input.type == kNoEventType) return;
  // What follows from a decision comes in after it.
  submit_at(std::max(at, action.at + 1), std::move(input));
}

}  // namespace nudge
