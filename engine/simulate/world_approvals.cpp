// Approvals in a world: who is asked, what they say, and what the policies say to it then.
#include <algorithm>

#include "engine/core/approved.h"
#include "engine/simulate/world.h"

namespace nudge {

void World::keep_approvals(ApprovalOut& out) {
  for (const Request& request : out.touched) {
    const auto known = std::ranges::find_if(requests_, [&](const Request& r) { return r.action.id == request.action.id; });
    if (known == requests_.end())
      requests_.push_back(request);
    else
      *known = request;
  }
  for (ActionOut& ask : out.asks) record_.actions.push_back(std::move(ask));
  for (Input& input : out.news) submit_at(std::max(clock_, input.time + (input.id.ends_with(":approval_requested") ? 1 : 0)), std::move(input));
  WorkOut work;
  make_approved(*plan_, desk_, out.decided, work);
  for (Request& request : out.decided) {
    if (request.sent && request.action.kind == "call_task")
      record_.actions.push_back(std::move(request.action));
    else if (request.sent)
      send_released(std::move(request.action));
    else
      hold_released(std::move(request.action), request.state == ApprovalState::refused ? Held::refused : Held::not_approved, decision_words(request));
  }
  keep_work(work);
}

// As delivery does with what had to wait: the policies are asked once more.
void World::send_released(ActionOut action) {
  const CustomerState& state = state_of(action.customer);
  if (clock_ >= action.expires_at)
    return hold_released(std::move(action), Held::expired, "expired: it could not leave before " + format_timestamp(action.expires_at));
  PolicyVerdict verdict = engine_.policies(*plan_, state, action, std::max(clock_, state.clock));
  switch (verdict.kind) {
    case PolicyVerdict::Kind::allow: record_.actions.push_back(std::move(action)); return;
    case PolicyVerdict::Kind::defer: released_.emplace(std::max(verdict.until, clock_ + 1), std::move(action)); return;
    case PolicyVerdict::Kind::drop: break;
  }
  hold_released(std::move(action), verdict.held, std::move(verdict.words));
  tell_held(record_.held.back());
}

void World::hold_released(ActionOut action, Held held, std::string words) {
  Decision decision;
  decision.number = record_.decisions.size() + 1;
  decision.held = held;
  decision.rule = action.rule;
  decision.rule_id = action.rule_id;
  decision.rule_version = action.rule_version;
  decision.customer = action.customer;
  decision.at = clock_;
  decision.cause = action.cause;
  decision.step = action.step;
  decision.detail = words;
  record_.decisions.push_back(std::move(decision));
  record_.held.push_back({std::move(action), held, std::move(words), false});
}

void World::run_approvals(TimeMs at) {
  if (desk_.approvals().next() <= at) {
    ApprovalOut out;
    desk_.approvals().run(*plan_, at, out);
    keep_approvals(out);
  }
  while (!released_.empty() && released_.begin()->first <= at) {
    ActionOut action = std::move(released_.extract(released_.begin()).mapped());
    send_released(std::move(action));
  }
}

void World::run_digests(TimeMs at) {
  if (desk_.digests().next() > at) return;
  DigestOut out;
  desk_.digests().run(at, out);
  for (DigestOut::Message& message : out.messages) record_.actions.push_back(std::move(message.action));
}

Result<void> World::answer_approval(std::string_view customer, std::string_view rule, ApprovalCommand command) {
  const auto request = std::ranges::find_if(requests_, [&](const Request& r) {
    return r.state == ApprovalState::open && r.action.customer == customer && r.action.rule == rule;
  });
  if (request == requests_.end())
    return fail(Code::not_found, "nothing of the rule `" + std::string(rule) + "` for " + std::string(customer) + " waits for a yes");
  command.id = request->action.id;
  ApprovalOut out;
  NUDGE_TRY(desk_.approvals().apply(*plan_, command, clock_, out));
  keep_approvals(out);
  return {};
}

}  // namespace nudge
