// The benchmark workload: customers, events and rules, deterministic by seed. The same options give the same bytes as the reference
// generator that the known answers were computed with (checked by hash in workload_test.py).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::bench {

inline constexpr std::int64_t kWorkloadStart = 1767225600000;  // 2026-01-01T00:00:00Z
inline constexpr std::int64_t kWorkloadEnd = 1775001600000;    // 2026-04-01T00:00:00Z, the instant of the known answers

struct WorkloadOptions {
  std::uint64_t customers = 100000;
  std::uint64_t events = 1000000;
  std::uint64_t rules = 100;
  std::int32_t seed = 1;
  double zipf = 0.8;
  double days = 90;
  double attr_rate = 0;
  double strict = 1;
  std::int64_t shift = 0;  // ms added to every event's time; the answers stay the same at kWorkloadEnd + shift
};
// Reads one option of the command line (`--customers 100000`) that says what the workload is. False: it is none of these.
bool read_option(WorkloadOptions& options, std::string_view key, double value);

// Each calls `line` with one NDJSON line including its end; the view lives until the next call.
void generate_customers(const WorkloadOptions& options, const std::function<void(std::string_view)>& line);
void generate_events(const WorkloadOptions& options, const std::function<void(std::string_view)>& line);
// The customer with 1 % of all events.
std::string heaviest_customer(const WorkloadOptions& options);
// The neutral JSON array, as the reference generator prints it.
std::string generate_rules_json(const WorkloadOptions& options);
// The same rules in the rule language: a segment and a rule that fires on entering it, each. One text per thousand rules, because a file of
// rules has a largest size.
std::vector<std::string> generate_rules_yaml(const WorkloadOptions& options);
// The catalog that the workload's customers and events fit.
std::string workload_catalog_yaml();

}  // namespace nudge::bench
