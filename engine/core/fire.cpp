// A rule fires: limits, rollout, steps, actions.
#include <algorithm>

#include "engine/base/limits.h"
#include "engine/core/enrich.h"
#include "engine/core/explain.h"
#include "engine/core/judge.h"
#include "engine/core/policy.h"
#include "engine/core/render.h"
#include "engine/core/worktime.h"
#include "engine/core/write.h"

namespace nudge {

namespace {

std::uint32_t bucket(std::string_view rule, std::string_view customer, std::uint64_t seed) {
  std::string bytes(rule);
  bytes.push_back('\0');
  bytes.append(customer);
  return static_cast<std::uint32_t>(hash64(bytes, seed) % 10000);
}

// Where the message goes to; null for what needs no address.
const Param* address_of(const Action& action) {
  if (action.kind != "email" && action.kind != "sms") return nullptr;
  const auto to = std::ranges::find(action.params, "to", &Param::name);
  return to == action.params.end() || to->kind != Param::Kind::text ? nullptr : &*to;
}

std::string no_address_words(const Plan& plan, const Action& action, const Param& to) {
  std::string from;
  for (const TemplatePart& part : plan.templates[to.text].parts) {
    if (part.kind == TemplatePart::Kind::value) from += (from.empty() ? "" : ", ") + describe_expr(plan, part.expr);
  }
  return "`to` of this " + action.kind + " is empty" + (from.empty() ? "" : ": the customer has no " + from);
}

bool same_cause(const Cause& a, const Cause& b) { return a == b; }

}  // namespace

std::uint32_t rollout_bucket(std::string_view rule, std::string_view customer) { return bucket(rule, customer, 1); }
std::uint32_t holdout_bucket(std::string_view rule, std::string_view customer) { return bucket(rule, customer, 2); }

Hash128 action_id(const Rule& rule, std::string_view customer, const Cause& cause, std::uint32_t step) {
  std::string bytes;
  Writer out(bytes);
  out.string(rule.name);
  out.fixed64(rule.definition.hi);
  out.fixed64(rule.definition.lo);
  out.string(customer);
  out.u8(static_cast<std::uint8_t>(cause.kind));
  // A row names its firing for good; an edge is named by its instant.
  if (cause.kind == Cause::Kind::event) {
    out.varint(cause.type);
    out.svarint(cause.row_time);
    out.string(cause.row_id);
  } else {
    out.svarint(cause.at);
  }
  out.string(cause.key);
  out.varint(step);
  return hash128(bytes);
}

void Judge::decide(const Rule& rule, const Cause& cause, TimeMs now, bool fired, Held held, std::uint32_t step, std::string detail) {
  Decision d;
  d.fired = fired;
  d.held = held;
  d.rule = rule.name;
  d.rule_id = rule.id;
  d.rule_version = rule.version;
  d.customer = state_->id;
  d.at = now;
  d.cause = cause;
  d.step = step;
  d.detail = std::move(detail);
  effects_->decisions.push_back(std::move(d));
}

Held Judge::gate(const Rule& rule, const Cause& cause, TimeMs now) {
  const bool limited = rule.limits.once_per > 0 || rule.limits.once_ever;
  if (rollout_bucket(rule.name, state_->id) >= rule.rollout_percent * 100) return Held::rollout;
  if (limited) {
    auto& fired = state_->fired;
    const auto order = [](const LastFired& f, const std::pair<RuleId, std::string_view>& k) {
      return f.rule != k.first ? f.rule < k.first : f.key < k.second;
    };
    const auto it = std::lower_bound(fired.begin(), fired.end(), std::pair<RuleId, std::string_view>{rule.id, cause.key}, order);
    if (it != fired.end() && it->rule == rule.id && it->key == cause.key) {
      if (rule.limits.once_ever || now - it->at < rule.limits.once_per) return Held::once_per;
      it->at = now;
    } else {
      fired.insert(it, {rule.id, cause.key, now});
    }
  }
  if (holdout_bucket(rule.name, state_->id) < rule.holdout_percent * 100) return Held::holdout;
  return rule.state == RuleState::shadow ? Held::shadow : Held::none;
}

void Judge::fire(const Rule& rule, const Cause& cause, TimeMs now) {
  const Held held = gate(rule, cause, now);
  decide(rule, cause, now, held == Held::none, held, kNone, {});
  if (held == Held::none || held == Held::holdout) watch_goal(rule, cause, held == Held::holdout, now);
  if (held == Held::none) run_steps(rule, cause, now, 0, false, now);
}

void Judge::add_run(const Rule& rule, Run run) {
  auto& runs = state_->runs;
  if (runs.size() >= limits::kRunsPerCustomer) {
    decide(rule, run.cause, state_->clock, false, Held::runs_full, run.step, {});
    return;
  }
  const auto it = std::upper_bound(runs.begin(), runs.end(), run, run_before);
  // The same firing's same step waits once.
  for (auto i = it; i != runs.begin() && std::prev(i)->due == run.due; --i) {
    const Run& other = *std::prev(i);
    if (other.rule == run.rule && other.step == run.step && same_cause(other.cause, run.cause)) return;
  }
  runs.insert(it, std::move(run));
}

// Carries a step out. The instant from which what it did is there: `now`, or later for a write. `since`: when it was first due.
TimeMs Judge::act(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs since, TimeMs now) {
  const Action& action = rule.steps[step].action;
  const RenderContext context{*plan_, *state_, evaluator, rule, cause, now};
  const Hash128 id = action_id(rule, state_->id, cause, step);
  TimeMs done = now;
  std::string payload;
  std::vector<LateText> late;
  if (action.write.kind == Write::Kind::owner) {
    payload = owner_payload(*plan_->catalog, action.write.owner, fact_id(id, depth_ + 1));
  } else if (action.write.kind != Write::Kind::none) {
    Result<MadeFact> made = make_fact(context, action.write, fact_id(id, depth_ + 1));
    if (!made) {
      decide(rule, cause, now, false, Held::write, step, made.error().message);
      return now;
    }
    done = made->input.time;
    payload = std::move(made->payload);
    state_->store(made->input, *plan_->catalog);
    begun_ = false;  // rows may have moved
  } else {
    Result<RenderedParams> rendered = render_params(context, action);
    if (!rendered) {
      decide(rule, cause, now, false, Held::render, step, rendered.error().message);
      return now;
    }
    if (const Param* to = address_of(action); to != nullptr) {
      const Result<std::string> address = render(context, to->text, Escape::header);
      if (address && address->find_first_not_of(" \t\r\n") == std::string::npos) {
        decide(rule, cause, now, false, Held::no_address, step, no_address_words(*plan_, action, *to));
        return now;
      }
    }
    payload = action.kind == kEnrich ? enrich_payload(std::move(rendered->json), fact_id(id, depth_ + 1)) : std::move(rendered->json);
    late = std::move(rendered->late);
  }
  ActionOut out = outline(rule, cause, step, since, now);
  out.payload = std::move(payload);
  out.late = std::move(late);
  if (action.approval != nullptr && !put_question(rule, cause, now, out)) return now;
  keep_contact(*plan_, *state_, subject_of(out), now);
  effects_->actions.push_back(std::move(out));
  return done;
}

// Which entries of the assignment hold for the customer, and what they compare with.
void Judge::choose_entries(const Action& action, ActionOut& out, TimeMs now) {
  out.assignment.team = action.assignment.team;
  const auto take = [&](AttributeId attribute) {
    if (attribute == kNoAttribute) return;
    TimeMs until = kNever;
    out.customer_values.emplace_back(attribute, Value(state_->attributes.at(attribute, now, until)));
  };
  const auto walk = [&](const auto& self, const MemberFilter& filter) -> void {
    take(filter.customer_attribute);
    for (const MemberFilter& child : filter.children) self(self, child);
  };
  for (const AssignEntry& entry : action.assignment.entries) {
    if (entry.condition != kNone && !evaluator.truth(entry.condition).truth) continue;
    out.assignment.entries.push_back(entry);
    take(entry.owner_attribute);
    take(entry.skill_attribute);
    walk(walk, entry.where);
    if (entry.strategy == AssignEntry::Strategy::sticky) find_last_owner(out, now);
  }
  // None holds: nobody is chosen, and it lies in the pool.
  if (!out.assignment.entries.empty() || action.assignment.entries.empty()) return;
  if (action.kind == "assign_owner")
    out.assignment.team.clear();
  else
    out.assigns = false;
}

// The newest task of the customer that somebody had.
void Judge::find_last_owner(ActionOut& out, TimeMs now) {
  for (const std::string_view name : {"task_created", "task_offered", "task_reassigned", "task_accepted", "task_completed"}) {
    const EventTypeId type = plan_->catalog->find_event(name);
    const Rows* told = type == kNoEventType ? nullptr : state_->rows(type);
    const FieldId owner = told == nullptr ? kNoField : plan_->catalog->events[type].find("owner");
    if (owner == kNoField) continue;
    for (std::size_t row = told->upper_bound(now); row-- > 0;) {
      if (!told->has_field(row, owner)) continue;
      if (told->time(row) >= out.last_owned) {
        out.last_owned = told->time(row);
        out.last_owner = told->field(row, owner, Kind::text).bytes;
      }
      break;
    }
  }
}

ActionOut Judge::outline(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs since, TimeMs now) {
  const Action& action = rule.steps[step].action;
  ActionOut out;
  out.id = action_id(rule, state_->id, cause, step);
  out.rule = rule.name;
  out.rule_id = rule.id;
  out.rule_version = rule.version;
  out.customer = state_->id;
  out.cause = cause;
  out.step = step;
  out.priority = rule.priority;
  out.at = now;
  out.category = action.category;
  out.kind = action.kind;
  out.channel = action.channel;
  out.connector = action.connector;
  out.mandatory = action.mandatory;
  out.terms = action.task;
  if (action.due_in > 0) {
    const Team* team = action.task.due_working ? plan_->find_team(action.assignment.team) : nullptr;
    out.due = team != nullptr ? after_work(*plan_, team->hours, now, action.due_in) : now + action.due_in;
  }
  out.reason = rule.description;
  out.purpose = rule.purpose;
  if (action.expires_after > 0) out.expires_at = since + action.expires_after;
  out.on_unknown = action.on_unknown;
  out.assigns = action.assigns;
  if (action.assigns) choose_entries(action, out, now);
  return out;
}

}  // namespace nudge
