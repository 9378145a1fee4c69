#include "engine/simulate/plan_diff.h"

#include <algorithm>
#include <map>

#include "engine/core/explain.h"
#include "engine/core/policy.h"
#include "engine/core/runs.h"

namespace nudge {
namespace {

using Words = std::vector<std::pair<std::string, std::string>>;  // part, text

std::string list(const std::vector<Value>& values) {
  std::string out;
  for (const Value& v : values) out += (out.empty() ? "" : ", ") + to_json(v.view());
  return out;
}

std::string trigger_words(const Plan& plan, const Trigger& t) {
  std::string out;
  switch (t.kind) {
    case Trigger::Kind::event:
      out = "event " + plan.catalog->events[t.event].name;
      if (t.where != kNone) out += " where " + describe(plan, t.where);
      if (t.same != kNoField) out += ", per " + plan.catalog->events[t.event].fields[t.same].name;
      return out;
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves:
      out = (t.kind == Trigger::Kind::enters ? "enters " : "leaves ") + plan.segments[t.segment].name;
      if (t.hold_for > 0) out += " for " + format_duration(t.hold_for);
      return out;
    case Trigger::Kind::attribute_changes:
      out = "attribute " + plan.catalog->attributes[t.attribute].name + " changes";
      if (!t.from.empty()) out += " from " + list(t.from);
      if (!t.to.empty()) out += " to " + list(t.to);
      return out;
    case Trigger::Kind::schedule: return "schedule " + t.cron + (t.zone.empty() ? "" : " in " + t.zone);
    case Trigger::Kind::date:
      out = "date " + plan.catalog->attributes[t.attribute].name;
      if (t.offset != 0) out += (t.offset < 0 ? " - " : " + ") + format_duration(t.offset < 0 ? -t.offset : t.offset);
      return out + ", " + format_duration(t.time_of_day) + " after the day begins";
  }
  return out;
}

std::string template_words(const Plan& plan, const std::vector<TemplatePart>& parts);

std::string operand_words(const Plan& plan, const TemplatePart& part) {
  using Kind = TemplatePart::Kind;
  switch (part.kind) {
    case Kind::value: return describe_expr(plan, part.expr);
    case Kind::customer_id: return "customer.id";
    case Kind::event_time: return "event.time";
    case Kind::event_id: return "event.id";
    case Kind::rule_name: return "rule.name";
    case Kind::now: return "now";
    case Kind::literal: return part.literal.missing() ? "nil" : to_json(part.literal.view());
    case Kind::rule_field: return "rule." + part.text;
    case Kind::goal_field: return "goal." + part.text;
    case Kind::owner_field: return "owner." + part.text;
    case Kind::assignee_field: return "assignee." + part.text;
    case Kind::segment: return "segment." + plan.segments[plan.nodes[part.node].ref].name;
    case Kind::tags: return "tags";
    case Kind::band: return "band." + plan.scores[part.ref].name;
    case Kind::row_field:
      return "row." + (part.ref == kTimeField ? "timestamp" : plan.catalog->events[part.event].fields[part.ref].name);
    case Kind::row_id: return "row.id";
    case Kind::forloop: return "forloop";
    default: return "a name";
  }
}

std::string test_words(const Plan& plan, const TemplateTest& test) {
  using Kind = TemplateTest::Kind;
  if (test.kind == Kind::all || test.kind == Kind::any)
    return test_words(plan, test.children[0]) + (test.kind == Kind::all ? " and " : " or ") + test_words(plan, test.children[1]);
  const std::string left = operand_words(plan, test.left);
  if (test.kind == Kind::holds) return left;
  const std::string right = test.against == TemplateTest::Right::value   ? operand_words(plan, test.right)
                            : test.against == TemplateTest::Right::blank ? "blank"
                                                                         : "empty";
  return left + " " + std::string(op_name(test.op)) + " " + right;
}

std::string block_words(const Plan& plan, const TemplatePart& part) {
  const TemplateBlock& block = *part.block;
  if (part.kind == TemplatePart::Kind::assign) return "{% assign a name = " + operand_words(plan, block.list[0]) + " %}";
  std::string out;
  if (part.kind == TemplatePart::Kind::loop) {
    out = "{% for row in " + (block.event != kNoEventType ? "events." + plan.catalog->events[block.event].name : operand_words(plan, block.list[0])) +
          " limit: " + std::to_string(block.limit) + " %}" + template_words(plan, block.parts);
    if (!block.otherwise.empty()) out += "{% else %}" + template_words(plan, block.otherwise);
    return out + "{% endfor %}";
  }
  for (std::size_t i = 0; i < block.branches.size(); ++i) {
    const TemplateBlock::Branch& branch = block.branches[i];
    if (branch.otherwise)
      out += "{% else %}";
    else
      out += std::string(i > 0 ? "{% elsif " : branch.negated ? "{% unless " : "{% if ") + test_words(plan, branch.test) + " %}";
    out += template_words(plan, branch.parts);
  }
  return out + "{% end %}";
}

std::string template_words(const Plan& plan, const std::vector<TemplatePart>& parts) {
  std::string out;
  for (const TemplatePart& part : parts) {
    if (part.kind == TemplatePart::Kind::text)
      out += part.text;
    else if (part.block != nullptr)
      out += block_words(plan, part);
    else
      out += "{{ " + operand_words(plan, part) + " }}";
  }
  return out;
}

std::string template_words(const Plan& plan, const Template& t) {
  std::string out = template_words(plan, t.parts);
  for (const Template::Translation& other : t.translations)
    out += " | " + other.language + ": " + template_words(plan, plan.templates[other.text].parts);
  return out;
}

std::string param_words(const Plan& plan, const Param& param) {
  std::string out = param.name.empty() ? "" : param.name + ": ";
  switch (param.kind) {
    case Param::Kind::text: return out + "\"" + template_words(plan, plan.templates[param.text]) + "\"";
    case Param::Kind::value: return out + to_json(param.value.view());
    case Param::Kind::duration: return out + format_duration(param.duration);
    case Param::Kind::expr: return out + describe_expr(plan, param.expr);
    case Param::Kind::map:
    case Param::Kind::list: break;
  }
  out += param.kind == Param::Kind::map ? "{" : "[";
  for (std::size_t i = 0; i < param.items.size(); ++i) out += (i == 0 ? "" : ", ") + param_words(plan, param.items[i]);
  return out + (param.kind == Param::Kind::map ? "}" : "]");
}

std::string step_words(const Plan& plan, const Rule& rule, std::uint32_t number) {
  const Step& step = rule.steps[number];
  std::string out = describe_step(plan, rule, number);
  if (step.after > 0) out += ", after " + format_duration(step.after);
  if (step.only_if != kNone) out += ", only if " + describe(plan, step.only_if);
  if (step.condition != kNone) out += ", " + describe(plan, step.condition);
  const Action& action = step.action;
  if (!action.template_name.empty()) out += ", template " + action.template_name;
  for (const Param& param : action.params) out += ", " + param_words(plan, param);
  if (action.assigns) out += ", team " + action.assignment.team;
  if (action.due_in > 0) out += ", due in " + format_duration(action.due_in);
  if (action.mandatory) out += ", mandatory";
  if (!action.connector.empty()) out += ", by " + action.connector;
  if (action.on_unknown != OnUnknown::by_connector) out.append(", on_unknown ").append(on_unknown_name(action.on_unknown));
  return out;
}

Words rule_words(const Plan& plan, const Rule& rule) {
  Words out;
  out.emplace_back("state", rule_state_name(rule.state));
  out.emplace_back("category", category_name(rule.category));
  out.emplace_back("priority", std::to_string(rule.priority));
  out.emplace_back("when", trigger_words(plan, rule.trigger));
  if (rule.condition != kNone) out.emplace_back("if", describe(plan, rule.condition));
  for (std::uint32_t i = 0; i < rule.steps.size(); ++i) out.emplace_back("then " + std::to_string(i + 1), step_words(plan, rule, i));
  if (rule.exit != kNone) out.emplace_back("exit", describe(plan, rule.exit));
  if (rule.limits.once_ever) out.emplace_back("once_per", "ever");
  if (rule.limits.once_per > 0) out.emplace_back("once_per", format_duration(rule.limits.once_per));
  if (rule.limits.at_most > 0)
    out.emplace_back("at_most",
                     std::to_string(rule.limits.at_most) + (rule.limits.at_most_per_hour ? " per hour" : " per day, week or month"));
  out.emplace_back("rollout", std::to_string(rule.rollout_percent) + " %");
  out.emplace_back("holdout", std::to_string(rule.holdout_percent) + " %");
  if (rule.existing_fire) out.emplace_back("existing", "fire");
  out.emplace_back("max_age", format_duration(rule.max_age));
  if (rule.goal.event != kNoEventType) {
    out.emplace_back("goal", plan.catalog->events[rule.goal.event].name + " within " + format_duration(rule.goal.within) +
                                 (rule.goal.where == kNone ? "" : " where " + describe(plan, rule.goal.where)));
  }
  return out;
}

std::string score_words(const Plan& plan, const Score& score) {
  std::string out;
  for (const Score::Points& p : score.points) {
    out += out.empty() ? "" : "; ";
    out += p.condition != kNone ? "add " + format_decimal(p.add) + " if " + describe(plan, p.condition)
                                : describe_expr(plan, p.trait) + " times " + format_decimal(p.add);
    if (p.has_at_most) out += ", at most " + format_decimal(p.at_most);
  }
  for (const Score::Band& band : score.bands) out += "; " + band.name + " from " + format_decimal(band.from);
  return out;
}

std::string team_words(const Team& team) {
  std::string out = team.manager.empty() ? "" : "manager " + team.manager + "; ";
  for (std::size_t i = 0; i < team.members.size(); ++i) {
    const Member& member = team.members[i];
    out += (i == 0 ? "" : ", ") + member.id + (member.name.empty() ? "" : " (" + member.name + ")");
    for (const auto& [name, value] : member.properties) out += " " + name + " " + to_json(value.view());
  }
  return out;
}

std::string calendar_words(const BusinessCalendar& c) {
  std::string out = "weekdays " + std::to_string(c.weekdays);
  for (const auto& [days, name] : {std::pair(&c.holidays, "holiday"), std::pair(&c.workdays, "worked")}) {
    for (const BusinessCalendar::Day& day : *days) out += std::string(", ") + name + " " + format_date(day.date);
  }
  return out;
}

std::string event_words(const EventTypeDef& type) {
  std::string out;
  for (const LeafDef& field : type.fields) out += (out.empty() ? "" : ", ") + field.name + ": " + std::string(type_name(field.type));
  return out;
}

// Adds what differs between two lists of named things. `words` gives a thing's parts, `same` says whether it is the same in both.
template <class T, class Name, class WordsOf, class Same>
void differ(PlanDiff& diff, std::string_view kind, const std::vector<T>& was, const std::vector<T>& now, Name&& name, WordsOf&& words,
            Same&& same) {
  std::map<std::string, std::pair<const T*, const T*>> all;
  for (const T& t : was) all[name(t)].first = &t;
  for (const T& t : now) all[name(t)].second = &t;
  for (const auto& [key, both] : all) {
    const auto& [old, fresh] = both;
    if (old != nullptr && fresh != nullptr && same(*old, *fresh)) continue;
    PlanDiff::Item item{std::string(kind),
                        key,
                        old == nullptr     ? Change::added
                        : fresh == nullptr ? Change::removed
                                           : Change::changed,
                        {},
                        {}};
    std::map<std::string, std::size_t> place;
    const auto put = [&](const Words& list, bool before) {
      for (const auto& [part, text] : list) {
        const auto [it, first] = place.try_emplace(part, item.parts.size());
        if (first) item.parts.push_back({part, {}, {}});
        (before ? item.parts[it->second].was : item.parts[it->second].now) = text;
      }
    };
    if (old != nullptr) put(words(*old, true), true);
    if (fresh != nullptr) put(words(*fresh, false), false);
    std::erase_if(item.parts, [](const PlanDiff::Part& p) { return p.was == p.now; });
    diff.items.push_back(std::move(item));
  }
}

void say_state(PlanDiff::Item& item) {
  if (item.kind == "segment") {
    item.state = item.change == Change::added     ? "seeded: who fits now is a member, without an entry"
                 : item.change == Change::changed ? "re-seeded: memberships of the old definition are dropped, who fits now is a member"
                                                  : "dropped: its memberships are forgotten";
  } else if (item.kind == "rule") {
    item.state = item.change == Change::added     ? "new: nothing fired yet"
                 : item.change == Change::changed ? "kept: last firings (once_per) stay; waiting runs go on where their step still exists"
                                                  : "waiting runs end when they are due; last firings are kept in case it comes back";
  }
}

}  // namespace

PlanDiff diff_plans(const Plan* current, const Plan& next) {
  static const Plan kNothing{.catalog = std::make_shared<Catalog>()};
  const Plan& was = current == nullptr ? kNothing : *current;
  const auto plan = [&](bool before) -> const Plan& { return before ? was : next; };
  const auto name = [](const auto& thing) { return thing.name; };
  PlanDiff diff;
  const auto by_words = [](const auto& words) {
    return [&words](const auto& a, const auto& b) { return words(a, true) == words(b, false); };
  };
  differ(
      diff, "rule", was.rules, next.rules, name, [&](const Rule& r, bool b) { return rule_words(plan(b), r); },
      [](const Rule& a, const Rule& b) { return a.definition == b.definition; });
  differ(
      diff, "segment", was.segments, next.segments, name,
      [&](const Segment& s, bool b) { return Words{{"where", describe(plan(b), s.node)}}; },
      [](const Segment& a, const Segment& b) { return a.key == b.key; });
  const auto trait = [&](const Trait& t, bool b) { return Words{{"value", describe_expr(plan(b), t.expr)}}; };
  differ(diff, "trait", was.traits, next.traits, name, trait, by_words(trait));
  const auto score = [&](const Score& s, bool b) { return Words{{"points", score_words(plan(b), s)}}; };
  differ(diff, "score", was.scores, next.scores, name, score, by_words(score));
  const auto team = [](const Team& t, bool) { return Words{{"members", team_words(t)}}; };
  differ(diff, "team", was.teams, next.teams, name, team, by_words(team));
  const auto policy = [&](const Policy& p, bool b) { return Words{{"policy", describe_policy(plan(b), p)}}; };
  differ(diff, "policy", was.policies, next.policies, name, policy, by_words(policy));
  const auto calendar = [](const BusinessCalendar& c, bool) { return Words{{"days", calendar_words(c)}}; };
  differ(diff, "calendar", was.business_calendars, next.business_calendars, name, calendar, by_words(calendar));
  using Named = std::pair<std::string, std::string>;
  const auto templates = [](const Plan& p) { return std::vector<Named>(p.named_templates.begin(), p.named_templates.end()); };
  const auto text = [](const Named& t, bool) { return Words{{"text", t.second}}; };
  differ(diff, "template", templates(was), templates(next), [](const Named& t) { return t.first; }, text, by_words(text));
  const auto attribute = [](const LeafDef& a, bool) { return Words{{"type", std::string(type_name(a.type))}}; };
  differ(diff, "attribute", was.catalog->attributes, next.catalog->attributes, name, attribute, by_words(attribute));
  const auto event = [](const EventTypeDef& e, bool) { return Words{{"fields", event_words(e)}}; };
  differ(diff, "event", was.catalog->events, next.catalog->events, name, event, by_words(event));
  for (PlanDiff::Item& item : diff.items) say_state(item);
  return diff;
}

}  // namespace nudge
