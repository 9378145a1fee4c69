// The engine alone on the benchmark workload: no store, no network. One thread.
//
// nudge-engine-bench [--customers N] [--events N] [--rules N] [--strict F] [--sweep 0] [--passes 1]
// Loads the customers, takes the events in at their own time (timers run in between), then counts the matches at the end of the workload
// and compares them with the known answer where there is one; --sweep 0 leaves the counting out, for profiles; --passes 1 measures what goes over all
// customers: a new rule, a backtest of ten rules (microseconds each). Prints one JSON line.
#include <sys/resource.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/ingest/intake.h"
#include "daemon/ingest/schema.h"
#include "engine/core/engine.h"
#include "engine/core/ruled_out.h"
#include "engine/model/customer_head.h"
#include "engine/plan/addition.h"
#include "engine/plan/registry.h"
#include "engine/simulate/backtest_report.h"
#include "rules/lang/load.h"
#include "tests/bench/workload.h"

namespace {

using namespace nudge;

// The thread's own processor time: a busy machine does not slow it down.
struct Clock {
  using time_point = std::chrono::duration<double>;
  static time_point now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return time_point(static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9);
  }
};

double seconds_since(Clock::time_point start) { return (Clock::now() - start).count(); }

constexpr std::size_t kLongFrom = 1000;

struct Timer {
  TimeMs due;
  std::uint32_t customer;
  bool operator>(const Timer& o) const { return due != o.due ? due > o.due : customer > o.customer; }
};

struct Bench {
  std::unique_ptr<Plan> plan;
  Engine engine;
  Effects effects;
  std::vector<Receipt> receipts;
  std::unordered_map<std::string, std::uint32_t> index;
  std::vector<CustomerState> states;
  std::vector<TimeMs> armed;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers;
  // Of the heaviest customer once its windows are long: what each of its events took, in microseconds.
  std::string heavy;
  std::size_t heavy_rows = 0;
  std::vector<double> heavy_us;
  std::uint64_t edges = 0, decisions = 0, actions = 0, wakes = 0, refused = 0;

  std::uint32_t customer(const std::string& id) {
    const auto [it, fresh] = index.try_emplace(id, static_cast<std::uint32_t>(states.size()));
    if (fresh) {
      states.emplace_back().id = id;
      armed.push_back(kNever);
    }
    return it->second;
  }
  void count_effects() {
    edges += effects.edges.size();
    decisions += effects.decisions.size();
    actions += effects.actions.size();
    effects.clear();
  }
  void arm(std::uint32_t c) {
    const TimeMs due = Engine::next_due(states[c]);
    if (due == armed[c]) return;
    armed[c] = due;
    if (due != kNever) timers.push({due, c});
  }
  void run_timers(TimeMs now) {
    while (!timers.empty() && timers.top().due < now) {
      const Timer timer = timers.top();
      timers.pop();
      if (armed[timer.customer] != timer.due) continue;
      ++wakes;
      armed[timer.customer] = kNever;
      engine.advance(*plan, states[timer.customer], timer.due + 1, effects);
      count_effects();
      arm(timer.customer);
    }
  }
  void take(const Input& input) {
    run_timers(input.time);
    const std::uint32_t c = customer(input.customer);
    receipts.clear();
    const bool measured = input.customer == heavy && ++heavy_rows > kLongFrom;
    const auto start = measured ? Clock::now() : Clock::time_point{};
    engine.step(*plan, states[c], {&input, 1}, input.time, receipts, effects);
    if (measured) heavy_us.push_back(seconds_since(start) * 1e6);
    if (receipts[0] != Receipt::stored) ++refused;
    count_effects();
    arm(c);
  }
};

// The value that this part of them does not exceed.
double part(std::vector<double>& values, double of) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * of)];
}

// What a pass over all customers costs: asking the head of each one's record whether a rule more concerns it, reading the whole record, bringing it to a plan with one rule more, and trying ten other rules on its
// last ten days.
struct Pass {
  double head_s = 0, decode_s = 0, new_rule_s = 0, backtest_s = 0;
  std::uint64_t ruled_out = 0, entered = 0, fired = 0;
};

std::unique_ptr<Plan> compile_all(const std::vector<std::string>& texts, const std::shared_ptr<const Catalog>& catalog) {
  std::vector<lang::Source> sources;
  for (const std::string& text : texts) sources.push_back({"rules" + std::to_string(sources.size()) + ".yaml", text});
  auto compiled = lang::compile(sources, catalog);
  if (compiled.plan) return std::move(compiled.plan);
  std::fprintf(stderr, "the rules do not compile: %s\n", doc::render_text(compiled.diagnostics.items().front()).c_str());
  std::exit(1);
}

constexpr const char* kNewRule =
    "segments:\n  late:\n    where:\n      all:\n        - {attribute: tier, equals: gold}\n"
    "        - {event: order_placed, within: 30d, sum: {field: amount, at_least: 500}}\n"
    "rules:\n  late:\n    when: {enters: late}\n    then:\n      - call_task: {subject: \"L\", due_in: 24h}\n";

Pass pass_over(Bench& b, bench::WorkloadOptions o, Registry& registry, const std::shared_ptr<const Catalog>& catalog) {
  std::vector<std::string> texts = bench::generate_rules_yaml(o);
  texts.emplace_back(kNewRule);
  const std::shared_ptr<Plan> more = compile_all(texts, catalog);
  registry.bind(*more, bench::kWorkloadEnd);
  o.rules = 10;
  o.strict = 2;
  const std::unique_ptr<Plan> draft = compile_all(bench::generate_rules_yaml(o), catalog);
  const auto setup = prepare_backtest(*draft, nullptr, {}, {bench::kWorkloadEnd - 10 * kDay, bench::kWorkloadEnd});
  BacktestWorker worker(*setup);
  const auto added = only_adds(*b.plan, *more);
  if (!added) {
    std::fprintf(stderr, "WRONG: the plan with one rule more does not only add it\n");
    std::exit(1);
  }
  RuledOut ruled_out(more, *added);
  Pass pass;
  CustomerState head;
  std::string record;
  for (CustomerState& state : b.states) {
    record.clear();
    encode_customer(record, state, *catalog);
    auto start = Clock::now();
    const bool out = decode_customer_head(record, *catalog, head) && ruled_out.all(head);
    pass.head_s += seconds_since(start);
    pass.ruled_out += out ? 1 : 0;
    start = Clock::now();
    Result<CustomerState> read = decode_customer(record, *catalog);
    pass.decode_s += seconds_since(start);
    start = Clock::now();
    b.engine.reconcile(*more, *read, b.effects);
    pass.new_rule_s += seconds_since(start);
    pass.entered += b.effects.edges.size();
    b.effects.clear();
    start = Clock::now();
    worker.customer(*read);
    pass.backtest_s += seconds_since(start);
  }
  const BacktestPart part = worker.take();
  pass.fired = part.draft.decided.size();
  return pass;
}

std::uint64_t known_answer(const bench::WorkloadOptions& o) {
  if (o.seed != 1) return 0;
  if (o.customers == 100000 && o.events == 1000000) {
    if (o.rules == 10 && o.strict == 1) return 13213;
    if (o.rules == 100 && o.strict == 1) return 78806;
    if (o.rules == 100 && o.strict == 4) return 8438;
  }
  if (o.customers == 1000000 && o.events == 10000000 && o.strict == 1) {
    if (o.rules == 10) return 129072;
    if (o.rules == 100) return 767361;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::WorkloadOptions o;
  bool sweep = true, passes = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    if (key == "--sweep")
      sweep = value != 0;
    else if (key == "--passes")
      passes = value != 0;
    else if (!bench::read_option(o, key, value)) {
      std::fprintf(stderr, "unknown option %s\n", key.c_str());
      return 2;
    }
  }
  auto loaded = lang::load_catalog({{"catalog.yaml", bench::workload_catalog_yaml()}});
  const std::shared_ptr<const Catalog> catalog = std::move(loaded.catalog);
  if (!catalog) {
    std::fprintf(stderr, "the catalog does not load\n");
    return 1;
  }
  auto start = Clock::now();
  std::vector<lang::Source> sources;
  for (std::string& text : bench::generate_rules_yaml(o))
    sources.push_back({"rules" + std::to_string(sources.size()) + ".yaml", std::move(text)});
  auto compiled = lang::compile(sources, catalog);
  if (!compiled.plan) {
    std::fprintf(stderr, "the rules do not compile: %s\n", doc::render_text(compiled.diagnostics.items().front()).c_str());
    return 1;
  }
  const double compile_s = seconds_since(start);
  Bench b;
  b.heavy = bench::heaviest_customer(o);
  b.plan = std::move(compiled.plan);
  Registry registry;
  registry.bind(*b.plan, bench::kWorkloadStart - 1);

  const daemon::IntakeSchema schema(catalog);
  daemon::Intake intake;
  daemon::IdSource ids(bench::kWorkloadStart);
  std::vector<daemon::IntakeLine> lines;
  std::string body;
  std::vector<daemon::Span> spans;
  double parse_s = 0, step_s = 0;
  std::uint64_t taken = 0, judged_before = 0;
  const auto flush = [&](bool timed) {
    lines.resize(spans.size());
    body.append(daemon::kIntakePadding, ' ');
    daemon::IntakeOptions options;
    options.now = bench::kWorkloadStart - 1;
    options.skew = 200 * kDay;
    options.ids = &ids;
    auto t = Clock::now();
    for (std::size_t i = 0; i < spans.size(); ++i) intake.read(schema, body, spans[i], options, lines[i]);
    for (std::size_t i = 0; i < spans.size(); ++i) {
      if (lines[i].problem.set()) {
        std::fprintf(stderr, "set aside: %s\n", lines[i].problem.reason.c_str());
        std::exit(1);
      }
    }
    if (timed) parse_s += seconds_since(t);
    t = Clock::now();
    for (std::size_t i = 0; i < spans.size(); ++i) b.take(lines[i].input);
    if (timed) {
      step_s += seconds_since(t);
      taken += spans.size();
    }
    body.clear();
    spans.clear();
  };
  const auto feed = [&](bool timed) {
    return [&, timed](std::string_view line) {
      spans.push_back({static_cast<std::uint32_t>(body.size()), static_cast<std::uint32_t>(line.size() - 1)});
      body += line;
      if (spans.size() == 50000) flush(timed);
    };
  };
  bench::generate_customers(o, feed(false));
  flush(false);
  judged_before = b.engine.judged();
  bench::generate_events(o, feed(true));
  flush(true);
  start = Clock::now();
  b.run_timers(bench::kWorkloadEnd + 1);
  const double drain_s = seconds_since(start);
  const std::uint64_t judged = b.engine.judged() - judged_before;

  start = Clock::now();
  std::uint64_t matches = 0, members = 0;
  for (const CustomerState& state : b.states) {
    members += state.members.size();
    if (!sweep)
      matches = members;
    else
      for (const Segment& segment : b.plan->segments) matches += b.engine.holds(*b.plan, state, segment.node, bench::kWorkloadEnd) ? 1 : 0;
  }
  const double sweep_s = seconds_since(start);
  std::size_t state_bytes = 0;
  for (const CustomerState& state : b.states) state_bytes += state.memory_bytes();
  const Pass pass = passes ? pass_over(b, o, registry, catalog) : Pass{};
  const auto each_us = [&](double seconds) { return seconds * 1e6 / static_cast<double>(b.states.size()); };
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::uint64_t known = known_answer(o);
  std::printf(
      "{\"rules\":%llu,\"strict\":%g,\"customers\":%llu,\"events\":%llu,\"step_per_s\":%.0f,\"parse_per_s\":%.0f,\"drain_s\":%.2f,"
      "\"compile_s\":%.3f,"
      "\"wakes\":%llu,\"edges\":%llu,\"decisions\":%llu,\"actions\":%llu,\"matches\":%llu,\"members\":%llu,\"known\":%llu,\"full_sweep_s\":"
      "%.2f,"
      "\"state_mb\":%.0f,\"rss_mb\":%ld,\"nodes\":%zu,\"aggregates\":%zu,\"judged_per_event\":%.1f,\"heavy_events\":%zu,\"heavy_p50_us\":%.1f,\"heavy_p99_us\":%.1f,"
      "\"heavy_max_us\":%.0f,\"head_us\":%.2f,\"ruled_out\":%llu,\"decode_us\":%.2f,\"new_rule_us\":%.2f,\"new_rule_entered\":%llu,\"backtest_us\":%.2f,\"backtest_fired\":%llu}\n",
      static_cast<unsigned long long>(o.rules), o.strict, static_cast<unsigned long long>(o.customers),
      static_cast<unsigned long long>(taken), static_cast<double>(taken) / step_s, static_cast<double>(taken) / parse_s, drain_s, compile_s,
      static_cast<unsigned long long>(b.wakes), static_cast<unsigned long long>(b.edges), static_cast<unsigned long long>(b.decisions),
      static_cast<unsigned long long>(b.actions), static_cast<unsigned long long>(matches), static_cast<unsigned long long>(members),
      static_cast<unsigned long long>(known), sweep_s, static_cast<double>(state_bytes) / 1e6, usage.ru_maxrss / 1024, b.plan->nodes.size(),
      b.plan->aggregates.size(), static_cast<double>(judged) / static_cast<double>(taken), b.heavy_us.size(), part(b.heavy_us, 0.5), part(b.heavy_us, 0.99), part(b.heavy_us, 1), each_us(pass.head_s),
      static_cast<unsigned long long>(pass.ruled_out), each_us(pass.decode_s), each_us(pass.new_rule_s),
      static_cast<unsigned long long>(pass.entered), each_us(pass.backtest_s), static_cast<unsigned long long>(pass.fired));
  if (b.refused != 0) std::fprintf(stderr, "WRONG: %llu inputs were not stored\n", static_cast<unsigned long long>(b.refused));
  if (b.refused != 0 || matches != members || (known != 0 && matches != known)) {
    std::fprintf(stderr, "WRONG: the incremental members, the full sweep and the known answer do not agree\n");
    return 1;
  }
  return 0;
}
