// The events that tell rules of actions and tasks, and the task list: completion, deadlines.
#include "daemon/log/log.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

void set_field(const EventTypeDef& type, Input& input, std::string_view name, Value value) {
  const FieldId field = type.find(name);
  if (field == kNoField || kind_of(type.fields[field].type) != value.kind) return;
  input.fields[field] = std::move(value);
}

Value text_or_missing(const std::string& text) { return text.empty() ? Value() : Value::of_text(text); }

}  // namespace

// The built-in event about an action. Its id is derived from the action's, so telling it twice is a duplicate.
Input Delivery::event_for(std::string_view type_name, const ActionOut& action, std::string id_suffix, TimeMs at) const {
  const std::shared_ptr<const Plan> plan = plan_();
  Input input;
  input.kind = InputKind::event;
  input.customer = action.customer;
  input.id = "nudge:" + to_hex(action.id) + ":" + std::move(id_suffix);
  input.time = at;
  input.type = plan->catalog->find_event(type_name);
  if (input.type == kNoEventType) return input;
  const EventTypeDef& type = plan->catalog->events[input.type];
  input.fields.resize(type.fields.size());
  set_field(type, input, "task", Value::of_text(to_hex(action.id)));
  set_field(type, input, "action", Value::of_text(to_hex(action.id)));
  set_field(type, input, "rule", Value::of_text(action.rule));
  set_field(type, input, "kind", Value::of_text(action.kind));
  set_field(type, input, "channel", Value::of_text(action.channel));
  set_field(type, input, "connector", text_or_missing(action.connector));
  set_field(type, input, "team", text_or_missing(action.assignment.team));
  set_field(type, input, "owner", text_or_missing(action.owner));
  set_field(type, input, "subject", text_or_missing(member_text(action.payload, "subject")));
  if (action.due != 0) set_field(type, input, "due", Value::of_timestamp(action.due));
  set_field(type, input, "mandatory", Value::of_boolean(action.mandatory));
  return input;
}

Input Delivery::held_event(const ActionOut& action, const std::string& reason, TimeMs at) const {
  Input input = event_for("message_held", action, "held", at);
  if (input.type == kNoEventType) return input;
  const std::shared_ptr<const Plan> plan = plan_();
  set_field(plan->catalog->events[input.type], input, "reason", text_or_missing(reason));
  return input;
}

void Delivery::complete_task(std::string id, std::string disposition, std::string note, std::string by, Done done) {
  post_command([this, id = std::move(id), disposition = std::move(disposition), note = std::move(note), by = std::move(by),
                done = std::move(done)] { command_complete(id, disposition, note, by, done); });
}

Result<ActionRecord> Delivery::load_pending_or_final(const std::string& id) {
  for (const bool pending : {true, false}) {
    NUDGE_ASSIGN(const auto bytes, store_.get(Family::outbox, action_key(pending, id)));
    if (bytes) return decode_action_record(*bytes);
  }
  return fail(Code::not_found, "there is no action with this id");
}

void Delivery::tell_created(const ActionOut& action) {
  post_(event_for("task_created", action, "created", action.at),
        [id = id_bytes(action.id)](CommitContext& c, Receipt) { c.set.erase(Family::task, task_untold_key(id)); });
}

// The task by which a manager hears of an overdue one; nothing when it does not ask for that.
std::optional<TaskRecord> Delivery::escalation_of(const TaskRecord& overdue, TimeMs now) const {
  if (!escalates_to_manager(overdue.action.payload)) return std::nullopt;
  TaskRecord task;
  task.number = overdue.number;
  task.action = overdue.action;
  ActionOut& action = task.action;
  std::string bytes = id_bytes(overdue.action.id);
  bytes += "escalation";
  action.id = hash128(bytes);
  action.at = now;
  action.due = 0;
  action.mandatory = true;
  const std::string who = !overdue.action.owner_name.empty() ? overdue.action.owner_name : overdue.action.owner;
  action.reason = "A task" + (who.empty() ? "" : " of " + who) + " was due " + format_timestamp(overdue.action.due) + " and is still open";
  action.payload = escalation_payload(overdue.action.payload, to_hex(overdue.action.id));
  // A team without a manager, or one that is gone: the task lies in the team's pool, where somebody sees it.
  const std::shared_ptr<const Plan> plan = plan_();
  const Team* team = plan->find_team(action.assignment.team);
  action.owner = team != nullptr ? team->manager : "";
  action.owner_name.clear();
  if (team != nullptr) {
    for (const Member& member : team->members) {
      if (member.id == team->manager) action.owner_name = member.name;
    }
  }
  return task;
}

void Delivery::tell_overdue(const std::string& id) {
  Result<std::optional<std::string>> bytes = store_.get(Family::task, task_key(true, id));
  if (!bytes || !bytes->has_value()) return;  // done meanwhile
  Result<TaskRecord> task = decode_task_record(**bytes);
  if (!task || task->overdue) return;
  if (!busy_.insert(id).second) {  // it is being completed at this moment
    deadlines_.emplace(clock_.now() + kSecond, id);
    return;
  }
  Input event = event_for("task_overdue", task->action, "overdue", task->action.due);
  post_(std::move(event), [this, id](CommitContext& c, Receipt) {
    c.after.push_back([this, id] { post_command([this, id] { busy_.erase(id); }); });
    Result<std::optional<std::string>> now = store_.get(Family::task, task_key(true, id));
    if (!now || !now->has_value()) return;
    Result<TaskRecord> current = decode_task_record(**now);
    if (!current || current->overdue) return;
    current->overdue = true;
    ++c.delta[Counter::tasks_overdue];
    std::string record;
    encode_record(record, *current);
    c.set.put(Family::task, task_key(true, id), record);
    const std::optional<TaskRecord> escalation = escalation_of(*current, c.now);
    if (!escalation) return;
    ++c.delta[Counter::tasks];
    ++c.delta[Counter::tasks_open];
    std::string escalated;
    encode_record(escalated, *escalation);
    c.set.put(Family::task, task_key(true, id_bytes(escalation->action.id)), escalated);
    c.set.put(Family::task, task_untold_key(id_bytes(escalation->action.id)), "");
    if (!escalation->action.owner.empty()) {
      c.desk.task_opened(escalation->action.owner);
      c.desk_changed = true;
    }
    c.after.push_back([this, task = *escalation] { add(task); });
  });
}

void Delivery::command_complete(const std::string& id, const std::string& disposition, const std::string& note, const std::string& by,
                                const Done& done) {
  Result<std::optional<std::string>> bytes = store_.get(Family::task, task_key(true, id));
  if (!bytes) return done(std::unexpected(std::move(bytes).error()));
  if (!bytes->has_value()) {
    Result<std::optional<std::string>> closed = store_.get(Family::task, task_key(false, id));
    if (closed && closed->has_value()) return done(fail(Code::conflict, "the task is done already"));
    return done(fail(Code::not_found, "there is no task with this id"));
  }
  if (!busy_.insert(id).second) return done(fail(Code::conflict, "the task is being changed already; try again in a moment"));
  Result<TaskRecord> task = decode_task_record(**bytes);
  if (!task) return done(std::unexpected(std::move(task).error()));
  const TimeMs now = clock_.now();
  Input event = event_for("task_completed", task->action, "completed", now);
  if (event.type != kNoEventType) {
    const std::shared_ptr<const Plan> plan = plan_();
    const EventTypeDef& type = plan->catalog->events[event.type];
    set_field(type, event, "disposition", text_or_missing(disposition));
    set_field(type, event, "note", text_or_missing(note));
  }
  post_(std::move(event), [this, id, disposition, note, by, now, done](CommitContext& c, Receipt) {
    Result<std::optional<std::string>> stored = store_.get(Family::task, task_key(true, id));
    if (!stored || !stored->has_value()) return;
    Result<TaskRecord> current = decode_task_record(**stored);
    if (!current) return;
    current->state = TaskState::done;
    current->done_at = now;
    current->disposition = disposition;
    current->note = note;
    current->done_by = by;
    --c.delta[Counter::tasks_open];
    ++c.delta[Counter::tasks_done];
    if (!current->action.owner.empty()) {
      c.desk.task_closed(current->action.owner);
      c.desk_changed = true;
    }
    std::string record;
    encode_record(record, *current);
    c.set.erase(Family::task, task_key(true, id));
    c.set.put(Family::task, task_key(false, id), record);
    c.after.push_back([this, id, done] {
      post_command([this, id] { busy_.erase(id); });
      done({});
    });
  });
}

}  // namespace nudge::daemon
