// Call tasks: how they live, and whom they go to.
#include <algorithm>
#include <array>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

const std::initializer_list<std::string_view> kPriorities = {"low", "normal", "high", "urgent"};

Param value_param_of(std::string_view name, Value value) {
  Param param;
  param.name = name;
  param.value = std::move(value);
  return param;
}

}  // namespace

void Compiler::task_action(MapReader& map, Action& action, const Scope& scope) {
  map.require("subject");
  Scope texts = scope;
  if (const doc::Entry* team = map.node().find("team"); team != nullptr && team->value->is_scalar()) {
    const auto found = names_.teams.find(team->value->text);
    if (found != names_.teams.end()) texts.team = &found->second->team;
  }
  for (const std::string_view key : {"subject", "script", "reason"}) text_param(map, key, action, texts);
  if (const auto priority = map.word("priority", kPriorities)) {
    action.params.push_back(value_param_of("priority", Value::of_text(*(kPriorities.begin() + *priority))));
    action.task.rank = static_cast<std::uint8_t>(*priority + 1);
  }
  action.mandatory = map.boolean("mandatory", false);
  due_param(map, action);
  if (const doc::Entry* entry = map.take("escalate")) {
    if (entry->value->is_list())
      ladder(*entry, map.context(), action);
    else
      old_escalation(*entry, map.context(), action);
  }
  action.task.units = static_cast<std::uint32_t>(map.integer("units", 1, 1, 1'000));
  const auto positive = [&](std::string_view key) {
    const std::optional<DurationMs> length = map.duration(key);
    if (length && *length == 0)
      error("R0105", map.context().at(map.node().find(key)->value->mark), quoted(key) + " is no time at all", "such as 30m");
    return length.value_or(0);
  };
  const doc::Entry* accept = map.node().find("accept_within");
  action.task.accept_within = positive("accept_within");
  action.task.expires_in = positive("expires_in");
  assignment(map, action, scope);
  if (accept != nullptr && !action.assigns)
    error("R0706", map.context().at(accept->key_mark), "`accept_within` needs a `team`: a task that is given to nobody is offered to nobody",
          "add `team: NAME`");
}

/// `due_in: 24h` on the clock, or `due_in: {working: 8h}` in the team's working hours.
void Compiler::due_param(MapReader& map, Action& action) {
  const doc::Entry* entry = map.node().find("due_in");
  if (entry == nullptr) return;
  const Context& context = map.context();
  std::optional<DurationMs> due;
  const doc::Node* value = entry->value;
  if (value->is_map()) {
    map.take("due_in");
    MapReader inner(context, *value, entry->key_mark, "`due_in`");
    if (const doc::Entry* working = inner.require("working")) value = working->value;
    due = inner.duration("working");
    inner.finish();
    action.task.due_working = true;
    const Name team = map.has("team") ? Name{map.node().find("team")->value->text, context.at(entry->key_mark)} : Name{};
    const auto found = names_.teams.find(team.text);
    if (!team || (found != names_.teams.end() && !has_hours(*found->second)))
      error("R0706", context.at(entry->key_mark), "`working` counts the working hours of the task's team, and there are none",
            team ? "give the team `working_hours`" : "add `team: NAME`");
  } else {
    due = map.duration("due_in");
  }
  if (!due) return;
  action.due_in = action.task.due_in = *due;
  if (*due == 0)
    error("R0105", context.at(value->mark), "a task that is due in no time is overdue at once", "give the salesperson time, such as 2h");
}

bool Compiler::has_hours(const TeamAst& team) { return !team.team.hours.open.empty() || team.calendar; }

void Compiler::old_escalation(const doc::Entry& entry, const Context& context, Action& action) {
  MapReader escalate(context, *entry.value, entry.key_mark, "`escalate`");
  escalate.require("when_overdue");
  if (const auto whom = escalate.word("when_overdue", {"manager"})) {
    Param inner = value_param_of("when_overdue", Value::of_text(*whom == 0 ? "manager" : ""));
    Param param;
    param.name = "escalate";
    param.kind = Param::Kind::map;
    param.items.push_back(std::move(inner));
    action.params.push_back(std::move(param));
    Rung rung;
    rung.what = Rung::What::manager;
    action.task.ladder.push_back(rung);
    if (action.due_in == 0)
      error("R0706", context.at(entry.key_mark), "`escalate` when overdue needs `due_in`: a task without a deadline is never overdue",
            "due_in: 24h");
  }
  escalate.finish();
}

/// A list of `{after | before_due | overdue: D, do: remind | manager | reassign | pool | ticket}`.
void Compiler::ladder(const doc::Entry& entry, const Context& context, Action& action) {
  static constexpr std::array<std::string_view, 3> kWhen = {"after", "before_due", "overdue"};
  const auto items = items_of(context, *entry.value, entry.key_mark, "`escalate`");
  if (items.empty() && !entry.value->refused) error("R0109", context.at(entry.value->mark), "`escalate` has no step", "remove the key");
  if (items.size() > kRungsMost)
    error("R0105", context.at(entry.key_mark), "a ladder has at most " + std::to_string(kRungsMost) + " steps", "leave some out");
  for (const doc::Node* item : items) {
    MapReader map(context, *item, item->mark, "a step of `escalate`");
    Rung rung;
    const doc::Entry* when = nullptr;
    for (std::size_t i = 0; i < kWhen.size(); ++i) {
      const doc::Entry* found = map.is_map() ? item->find(kWhen[i]) : nullptr;
      const auto length = map.duration(kWhen[i]);
      if (found == nullptr) continue;
      if (when != nullptr) error("R0107", context.at(found->key_mark), "a step happens at one time: " + quoted(when->key) + " or " + quoted(found->key), "write two steps");
      when = found;
      rung.when = static_cast<Rung::When>(i);
      rung.after = length.value_or(0);
    }
    map.require("do");
    if (const auto what = map.word("do", {"remind", "manager", "reassign", "pool", "ticket"})) rung.what = static_cast<Rung::What>(*what);
    map.finish();
    if (when == nullptr && map.is_map()) {
      error("R0103", context.at(item->mark), "this step does not say when", "`after` (its age), `before_due` or `overdue`, such as `overdue: 4h`");
      continue;
    }
    if (when != nullptr && rung.when != Rung::When::age && action.due_in == 0)
      error("R0706", context.at(when->key_mark), quoted(when->key) + " needs `due_in`: a task without a deadline is never overdue", "due_in: 24h");
    if (when != nullptr && rung.when == Rung::When::before_due && (rung.after == 0 || (action.due_in != 0 && !action.task.due_working && rung.after >= action.due_in)))
      error("R0706", context.at(when->value->mark), "this is not between the making of the task and its deadline", "`before_due` less than `due_in`");
    action.task.ladder.push_back(rung);
  }
}

/// `team` and `assign`: one entry, or a list of them of which the first is taken that holds and finds somebody.
void Compiler::assignment(MapReader& map, Action& action, const Scope& scope) {
  const Name team_name = map.name("team");
  const doc::Entry* assign = map.take("assign");
  const Team* team = nullptr;
  if (team_name) {
    team = team_named(team_name);
    if (team != nullptr) {
      action.assigns = true;
      action.assignment.team = team_name.text;
    }
  }
  if (assign == nullptr) return;
  if (!team_name) error("R0706", map.context().at(assign->key_mark), "`assign` needs a `team` to choose from", "add `team: NAME`");
  const auto items = items_of(map.context(), *assign->value, assign->key_mark, "`assign`", true);
  if (items.empty() && assign->value->is_list()) error("R0109", map.context().at(assign->value->mark), "`assign` has no entry", "remove the key");
  for (const doc::Node* item : items) {
    action.assignment.entries.push_back(assign_entry(*item, item == assign->value ? assign->key_mark : item->mark, map.context(), team, scope));
  }
}

const Team* Compiler::team_named(const Name& name) {
  const auto found = names_.teams.find(name.text);
  if (found != names_.teams.end()) return &found->second->team;
  error("R0308", name.where, "there is no team " + quoted(name.text), doc::did_you_mean(name.text, keys_of(names_.teams), "teams"));
  return nullptr;
}

AssignEntry Compiler::assign_entry(const doc::Node& node, const doc::Mark& mark, const Context& context, const Team* team, const Scope& scope) {
  using Strategy = AssignEntry::Strategy;
  AssignEntry entry;
  MapReader inner(context, node, mark, "`assign`");
  if (!inner.is_map()) return entry;
  if (const auto chosen = inner.word("strategy", {"round_robin", "least_loaded", "owner", "weighted", "most_available", "by_skill", "sticky"}))
    entry.strategy = static_cast<Strategy>(*chosen);
  if (const auto word = inner.word("off_hours", {"prefer", "only", "ignore"})) entry.off_hours = static_cast<AssignEntry::OffHours>(*word);
  if (const doc::Entry* when = inner.take("if")) {
    const Condition ast = read_condition(context, *when->value, when->key_mark);
    entry.condition = condition(ast, scope);
  }
  if (const Name other = inner.name("team")) {
    team = team_named(other);
    entry.team = other.text;
  }
  const bool by_owner = entry.strategy == Strategy::owner;
  const bool sticky = entry.strategy == Strategy::sticky;
  const Name owner = inner.name("attribute");
  if (owner || by_owner || (sticky && catalog_->find_attribute("owner") != kNoAttribute)) {
    const Name wanted = owner ? owner : Name{"owner", context.at(mark)};
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(wanted, &object);
    if (!by_owner && !sticky)
      error("R0107", owner.where, "`attribute` names the owner's id; it belongs to `strategy: owner` or `sticky`", "remove it");
    if (object != nullptr || (attribute.ok && family_of(attribute.type) != kText)) {
      if (owner || by_owner) error("R0408", wanted.where, "the attribute that names the owner must be text: the id of a team member");
    } else {
      entry.owner_attribute = attribute.attribute;
    }
  }
  if (const doc::Entry* within = inner.node().find("within")) {
    entry.within = inner.duration("within").value_or(0);
    if (!sticky) error("R0107", context.at(within->key_mark), "`within` says how long `strategy: sticky` remembers", "remove it");
  }
  skills_of(inner, entry, team);
  if (const doc::Entry* where = inner.take("where")) entry.where = member_filter(read_member_filter(context, *where->value, where->key_mark), team);
  inner.finish();
  return entry;
}

/// `skills: [german, crm]`, or `skills: {attribute: language}` of the customer.
void Compiler::skills_of(MapReader& map, AssignEntry& entry, const Team* team) {
  const Context& context = map.context();
  const doc::Entry* skills = map.take("skills");
  const bool by_skill = entry.strategy == AssignEntry::Strategy::by_skill;
  if (skills == nullptr) {
    if (by_skill) error("R0103", context.at(map.mark()), "`strategy: by_skill` needs `skills`", "skills: [german], or skills: {attribute: language}");
    return;
  }
  if (!by_skill) error("R0107", context.at(skills->key_mark), "`skills` belongs to `strategy: by_skill`", "remove it, or ask for them in `where`");
  if (skills->value->is_map()) {
    MapReader right(context, *skills->value, skills->key_mark, "`skills`");
    right.require("attribute");
    const Name name = right.name("attribute");
    right.finish();
    if (!name) return;
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(name, &object);
    if (object != nullptr || (attribute.ok && family_of(attribute.type) != kText && attribute.type != Type::list))
      error("R0408", name.where, "skills are texts: " + attribute.what + " must be a text or a list of text");
    entry.skill_attribute = attribute.attribute;
    return;
  }
  for (const doc::Node* item : items_of(context, *skills->value, skills->key_mark, "`skills`", true)) {
    const doc::Read<std::string_view> text = doc::read_text(*item);
    if (!text) {
      error("R0104", context.at(item->mark), text.error().message, text.error().hint);
      continue;
    }
    entry.skills.emplace_back(*text);
    const auto has = [&](const Member& m) {
      const auto found = std::ranges::find(m.properties, "skills", &std::pair<std::string, Value>::first);
      return found != m.properties.end() && (found->second.kind == Kind::list ? list_has(found->second.bytes, *text) : found->second.bytes == *text);
    };
    if (team != nullptr && std::ranges::none_of(team->members, has))
      error("R0313", context.at(item->mark), "nobody in the team " + quoted(team->name) + " has the skill " + quoted(*text),
            "skills stand with each member: `skills: [german, crm]`");
  }
}

/// `cancel_tasks: {of: [rules], reason: …}`: withdraws the customer's open tasks.
void Compiler::cancel_action(MapReader& map, Action& action, const Scope& scope) {
  action.category = Category::management;
  text_param(map, "reason", action, scope);
  Param list;
  list.name = "of";
  list.kind = Param::Kind::list;
  if (const doc::Entry* of = map.take("of")) {
    std::vector<Name> names;
    for (const doc::Node* item : items_of(map.context(), *of->value, of->key_mark, "`of`", true)) {
      const doc::Read<std::string_view> text = doc::read_text(*item);
      if (!text) error("R0104", map.context().at(item->mark), text.error().message, text.error().hint);
      if (text) names.push_back({*text, map.context().at(item->mark)});
    }
    for (const std::string& name : rule_names(names)) list.items.push_back(value_param_of("", Value::of_text(name)));
  }
  action.params.push_back(std::move(list));
}

/// The names that teams give: overflow, calendars, zones.
void Compiler::compile_teams() {
  const auto hours = [&](WorkHours& h, const Name& calendar, const Name& zone) {
    if (calendar) {
      h.calendar_name = calendar.text;
      const auto found = names_.calendars.find(calendar.text);
      if (found == names_.calendars.end())
        error("R0652", calendar.where, "there is no calendar " + quoted(calendar.text), doc::did_you_mean(calendar.text, keys_of(names_.calendars), "calendars"));
      else
        h.calendar = static_cast<std::uint32_t>(std::distance(names_.calendars.begin(), found));
    }
    if (!zone) return;
    if (const Result<Zone> found = Zone::find(zone.text)) {
      h.zone = *found;
      h.has_zone = true;
    } else {
      error("R0314", zone.where, "there is no time zone " + quoted(zone.text), "IANA names such as Asia/Shanghai or Europe/Berlin");
    }
  };
  Plan& plan = builder_.plan();
  for (const auto& [name, ast] : names_.teams) {
    Team team = ast->team;
    hours(team.hours, ast->calendar, ast->zone);
    for (std::size_t i = 0; i < team.members.size(); ++i) {
      Member& member = team.members[i];
      const Name& calendar = ast->member_calendars[i];
      const Name& zone = ast->member_zones[i];
      hours(member.hours, calendar, zone);
      // What a person leaves out is the team's.
      if (!member.own_hours) continue;
      if (member.hours.open.empty()) member.hours.open = team.hours.open;
      if (!calendar) member.hours.calendar = team.hours.calendar, member.hours.calendar_name = team.hours.calendar_name;
      if (!zone && team.hours.has_zone) member.hours.zone = team.hours.zone, member.hours.has_zone = true;
    }
    if (ast->overflow) {
      team_named(ast->overflow);
      if (ast->overflow.text == name) error("R0310", ast->overflow.where, "the team overflows into itself", "name another team");
    }
    plan.teams.push_back(std::move(team));
  }
  for (const auto& [name, ast] : names_.dispositions) plan.dispositions.push_back(ast->disposition);
}

Operated Compiler::member_property(const Name& name, const Team* team) {
  Operated result;
  result.what = "the property " + quoted(name.text);
  result.ok = true;
  if (name.text == "id" || name.text == "name" || name.text == "email") return result;
  if (name.text == "tenure_days" || name.text == "capacity") {
    result.type = Type::integer;
    return result;
  }
  std::vector<std::string_view> known = {"id", "name", "email", "tenure_days", "capacity"};
  if (team != nullptr) {
    for (const Member& member : team->members) {
      for (const auto& [property, value] : member.properties) {
        if (std::find(known.begin(), known.end(), property) == known.end()) known.push_back(property);
        if (property != name.text) continue;
        switch (value.kind) {
          case Kind::boolean: result.type = Type::boolean; break;
          case Kind::integer:
          case Kind::number:
          case Kind::decimal: result.type = Type::decimal; break;
          case Kind::date: result.type = Type::date; break;
          case Kind::list: result.type = Type::list; break;
          default: result.type = Type::text; break;
        }
        return result;
      }
    }
  }
  result.ok = false;
  if (team != nullptr)
    error("R0313", name.where, "nobody in the team " + quoted(team->name) + " has a property " + quoted(name.text),
          doc::did_you_mean(name.text, known, "properties"));
  return result;
}

MemberFilter Compiler::member_filter(const MemberFilterAst& ast, const Team* team) {
  MemberFilter filter;
  filter.kind = ast.kind;
  for (const MemberFilterAst& child : ast.children) filter.children.push_back(member_filter(child, team));
  if (ast.kind != MemberFilter::Kind::compare || !ast.property || ast.comparison.op.empty()) return filter;
  const Operated left = member_property(ast.property, team);
  if (!left.ok) return filter;
  filter.property = ast.property.text;
  const Raw& operand = ast.comparison.operand;
  const OperatorInfo* info = find_operator(ast.comparison.op);
  const bool plain = info != nullptr && (info->families & family_of(left.type)) != 0 && info->operand != Operand::duration &&
                     info->operand != Operand::pattern && info->op != Op::anniversary_today && !ast.comparison.ignore_case;
  if (!plain) {
    error("R0402", operand.key, quoted(ast.comparison.op) + " does not fit " + left.what + " of a team member",
          "`equals`, `in`, `less_than`, `at_least` and the like");
    return filter;
  }
  filter.op = info->op;
  if (operand.node->is_map()) {
    const Context context = context_of(operand.where);
    MapReader right(context, *operand.node, operand.key.mark, "the right side");
    right.require("attribute");
    const Name name = right.name("attribute");
    right.finish();
    if (!name) return filter;
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(name, &object);
    if (object != nullptr || (attribute.ok && (family_of(attribute.type) != family_of(left.type) || !info->right_side))) {
      error("R0408", name.where, left.what + " of a team member can't be compared with " + attribute.what,
            "both sides must be of one kind");
    }
    filter.customer_attribute = attribute.attribute;
    return filter;
  }
  // The plan's own comparison knows how to check and type the literals.
  const std::size_t before = diagnostics_.errors();
  Operated stand_in = left;
  stand_in.expr = builder_.literal(Value(), left.type);
  const NodeId node = comparison(stand_in, ast.comparison, {}, ast.where);
  if (diagnostics_.errors() != before) return filter;
  const Node& compared = builder_.node(node);
  if (compared.kind == Node::Kind::negate) {
    MemberFilter inner = filter;
    inner.literals = builder_.node(compared.children[0]).literals;
    filter = {};
    filter.kind = MemberFilter::Kind::negate;
    filter.children.push_back(std::move(inner));
  } else {
    filter.literals = compared.literals;
  }
  return filter;
}

}  // namespace nudge::lang
