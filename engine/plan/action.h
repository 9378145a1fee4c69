// The compiled form of what a rule does: parameters, actions, steps. Plain data; immutable once the plan is built.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/template.h"

namespace nudge {

// A parameter of an action, by name, in the order written.
struct Param {
  enum class Kind : std::uint8_t { text, value, duration, map, list, expr };
  std::string name;  // empty inside a list
  Kind kind = Kind::value;
  TemplateId text = kNone;   // text: rendered, always a string
  Value value;               // value: as it is
  DurationMs duration = 0;   // duration: rendered as milliseconds
  std::vector<Param> items;  // map, list
  ExprId expr = kNone;       // expr: its value in its own type at the instant of the step; null when it is missing
};

// A condition over the members of a team, for choosing whom a task goes to.
struct MemberFilter {
  enum class Kind : std::uint8_t { all, any, negate, compare };
  Kind kind = Kind::all;
  std::vector<MemberFilter> children;
  std::string property;  // compare: id, name, region, tenure_days, capacity, or a property of the team file
  Op op = Op::equals;
  std::vector<Value> literals;
  AttributeId customer_attribute = kNoAttribute;  // right side: this attribute of the customer
};

// One way of choosing a person. Of several the first is taken whose condition holds for the customer and that finds somebody.
struct AssignEntry {
  // Numbers are stored: append only.
  enum class Strategy : std::uint8_t {
    round_robin,     // in turns
    least_loaded,    // who has the fewest units of open work
    owner,           // whom the attribute `owner_attribute` names, else round robin
    weighted,        // in turns, as often as the member's weight says
    most_available,  // who has the most room left
    by_skill,        // who has all of `skills`; of several the one with the most room
    sticky,          // who had this customer's last task, else whom `owner_attribute` names, else round robin
  };
  enum class OffHours : std::uint8_t {
    prefer,  // those at work now come first
    only,    // nobody but those at work now
    ignore,
  };
  NodeId condition = kNone;  // asked of the customer at the step; kNone: holds
  Strategy strategy = Strategy::round_robin;
  OffHours off_hours = OffHours::prefer;
  AttributeId owner_attribute = kNoAttribute;
  MemberFilter where;
  std::string team;                          // empty: the assignment's
  std::vector<std::string> skills;           // by_skill …
  AttributeId skill_attribute = kNoAttribute;  // … and what this attribute of the customer says (text or list)
  DurationMs within = 0;                     // sticky: as long as that task is no older; 0: however old
};

struct Assignment {
  std::string team;                   // empty: nobody is assigned; the task lies in the team's pool
  std::vector<AssignEntry> entries;   // empty: in turns
};

// What is done about a task that is not done. Numbers are stored: append only.
struct Rung {
  enum class When : std::uint8_t { age, before_due, overdue };
  enum class What : std::uint8_t {
    remind,    // tells the rules (task_reminded)
    manager,   // a task for the manager
    reassign,  // to somebody else of the team
    pool,      // nobody's any more: lies in the team's pool
    ticket,    // by a connector of kind ticket
  };
  When when = When::overdue;
  DurationMs after = 0;  // in working time where the team has hours; before_due on the clock
  What what = What::remind;
};
inline constexpr std::size_t kRungsMost = 16;

// How a call task lives.
struct TaskTerms {
  std::uint32_t units = 1;       // of capacity
  std::uint8_t rank = 2;         // 1 low, 2 normal, 3 high, 4 urgent
  bool due_working = false;      // due_in counts working time
  DurationMs due_in = 0;
  DurationMs accept_within = 0;  // offered: whoever does not accept in this time is passed over; 0: given, not offered
  DurationMs expires_in = 0;     // closed when it is not done in this time after it was made; 0: never
  std::vector<Rung> ladder;
};

enum class Category : std::uint8_t { sales, management, collaboration };
std::string_view category_name(Category c);

// One value that a rule writes: into an attribute of the customer, or into a field of an event that the rule makes.
struct WriteValue {
  enum class Source : std::uint8_t {
    literal,  // `value`
    expr,     // attribute, trait, score, field of the trigger
    text,     // a template
    now,      // the instant of the step
    clear,    // null: removes the attribute
  };
  enum class Op : std::uint8_t { set, add, append, remove };
  Source source = Source::literal;
  Op op = Op::set;
  std::uint16_t target = kNoAttribute;  // AttributeId, or FieldId of the event
  Value value;
  ExprId expr = kNone;
  TemplateId text = kNone;
  bool back = false;  // a step back of an attribute that moves forward only is meant
};

// What an action writes back into the customer's own facts (core/write.h).
struct Write {
  enum class Kind : std::uint8_t {
    none,
    attributes,
    add_tag,
    remove_tag,
    event,
    owner,  // the owner attribute, by whom the desk chooses
  };
  Kind kind = Kind::none;
  std::vector<WriteValue> values;
  EventTypeId event = kNoEventType;  // event
  std::string tag;                   // add_tag, remove_tag
  DurationMs expires = 0;            // add_tag; 0: stays
  AttributeId owner = kNoAttribute;  // owner
};

// What follows when nobody knows whether an attempt arrived. Numbers are stored: append only.
enum class OnUnknown : std::uint8_t {
  by_connector = 0,  // as the connector's configuration or its channel has it
  hold = 1,          // at most once: a person decides
  retry = 2,         // at least once: the same again, under the same key
  verify = 3,        // ask the provider, then send or hold
};
std::string_view on_unknown_name(OnUnknown word);

struct Approval;

struct Action {
  std::string kind;  // call_task, email, sms, ticket, webhook, set_attribute …
  Category category = Category::sales;
  std::string channel;    // email, sms, task, ticket, webhook: what policies and consent speak of
  std::string connector;  // name of the configured connector; empty: the kind's default
  std::vector<Param> params;
  bool assigns = false;
  Assignment assignment;
  bool mandatory = false;     // call_task
  DurationMs due_in = 0;      // call_task
  TaskTerms task;             // call_task
  DurationMs expires_after = 0;  // given up when it could not leave for so long after it was first due; 0: never
  OnUnknown on_unknown = OnUnknown::by_connector;
  std::string template_name;  // of `templates`, when one was named
  Write write;                // nothing: it goes out by a connector or to the task list
  std::shared_ptr<const Approval> approval;  // waits for somebody's yes before it goes out; null: does not
};

// Whose yes an action waits for (core/approvals.h).
struct Approval {
  std::string team;     // its manager is asked; empty: `person`
  std::string person;   // a member's id
  DurationMs within = 0;       // for so long; then what `otherwise_send` says is done
  bool working = false;        // `within` counts the working time of the team (of the person's team)
  bool otherwise_send = false;
  TemplateId subject = kNone;  // what it is about, in a line; kNone: the action and the rule
  std::vector<Action> asks;    // messages that tell whom is asked
};
// What such a message can show, as `approval.NAME`.
inline constexpr std::string_view kApprovalProperties[] = {"link", "id", "deadline", "asked", "email", "subject", "otherwise"};

// One step of a rule's program. `then` is compiled to a flat list: steps run in order, branches and jumps only lead forward, so the number
// of the step that a run waits at is all there is to remember of its place.
struct Step {
  enum class Kind : std::uint8_t {
    act,     // `action`, after `after`
    wait,    // `after`, and nothing else
    until,   // waits until `condition` holds, at most `timeout`
    branch,  // `condition`: the next step when it holds, else `target`
    jump,    // to `target`
    stop,    // the run ends here
  };
  DurationMs after = 0;    // from the previous step (the first: from the firing)
  NodeId only_if = kNone;  // act: asked when the step is due; false: the step is skipped and recorded
  Action action;
  Kind kind = Kind::act;
  NodeId condition = kNone;
  DurationMs timeout = 0;
  bool stop_on_timeout = false;  // until: the run ends when the time is over, else it goes on
  std::uint32_t target = 0;      // greater than the step's own number; the number of steps: the end
  std::string label;             // its place as written, for people: "2", "3.then.1"; empty: its number
  // Given by PlanBuilder::finish: tells a step of one version of the rule in another (core/runs.h). The upper half stands for all that the
  // step says, the lower half for its kind and for what the step before it says.
  std::uint64_t mark = 0;

  // Whether a run comes to wait here.
  bool waits() const { return kind == Kind::until || ((kind == Kind::act || kind == Kind::wait) && after > 0); }
};

}  // namespace nudge
