#include <algorithm>
#include <array>

#include "engine/base/limits.h"
#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

using doc::quoted;

constexpr std::array<std::string_view, 12> kForms = {"all",   "any",     "not", "attribute", "field",    "event",
                                                     "trait", "segment", "tag", "score",     "sequence", "calendar"};
constexpr std::array<std::string_view, 8> kAggregates = {"count", "sum", "average", "min", "max", "distinct", "first", "last"};
const std::initializer_list<std::string_view> kSinceWords = {"start_of_day", "start_of_week", "start_of_month", "start_of_quarter",
                                                             "start_of_year"};

bool contains(const auto& words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }

std::vector<Condition> read_children(const Context& context, const doc::Entry& entry, bool inside_row) {
  std::vector<Condition> children;
  const std::vector<const doc::Node*> items = items_of(context, *entry.value, entry.key_mark, quoted(entry.key));
  if (entry.value->is_list() && items.empty()) {
    context.error("R0109", entry.value->mark, quoted(entry.key) + " needs at least one condition",
                  "remove it, or list conditions below it");
  }
  for (const doc::Node* item : items) children.push_back(read_condition(context, *item, item->mark, inside_row));
  return children;
}

WindowAst read_window(MapReader& map) {
  WindowAst window;
  window.within = map.raw("within");
  window.from = map.raw("from");
  window.to = map.raw("to");
  window.since = map.raw("since");
  if (window.since) window.unit = map.word("since", kSinceWords);
  window.zone = map.raw("zone");
  if (window.zone) {
    const std::optional<std::size_t> zone = map.word("zone", {"customer", "company"});
    window.company_zone = zone == 1;
  }
  return window;
}

void read_aggregate(EventQuery& query, MapReader& map, const doc::Entry& entry, bool is_trait) {
  const Context& context = map.context();
  query.aggregate = entry.key;
  query.aggregate_at = context.at(entry.key_mark);
  if (entry.value->is_null()) {
    context.error("R0101", entry.key_mark, quoted(entry.key) + " needs a map after it",
                  is_trait ? "write `" + std::string(entry.key) + (entry.key == "count" ? ": {}`" : ": {field: NAME}`")
                           : "write an operator, such as `" + std::string(entry.key) +
                                 (entry.key == "count" ? ": {at_least: 3}`" : ": {field: NAME, at_least: 3}`"));
    return;
  }
  MapReader inner(context, *entry.value, entry.key_mark, quoted(entry.key));
  if (entry.key != "count") {
    query.field = inner.name("field");
    const Name days = inner.name("days_since");
    if (days && query.field) {
      context.error("R0107", days.where.mark, "`field` and `days_since` exclude each other",
                    "`days_since: NAME` names the field by itself");
    } else if (days) {
      query.field = days;
      query.days_since = true;
    }
  } else if (inner.has("field")) {
    context.error("R0411", inner.take("field")->key_mark, "`count` counts rows and takes no field",
                  "use `distinct: {field: …}` to count different values");
  }
  if (!is_trait) {
    query.comparison = read_comparison(inner, true);
    if (query.comparison.op.empty() && inner.is_map()) {
      context.error("R0401", entry.key_mark, quoted(entry.key) + " needs an operator, such as `at_least: 3`",
                    "a value alone is neither true nor false");
    }
  }
  inner.finish();
}

std::unique_ptr<SequenceAst> read_sequence(const doc::Entry& entry, MapReader& map) {
  const Context& context = map.context();
  auto sequence = std::make_unique<SequenceAst>();
  sequence->same = map.name("same");
  sequence->within = map.duration("within");
  const std::vector<const doc::Node*> items = items_of(context, *entry.value, entry.key_mark, "`sequence`");
  if (entry.value->is_list() && items.size() < 2) {
    context.error("R0505", entry.key_mark, "a sequence needs at least two steps",
                  "`- event: A`, then `- {then: B, within: 3d}` or `- {no_event: B, for: 3d}`");
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    MapReader step(context, *items[i], items[i]->mark, "a step of a sequence");
    SequenceItem item;
    item.where = context.at(items[i]->mark);
    const Name first = step.name("event");
    const Name then = step.name("then");
    const Name none = step.name("no_event");
    item.filter = read_row_filter(step);
    item.within = step.duration("within");
    item.lasting = step.duration("for");
    step.finish();
    if (!step.is_map()) continue;
    item.absent = static_cast<bool>(none);
    item.event = first ? first : then ? then : none;
    const int given = int{static_cast<bool>(first)} + int{static_cast<bool>(then)} + int{static_cast<bool>(none)};
    if (given != 1 || (i == 0) != static_cast<bool>(first)) {
      context.error("R0505", items[i]->mark,
                    i == 0 ? "a sequence starts with `event: TYPE`" : "this step needs `then: TYPE` or `no_event: TYPE`",
                    "`- event: A`, then `- {then: B, within: 3d}` or `- {no_event: B, for: 3d}`");
      continue;
    }
    if (item.absent && !item.lasting) {
      context.error("R0505", none.where.mark, "`no_event` needs `for: DURATION`: how long nothing of the kind may come", "for: 3d");
    }
    if (item.absent && i + 1 < items.size()) {
      context.error("R0505", none.where.mark, "only the last step of a sequence may be `no_event`", "move it to the end");
    }
    if (item.absent ? item.within.has_value() : item.lasting.has_value()) {
      context.error("R0505", items[i]->mark, item.absent ? "`no_event` takes `for`, not `within`" : "`for` belongs to `no_event`",
                    item.absent ? "write `for:`" : "write `within:`");
    }
    sequence->items.push_back(std::move(item));
  }
  return sequence;
}

/// Every form that names one thing and compares it.
void read_named(Condition& condition, MapReader& map, std::string_view form) {
  condition.subject = map.name(form);
  condition.comparison = read_comparison(map);
  if (!condition.subject) {
    condition.kind = Condition::Kind::broken;
  }
}

}  // namespace

std::unique_ptr<Condition> read_row_filter(MapReader& map, std::string_view key) {
  const doc::Entry* entry = map.take(key);
  if (entry == nullptr) return nullptr;
  return std::make_unique<Condition>(read_condition(map.context(), *entry->value, entry->key_mark, true));
}

std::unique_ptr<EventQuery> read_event_query(MapReader& map, bool is_trait) {
  const Context& context = map.context();
  auto query = std::make_unique<EventQuery>();
  query->event = map.name("event");
  query->filter = read_row_filter(map);
  query->window = read_window(map);
  if (is_trait) {
    if (const doc::Entry* same = map.node().find("same")) {
      map.dealt_with("same");
      context.error("R0107", same->key_mark, "a trait is one value for the customer; `same` would make it one per value of a field",
                    "use `same` on an `event` condition");
    }
  } else {
    query->same = map.name("same");
  }
  if (const doc::Entry* before = map.take("before")) {
    if (before->value->is_scalar() && before->value->text == "trigger") {
      query->before_trigger = true;
      query->before_at = context.at(before->key_mark);
    } else {
      context.error("R0106", before->value->mark, "beside `event`, `before` can only be `trigger`",
                    "for a fixed end of the window write `to: 2026-01-31`");
    }
  }
  const doc::Entry* chosen = nullptr;
  for (const std::string_view aggregate : kAggregates) {
    const doc::Entry* entry = map.take(aggregate);
    if (entry == nullptr) continue;
    if (chosen != nullptr) {
      context.error("R0107", entry->key_mark, quoted(entry->key) + " and " + quoted(chosen->key) + " exclude each other",
                    "write two conditions under `all:`");
      continue;
    }
    chosen = entry;
    read_aggregate(*query, map, *entry, is_trait);
  }
  // The likeliest slip: an operator beside the event instead of inside its aggregate.
  if (chosen == nullptr) {
    for (const doc::Entry& entry : map.node().entries) {
      if (entry.key == "before" || entry.key == "within" || !contains(comparison_words(), entry.key)) continue;
      map.take(entry.key);
      context.error("R0401", entry.key_mark, quoted(entry.key) + " says nothing about how many or which rows",
                    "put it into an aggregate: `count: {" + std::string(entry.key) + ": …}` or `sum: {field: NAME, " +
                        std::string(entry.key) + ": …}`");
    }
  }
  if (is_trait && chosen == nullptr && map.is_map()) {
    context.error("R0411", query->event ? query->event.where.mark : map.mark(),
                  "a trait of an event needs an aggregate: count, sum, average, min, max, distinct, first or last",
                  "for instance `count: {}`");
  }
  return query;
}

Condition read_condition(const Context& context, const doc::Node& node, const doc::Mark& key_mark, bool inside_row) {
  Condition condition;
  condition.where = context.at(node.mark);
  MapReader map(context, node, key_mark, "a condition");
  if (!node.is_map()) return condition;
  const doc::Entry* form = nullptr;
  for (const doc::Entry& entry : node.entries) {
    if (!contains(kForms, entry.key)) continue;
    if (form != nullptr) {
      context.error("R0413", entry.key_mark, "one condition can't be both " + quoted(form->key) + " and " + quoted(entry.key),
                    "write each as an item of its own under `all:`");
      return condition;
    }
    form = &entry;
  }
  if (form == nullptr && node.refused) return condition;
  if (form == nullptr) {
    const std::vector<std::string_view> forms(kForms.begin(), kForms.end());
    std::string hint;
    for (const doc::Entry& entry : node.entries) {
      if (hint.empty() && !contains(comparison_words(), entry.key)) {
        const std::string_view near = doc::nearest_name(entry.key, forms);
        if (!near.empty()) hint = "did you mean " + quoted(near) + " instead of " + quoted(entry.key) + "?";
      }
    }
    if (hint.empty())
      hint = inside_row ? "`field: NAME` and an operator, or `all`, `any`, `not`"
                        : "one of `all`, `any`, `not`, `attribute`, `event`, `trait`, `segment`, `tag`, `score`, `sequence`, `calendar`";
    context.error("R0412", node.mark, "this condition does not say what it is about", hint);
    return condition;
  }
  condition.where = context.at(form->key_mark);
  if (inside_row != (form->key == "field") && form->key != "all" && form->key != "any" && form->key != "not") {
    context.error("R0415", form->key_mark,
                  inside_row ? quoted(form->key) + " can't stand inside `where` of an event: it filters that event's rows by their fields"
                             : "`field` can only stand inside `where` of an event",
                  inside_row ? "write `field: NAME`, or move this condition beside the event under `all:`"
                             : "write `attribute: NAME` for what is known of the customer");
    return condition;
  }
  if (form->key == "all" || form->key == "any") {
    condition.kind = form->key == "all" ? Condition::Kind::all : Condition::Kind::any;
    condition.children = read_children(context, *map.take(form->key), inside_row);
  } else if (form->key == "not") {
    condition.kind = Condition::Kind::negate;
    condition.children.push_back(read_condition(context, *map.take("not")->value, form->key_mark, inside_row));
  } else if (form->key == "event") {
    condition.kind = Condition::Kind::event;
    condition.query = read_event_query(map, false);
    if (!condition.query->event) condition.kind = Condition::Kind::broken;
  } else if (form->key == "sequence") {
    condition.kind = Condition::Kind::sequence;
    condition.sequence = read_sequence(*map.take("sequence"), map);
  } else if (form->key == "calendar") {
    condition.kind = Condition::Kind::calendar;
    const doc::Entry& entry = *map.take("calendar");
    condition.calendar = read_week_times(context, *entry.value, entry.key_mark, "`calendar`", true);
  } else if (form->key == "segment" || form->key == "tag") {
    condition.kind = form->key == "segment" ? Condition::Kind::segment : Condition::Kind::tag;
    condition.subject = map.name(form->key);
    if (!condition.subject) condition.kind = Condition::Kind::broken;
  } else {
    condition.kind = form->key == "attribute" ? Condition::Kind::attribute
                     : form->key == "field"   ? Condition::Kind::field
                     : form->key == "trait"   ? Condition::Kind::trait
                                              : Condition::Kind::score;
    read_named(condition, map, form->key);
  }
  map.finish();
  return condition;
}

}  // namespace nudge::lang
