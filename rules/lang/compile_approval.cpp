// `approval` of an action: whose yes it waits for, how long, and how they hear of it.
#include <algorithm>
#include <array>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

// By which somebody can be asked.
constexpr std::array<std::string_view, 4> kAsking = {"email", "chat", "sms", "maildrop"};

}  // namespace

/// `approval: {team | by, within, otherwise, subject, ask}`.
void Compiler::approval_param(MapReader& map, Action& action, const RuleAst& rule, const Scope& scope) {
  const doc::Entry* entry = map.take("approval");
  if (entry == nullptr) return;
  MapReader inner(map.context(), *entry->value, entry->key_mark, "`approval`");
  if (!inner.is_map()) return;
  auto approval = std::make_shared<Approval>();
  const Member* asked = whom_to_ask(inner, *approval);
  approval_time(inner, *approval, asked);
  approval->otherwise_send = inner.word("otherwise", {"drop", "send"}) == 1;
  if (const doc::Entry* subject = inner.take("subject"); subject != nullptr && !subject->value->refused) {
    const doc::Read<std::string_view> text = doc::read_text(*subject->value);
    if (!text)
      error("R0104", inner.context().at(subject->value->mark), text.error().message, text.error().hint);
    else if (text->empty())
      error("R0109", inner.context().at(subject->value->mark), "`subject` is empty", "write a text, or remove the key");
    else
      approval->subject = template_text(*text, inner.context().at(subject->value->mark), scope, "subject");
  }
  if (const doc::Entry* ask = inner.take("ask")) approval_asks(*ask, inner.context(), *approval, asked, rule, scope);
  inner.finish();
  action.approval = std::move(approval);
}

/// The member who is asked as things stand; null, and reported, when there is nobody.
const Member* Compiler::whom_to_ask(MapReader& map, Approval& approval) {
  const Context& context = map.context();
  const doc::Entry* by = map.node().find("by");
  const Name person = map.name("by");
  const Name team_name = map.name("team");
  if (by != nullptr && team_name) error("R0107", context.at(by->key_mark), "`by` names a person and `team` asks its manager", "keep one");
  if (by == nullptr && !map.has("team")) {
    error("R0103", context.at(map.mark()), "`approval` does not say who is asked", "`team: NAME` asks the team's manager, `by: ID` a member of a team");
    return nullptr;
  }
  std::string wanted(person.text);
  if (team_name) {
    const Team* team = team_named(team_name);
    if (team == nullptr) return nullptr;
    approval.team = team_name.text;
    wanted = team->manager;
    if (wanted.empty()) {
      error("R0706", team_name.where, "the team " + quoted(team_name.text) + " has no `manager` who could be asked", "give the team a `manager`, or say `by: ID`");
      return nullptr;
    }
  } else {
    approval.person = person.text;
  }
  std::vector<std::string_view> members;
  for (const auto& [name, team] : names_.teams) {
    if (const Member* member = team->team.find(wanted); member != nullptr) return member;
    for (const Member& member : team->team.members) members.push_back(member.id);
  }
  if (person) error("R0706", person.where, quoted(person.text) + " is in no team", doc::did_you_mean(person.text, members, "members"));
  return nullptr;  // a manager who is in no team can be asked, but is not known here
}

/// `within: 4h` on the clock, or `within: {working: 4h}` in the hours of whom is asked.
void Compiler::approval_time(MapReader& map, Approval& approval, const Member* asked) {
  const Context& context = map.context();
  const doc::Entry* entry = map.require("within");
  if (entry == nullptr) return;
  std::optional<DurationMs> within;
  if (entry->value->is_map()) {
    map.take("within");
    MapReader inner(context, *entry->value, entry->key_mark, "`within`");
    inner.require("working");
    within = inner.duration("working");
    inner.finish();
    approval.working = true;
    bool hours = asked != nullptr && asked->own_hours;
    for (const auto& [name, team] : names_.teams) {
      const bool of_asked = approval.team.empty() ? asked != nullptr && team->team.find(asked->id) != nullptr : name == approval.team;
      hours = hours || (of_asked && has_hours(*team));
    }
    if (!hours) error("R0706", context.at(entry->key_mark), "`working` counts the working hours of the team, and there are none", "give the team `working_hours`");
  } else {
    within = map.duration("within");
  }
  if (within && *within == 0) error("R0105", context.at(entry->value->mark), "an answer in no time is not possible", "give them time, such as 4h");
  approval.within = within.value_or(0);
}

/// A list of messages, each `{email | chat | sms | maildrop: {…}}`.
void Compiler::approval_asks(const doc::Entry& entry, const Context& context, Approval& approval, const Member* asked, const RuleAst& rule,
                             const Scope& scope) {
  for (const doc::Node* item : items_of(context, *entry.value, entry.key_mark, "`ask`", true)) {
    MapReader one(context, *item, item->mark, "a message of `ask`");
    if (!one.is_map()) continue;
    const doc::Entry* chosen = nullptr;
    for (const std::string_view kind : kAsking) {
      const doc::Entry* found = one.take(kind);
      if (found == nullptr) continue;
      if (chosen != nullptr) error("R0702", context.at(found->key_mark), "one message goes one way; " + quoted(chosen->key) + " and " + quoted(found->key) + " are two", "start a new item with `- `");
      if (chosen == nullptr) chosen = found;
    }
    one.finish();
    if (chosen == nullptr) {
      if (!item->refused && item->entries.empty()) error("R0701", context.at(item->mark), "this message goes no way", "one of email, chat, sms, maildrop");
      continue;
    }
    Scope texts = scope;
    texts.approval = true;
    texts.asked_has_email = asked == nullptr || !asked->email.empty();
    ActionAst ast;
    ast.kind = {chosen->key, context.at(chosen->key_mark)};
    ast.body = chosen->value;
    map_action_ = ast.kind.text;
    Action made = action(ast, rule, texts);
    made.category = made.kind == "chat" ? Category::collaboration : Category::management;
    if (made.approval != nullptr) error("R0706", ast.kind.where, "a message that asks can't wait for a yes itself", "remove its `approval`");
    approval.asks.push_back(std::move(made));
  }
}

}  // namespace nudge::lang
