// The question that is put before an action goes out (docs/language.md § Approvals): made with the action, at its instant.
#include "engine/core/judge.h"
#include "engine/core/render.h"
#include "engine/core/render_filter.h"
#include "engine/core/worktime.h"

namespace nudge {

namespace {

// The hours in which whom is asked works.
const WorkHours* hours_of_asked(const Plan& plan, const Approval& approval) {
  if (const Team* team = plan.find_team(approval.team); team != nullptr) return &team->hours;
  for (const Team& team : plan.teams) {
    if (const Member* member = team.find(approval.person); member != nullptr) return &hours_of(team, *member);
  }
  return nullptr;
}

Hash128 ask_id(const Hash128& action, std::size_t number) {
  std::string bytes;
  Writer out(bytes);
  out.fixed64(action.hi);
  out.fixed64(action.lo);
  out.string("asks");
  out.varint(number);
  return hash128(bytes);
}

}  // namespace

// False, and decided so: a text of it could not be rendered.
bool Judge::put_question(const Rule& rule, const Cause& cause, TimeMs now, ActionOut& out) {
  const Action& action = rule.steps[out.step].action;
  const Approval& approval = *action.approval;
  const RenderContext context{*plan_, *state_, evaluator, rule, cause, now};
  auto question = std::make_shared<Question>();
  question->team = approval.team;
  question->person = approval.person;
  const WorkHours* hours = approval.working ? hours_of_asked(*plan_, approval) : nullptr;
  question->deadline = hours != nullptr ? after_work(*plan_, *hours, now, approval.within) : now + approval.within;
  question->otherwise_send = approval.otherwise_send;
  question->subject = action.kind + " of the rule " + rule.name;
  const auto refuse = [&](const Error& error) {
    decide(rule, cause, now, false, Held::render, out.step, error.message);
    return false;
  };
  if (approval.subject != kNone) {
    Result<std::string> subject = render(context, approval.subject, Escape::header);
    if (!subject) return refuse(subject.error());
    question->subject = *std::move(subject);
  }
  for (const Action& one : approval.asks) {
    Result<RenderedParams> rendered = render_params(context, one);
    if (!rendered) return refuse(rendered.error());
    ActionOut& ask = question->asks.emplace_back(out);
    ask.id = ask_id(out.id, question->asks.size());
    ask.category = one.category;
    ask.assigns = ask.mandatory = false;  // a task's own
    ask.assignment = {};
    ask.customer_values.clear();
    ask.terms = {};
    ask.due = 0;
    ask.kind = one.kind;
    ask.channel = one.channel;
    ask.connector = one.connector;
    ask.purpose = Purpose::internal;
    ask.on_unknown = one.on_unknown;
    ask.expires_at = question->deadline;  // nobody needs to be asked then
    ask.payload = std::move(rendered->json);
    ask.late = std::move(rendered->late);
  }
  out.question = std::move(question);
  return true;
}

}  // namespace nudge
