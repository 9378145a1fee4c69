// What an event costs, counted and not timed: segments judged and allocations per event on the benchmark's workload. A change that makes
// the engine look at more than what came in can touch fails here, on any machine.
#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

#include "daemon/ingest/intake.h"
#include "daemon/ingest/schema.h"
#include "engine/core/engine.h"
#include "engine/core/ruled_out.h"
#include "engine/plan/registry.h"
#include "rules/lang/load.h"
#include "tests/bench/workload.h"

namespace {
std::uint64_t allocations = 0;
}

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

using namespace nudge;

struct Cost {
  double judged_per_customer = 0, judged_per_event = 0, edges_per_event = 0, allocations_per_event = 0;
  std::uint64_t members = 0, matches = 0;
  // A sweep that adds the first segment: what glances at the packed customers cost, whom they could not tell, whom they told wrongly, and
  // whom the attributes leave.
  std::uint64_t glance_allocations = 0, untold = 0, wrong = 0, left = 0, customers = 0;
};

void glance_at_all(const Plan& plan, const Catalog& catalog, const std::unordered_map<std::string, CustomerState>& states, Cost& cost) {
  RuledOut ruled_out(std::shared_ptr<const Plan>(std::shared_ptr<void>(), &plan), {0});
  RuledOut by_state(std::shared_ptr<const Plan>(std::shared_ptr<void>(), &plan), {0});
  CustomerGlance glance;
  std::vector<std::string> records;
  for (const auto& [id, state] : states) {
    encode_customer(records.emplace_back(), state, catalog);
    ruled_out.all(state);  // each value is known from here on
  }
  std::size_t record = 0;
  for (const auto& [id, state] : states) {
    const std::uint64_t before = allocations;
    const bool read = glance_at_customer(records[record++], ruled_out.attributes(), ruled_out.not_before(), glance);
    const std::optional<bool> told = read ? ruled_out.all(glance) : std::nullopt;
    if (++cost.customers > 10) cost.glance_allocations += allocations - before;  // the first ones make room for the others
    cost.untold += told ? 0U : 1U;
    cost.wrong += told && *told != by_state.all(state) ? 1U : 0U;
    cost.left += told && !*told ? 1U : 0U;
  }
}

// Loads 500 customers, then takes 20,000 events in at their own time.
Cost measure(std::uint64_t rules) {
  bench::WorkloadOptions o;
  o.customers = 500;
  o.events = 20000;
  o.rules = rules;
  o.strict = 4;
  auto loaded = lang::load_catalog({{"catalog.yaml", bench::workload_catalog_yaml()}});
  const std::shared_ptr<const Catalog> catalog = std::move(loaded.catalog);
  REQUIRE(catalog);
  std::vector<lang::Source> sources;
  for (std::string& text : bench::generate_rules_yaml(o)) sources.push_back({std::to_string(sources.size()) + ".yaml", std::move(text)});
  auto compiled = lang::compile(sources, catalog);
  REQUIRE(compiled.plan);
  Plan& plan = *compiled.plan;
  Registry registry;
  registry.bind(plan, bench::kWorkloadStart - 1);
  const daemon::IntakeSchema schema(catalog);
  daemon::Intake intake;
  daemon::IdSource ids(bench::kWorkloadStart);
  std::vector<Input> inputs;
  const auto read = [&](std::string_view line) {
    std::string body(line);
    body.append(daemon::kIntakePadding, ' ');
    daemon::IntakeOptions options;
    options.now = bench::kWorkloadStart - 1;
    options.skew = 200 * kDay;
    options.ids = &ids;
    daemon::IntakeLine out;
    intake.read(schema, body, {0, static_cast<std::uint32_t>(line.size() - 1)}, options, out);
    REQUIRE(!out.problem.set());
    inputs.push_back(std::move(out.input));
  };
  Engine engine;
  Effects effects;
  std::vector<Receipt> receipts;
  std::unordered_map<std::string, CustomerState> states;
  std::uint64_t edges = 0;
  const auto take = [&](const Input& input) {
    CustomerState& state = states[input.customer];
    if (state.id.empty()) state.id = input.customer;
    receipts.clear();
    engine.step(plan, state, {&input, 1}, input.time, receipts, effects);
    edges += effects.edges.size();
    effects.clear();
  };
  bench::generate_customers(o, read);
  for (const Input& input : inputs) take(input);
  Cost cost;
  cost.judged_per_customer = static_cast<double>(engine.judged()) / static_cast<double>(inputs.size());
  inputs.clear();
  bench::generate_events(o, read);
  const std::uint64_t judged = engine.judged();
  edges = 0;
  allocations = 0;
  for (const Input& input : inputs) take(input);
  const auto n = static_cast<double>(inputs.size());
  cost.allocations_per_event = static_cast<double>(allocations) / n;
  cost.judged_per_event = static_cast<double>(engine.judged() - judged) / n;
  cost.edges_per_event = static_cast<double>(edges) / n;
  for (auto& [id, state] : states) {
    engine.advance(plan, state, bench::kWorkloadEnd + 1, effects);
    effects.clear();
    cost.members += state.members.size();
    for (const Segment& segment : plan.segments) cost.matches += engine.holds(plan, state, segment.node, bench::kWorkloadEnd) ? 1U : 0U;
  }
  glance_at_all(plan, *catalog, states, cost);
  MESSAGE(rules << " rules: judged per customer " << cost.judged_per_customer << ", per event " << cost.judged_per_event << ", edges "
                << cost.edges_per_event << ", allocations " << cost.allocations_per_event << ", members " << cost.members);
  return cost;
}

}  // namespace

TEST_CASE("a new customer and an event touch few of a thousand segments, and allocate little beyond what they decide") {
  const Cost hundred = measure(100);
  const Cost thousand = measure(1000);
  CHECK(hundred.members == hundred.matches);
  CHECK(thousand.members == thousand.matches);
  // Attributes alone rule out most: each rule has one equality on an attribute.
  CHECK(thousand.judged_per_customer < 250);
  // Only thresholds that a row crosses, and instants that have come: two or three for each answer that changes, whatever the number of rules.
  CHECK(thousand.judged_per_event < 3.5);
  CHECK(hundred.judged_per_event < 0.5);
  CHECK(thousand.judged_per_event < 3 * thousand.edges_per_event);
  // A firing makes a decision and an action with their texts; everything else is the rows themselves.
  CHECK(hundred.allocations_per_event < 1.5);
  CHECK(thousand.allocations_per_event < 6.5);
}

TEST_CASE("a sweep's glance at a packed customer allocates nothing, and says what the whole state says") {
  const Cost cost = measure(100);
  CHECK(cost.customers == 500);
  CHECK(cost.untold == 0);
  CHECK(cost.wrong == 0);
  CHECK(cost.left < cost.customers / 2);
  CHECK(cost.left > 0);
  CHECK(cost.glance_allocations == 0);
}
