// The hot parts one by one, on Google Benchmark: reading a document, a step at 100 and 1,000 rules, a state to its record and back (what a
// customer costs who is not in memory), a step of a customer with 100,000 events in the window.
// Usage: nudge-micro-bench [--benchmark_filter=…]
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "daemon/ingest/intake.h"
#include "daemon/ingest/schema.h"
#include "engine/core/engine.h"
#include "engine/plan/registry.h"
#include "rules/lang/load.h"
#include "tests/bench/workload.h"

namespace {

using namespace nudge;

// A small company at the end of its 90 days, and the events that follow.
struct World {
  std::shared_ptr<const Catalog> catalog;
  std::unique_ptr<Plan> plan;
  std::unordered_map<std::string, CustomerState> states;
  std::vector<std::string> lines;
  std::vector<Input> next;
  Engine engine;
  std::vector<Receipt> receipts;
  Effects effects;

  World(std::uint64_t rules, const std::string& more) {
    bench::WorkloadOptions o;
    o.customers = 2000;
    o.events = 30000;
    o.rules = rules;
    o.strict = 4;
    auto loaded = lang::load_catalog({{"catalog.yaml", bench::workload_catalog_yaml()}});
    catalog = std::move(loaded.catalog);
    std::vector<lang::Source> sources;
    for (std::string& text : bench::generate_rules_yaml(o)) sources.push_back({std::to_string(sources.size()) + ".yaml", std::move(text)});
    if (!more.empty()) sources.push_back({"more.yaml", more});
    auto compiled = lang::compile(sources, catalog);
    if (!compiled.plan) {
      std::fprintf(stderr, "the rules do not compile: %s\n", doc::render_text(compiled.diagnostics.items().front()).c_str());
      std::exit(1);
    }
    plan = std::move(compiled.plan);
    Registry registry;
    registry.bind(*plan, bench::kWorkloadStart - 1);
    const daemon::IntakeSchema schema(catalog);
    std::vector<Input> inputs;
    const auto read = [&](std::string_view line) {
      lines.emplace_back(line.substr(0, line.size() - 1));
      inputs.push_back(parse(schema, lines.back()));
    };
    bench::generate_customers(o, read);
    lines.clear();
    bench::generate_events(o, read);
    const std::size_t kept = inputs.size() - 5000;
    for (std::size_t i = 0; i < kept; ++i) take(inputs[i]);
    next.assign(inputs.begin() + static_cast<std::ptrdiff_t>(kept), inputs.end());
  }

  Input parse(const daemon::IntakeSchema& schema, const std::string& line) {
    std::string body = line;
    body.append(daemon::kIntakePadding, ' ');
    daemon::IntakeLine out;
    intake.read(schema, body, {0, static_cast<std::uint32_t>(line.size())}, options(), out);
    if (out.problem.set()) {
      std::fprintf(stderr, "set aside: %s\n", out.problem.reason.c_str());
      std::exit(1);
    }
    return std::move(out.input);
  }
  daemon::IntakeOptions options() {
    daemon::IntakeOptions o;
    o.now = bench::kWorkloadStart - 1;
    o.skew = 200 * kDay;
    o.ids = &ids;
    return o;
  }
  void take(const Input& input) {
    CustomerState& state = states[input.customer];
    if (state.id.empty()) state.id = input.customer;
    receipts.clear();
    engine.step(*plan, state, {&input, 1}, input.time, receipts, effects);
    effects.clear();
  }

  daemon::Intake intake;
  daemon::IdSource ids{bench::kWorkloadStart};
};

World& world(std::uint64_t rules) {
  static std::unordered_map<std::uint64_t, std::unique_ptr<World>> worlds;
  auto& made = worlds[rules];
  if (!made) made = std::make_unique<World>(rules, "");
  return *made;
}

void read_document(benchmark::State& state) {
  World& w = world(100);
  const daemon::IntakeSchema schema(w.catalog);
  std::string body = w.lines[7];
  const auto size = static_cast<std::uint32_t>(body.size());
  body.append(daemon::kIntakePadding, ' ');
  daemon::IntakeLine line;
  for (auto _ : state) {
    w.intake.read(schema, body, {0, size}, w.options(), line);
    benchmark::DoNotOptimize(line.input.time);
  }
}
BENCHMARK(read_document);

void step(benchmark::State& state) {
  World& w = world(static_cast<std::uint64_t>(state.range(0)));
  std::size_t i = 0;
  std::uint64_t round = 0;
  for (auto _ : state) {
    if (i == w.next.size()) {
      state.PauseTiming();
      i = 0;
      ++round;
      for (Input& input : w.next) input.id += "-" + std::to_string(round), input.time += 1000;
      state.ResumeTiming();
    }
    w.take(w.next[i++]);
  }
}
BENCHMARK(step)->Arg(100)->Arg(1000);

void record_of_a_state(benchmark::State& state) {
  World& w = world(1000);
  const CustomerState& one = w.states.begin()->second;
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    encode_customer(bytes, one, *w.catalog);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(record_of_a_state);

void state_of_a_record(benchmark::State& state) {
  World& w = world(1000);
  std::string bytes;
  encode_customer(bytes, w.states.begin()->second, *w.catalog);
  for (auto _ : state) {
    auto read = decode_customer(bytes, *w.catalog);
    benchmark::DoNotOptimize(read->clock);
  }
}
BENCHMARK(state_of_a_record);

// One rule that it misses by far, over a window with 100,000 rows: nothing may look at each of them.
void heavy_customer(benchmark::State& state, const std::string& condition) {
  World w(0, "segments:\n  heavy:\n    where: " + condition +
                 "\nrules:\n  heavy:\n    when: {enters: heavy}\n    then:\n      - call_task: {subject: \"H\", due_in: 24h}\n");
  Input input;
  for (const Input& i : w.next)
    if (w.catalog->events[i.type].name == "page_view") input = i;
  input.customer = "heavy";
  std::uint64_t n = 0;
  const auto one = [&] {
    input.id = "h" + std::to_string(n++);
    input.time += 10;
    w.take(input);
  };
  for (int i = 0; i < 100000; ++i) one();
  for (auto _ : state) one();
}
BENCHMARK_CAPTURE(heavy_customer, count, "{event: page_view, count: {at_least: 100000000}, within: 30d}")->Iterations(5000);
BENCHMARK_CAPTURE(heavy_customer, distinct, "{event: page_view, distinct: {field: path, at_least: 5000}, within: 30d}")->Iterations(5000);

}  // namespace

BENCHMARK_MAIN();
