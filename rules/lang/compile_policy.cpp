// Policies and business calendars: names to ids.
#include <algorithm>
#include <array>

#include "rules/lang/compile.h"

namespace nudge::lang {

using doc::quoted;

void Compiler::compile_calendars() {
  for (const auto& [name, ast] : names_.calendars) builder_.plan().business_calendars.push_back(ast->calendar);
}

std::vector<std::string> Compiler::rule_names(const std::vector<Name>& names) {
  std::vector<std::string> known;
  for (const Name& name : names) {
    if (!names_.rules.contains(name.text)) {
      error("R0653", name.where, "there is no rule " + quoted(name.text), doc::did_you_mean(name.text, keys_of(names_.rules), "rules"));
    }
    known.emplace_back(name.text);
  }
  return known;
}

PolicyMatch Compiler::policy_match(const PolicyMatchAst& ast) {
  static const std::vector<std::string_view> kChannels = {"email", "sms", "chat", "maildrop", "call_task", "ticket", "webhook"};
  PolicyMatch match;
  for (const Name& name : ast.channels) {
    if (std::ranges::find(kChannels, name.text) == kChannels.end())
      error("R0654", name.where, "there is no channel " + quoted(name.text), doc::did_you_mean(name.text, kChannels, "channels"));
    match.channels.emplace_back(name.text == "call_task" ? "task" : name.text);
  }
  match.rules = rule_names(ast.rules);
  match.purposes = ast.purposes;
  match.categories = ast.categories;
  return match;
}

void Compiler::compile_policy(const PolicyAst& ast) {
  if (!ast.kind) return;
  Policy policy = ast.policy;
  policy.name = ast.name.text;
  policy.match = policy_match(ast.match);
  policy.by.rules = rule_names(ast.by);
  if (ast.condition) policy.condition = condition(*ast.condition, {});
  if (ast.calendar) {
    const auto found = names_.calendars.find(ast.calendar.text);
    if (found == names_.calendars.end()) {
      error("R0652", ast.calendar.where, "there is no calendar " + quoted(ast.calendar.text),
            doc::did_you_mean(ast.calendar.text, keys_of(names_.calendars), "calendars"));
    } else {
      policy.calendar = static_cast<std::uint32_t>(std::distance(names_.calendars.begin(), found));
    }
  }
  const auto check_zone = [&](const Name& name) {
    if (!Zone::find(name.text))
      error("R0314", name.where, "there is no time zone " + quoted(name.text),
            "IANA names such as Asia/Shanghai or Europe/Berlin, or `customer`, or `company`");
  };
  if (ast.zone && ast.zone.text == "company") {
    policy.zone_of = Policy::ZoneOf::company;
  } else if (ast.zone && ast.zone.text != "customer") {
    policy.zone_of = Policy::ZoneOf::named;
    policy.zone = ast.zone.text;
    check_zone(ast.zone);
  }
  if (ast.zone_by) {
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(ast.zone_by, &object);
    if (object != nullptr || (attribute.ok && family_of(attribute.type) != kText))
      error("R0408", ast.zone_by.where, "a time zone is found by a text or phone attribute", "such as `country`, or the phone's prefix");
    policy.zone_attribute = attribute.attribute;
    policy.zone_by_prefix = attribute.ok && attribute.type == Type::phone;
    for (const auto& [value, zone] : ast.zones) {
      check_zone(zone);
      policy.zones.emplace_back(std::string(value), std::string(zone.text));
    }
    if (policy.zone_of != Policy::ZoneOf::customer)
      error("R0107", ast.zone_by.where, "`zone_by` finds the customer's zone; it does not fit `zone: " + std::string(ast.zone.text) + "`",
            "remove one of the two");
  }
  builder_.plan().policies.push_back(std::move(policy));
}

}  // namespace nudge::lang
