// What people do to tasks, and what the ladder does when they don't.
#include <algorithm>

#include "engine/core/work.h"
#include "engine/core/worktime.h"

namespace nudge {

namespace {

constexpr DurationMs kCallBackGrace = kHour;  // a call asked for at T is due an hour after T

Value text(std::string_view t) { return Value::of_text(t); }

void note_step(Task& task, TimeMs at, std::string_view what, std::string_view who, std::string_view words) {
  if (task.steps.size() >= kTaskStepsKept) task.steps.erase(task.steps.begin() + 1);
  task.steps.push_back({at, std::string(what), std::string(who), std::string(words)});
}

// Why the person may not take so much more from a pool; empty: they may.
std::string too_much(const Plan& plan, const Roster& roster, const Member* member, std::uint32_t units, TimeMs now) {
  if (member == nullptr) return {};
  const std::uint64_t has = roster.load(member->id), today = roster.today(plan, member->id, now);
  if (member->capacity != 0 && has + units > member->capacity)
    return "has " + std::to_string(has) + " of " + std::to_string(member->capacity) + " units of open work";
  const std::uint32_t per_day = member->per_day != 0 ? member->per_day : member->capacity;
  if (per_day != 0 && today + units > per_day) return "got " + std::to_string(today) + " of " + std::to_string(per_day) + " units today";
  return {};
}

std::string owner_words(const Task& task) {
  return task.action.owner_name.empty() ? task.action.owner : task.action.owner_name + " (" + task.action.owner + ")";
}

}  // namespace

Result<void> Work::apply(const Plan& plan, Roster& roster, const TaskCommand& command, TimeMs now, WorkOut& out) {
  if (!known_.contains(command.task)) return fail(Code::not_found, "there is no open task with this id");
  Task& task = this->task(command.task);
  switch (command.kind) {
    case TaskCommand::Kind::accept: return accept(plan, roster, task, command, now, out);
    case TaskCommand::Kind::decline: return decline(plan, roster, task, command, now, out);
    case TaskCommand::Kind::complete: return complete(plan, roster, task, command, now, out);
    case TaskCommand::Kind::reassign:
    case TaskCommand::Kind::release: return move(plan, roster, task, command, now, out);
    case TaskCommand::Kind::cancel: break;
  }
  note_step(task, now, "cancelled", command.by, command.reason);
  task.note = command.reason;
  task.done_by = command.by;
  tell(plan, task, "task_cancelled", now, {{"by", text(command.by)}, {"reason", text(command.reason)}}, out);
  close(plan, roster, task, TaskState::cancelled, now, out);
  return {};
}

Result<void> Work::accept(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out) {
  if (command.by.empty()) return fail(Code::invalid, "say who accepts it: {\"by\": \"lin\"}");
  if (!task.action.owner.empty() && task.action.owner != command.by) {
    return fail(Code::conflict, "the task is " + std::string(task.state == TaskState::offered ? "offered to " : "with ") + owner_words(task) +
                                    "; a manager can reassign it");
  }
  if (task.state == TaskState::accepted) return {};
  if (task.action.owner.empty()) {
    const Team* team = plan.find_team(task.action.assignment.team);
    const Member* member = team != nullptr ? team->find(command.by) : nullptr;
    if (team != nullptr && member == nullptr && team->manager != command.by && !command.as_manager)
      return fail(Code::invalid, command.by + " is not in the team " + team->name + ", whose pool this task lies in");
    if (std::string why = too_much(plan, roster, member, task.action.terms.units, now); !why.empty() && !command.as_manager)
      return fail(Code::conflict, command.by + " " + why + "; finish something first");
    set_waits(task, false);
    task.action.owner = command.by;
    task.action.owner_name = member != nullptr ? member->name : "";
    task.given_at = now;
    roster.given(plan, command.by, task.action.terms.units, now);
  }
  task.state = TaskState::accepted;
  task.offer_until = kNever;
  note_step(task, now, "accepted", command.by, "");
  tell(plan, task, "task_accepted", now, {{"by", text(command.by)}}, out);
  arm(task);
  touch(task, out);
  return {};
}

Result<void> Work::decline(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out) {
  if (task.action.owner.empty()) return fail(Code::conflict, "the task is nobody's: it lies in the pool");
  if (task.action.owner != command.by && !command.as_manager)
    return fail(Code::conflict, "the task is with " + owner_words(task) + ", who alone can decline it");
  const std::string who = task.action.owner;
  task.refused.push_back(who);
  roster.declined(who);
  note_step(task, now, "declined", who, command.reason);
  std::vector<std::pair<std::string_view, Value>> more{{"by", text(who)}};
  if (!command.reason.empty()) more.emplace_back("reason", text(command.reason));
  tell(plan, task, "task_declined", now, more, out);
  if (!pass_on(plan, roster, task, now, out)) {
    take_away(roster, task);
    set_waits(task, task.action.assigns);
  }
  arm(task);
  touch(task, out);
  hand_out(plan, roster, now, out);
  return {};
}

// A manager's word stands, whatever the person has or declined before.
Result<void> Work::move(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out) {
  const std::string before = task.action.owner;
  std::vector<std::pair<std::string_view, Value>> more;
  if (!before.empty()) more.emplace_back("previous", text(before));
  if (!command.by.empty()) more.emplace_back("by", text(command.by));
  if (!command.reason.empty()) more.emplace_back("reason", text(command.reason));
  if (command.kind == TaskCommand::Kind::release) {
    if (before.empty()) return fail(Code::conflict, "the task lies in the pool already");
    take_away(roster, task);
    note_step(task, now, "released", command.by, command.reason);
    tell(plan, task, "task_released", now, more, out);
  } else {
    const Member* member = nullptr;
    const Team* of = nullptr;
    const Team* own = plan.find_team(task.action.assignment.team);
    if (own != nullptr && (member = own->find(command.to)) != nullptr) of = own;
    for (std::size_t i = 0; i < plan.teams.size() && member == nullptr; ++i) {
      member = plan.teams[i].find(command.to);
      of = &plan.teams[i];
    }
    if (member == nullptr) return fail(Code::invalid, "\"" + command.to + "\" is in no team; `to` is the id of a member");
    if (member->id == before) return fail(Code::conflict, "the task is with " + owner_words(task) + " already");
    set_waits(task, false);
    take_away(roster, task);
    task.action.owner = member->id;
    task.action.owner_name = member->name;
    task.action.assignment.team = of->name;
    task.given_at = now;
    roster.given(plan, member->id, task.action.terms.units, now);
    note_step(task, now, "reassigned", member->id, (command.by.empty() ? "" : "by " + command.by + (command.reason.empty() ? "" : ": ")) + command.reason);
    tell(plan, task, "task_reassigned", now, more, out);
  }
  arm(task);
  touch(task, out);
  hand_out(plan, roster, now, out);
  return {};
}

void Work::try_again(const Plan& plan, Task& task, const TaskCommand& command, const Disposition& disposition, TimeMs now, WorkOut& out) {
  const TimeMs at = disposition.asks_time ? command.at : now + disposition.retry_after;
  const bool waits = task.waits;
  set_waits(task, false);  // its place among those that wait follows from the deadline
  task.not_before = at;
  task.state = task.action.owner.empty() ? TaskState::open : TaskState::accepted;
  task.offer_until = kNever;
  if (task.action.due != 0 || disposition.asks_time) {
    const TaskTerms& terms = task.action.terms;
    const Team* team = plan.find_team(task.action.assignment.team);
    if (disposition.asks_time || terms.due_in == 0)
      task.action.due = at + kCallBackGrace;
    else
      task.action.due = terms.due_working && team != nullptr ? after_work(plan, team->hours, at, terms.due_in) : at + terms.due_in;
  }
  task.overdue = false;
  set_clocks(plan, task, now);
  note_step(task, now, "tried", command.by, disposition.name + ", again at " + format_timestamp(at));
  std::vector<std::pair<std::string_view, Value>> more{{"disposition", text(disposition.name)}, {"again_at", Value::of_timestamp(at)},
                                                       {"try", Value::of_integer(task.tries)}};
  if (!command.note.empty()) more.emplace_back("note", text(command.note));
  if (!command.by.empty()) more.emplace_back("by", text(command.by));
  tell(plan, task, "task_attempted", now, more, out);
  set_waits(task, waits);
  arm(task);
  touch(task, out);
}

Result<void> Work::complete(const Plan& plan, Roster& roster, Task& task, const TaskCommand& command, TimeMs now, WorkOut& out) {
  const Disposition* disposition = plan.find_disposition(command.disposition);
  if (disposition == nullptr && !plan.dispositions.empty()) {
    std::string words;
    for (const Disposition& d : plan.dispositions) words += (words.empty() ? "" : ", ") + d.name;
    return fail(Code::invalid, "there is no disposition \"" + command.disposition + "\"; it is one of " + words);
  }
  if (disposition != nullptr && disposition->asks_time && command.at <= now)
    return fail(Code::invalid, "the disposition " + disposition->name + " needs `at`: an instant in the future, such as 2026-02-02T10:00:00+08:00");
  if (disposition == nullptr || !disposition->asks_time) {
    if (command.at != 0) return fail(Code::invalid, "`at` belongs to a disposition that asks for a time");
  }
  if (disposition != nullptr && !disposition->closes) {
    ++task.tries;
    task.disposition = command.disposition;
    task.note = command.note;
    if (disposition->tries_most == 0 || task.tries < disposition->tries_most) {
      try_again(plan, task, command, *disposition, now, out);
      return {};
    }
  }
  task.disposition = command.disposition;
  task.note = command.note;
  task.done_by = command.by;
  note_step(task, now, "done", command.by, command.disposition);
  std::vector<std::pair<std::string_view, Value>> more;
  if (!command.disposition.empty()) more.emplace_back("disposition", text(command.disposition));
  if (!command.note.empty()) more.emplace_back("note", text(command.note));
  if (!command.by.empty()) more.emplace_back("by", text(command.by));
  if (task.tries != 0) more.emplace_back("try", Value::of_integer(task.tries));
  tell(plan, task, "task_completed", now, more, out);
  close(plan, roster, task, TaskState::done, now, out);
  return {};
}

// --- the ladder

void Work::climb(const Plan& plan, Roster& roster, Task& task, std::size_t index, TimeMs at, WorkOut& out) {
  const Rung rung = task.action.terms.ladder[index];
  static constexpr std::string_view kWhen[] = {"Waiting", "Due soon", "Overdue"};
  const std::string heading = std::string(kWhen[static_cast<std::size_t>(rung.when)]) + ": " + json_text(task.action.payload, "subject");
  std::string suffix = "escalation" + (index == 0 ? std::string() : std::to_string(index));
  if (task.tries != 0) suffix += ":" + std::to_string(task.tries);
  const auto escalated = [&](std::string_view how) {
    note_step(task, at, "escalated", task.action.owner, how);
    tell(plan, task, "task_escalated", at, {{"reason", text(how)}}, out);
  };
  switch (rung.what) {
    case Rung::What::remind:
      note_step(task, at, "reminded", task.action.owner, heading);
      tell(plan, task, "task_reminded", at, {{"reason", text(heading)}}, out);
      return;
    case Rung::What::manager: {
      escalated("to the manager");
      Task made = manager_task(plan, task, suffix, heading, at);
      if (!made.action.owner.empty()) roster.given(plan, made.action.owner, 1, at, false);
      made.steps.push_back({at, "created", made.action.owner, "escalated"});
      // The customer's rules hear of it as task_escalated: it is the manager's task, not another of the rule's.
      out.made.push_back(made);
      insert(std::move(made));
      return;
    }
    case Rung::What::reassign: {
      const std::string before = task.action.owner;
      if (!before.empty()) task.refused.push_back(before);
      if (pass_on(plan, roster, task, at, out)) return escalated("to somebody else: it was not done");
      if (!before.empty()) task.refused.pop_back();
      note_step(task, at, "escalated", before, "there is nobody else who can take it");
      return;
    }
    case Rung::What::pool: {
      if (task.action.owner.empty()) return;
      const std::string before = task.action.owner;
      task.refused.push_back(before);
      take_away(roster, task);
      note_step(task, at, "released", before, "it was not done: back to the pool");
      tell(plan, task, "task_released", at, {{"previous", text(before)}, {"reason", text("not done")}}, out);
      return;
    }
    case Rung::What::ticket: {
      escalated("by a ticket");
      const Task about = manager_task(plan, task, suffix + ":ticket", heading, at);
      ActionOut ticket = about.action;
      ticket.kind = ticket.channel = "ticket";
      ticket.category = Category::management;
      ticket.purpose = Purpose::internal;
      ticket.connector.clear();  // the task's is where it is shown
      ticket.owner.clear();
      ticket.owner_name.clear();
      ticket.assignment = {};
      ticket.terms = {};
      ticket.payload = ticket_payload(heading, about.action.reason);
      out.actions.push_back(std::move(ticket));
      return;
    }
  }
}

}  // namespace nudge
