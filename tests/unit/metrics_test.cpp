#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "daemon/metrics/metrics.h"

using namespace nudge::metrics;

namespace {

bool has_line(const std::string& page, const std::string& line) { return ("\n" + page).find("\n" + line + "\n") != std::string::npos; }

}  // namespace

TEST_CASE("metrics: the page as Prometheus reads it") {
  Registry registry;
  registry.counter("nudge_events_total", "Events taken in", {{"door", "http"}}).add(3);
  registry.counter("nudge_events_total", "ignored, the first one counts", {{"door", "csv"}}).add();
  registry.gauge("nudge_queue_bytes", "Waiting\nbytes with a \\").set(1.5);
  const double bounds[] = {0.1, 1};
  Histogram& histogram = registry.histogram("nudge_commit_seconds", "Commit", bounds, {{"shard", "0"}});
  for (const double value : {0.05, 0.1, 0.5, 2.0}) histogram.observe(value);
  CHECK(registry.render() ==
        "# HELP nudge_commit_seconds Commit\n"
        "# TYPE nudge_commit_seconds histogram\n"
        "nudge_commit_seconds_bucket{shard=\"0\",le=\"0.1\"} 2\n"
        "nudge_commit_seconds_bucket{shard=\"0\",le=\"1\"} 3\n"
        "nudge_commit_seconds_bucket{shard=\"0\",le=\"+Inf\"} 4\n"
        "nudge_commit_seconds_sum{shard=\"0\"} 2.65\n"
        "nudge_commit_seconds_count{shard=\"0\"} 4\n"
        "# HELP nudge_events_total Events taken in\n"
        "# TYPE nudge_events_total counter\n"
        "nudge_events_total{door=\"csv\"} 1\n"
        "nudge_events_total{door=\"http\"} 3\n"
        "# HELP nudge_queue_bytes Waiting\\nbytes with a \\\\\n"
        "# TYPE nudge_queue_bytes gauge\n"
        "nudge_queue_bytes 1.5\n"
        "# HELP nudge_metrics_rejected_total Metrics with a name or label that is not allowed; a bug of nudge\n"
        "# TYPE nudge_metrics_rejected_total counter\n"
        "nudge_metrics_rejected_total 0\n");
}

TEST_CASE("metrics: the same name and labels are the same metric") {
  Registry registry;
  Counter& a = registry.counter("x_total", "x", {{"a", "1"}});
  CHECK(&a == &registry.counter("x_total", "x", {{"a", "1"}}));
  CHECK(&a != &registry.counter("x_total", "x", {{"a", "2"}}));
}

TEST_CASE("metrics: label values are escaped, special numbers are written") {
  Registry registry;
  registry.gauge("g", "", {{"rule", "a\"b\\c\nd 王"}}).set(INFINITY);
  registry.gauge("n", "").set(NAN);
  const std::string page = registry.render();
  CHECK(has_line(page, "g{rule=\"a\\\"b\\\\c\\nd 王\"} +Inf"));
  CHECK(has_line(page, "n NaN"));
}

TEST_CASE("metrics: what Prometheus would refuse is left out and counted") {
  Registry registry;
  registry.counter("ok_total", "");
  registry.counter("1bad", "").add();
  registry.counter("bad-name", "").add();
  registry.counter("label_total", "", {{"a b", "1"}}).add();
  registry.counter("label_total", "", {{"__x", "1"}}).add();
  registry.counter("label_total", "", {{"a", "1"}, {"a", "2"}}).add();
  registry.gauge("ok_total", "").set(1);  // exists as a counter
  const double bounds[] = {1};
  registry.histogram("h", "", bounds, {{"le", "1"}}).observe(1);
  const std::string page = registry.render();
  CHECK(has_line(page, "nudge_metrics_rejected_total 7"));
  CHECK(page.find("bad") == std::string::npos);
  CHECK(page.find("label_total") == std::string::npos);
  CHECK(has_line(page, "ok_total 0"));
}

TEST_CASE("metrics: collectors add families while the page is rendered") {
  Registry registry;
  registry.counter("taken_total", "");
  int calls = 0;
  registry.collect([&](Page& page) {
    ++calls;
    page.family("nudge_rule_members", Type::gauge, "Members of each rule");
    page.sample({{"rule", "dormant"}}, 12);
    page.sample({{"rule", "hot"}}, 0.5);
    page.sample({{"rule", "hot"}}, 7);  // twice
    page.family("taken_total", Type::counter, "exists already");
    page.sample({}, 99);
  });
  const std::string page = registry.render();
  CHECK(calls == 1);
  CHECK(has_line(page, "# TYPE nudge_rule_members gauge"));
  CHECK(has_line(page, "nudge_rule_members{rule=\"dormant\"} 12"));
  CHECK(has_line(page, "nudge_rule_members{rule=\"hot\"} 0.5"));
  CHECK_FALSE(has_line(page, "nudge_rule_members{rule=\"hot\"} 7"));
  CHECK(has_line(page, "taken_total 0"));
  CHECK(has_line(page, "nudge_metrics_rejected_total 2"));
}

TEST_CASE("metrics: no addition is lost between threads") {
  Registry registry;
  Counter& counter = registry.counter("c_total", "");
  Gauge& gauge = registry.gauge("g", "");
  Histogram& histogram = registry.histogram("h", "", latency_bounds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        counter.add();
        gauge.add(1);
        histogram.observe(0.5);
      }
    });
  while (counter.value() < 1000) {}
  CHECK(registry.render().find("h_count") != std::string::npos);
  for (std::thread& thread : threads) thread.join();
  CHECK(counter.value() == 80'000);
  CHECK(gauge.value() == 80'000);
  CHECK(histogram.sum() == 40'000);
}

TEST_CASE("metrics: bounds are put in order, an upper end is included") {
  const double bounds[] = {5, 1, 1, INFINITY};
  Histogram histogram(bounds);
  REQUIRE(histogram.bounds().size() == 2);
  histogram.observe(1);
  histogram.observe(5);
  histogram.observe(5.1);
  CHECK(histogram.in_bucket(0) == 1);
  CHECK(histogram.in_bucket(1) == 1);
  CHECK(histogram.in_bucket(2) == 1);
}
