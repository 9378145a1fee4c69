// The steps of a rule: `then`, and the lists inside `if`.
#include <algorithm>
#include <array>

#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

using doc::quoted;

// In the language, not yet in the engine: recognised, so that the message can say so.
constexpr std::array<std::string_view, 8> kLaterActions = {"task", "add_attribute", "add_to_list", "remove_from_list", "call", "conversion", "wechat", "notify"};
// What other products call these steps.
struct Synonym {
  std::string_view word, ours;
};
constexpr std::array<Synonym, 7> kSynonyms = {
    {{"approval", "it stands inside the action that waits for it: `email: {…, approval: {team: NAME, within: 4h}}`"},
     {"wait", "`- after: 2d` waits for a time, `- until: CONDITION` for a condition"},
     {"delay", "`- after: 2d` waits for a time"},
     {"branch", "`- if: CONDITION` with `then` and `else`"},
     {"stop_when", "the rule's `exit: CONDITION`, or `- if: CONDITION` with `then: [{stop: true}]`"},
     {"exit_when", "the rule's `exit: CONDITION`"},
     {"end", "`- stop: true`"}}};
constexpr std::array<std::string_view, 3> kForms = {"until", "if", "stop"};
// How deep `if` goes; each level costs a little stack.
constexpr int kDepth = 8;

bool is_one_of(std::span<const std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Keys that belong to another kind of step.
void refuse(MapReader& map, std::string_view form, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const doc::Entry* entry = map.take(key);
    if (entry == nullptr) continue;
    std::string hint = key == "after" ? "put `- after: …` in front, as a step of its own" : "remove it";
    if (key == "only_if") hint = "it asks whether an action is done; put the condition into an `if`";
    if (key == "then" || key == "else") hint = "they belong to `- if: CONDITION`";
    if (key == "timeout" || key == "on_timeout") hint = "they belong to `- until: CONDITION`";
    map.context().error("R0703", entry->key_mark, quoted(key) + " does not belong to a step with " + quoted(form), hint);
  }
}

void read_until(MapReader& map, const doc::Entry& form, StepAst& step) {
  step.kind = Step::Kind::until;
  step.condition = read_condition(map.context(), *form.value, form.key_mark);
  refuse(map, "until", {"after", "only_if", "then", "else"});
  const doc::Entry* timeout = map.require("timeout");
  step.timeout = map.duration("timeout").value_or(0);
  if (timeout != nullptr && !timeout->value->refused && step.timeout == 0 && timeout->value->is_scalar() &&
      doc::read_duration(*timeout->value)) {
    map.context().error("R0105", timeout->value->mark, "a `timeout` of no time waits for nothing", "give it a duration such as 2d");
  }
  step.stop_on_timeout = map.word("on_timeout", {"continue", "stop"}) == 1;
}

void read_branch(MapReader& map, const doc::Entry& form, StepAst& step, int depth) {
  step.kind = Step::Kind::branch;
  step.condition = read_condition(map.context(), *form.value, form.key_mark);
  refuse(map, "if", {"after", "only_if", "timeout", "on_timeout"});
  if (depth >= kDepth) {
    map.context().error("R0105", form.key_mark, "`if` nested more than " + std::to_string(kDepth) + " levels deep",
                        "make a rule of its own of the inner part");
    return;
  }
  if (const doc::Entry* then = map.require("then")) step.then = read_steps(map.context(), *then, depth + 1);
  if (const doc::Entry* other = map.take("else")) step.otherwise = read_steps(map.context(), *other, depth + 1);
}

void read_stop(MapReader& map, const doc::Entry& form, StepAst& step) {
  const doc::Read<bool> value = doc::read_bool(*form.value);
  step.kind = value && *value ? Step::Kind::stop : Step::Kind::wait;
  if (!value) map.context().error("R0104", form.value->mark, value.error().message, "write `stop: true`");
  if (value && !*value) map.context().error("R0703", form.value->mark, "`stop: false` does nothing", "remove the step");
  refuse(map, "stop", {"after", "only_if", "timeout", "on_timeout", "then", "else"});
}

void read_action(MapReader& map, const doc::Entry* action, StepAst& step) {
  step.after = map.duration("after").value_or(0);
  if (action == nullptr) {
    step.kind = Step::Kind::wait;
    refuse(map, "after", {"only_if", "timeout", "on_timeout", "then", "else"});
    const doc::Entry* after = map.take("after");
    if (after->value->is_scalar() && doc::read_duration(*after->value) && step.after == 0)
      map.context().error("R0105", after->value->mark, "a delay of no time waits for nothing", "give it a duration such as 2d");
    return;
  }
  if (const doc::Entry* only_if = map.take("only_if")) step.only_if = read_condition(map.context(), *only_if->value, only_if->key_mark);
  refuse(map, action->key, {"timeout", "on_timeout", "then", "else"});
  step.action.kind = {action->key, map.context().at(action->key_mark)};
  step.action.body = action->value;
}

StepAst read_step(const Context& context, const doc::Node& node, int depth) {
  StepAst step;
  step.where = context.at(node.mark);
  MapReader map(context, node, node.mark, "a step of `then`");
  if (!node.is_map()) return step;
  const std::span<const std::string_view> actions = action_words();
  const std::vector<std::string_view> names(actions.begin(), actions.end());
  for (const std::string_view key : {"after", "only_if", "until", "timeout", "on_timeout", "if", "then", "else", "stop"}) map.take(key);
  for (const std::string_view action : actions) map.take(action);
  bool unknown = false;
  const doc::Entry* chosen = nullptr;
  for (const doc::Entry& entry : node.entries) {
    const auto synonym = std::ranges::find(kSynonyms, entry.key, &Synonym::word);
    if (is_one_of(actions, entry.key) || is_one_of(kForms, entry.key)) {
      if (chosen == nullptr) {
        chosen = &entry;
        continue;
      }
      context.error("R0702", entry.key_mark, "a step does one thing; " + quoted(chosen->key) + " and " + quoted(entry.key) + " are two",
                    "start a new step with `- ` in front");
    } else if (is_one_of(kLaterActions, entry.key)) {
      map.take(entry.key);
      context.error("R0901", entry.key_mark, quoted(entry.key) + " is not available in this version",
                    "the actions of this version are " + join_words(names));
      unknown = true;
    } else if (synonym != kSynonyms.end()) {
      map.take(entry.key);
      context.error("R0102", entry.key_mark, "a step of `then` has no key " + quoted(entry.key), std::string(synonym->ours));
      unknown = true;
    }
  }
  if (chosen == nullptr && !map.has("after")) {
    map.finish();
    if (!unknown && !node.refused)
      context.error("R0701", node.mark, "this step does nothing: it names no action",
                    "one of " + join_words(names, "or") + ", or `after`, `until`, `if`, `stop`");
    return step;
  }
  if (unknown && chosen == nullptr) {
    map.finish();
    return step;
  }
  if (chosen == nullptr || is_one_of(actions, chosen->key))
    read_action(map, chosen, step);
  else if (chosen->key == "until")
    read_until(map, *chosen, step);
  else if (chosen->key == "if")
    read_branch(map, *chosen, step, depth);
  else
    read_stop(map, *chosen, step);
  map.finish();
  return step;
}

// Whether nothing after these steps is ever reached.
bool always_stops(const std::vector<StepAst>& steps) {
  return !steps.empty() &&
         (steps.back().kind == Step::Kind::stop ||
          (steps.back().kind == Step::Kind::branch && always_stops(steps.back().then) && always_stops(steps.back().otherwise)));
}

}  // namespace

std::vector<StepAst> read_steps(const Context& context, const doc::Entry& list, int depth) {
  std::vector<StepAst> steps;
  const std::vector<const doc::Node*> items = items_of(context, *list.value, list.key_mark, quoted(list.key));
  if (list.value->is_list() && items.empty()) {
    context.error("R0109", list.value->mark, quoted(list.key) + " has no step",
                  depth == 0 ? "add an action, or set `state: draft` while you write it" : "add a step, or remove the `if`");
  }
  for (const doc::Node* item : items) {
    if (always_stops(steps)) {
      context.error("R0704", item->mark, "this step is never reached: the run has stopped before it", "remove it, or move the `stop`");
      break;
    }
    steps.push_back(read_step(context, *item, depth));
  }
  return steps;
}

}  // namespace nudge::lang
