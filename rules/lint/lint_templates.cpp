// R1005: a placeholder whose value may be missing, with nothing said for that case. R1014: text messages that cost more than they need to.
#include <algorithm>
#include <map>

#include "engine/base/sms.h"
#include "engine/base/text.h"
#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

/// Parameters that address a message: without a value there is nothing to send, and a default would be wrong.
bool addresses(std::string_view param) {
  return param == "to" || param == "reply_to" || param == "unsubscribe_url" || param == "url" || param == "event";
}

/// Actions whose texts no customer or colleague reads.
bool for_machines(std::string_view action) { return action == "webhook" || action == "set_attribute" || action == "emit_event"; }

/// `field` expressions (of filters) by event type and field, to ask filters about what templates call `event.FIELD`.
std::map<std::pair<EventTypeId, std::uint32_t>, ExprId> fields_of(const Plan& plan) {
  std::map<std::pair<EventTypeId, std::uint32_t>, ExprId> fields;
  for (ExprId i = 0; i < plan.exprs.size(); ++i) {
    if (plan.exprs[i].kind == Expr::Kind::field) fields.emplace(std::pair(plan.exprs[i].event, plan.exprs[i].ref), i);
  }
  return fields;
}

/// Fields that nudge itself always fills in.
bool filled_by_nudge(const Plan& plan, const Expr& expr) {
  const EventTypeDef& event = plan.catalog->events[expr.event];
  if (!event.built_in || expr.ref >= event.fields.size()) return false;
  const std::string_view name = event.fields[expr.ref].name;
  return name == "task" || name == "action" || name == "rule" || name == "kind" || name == "channel" || name == "subject";
}

/// True when the rule's trigger alone says that the value is there.
bool trigger_has(const Plan& plan, const Rule& rule, const Expr& expr) {
  const Trigger& t = rule.trigger;
  if (expr.kind == Expr::Kind::trigger_field)
    return expr.ref == kTimeField || filled_by_nudge(plan, expr) || (t.same != kNoField && t.same == expr.ref);
  const Expr* source = &expr;
  while (source->child != kNone) source = &plan.exprs[source->child];
  if (source->kind != Expr::Kind::attribute || source->ref != t.attribute) return false;
  const auto present = [](const Value& v) { return !v.missing(); };
  return t.kind == Trigger::Kind::date ||
         (t.kind == Trigger::Kind::attribute_changes && !t.to.empty() && std::ranges::all_of(t.to, present));
}

constexpr std::size_t kSegments = 3;

/// At least so long is what the author wrote, whatever the values: the shortest way through the branches, loops that go round never.
struct Least {
  bool wide = false;  // surely outside GSM-7
  std::size_t septets = 0, units = 0;
  [[nodiscard]] std::size_t segments() const {
    const std::size_t n = wide ? units : septets;
    const std::size_t one = wide ? 70 : 160;
    const std::size_t each = wide ? 67 : 153;
    return n <= one ? (n > 0 ? 1 : 0) : (n + each - 1) / each;
  }
};

Least least_of(const std::vector<TemplatePart>& parts) {
  Least least;
  const auto add = [&](const Least& other) {
    least.wide = least.wide || other.wide;
    least.septets += other.septets;
    least.units += other.units;
  };
  for (const TemplatePart& part : parts) {
    if (part.kind == TemplatePart::Kind::text) {
      const SmsCount count = count_sms(part.text);
      add({!count.gsm7, count.gsm7 ? count.units : 0, length_utf8(part.text)});
    } else if (part.kind == TemplatePart::Kind::branch) {
      Least shortest{true, SIZE_MAX, SIZE_MAX};
      bool any = false;
      for (const TemplateBlock::Branch& branch : part.block->branches) {
        const Least one = least_of(branch.parts);
        shortest = {shortest.wide && one.wide, std::min(shortest.septets, one.septets), std::min(shortest.units, one.units)};
        any = any || branch.otherwise;
      }
      if (any) add(shortest);
    }
  }
  return least;
}

/// The characters outside GSM-7 that the author wrote, each once, in order.
void wide_characters(const std::vector<TemplatePart>& parts, std::vector<std::string>& found) {
  for (const TemplatePart& part : parts) {
    if (part.kind == TemplatePart::Kind::text) {
      for (std::size_t at = 0; at < part.text.size();) {
        std::size_t end = at + 1;
        while (end < part.text.size() && (static_cast<unsigned char>(part.text[end]) & 0xc0U) == 0x80U) ++end;
        std::string one = part.text.substr(at, end - at);
        at = end;
        if (!count_sms(one).gsm7 && std::ranges::find(found, one) == found.end()) found.push_back(std::move(one));
      }
    } else if (part.block != nullptr) {
      for (const TemplateBlock::Branch& branch : part.block->branches) wide_characters(branch.parts, found);
      wide_characters(part.block->parts, found);
    }
  }
}

/// A few stray characters, such as a typographic apostrophe, that double the price of an otherwise plain text.
void lint_stray(Findings& f, const std::vector<TemplatePart>& parts, const std::string& what, const lang::Where& where,
                std::vector<std::uint32_t> owners) {
  constexpr std::size_t kStray = 3;
  std::vector<std::string> wide;
  wide_characters(parts, wide);
  if (wide.empty() || wide.size() > kStray) return;
  std::size_t units = 0, stray = 0;  // of what is always there
  for (const TemplatePart& part : parts) {
    if (part.kind != TemplatePart::Kind::text) continue;
    units += length_utf8(part.text);
    for (const std::string& one : wide) {
      for (std::size_t at = part.text.find(one); at != std::string::npos; at = part.text.find(one, at + one.size())) ++stray;
    }
  }
  if (units <= 70 || units > 160 || stray == 0 || stray * 20 > units) return;
  std::string list;
  for (const std::string& one : wide) list += (list.empty() ? "`" : ", `") + one + "`";
  f.warn("R1014", where, std::move(owners),
         what + " takes " + std::to_string((units + 66) / 67) + " segments because of " + list + ", and would be one without",
         "write it with the letters of GSM-7, such as ' for ’ and - for –");
}

/// R1014: a text message that is always long.
void lint_lengths(Findings& f) {
  for (const Rule& rule : f.plan.rules) {
    for (const Step& step : rule.steps) {
      if (step.action.kind != "sms") continue;
      for (const Param& param : step.action.params) {
        if (param.name != "text" || param.kind != Param::Kind::text) continue;
        const std::vector<TemplatePart>& parts = f.plan.templates[param.text].parts;
        const Least least = least_of(parts);
        const std::uint32_t of_rule = f.definition_of(rule);
        const std::uint32_t named =
            step.action.template_name.empty() ? of_rule : f.find(lang::Definition::Kind::template_, step.action.template_name);
        if (least.segments() <= kSegments) {
          lint_stray(f, parts, "the text message of step " + (step.label.empty() ? "1" : step.label) + " of the rule " + quoted(rule.name),
                     f.sources.definitions[named].where, {of_rule, named});
          continue;
        }
        f.warn("R1014", f.sources.definitions[named].where, {of_rule, named},
               "the text message of step " + (step.label.empty() ? "1" : step.label) + " of the rule " + quoted(rule.name) + " takes at least " +
                   std::to_string(least.segments()) + " segments, and each is paid for",
               least.wide ? "characters outside GSM-7 make it 67 characters a segment: shorten it" : "shorten it: a segment holds 153 characters");
      }
    }
  }
}

}  // namespace

void lint_templates(Findings& f) {
  lint_lengths(f);
  const auto fields = fields_of(f.plan);
  for (const lang::VariableSpot& spot : f.sources.variables) {
    const Rule* rule = f.rule_of(spot.owner);
    if (spot.has_default || rule == nullptr || for_machines(spot.action) || addresses(spot.param)) continue;
    const Expr& expr = f.plan.exprs[spot.expr];
    if (trigger_has(f.plan, *rule, expr)) continue;
    Known known;
    ExprId value = spot.expr;
    if (expr.kind == Expr::Kind::trigger_field) {
      const auto field = fields.find({expr.event, expr.ref});
      if (rule->trigger.where != kNone && field != fields.end()) {
        known.literals.push_back({rule->trigger.where, true});
        value = field->second;
      }
    } else {
      known = at_trigger(f.plan, *rule, false);
      if (rule->condition != kNone) known.literals.push_back({rule->condition, true});
    }
    if (f.solver.always_there(value, known)) continue;
    const std::string in =
        spot.of_template == lang::kNoDefinition
            ? ""
            : " in the template " + quoted(f.sources.definitions[spot.of_template].name) + ", used by the rule " + quoted(rule->name) + ",";
    f.warn("R1005", spot.where, {spot.owner, spot.of_template}, quoted(spot.written) + in + " may be missing; the text then has a gap",
           "say what to write instead: `{{ " + spot.written + " | default: '…' }}`, or ask in `if` that it exists");
  }
}

}  // namespace nudge::lint
