#include "engine/core/work.h"

#include <algorithm>
#include <functional>

#include "engine/core/worktime.h"

namespace nudge {

namespace {

const Hash128 kHandOut{};

// A person's name for one who is in any team.
std::string name_of(const Plan& plan, std::string_view id) {
  for (const Team& team : plan.teams) {
    if (const Member* member = team.find(id)) return member->name;
  }
  return {};
}

void note_step(Task& task, TimeMs at, std::string_view what, std::string_view who, std::string_view words) {
  if (task.steps.size() >= kTaskStepsKept) task.steps.erase(task.steps.begin() + 1);  // the first says how it came to be
  task.steps.push_back({at, std::string(what), std::string(who), std::string(words)});
}

const WorkHours& hours_of_task(const Plan& plan, const Task& task) {
  static const WorkHours kAlwaysOpen;
  const Team* team = plan.find_team(task.action.assignment.team);
  return team == nullptr ? kAlwaysOpen : team->hours;
}

Value text(std::string_view t) { return Value::of_text(t); }

// When time alone may let anybody take more. Of all teams: a task may go to its own, to an entry's, or to where those overflow.
TimeMs next_chance(const Plan& plan, TimeMs now) {
  TimeMs chance = kNever;
  for (const Team& team : plan.teams) chance = std::min(chance, Roster::next_chance(plan, team, now));
  return chance;
}

}  // namespace

std::string_view task_state_name(TaskState s) {
  static constexpr std::string_view kNames[] = {"", "open", "done", "offered", "accepted", "cancelled", "expired"};
  return kNames[static_cast<std::size_t>(s)];
}

// --- what is kept of open tasks

Work::Rank Work::rank_of(const Task& task) const {
  const ActionOut& a = task.action;
  return {-(a.terms.rank * 2 + (a.mandatory ? 1 : 0)), -a.priority, a.due == 0 ? kNever : a.due, task.number};
}

// Equal for tasks of which one can be given out exactly when the other can, to the same people.
std::string Work::likeness(const Task& task) const {
  std::string bytes;
  Writer out(bytes);
  const ActionOut& a = task.action;
  out.string(a.assignment.team);
  out.varint(a.rule_id);
  out.varint(a.rule_version);
  out.varint(a.step);
  out.varint(a.terms.units);
  out.string(a.last_owner);
  for (const auto& [attribute, value] : a.customer_values) {
    out.varint(attribute);
    encode_value(out, value.view());
  }
  out.varint(a.assignment.entries.size());
  for (const std::string& id : task.refused) out.string(id);
  return bytes;
}

void Work::set_waits(Task& task, bool waits) {
  if (task.waits == waits) return;
  // By its likeness while it waits: `refused` and the values never change then.
  const std::string key = likeness(task);
  if (waits) {
    waiting_[key].emplace(rank_of(task), task.action.id);
  } else {
    const auto list = waiting_.find(key);
    if (list != waiting_.end()) {
      list->second.erase({rank_of(task), task.action.id});
      if (list->second.empty()) waiting_.erase(list);
    }
  }
  task.waits = waits;
}

// Moves something's place among the clocks.
void Work::set_clock(const Hash128& id, TimeMs& clock, TimeMs at) {
  if (clock == at) return;
  clock = at;
  if (at != kNever) {
    clocks_.emplace_back(at, id);
    std::ranges::push_heap(clocks_, std::greater());
  }
  drop_old_clocks();
}

bool Work::strikes(const std::pair<TimeMs, Hash128>& clock) const {
  if (clock.second == kHandOut) return hand_out_at_ == clock.first;
  const auto known = known_.find(clock.second);
  return known != known_.end() && known->second.clock == clock.first;
}

// Those at the front, and all once they are more than the others.
void Work::drop_old_clocks() {
  constexpr std::size_t kFew = 1024;
  if (clocks_.size() > kFew + 2 * known_.size()) {
    std::erase_if(clocks_, [this](const auto& clock) { return !strikes(clock); });
    std::ranges::make_heap(clocks_, std::greater());
  }
  while (!clocks_.empty() && !strikes(clocks_.front())) {
    std::ranges::pop_heap(clocks_, std::greater());
    clocks_.pop_back();
  }
}

// To be called after every change of a task.
void Work::arm(Task& task) {
  TimeMs at = task.expires_at;
  if (task.state == TaskState::offered) at = std::min(at, task.offer_until);
  if (task.not_before != 0) at = std::min(at, task.not_before);
  if (task.action.due != 0 && !task.overdue) at = std::min(at, task.action.due);
  for (const TimeMs rung : task.rungs) at = std::min(at, rung);
  Known& known = known_[task.action.id];
  set_clock(task.action.id, known.clock, at);
  count(task, known);
}

// Its team and whose it is may be others now.
void Work::count(const Task& task, Known& known) {
  const Hash128& id = task.action.id;
  if (known.team == nullptr || known.team->first != task.action.assignment.team) {
    if (known.team != nullptr) {
      --known.team->second.open;
      known.team->second.in_pool -= known.in_pool ? 1U : 0U;
    }
    known.team = &*by_team_.try_emplace(task.action.assignment.team).first;
    ++known.team->second.open;
    known.in_pool = false;
  }
  const bool in_pool = task.action.owner.empty();
  if (in_pool && !known.in_pool) ++known.team->second.in_pool;
  if (!in_pool && known.in_pool) --known.team->second.in_pool;
  known.in_pool = in_pool;
  const bool given = !in_pool && task.action.assigns;
  if (given != known.given) {
    if (given)
      given_.insert(id);
    else
      given_.erase(id);
  }
  known.given = given;
}

// The open tasks of those customers whose name has this hash, in the order of their ids.
std::vector<Hash128> Work::tasks_of(std::uint64_t customer) const {
  std::vector<Hash128> ids;
  for (auto [it, end] = of_customer_.equal_range(customer); it != end; ++it) ids.push_back(it->second);
  std::ranges::sort(ids);
  return ids;
}

void Work::take_from_customer(const Known& known, const Hash128& id) {
  const auto [first, last] = of_customer_.equal_range(known.customer);
  const auto own = std::find_if(first, last, [&](const auto& each) { return each.second == id; });
  if (own != last) of_customer_.erase(own);
}

// It is closed.
void Work::forget(const Task& task) {
  const Hash128 id = task.action.id;
  const auto known = known_.find(id);
  if (known == known_.end()) return;
  set_clock(id, known->second.clock, kNever);
  --known->second.team->second.open;
  known->second.team->second.in_pool -= known->second.in_pool ? 1U : 0U;
  if (known->second.given) given_.erase(id);
  take_from_customer(known->second, id);
  known_.erase(known);
  here_.erase(id);
}

Task& Work::task(const Hash128& id) {
  const auto it = here_.find(id);
  return it != here_.end() ? it->second : here_.emplace(id, read_(id)).first->second;
}

Task& Work::insert(Task task) {
  const Hash128 id = task.action.id;
  const bool waits = task.waits;
  task.waits = false;
  Task& kept = here_[id] = std::move(task);
  const std::uint64_t customer = hash64(kept.action.customer);
  known_[id].customer = customer;
  of_customer_.emplace(customer, id);
  set_waits(kept, waits);
  arm(kept);
  return kept;
}

void Work::load(Task task) {
  if (!is_open(task.state)) return;
  const Hash128 id = task.action.id;
  insert(std::move(task));
  if (read_) here_.erase(id);
}

void Work::rest() {
  if (read_) here_.clear();
}

// The ladder's instants; those that hang on the age stay as they were set at first.
void Work::set_clocks(const Plan& plan, Task& task, TimeMs from) {
  const std::vector<Rung>& ladder = task.action.terms.ladder;
  const WorkHours& hours = hours_of_task(plan, task);
  const bool first = task.rungs.empty();
  task.rungs.resize(ladder.size(), kNever);
  for (std::size_t i = 0; i < ladder.size(); ++i) {
    const TimeMs due = task.action.due;
    switch (ladder[i].when) {
      case Rung::When::age:
        if (first) task.rungs[i] = after_work(plan, hours, task.action.at, ladder[i].after);
        break;
      case Rung::When::before_due: task.rungs[i] = due == 0 || due - ladder[i].after <= from ? kNever : due - ladder[i].after; break;
      case Rung::When::overdue: task.rungs[i] = due == 0 ? kNever : after_work(plan, hours, due, ladder[i].after); break;
    }
  }
}

void Work::touch(const Task& task, WorkOut& out) {
  const auto [place, added] = out.places.try_emplace(task.action.id, out.touched.size());
  if (added)
    out.touched.push_back(task);
  else
    out.touched[place->second] = task;
}

void Work::tell(const Plan& plan, Task& task, std::string_view type, TimeMs at, const std::vector<std::pair<std::string_view, Value>>& more,
                WorkOut& out) {
  ++task.told;
  std::string suffix(type.substr(5));  // without `task_`
  const bool once = suffix == "created" || suffix == "completed" || (suffix == "overdue" && task.tries == 0);
  if (!once) suffix += ":" + std::to_string(task.told);
  Input input = task_event(*plan.catalog, task.action, type, suffix, at, more);
  if (input.type != kNoEventType) out.news.push_back(std::move(input));
}

void Work::add(const Plan& plan, ActionOut action, std::uint64_t number, TimeMs now, WorkOut& out, bool sole_record) {
  Task task;
  task.sole_record = sole_record;
  task.number = number;
  task.action = std::move(action);
  ActionOut& a = task.action;
  if (a.terms.expires_in > 0) task.expires_at = a.at + a.terms.expires_in;
  set_clocks(plan, task, a.at);
  const std::string why = std::move(a.why);
  a.why.clear();
  note_step(task, a.at, "created", a.owner, why.empty() && a.owner.empty() ? "lies in the pool" : why);
  tell(plan, task, "task_created", a.at, {}, out);
  if (a.owner.empty()) {
    task.waits = a.assigns && plan.find_team(a.assignment.team) != nullptr;
  } else {
    task.given_at = a.at;
    if (a.terms.accept_within > 0 && a.assigns) {
      task.state = TaskState::offered;
      task.offer_until = after_work(plan, hours_of_task(plan, task), a.at, a.terms.accept_within);
      tell(plan, task, "task_offered", a.at, {}, out);
    }
  }
  const Task& kept = insert(std::move(task));
  out.made.push_back(kept);
  if (kept.waits && hand_out_at_ == kNever) set_clock(kHandOut, hand_out_at_, next_chance(plan, now));
}

// --- giving and taking away

void Work::take_away(Roster& roster, Task& task) {
  if (!task.action.owner.empty()) roster.returned(task.action.owner, task.action.terms.units);
  task.action.owner.clear();
  task.action.owner_name.clear();
  task.offer_until = kNever;
  task.state = TaskState::open;
}

void Work::give(const Plan& plan, Roster& roster, Task& task, const Member& member, std::string_view team, const std::string& why, TimeMs now,
                WorkOut& out) {
  const std::string before = task.action.owner;
  set_waits(task, false);
  take_away(roster, task);
  task.action.owner = member.id;
  task.action.owner_name = member.name;
  task.action.assignment.team = team;
  task.given_at = now;
  roster.given(plan, member.id, task.action.terms.units, now);
  std::vector<std::pair<std::string_view, Value>> more;
  if (!before.empty()) more.emplace_back("previous", text(before));
  if (!why.empty()) more.emplace_back("reason", text(why));
  if (task.action.terms.accept_within > 0) {
    task.state = TaskState::offered;
    task.offer_until = after_work(plan, hours_of_task(plan, task), now, task.action.terms.accept_within);
    note_step(task, now, "offered", member.id, why);
    tell(plan, task, "task_offered", now, more, out);
  } else {
    note_step(task, now, "given", member.id, why);
    tell(plan, task, "task_reassigned", now, more, out);
  }
}

// Gives the task to the next person who can take it. False, and it stays as it is: there is nobody.
bool Work::pass_on(const Plan& plan, Roster& roster, Task& task, TimeMs now, WorkOut& out) {
  const ActionOut& a = task.action;
  if (!a.assigns) return false;
  Bid bid;
  bid.assignment = &a.assignment;
  bid.values = &a.customer_values;
  bid.rule = a.rule;
  bid.last_owner = a.last_owner;
  bid.last_owned = a.last_owned;
  bid.at = now;
  bid.units = a.terms.units;
  bid.refused = &task.refused;
  const Choice choice = roster.choose(plan, bid);
  if (choice.member == nullptr) return false;
  give(plan, roster, task, *choice.member, choice.team, choice.why, now, out);
  return true;
}

void Work::hand_out(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out) {
  std::set<std::string> stuck;
  while (true) {
    const std::pair<Rank, Hash128>* best = nullptr;
    const std::string* of = nullptr;
    for (const auto& [key, list] : waiting_) {
      if (stuck.contains(key) || (best != nullptr && *best < *list.begin())) continue;
      best = &*list.begin();
      of = &key;
    }
    if (best == nullptr) break;
    Task& task = this->task(best->second);
    if (pass_on(plan, roster, task, now, out)) {
      arm(task);
      touch(task, out);
      continue;
    }
    stuck.insert(*of);
  }
  if (!stuck.empty() && hand_out_at_ != kNever && hand_out_at_ > now) return;  // whoever waits: it is the same instant for all
  set_clock(kHandOut, hand_out_at_, stuck.empty() ? kNever : next_chance(plan, now));
}

void Work::plan_changed(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out) {
  for (const Hash128& id : std::vector<Hash128>(given_.begin(), given_.end())) {
    Task& task = this->task(id);
    const std::string gone = task.action.owner;
    const Team* team = plan.find_team(task.action.assignment.team);
    if (gone.empty() || !task.action.assigns || team == nullptr || !name_of(plan, gone).empty()) continue;
    take_away(roster, task);
    note_step(task, now, "released", gone, "is in no team any more");
    tell(plan, task, "task_released", now, {{"previous", text(gone)}, {"reason", text("the person is in no team any more")}}, out);
    set_waits(task, true);
    arm(task);
    touch(task, out);
  }
  set_clock(kHandOut, hand_out_at_, kNever);  // days and shifts are others now
  hand_out(plan, roster, now, out);
}

// --- what ends it

void Work::close(const Plan& plan, Roster& roster, Task& task, TaskState state, TimeMs now, WorkOut& out) {
  const std::string owner = task.action.owner, name = task.action.owner_name;
  set_waits(task, false);
  take_away(roster, task);
  task.action.owner = owner;  // stays on record
  task.action.owner_name = name;
  task.state = state;
  task.done_at = now;
  touch(task, out);
  forget(task);
  hand_out(plan, roster, now, out);
}

std::size_t Work::withdraw(const Plan& plan, Roster& roster, std::string_view customer, const std::vector<std::string>& rules,
                           std::string reason, TimeMs now, WorkOut& out) {
  const std::uint64_t hash = hash64(customer);
  const std::vector<Hash128> ids = tasks_of(hash);
  std::size_t closed = 0;
  for (const Hash128& id : ids) {
    Task& task = this->task(id);
    if (task.action.customer != customer) continue;
    if (!rules.empty() && std::ranges::find(rules, task.action.rule) == rules.end()) continue;
    note_step(task, now, "cancelled", "", reason);
    task.note = reason;
    tell(plan, task, "task_cancelled", now, {{"reason", text(reason)}}, out);
    close(plan, roster, task, TaskState::cancelled, now, out);
    ++closed;
  }
  return closed;
}

void Work::merged(std::string_view alias, std::string_view customer, TimeMs now, WorkOut& out) {
  if (alias == customer) return;
  const std::uint64_t hash = hash64(alias);
  const std::vector<Hash128> ids = tasks_of(hash);
  for (const Hash128& id : ids) {
    Task& task = this->task(id);
    if (task.action.customer != alias) continue;
    if (task.sole_record && task.decided_for.empty()) task.decided_for = alias;
    task.action.customer = customer;
    Known& known = known_[id];
    take_from_customer(known, id);
    known.customer = hash64(customer);
    of_customer_.emplace(known.customer, id);
    note_step(task, now, "merged", "", "the customer was known as " + std::string(alias));
    touch(task, out);
  }
}

// --- clocks

void Work::run(const Plan& plan, Roster& roster, TimeMs now, WorkOut& out, std::size_t most) {
  for (; most > 0 && !clocks_.empty() && clocks_.front().first <= now; --most) {
    const auto [at, id] = clocks_.front();
    if (id == kHandOut) {
      hand_out(plan, roster, at, out);
      continue;
    }
    strike(plan, roster, task(id), at, out);
  }
}

// All that is due for a task at this instant: an offer that nobody took, a second try, the deadline, the ladder, and at last the end.
void Work::strike(const Plan& plan, Roster& roster, Task& task, TimeMs at, WorkOut& out) {
  if (task.state == TaskState::offered && task.offer_until <= at) {
    const std::string who = task.action.owner;
    task.refused.push_back(who);
    roster.declined(who);
    note_step(task, at, "not accepted", who, "did not accept in time");
    tell(plan, task, "task_declined", at, {{"by", text(who)}, {"reason", text("not accepted in time")}}, out);
    if (!pass_on(plan, roster, task, at, out)) {
      take_away(roster, task);
      set_waits(task, task.action.assigns);
    }
    hand_out(plan, roster, at, out);
  }
  if (task.not_before != 0 && task.not_before <= at) {
    task.not_before = 0;
    note_step(task, at, "reminded", task.action.owner, "it is time to try again");
    tell(plan, task, "task_reminded", at, {{"reason", text("it is time to try again")}}, out);
  }
  if (!task.overdue && task.action.due != 0 && task.action.due <= at) {
    task.overdue = true;
    ++out.overdue;
    note_step(task, at, "overdue", task.action.owner, "");
    tell(plan, task, "task_overdue", task.action.due, {}, out);
  }
  for (std::size_t i = 0; i < task.rungs.size(); ++i) {
    if (task.rungs[i] > at) continue;
    task.rungs[i] = kNever;
    climb(plan, roster, task, i, at, out);
    hand_out(plan, roster, at, out);  // it may have left somebody's hands
  }
  if (task.expires_at <= at) {
    note_step(task, at, "expired", task.action.owner, "");
    tell(plan, task, "task_expired", at, {}, out);
    close(plan, roster, task, TaskState::expired, at, out);
    return;
  }
  arm(task);
  touch(task, out);
}


}  // namespace nudge
