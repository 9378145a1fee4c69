#include "rules/testing/read_tests.h"

#include <algorithm>

#include "rules/testing/read_expect.h"
#include "rules/testing/read_values.h"

namespace nudge::testing {
namespace {

using doc::quoted;
using lang::Context;
using lang::MapReader;

/// An event dated further ahead than this would be set aside at intake.
constexpr DurationMs kSkew = 5 * kMinute;
constexpr TimeMs kDefaultStart = 1767225600000;  // 2026-01-01T00:00:00Z
constexpr std::int64_t kRepeatMax = 10'000;

class Reader {
 public:
  Reader(const Context& context, const Plan& plan) : context_(context), plan_(plan), names_(context, plan) {}

  TestCase read(const doc::Node& node) {
    TestCase test;
    test.where = context_.at(node.mark);
    MapReader map(context_, node, node.mark, "a test");
    if (!node.is_map()) return test;
    map.require("name");
    test.name = std::string(map.text("name"));
    if (const doc::Entry* start = map.take("start")) {
      start_ = clock_ = timestamp(*start->value).value_or(kDefaultStart);
    }
    const doc::Entry* customers = map.take("customers");
    const doc::Entry* timeline = map.require("timeline");
    map.finish();
    if (timeline != nullptr) {
      for (const doc::Node* step : lang::items_of(context_, *timeline->value, timeline->key_mark, "`timeline`")) read_step(*step, test);
    }
    test.start = start_.value_or(kDefaultStart);
    if (customers != nullptr) read_customers(*customers, test);
    return test;
  }

 private:
  std::optional<TimeMs> timestamp(const doc::Node& node) {
    const doc::Read<TimeMs> read = doc::read_timestamp(node);
    if (read) return *read;
    context_.error("R0104", node.mark, read.error().message, read.error().hint);
    return std::nullopt;
  }

  std::optional<TimeMs> timestamp(MapReader& map, std::string_view key) {
    const doc::Entry* entry = map.take(key);
    return entry == nullptr ? std::nullopt : timestamp(*entry->value);
  }

  void read_customers(const doc::Entry& entry, TestCase& test) {
    const MapReader map(context_, *entry.value, entry.key_mark, "`customers`");
    for (const doc::Entry& customer : entry.value->entries) {
      Input input;
      input.kind = InputKind::attributes;
      input.import = true;
      input.customer = std::string(customer.key);
      input.id = "start";
      input.time = test.start - 1;
      if (!customer.value->is_null()) read_attributes(context_, *customer.value, customer.key_mark, *plan_.catalog, input.attributes);
      test.customers.push_back(std::move(input));
    }
  }

  /// What the clock shows when a step with this time arrives.
  void arrive(TimelineStep& step, TimeMs at) {
    if (!clock_) start_ = at;
    clock_ = std::max(clock_.value_or(at), at);
    step.at = *clock_;
  }

  void read_step(const doc::Node& node, TestCase& test) {
    TimelineStep step;
    step.where = context_.at(node.mark);
    MapReader map(context_, node, node.mark, "a step of the timeline");
    if (!node.is_map()) return;
    step.at = clock_.value_or(kDefaultStart);
    if (map.has("expect")) {
      step.kind = TimelineStep::Kind::expect;
      const doc::Entry& expect = *map.take("expect");
      for (const doc::Node* item : lang::items_of(context_, *expect.value, expect.key_mark, "`expect`", true)) {
        step.expectations.push_back(read_expectation(names_, *item, expect.key_mark));
      }
      map.finish();
      test.timeline.push_back(std::move(step));
      return;
    }
    const std::optional<TimeMs> at = timestamp(map, "at");
    if (map.has("event") || map.has("attributes") || map.has("tag")) return read_input(map, at, step, test);
    if (at) {
      if (clock_ && *at < *clock_) before_clock(map.mark());
      arrive(step, *at);
    }
    if (map.has("advance")) {
      const DurationMs by = map.duration("advance").value_or(0);
      arrive(step, clock_.value_or(kDefaultStart) + by);
    } else if (map.has("activate")) {
      step.kind = TimelineStep::Kind::activate;
      step.rule = names_.rule(map, "activate");
      test.inactive.emplace_back(step.rule.text);
    } else if (map.has("reload")) {
      step.kind = TimelineStep::Kind::reload;
      if (!map.boolean("reload", true)) context_.error("R0753", map.mark(), "`reload: false` does nothing", "write `reload: true`");
    } else if (map.has("opportunity")) {
      read_deal(map, step);
    } else if (map.has("task") || map.has("delivery") || map.has("approval")) {
      read_outcome(map, step);
    } else if (map.has("lead")) {
      read_lead(map, step);
    } else if (!at) {
      context_.error(
          "R0754", node.mark, "this step of the timeline does nothing",
          "a step has one of `event`, `attributes`, `tag`, `advance`, `activate`, `reload`, `task`, `approval`, `lead`, `opportunity`, `delivery`, `expect`, or `at` alone");
    }
    map.finish();
    test.timeline.push_back(std::move(step));
  }

  void read_lead(MapReader& map, TimelineStep& step) {
    using Kind = LeadCommand::Kind;
    static constexpr Kind kKinds[] = {Kind::put, Kind::claim, Kind::assign, Kind::give_back, Kind::transfer, Kind::close};
    step.kind = TimelineStep::Kind::lead;
    LeadCommand& command = step.lead;
    if (const auto word = map.word("lead", {"pooled", "claimed", "assigned", "returned", "transferred", "closed"})) command.kind = kKinds[*word];
    map.require("customer");
    step.customer = map.name("customer");
    command.customer = step.customer.text;
    command.pool = map.text("pool");
    command.by = map.text("by");
    command.to = map.text("to");
    command.reason = map.text("reason");
    command.as_manager = command.by.empty();
    const auto needs = [&](std::string_view key, bool wanted, std::string_view hint) {
      if (wanted && !map.has(key)) context_.error("R0103", map.mark(), "this step needs " + quoted(key), std::string(hint));
    };
    needs("pool", command.kind == Kind::put, "pool: NAME");
    needs("by", command.kind == Kind::claim, "by: lin");
    needs("to", command.kind == Kind::assign || command.kind == Kind::transfer, "to: lin");
  }

  void read_deal(MapReader& map, TimelineStep& step) {
    using Kind = DealCommand::Kind;
    static constexpr Kind kKinds[] = {Kind::open, Kind::move, Kind::change, Kind::win, Kind::lose, Kind::task_done, Kind::task_undone};
    step.kind = TimelineStep::Kind::deal;
    DealCommand& command = step.deal;
    if (const auto word = map.word("opportunity", {"opened", "moved", "changed", "won", "lost", "task_done", "task_undone"})) command.kind = kKinds[*word];
    map.require("id");
    command.id = map.text("id");
    if (command.kind == Kind::open) map.require("customer");
    if (command.kind == Kind::move) map.require("stage");
    if (command.kind == Kind::task_done || command.kind == Kind::task_undone) map.require("task");
    command.task = map.text("task");
    command.customer = map.text("customer");
    command.funnel = map.text("funnel");
    command.stage = map.text("stage");
    command.title = map.text("title");
    command.owner = map.text("owner");
    command.by = map.text("by");
    command.reason = map.text("reason");
    if (const doc::Entry* amount = map.take("amount")) {
      const doc::Read<Decimal> value = doc::read_decimal(*amount->value);
      if (!value) context_.error("R0104", amount->value->mark, value.error().message, value.error().hint);
      command.has_amount = value.has_value();
      command.amount = value.value_or(Decimal{});
    }
  }

  void read_outcome(MapReader& map, TimelineStep& step) {
    const bool task = map.has("task"), approval = !task && map.has("approval");
    step.kind = task ? TimelineStep::Kind::task : approval ? TimelineStep::Kind::approval : TimelineStep::Kind::delivery;
    if (approval) {
      step.answer.yes = map.word("approval", {"approved", "rejected"}) == 0;
      step.answer.by = map.text("by");
      step.answer.reason = map.text("reason");
      step.answer.as_admin = step.answer.by.empty();
      if (step.answer.as_admin) step.answer.by = "an admin";
    } else if (task) {
      read_task(map, step.command);
    } else {
      constexpr std::string_view kOutcomes[] = {"accepted", "delivered", "failed", "held", "replied", "unsubscribed"};
      if (const auto word = map.word("delivery", {"accepted", "delivered", "failed", "held", "replied", "unsubscribed"}))
        step.outcome = kOutcomes[*word];
      step.note = map.text("reason");
      step.text = map.text("text");
      if (!step.text.empty() && step.outcome != "replied")
        context_.error("R0107", map.mark(), "only a reply has a `text`", "write `delivery: replied`");
      if (const doc::Entry* result = map.take("result")) {
        if (MapReader(context_, *result->value, result->key_mark, "`result`").is_map()) step.result = json_of(*result->value);
        if (step.outcome != "accepted" && step.outcome != "failed")
          context_.error("R0107", result->key_mark, "a `result` comes with `delivery: accepted`",
                         "or with `failed`, for an answer that does not fit the catalog");
      }
    }
    map.require("customer");
    step.customer = map.name("customer");
    map.require("rule");
    step.rule = names_.rule(map, "rule");
  }

  void read_task(MapReader& map, TaskCommand& command) {
    using Kind = TaskCommand::Kind;
    static constexpr Kind kKinds[] = {Kind::complete, Kind::accept, Kind::decline, Kind::reassign, Kind::release, Kind::cancel};
    if (const auto word = map.word("task", {"completed", "accepted", "declined", "reassigned", "released", "cancelled"}))
      command.kind = kKinds[*word];
    command.disposition = map.text("disposition");
    command.note = map.text("note");
    command.by = map.text("by");
    command.to = map.text("to");
    command.reason = map.text("reason");
    command.at = timestamp(map, "again_at").value_or(0);
    const doc::Entry* disposition = map.node().find("disposition");
    if (disposition != nullptr && command.kind != Kind::complete)
      context_.error("R0107", disposition->key_mark, "only a completed task has a `disposition`", "write `task: completed`");
    if (const doc::Entry* to = map.node().find("to"); (to != nullptr) != (command.kind == Kind::reassign))
      context_.error(to != nullptr ? "R0107" : "R0103", to != nullptr ? to->key_mark : map.mark(), "`to` says who gets a task that is `reassigned`",
                     "task: reassigned, to: lin");
    if (command.kind == Kind::accept && command.by.empty())
      context_.error("R0103", map.mark(), "`task: accepted` needs `by`: the member who accepts it", "by: lin");
    command.as_manager = command.by.empty();
  }

  void before_clock(const doc::Mark& mark) {
    context_.error("R0755", mark, "this lies before the step above it (" + format_timestamp(*clock_) + ")",
                   "put the steps in order; an event that comes late says when it came: `received: …`; history says `import: true`");
  }

  void read_input(MapReader& map, std::optional<TimeMs> at, TimelineStep& step, TestCase& test) {
    step.kind = TimelineStep::Kind::input;
    Input& input = step.input;
    map.require("customer");
    input.customer = std::string(map.name("customer").text);
    input.import = map.boolean("import", false);
    input.id = std::string(map.text("id"));
    const std::optional<TimeMs> received = timestamp(map, "received");
    const std::int64_t repeat = map.integer("repeat", 1, 1, kRepeatMax);
    const DurationMs every = map.duration("every").value_or(0);
    if (repeat > 1 && !input.id.empty())
      context_.error("R0756", map.mark(), "`id` and `repeat` exclude each other", "the same id would be the same event");
    input.time = at.value_or(clock_.value_or(kDefaultStart));
    read_content(map, input);
    map.finish();
    for (std::int64_t n = 0; n < repeat; ++n) {
      TimelineStep one = step;
      one.input.time += n * every;
      const TimeMs arrival = received ? *received : one.input.time;
      if (!received && !input.import && clock_ && arrival < *clock_) return before_clock(map.mark());
      if (received && clock_ && *received < *clock_) return before_clock(map.mark());
      if (one.input.time > arrival + kSkew) {
        context_.error("R0757", map.mark(), "an event dated more than 5 minutes ahead of its arrival is set aside at intake",
                       "let `received` be later, or leave it out");
        return;
      }
      arrive(one, arrival);
      if (one.input.id.empty()) one.input.id = generated_id();
      test.timeline.push_back(std::move(one));
    }
  }

  void read_content(MapReader& map, Input& input) {
    const bool event = map.has("event"), attributes = map.has("attributes");
    if (int{event} + int{attributes} + int{map.has("tag")} > 1) {
      context_.error("R0758", map.mark(), "`event`, `attributes` and `tag` exclude each other", "make two steps of it");
    }
    if (event) {
      input.kind = InputKind::event;
      const Name type = names_.event(map, "event");
      input.type = plan_.catalog->find_event(type.text);
      const doc::Entry* data = map.take("data");
      if (input.type == kNoEventType) return;
      const EventTypeDef& definition = plan_.catalog->events[input.type];
      input.fields.resize(definition.fields.size());
      if (data != nullptr) read_fields(context_, *data->value, data->key_mark, definition, input.fields);
    } else if (attributes) {
      input.kind = InputKind::attributes;
      const doc::Entry& entry = *map.take("attributes");
      read_attributes(context_, *entry.value, entry.key_mark, *plan_.catalog, input.attributes);
    } else {
      input.kind = InputKind::tag;
      input.tag = std::string(map.text("tag"));
      input.tag_removed = map.boolean("removed", false);
      if (const std::optional<TimeMs> expires = timestamp(map, "expires")) input.tag_expires = *expires;
    }
  }

  /// Ids rise with the timeline, so that of two rows at one instant the later written is the later one.
  std::string generated_id() {
    const std::string digits = std::to_string(++generated_);
    return "step-" + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
  }

  const Context& context_;
  const Plan& plan_;
  NameReader names_;
  std::optional<TimeMs> clock_;  // nothing until the first step that has a time
  std::optional<TimeMs> start_;  // the first such time, when the test does not say `start`
  std::uint64_t generated_ = 0;
};

/// The rules that a file's `rules: [a, b]` does not name; none when it says nothing.
std::vector<std::string> left_out(const Context& context, const doc::Entry* entry, const Plan& plan) {
  std::vector<std::string> out;
  if (entry == nullptr) return out;
  NameReader names(context, plan);
  std::vector<std::string_view> wanted;
  for (const doc::Node* node : lang::items_of(context, *entry->value, entry->key_mark, "`rules`")) wanted.push_back(names.rule(*node).text);
  for (const Rule& rule : plan.rules) {
    if (std::ranges::find(wanted, rule.name) == wanted.end()) out.push_back(rule.name);
  }
  return out;
}

}  // namespace

std::vector<TestCase> read_tests(const doc::Document& document, const Plan& plan, doc::Diagnostics& diagnostics) {
  std::vector<TestCase> tests;
  const Context context{document, diagnostics};
  MapReader map(context, document.root(), document.root().mark, "a file of tests");
  if (!document.root().is_map()) return tests;
  const doc::Entry* list = map.require("tests");
  const std::vector<std::string> others = left_out(context, map.take("rules"), plan);
  map.finish();
  if (list == nullptr) return tests;
  for (const doc::Node* node : lang::items_of(context, *list->value, list->key_mark, "`tests`")) {
    const std::size_t before = diagnostics.errors();
    TestCase test = Reader(context, plan).read(*node);
    test.inactive.insert(test.inactive.end(), others.begin(), others.end());
    if (diagnostics.errors() != before) continue;
    if (std::ranges::find(tests, test.name, &TestCase::name) != tests.end()) {
      context.error("R0759", node->mark, "another test of this file is named " + quoted(test.name), "give each test a name of its own");
      continue;
    }
    tests.push_back(std::move(test));
  }
  return tests;
}

}  // namespace nudge::testing
