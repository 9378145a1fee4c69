// A step's action before it is made: what the policies say to it, and what follows from that.
#include <algorithm>

#include "engine/core/judge.h"
#include "engine/core/policy.h"
#include "engine/core/render.h"

namespace nudge {

// `since` is the instant at which the action was first due; a policy may have held it up since then.
Judge::Leave Judge::may_leave(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, TimeMs since, TimeMs now) {
  const Action& action = rule.steps[step].action;
  PolicySubject subject;
  subject.rule = rule.name;
  subject.rule_id = rule.id;
  subject.channel = action.channel;
  subject.category = action.category;
  subject.purpose = rule.purpose;
  subject.action = action_id(rule, state_->id, cause, step);
  if (action.expires_after > 0) subject.expires_at = since + action.expires_after;
  begin_for(cause, now);
  PolicyVerdict verdict = judge_policies(evaluator, subject);
  switch (verdict.kind) {
    case PolicyVerdict::Kind::allow: return Leave::now;
    case PolicyVerdict::Kind::defer: {
      // What waits can end by the rule's exit; at the firing's own instant that was not asked yet.
      TimeMs again = kNever;
      if (exits(rule, cause, step, now, again)) return Leave::later;
      decide(rule, cause, now, false, Held::deferred, step, std::move(verdict.words));
      // Defensive: an instant that does not move on would be judged for ever.
      verdict.until = std::max(verdict.until, now + 1);
      effects_->decisions.back().deferred_until = verdict.until;
      begin_wait(rule, cause, started, step, verdict.until, again, now, since);
      return Leave::later;
    }
    case PolicyVerdict::Kind::drop: break;
  }
  decide(rule, cause, now, false, verdict.held, step, verdict.words);
  HeldAction held;
  held.action = outline(rule, cause, step, since, now);
  const RenderContext context{*plan_, *state_, evaluator, rule, cause, now};
  RenderedParams rendered = render_params(context, action).value_or(RenderedParams{"{}", {}});
  held.action.payload = std::move(rendered.json);
  held.action.late = std::move(rendered.late);
  held.held = verdict.held;
  held.reason = std::move(verdict.words);
  effects_->held_actions.push_back(std::move(held));
  return Leave::never;
}

}  // namespace nudge
