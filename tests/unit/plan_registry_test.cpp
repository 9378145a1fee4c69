#include <doctest/doctest.h>

#include <map>

#include "engine/plan/registry.h"
#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

struct Wanted {
  std::map<std::string, std::string> segments;             // name -> tag that it asks for
  std::map<std::string, std::pair<int, RuleState>> rules;  // name -> priority, state
};

std::unique_ptr<Plan> plan_of(const Wanted& wanted) {
  PlanBuilder b(std::make_shared<Catalog>(sample_catalog()));
  for (const auto& [name, tag] : wanted.segments) {
    Node n;
    n.kind = Node::Kind::tag;
    n.text = tag;
    Segment s;
    s.name = name;
    s.node = b.add(n);
    b.plan().segments.push_back(s);
  }
  for (const auto& [name, what] : wanted.rules) {
    Rule r;
    r.name = name;
    r.priority = what.first;
    r.state = what.second;
    r.trigger.event = 1;
    b.plan().rules.push_back(r);
  }
  return b.finish();
}

std::unique_ptr<Plan> bound(Registry& registry, TimeMs now, const Wanted& wanted) {
  auto plan = plan_of(wanted);
  registry.bind(*plan, now);
  return plan;
}

constexpr RuleState kActive = RuleState::active;

}  // namespace

TEST_CASE("segments: an unchanged definition keeps id, activation and first plan") {
  Registry registry;
  const auto first = bound(registry, 100, {{{"a", "x"}, {"b", "y"}}, {}});
  CHECK(first->sequence == 1);
  const Segment& a = first->segments[0];
  const Segment& b = first->segments[1];
  CHECK(a.root != b.root);
  CHECK(a.activated == 100);
  CHECK(a.since_plan == 1);
  CHECK(first->segment_of_root.at(b.root) == 1);

  // b changes, c is new and takes b's place in the order.
  const auto second = bound(registry, 200, {{{"a", "x"}, {"b", "other"}, {"aa", "z"}}, {}});
  CHECK(second->sequence == 2);
  CHECK(second->find_segment("a")->root == a.root);
  CHECK(second->find_segment("a")->activated == 100);
  CHECK(second->find_segment("a")->since_plan == 1);
  CHECK(second->find_segment("b")->root != b.root);
  CHECK(second->find_segment("b")->activated == 200);
  CHECK(second->find_segment("b")->since_plan == 2);
  CHECK(second->find_segment("aa")->root != b.root);
  CHECK(second->segment_of_root.at(a.root) == 0);
  CHECK(!second->segment_of_root.contains(b.root));

  // The old b comes back: active anew. a was away for no plan.
  const auto third = bound(registry, 300, {{{"a", "x"}, {"b", "y"}}, {}});
  CHECK(third->find_segment("a")->activated == 100);
  CHECK(third->find_segment("b")->root == b.root);
  CHECK(third->find_segment("b")->activated == 300);
  CHECK(third->find_segment("b")->since_plan == 3);
}

TEST_CASE("rules: since_plan names the plan that activated the rule, and survives the registry's bytes") {
  Registry registry;
  const auto first = bound(registry, 100, {{}, {{"r", {50, RuleState::draft}}}});
  CHECK(first->find_rule("r")->since_plan == 1);
  CHECK(bound(registry, 200, {{}, {{"r", {50, kActive}}}})->find_rule("r")->since_plan == 2);
  CHECK(bound(registry, 300, {{}, {{"r", {60, kActive}}}})->find_rule("r")->since_plan == 2);  // an edit
  std::string bytes;
  registry.encode(bytes);
  Registry back = Registry::decode(bytes).value();
  CHECK(back == registry);
  const auto fourth = bound(back, 400, {{}, {{"r", {60, kActive}}}});
  CHECK(fourth->find_rule("r")->since_plan == 2);
  CHECK(fourth->activated == 400);
}

TEST_CASE("rules: ids by name, versions by definition") {
  Registry registry;
  const auto first = bound(registry, 100, {{}, {{"r", {50, kActive}}, {"s", {50, kActive}}}});
  const RuleId id = first->find_rule("r")->id;
  CHECK(first->find_rule("r")->version == 1);
  CHECK(first->find_rule("s")->id != id);
  CHECK(first->rule_of_id.at(id) == 0);

  const auto same = bound(registry, 200, {{}, {{"r", {50, kActive}}, {"s", {50, kActive}}}});
  CHECK(same->find_rule("r")->version == 1);
  CHECK(same->find_rule("r")->activated == 100);

  const auto edited = bound(registry, 300, {{}, {{"r", {60, kActive}}}});
  CHECK(edited->find_rule("r")->id == id);
  CHECK(edited->find_rule("r")->version == 2);
  CHECK(edited->find_rule("r")->activated == 100);  // an edit is no new start

  const auto back = bound(registry, 400, {{}, {{"r", {50, kActive}}, {"s", {50, kActive}}}});
  CHECK(back->find_rule("r")->version == 3);  // a version number is never given twice
  CHECK(back->find_rule("s")->version == 1);
  CHECK(back->find_rule("s")->activated == 400);  // it was away
  CHECK(back->find_rule("s")->id == first->find_rule("s")->id);
}

TEST_CASE("rules: activated when the state rises, not by a pause") {
  struct Row {
    RuleState state;
    TimeMs activated;
  };
  constexpr Row kRows[] = {{RuleState::draft, 1},  {RuleState::shadow, 2}, {RuleState::shadow, 2}, {RuleState::active, 4},
                           {RuleState::paused, 4}, {RuleState::active, 4}, {RuleState::draft, 4},  {RuleState::active, 8}};
  Registry registry;
  TimeMs now = 0;
  for (const Row& row : kRows) {
    ++now;
    CAPTURE(now);
    CHECK(bound(registry, now, {{}, {{"r", {50, row.state}}}})->rules[0].activated == row.activated);
  }
}

TEST_CASE("registry in bytes: goes on as if it had never been away; damage never crashes") {
  Registry registry;
  bound(registry, 100, {{{"a", "x"}, {"b", "y"}}, {{"r", {50, kActive}}, {"s", {50, RuleState::draft}}}});
  bound(registry, 200, {{{"a", "x"}}, {{"r", {51, kActive}}}});
  std::string bytes;
  registry.encode(bytes);
  auto back = Registry::decode(bytes);
  REQUIRE(back.has_value());
  CHECK(*back == registry);
  CHECK(back->plan_sequence() == 2);
  const Wanted next{{{"a", "x"}, {"b", "y"}, {"c", "z"}}, {{"r", {51, kActive}}, {"s", {50, kActive}}}};
  const auto a = bound(registry, 300, next);
  const auto b = bound(*back, 300, next);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(a->segments[i].root == b->segments[i].root);
    CHECK(a->segments[i].activated == b->segments[i].activated);
  }
  CHECK(a->find_rule("s")->version == 2);
  CHECK(b->find_rule("s")->version == 2);
  CHECK(*back == registry);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CHECK(!Registry::decode(std::string_view(bytes).substr(0, at)).has_value());
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    if (const auto other = Registry::decode(damaged)) {
      std::string again;
      other->encode(again);
      CHECK(!again.empty());
    }
  }
}
