#include "daemon/app/metrics_page.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>

#include "daemon/log/log.h"

namespace nudge::daemon {
namespace {

using metrics::Labels;
using metrics::Page;
using metrics::Type;

double number(auto n) { return static_cast<double>(n); }
double seconds(TimeMs ms) { return static_cast<double>(ms) / 1000.0; }

void one(Page& page, std::string_view name, Type type, std::string_view help, double value) {
  page.family(name, type, help);
  page.sample({}, value);
}

// The books: what came in, what was decided, what became of it.
void show_books(Page& page, const RuntimeFigures& f) {
  page.family("nudge_books", Type::gauge, "What became of everything taken in and decided; see the balance in /v1/status.");
  for (std::size_t i = 0; i < kCounters; ++i)
    page.sample({{"what", std::string(counter_name(static_cast<Counter>(i)))}}, number(f.stats.counters[i]));
  page.family("nudge_balance_off", Type::gauge, "Left minus right of each equation that must hold; not 0 is a bug.");
  for (const Balance& b : f.balance) page.sample({{"equation", b.name}}, number(b.left - b.right));
  const auto shown = [&](std::string_view label, std::initializer_list<std::pair<const char*, Counter>> parts) {
    for (const auto& [name, counter] : parts) page.sample({{std::string(label), name}}, number(f.stats[counter]));
  };
  page.family("nudge_inputs_total", Type::counter, "Documents taken in, by what became of them.");
  shown("outcome", {{"stored", Counter::stored},
                    {"duplicate", Counter::duplicate},
                    {"conflict", Counter::conflict},
                    {"quarantined", Counter::quarantined}});
  page.family("nudge_decisions_total", Type::counter, "Times a rule was triggered: it fired, or was held back.");
  shown("outcome", {{"fired", Counter::fired}, {"held", Counter::held}});
  page.family("nudge_actions", Type::gauge, "Messages, tickets and calls, by the state they are in.");
  shown("state", {{"waiting", Counter::waiting},
                  {"in_flight", Counter::in_flight},
                  {"retrying", Counter::retrying},
                  {"unknown", Counter::unknown},
                  {"accepted", Counter::accepted},
                  {"dead", Counter::dead},
                  {"discarded", Counter::discarded},
                  {"cancelled", Counter::cancelled},
                  {"held", Counter::held_back},
                  {"kept", Counter::kept}});
  page.family("nudge_tasks", Type::gauge, "Call tasks; overdue ones are open ones past their deadline.");
  shown("state", {{"open", Counter::tasks_open}, {"done", Counter::tasks_done}, {"overdue", Counter::tasks_overdue}});
  one(page, "nudge_delivery_attempts_total", Type::counter, "Actions handed to a connector, retries included.",
      number(f.stats[Counter::attempts]));
  one(page, "nudge_timers_fired_total", Type::counter, "Instants that fell due for a customer.", number(f.stats[Counter::timers]));
  one(page, "nudge_quarantine_entries", Type::gauge, "Documents set aside that still wait there.", number(f.stats.quarantine_open()));
  page.family("nudge_quarantine_left_total", Type::counter,
              "Documents that left the quarantine, by how: expired ones by retention.quarantine.");
  shown(
      "how",
      {{"replayed", Counter::quarantine_replayed}, {"discarded", Counter::quarantine_discarded}, {"expired", Counter::quarantine_expired}});
}

void show_shards(Page& page, const RuntimeFigures& f) {
  const auto each = [&](std::string_view name, Type type, std::string_view help, auto value) {
    page.family(name, type, help);
    for (std::size_t i = 0; i < f.shards.size(); ++i) page.sample({{"shard", std::to_string(i)}}, number(value(f.shards[i])));
  };
  each("nudge_customers_hot", Type::gauge, "Customers in memory.", [](const ShardFigures& s) { return s.customers_hot; });
  each("nudge_customers_decoded", Type::gauge, "Customers in memory that are ready to be judged; the others are packed.",
       [](const ShardFigures& s) { return s.customers_decoded; });
  each("nudge_state_bytes", Type::gauge, "Memory of the customers in memory; engine.memory bounds the sum.",
       [](const ShardFigures& s) { return s.bytes; });
  each("nudge_shard_queue_items", Type::gauge, "Events waiting for the shard.", [](const ShardFigures& s) { return s.queued; });
  each("nudge_state_loads_total", Type::counter, "Customers read from disk.", [](const ShardFigures& s) { return s.loads; });
  each("nudge_state_evictions_total", Type::counter, "Customers put out of memory to make room.",
       [](const ShardFigures& s) { return s.evictions; });
  TimeMs late = 0;
  for (const ShardFigures& s : f.shards)
    if (s.next_due != kNever && s.next_due < f.now) late = std::max(late, f.now - s.next_due);
  one(page, "nudge_timer_lag_seconds", Type::gauge, "How late the earliest instant is that fell due and was not judged yet.",
      seconds(late));
}

void show_queues(Page& page, const RuntimeFigures& f, const RuntimeOptions& options) {
  one(page, "nudge_queue_items", Type::gauge, "Events taken in and not yet on disk.", number(f.queued_items));
  one(page, "nudge_queue_items_max", Type::gauge, "Beyond so many of nudge_queue_items senders get 429.", number(options.queue_items_max));
  one(page, "nudge_queue_bytes", Type::gauge, "Bytes of events taken in and not yet on disk.", number(f.queued_bytes));
  one(page, "nudge_commit_batches_total", Type::counter, "Batches written and synced.", number(f.commit.commits));
  one(page, "nudge_commit_last_seconds", Type::gauge, "How long the last batch took to reach the disk.",
      number(f.commit.last_commit_us) / 1e6);
  one(page, "nudge_checkpoint_lag_blocks", Type::gauge, "Blocks of the log that a start would step again.",
      number(f.commit.last_block - std::min(f.checkpoint, f.commit.last_block)));
  one(page, "nudge_recovery_blocks", Type::gauge, "Blocks of the log that the last start stepped again.", number(f.replayed_blocks));
}

void show_store(Page& page, const StoreStats& store) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    page.family(name, Type::gauge, help);
    for (const FamilyStats& family : store.families)
      page.sample({{"family", std::string(family_name(family.family))}}, number(value(family)));
  };
  each("nudge_store_bytes", "Files on disk.", [](const FamilyStats& s) { return s.file_bytes; });
  each("nudge_store_compaction_bytes", "Bytes waiting to be compacted.", [](const FamilyStats& s) { return s.pending_compaction_bytes; });
  one(page, "nudge_store_wal_bytes", Type::gauge, "Write-ahead log that a start would read.", number(store.wal_bytes));
  one(page, "nudge_store_writes_stopped", Type::gauge, "1 while no write gets through until compaction catches up.",
      store.writes_stopped ? 1 : 0);
  one(page, "nudge_store_committed_bytes_total", Type::counter, "Bytes handed to the write-ahead log.", number(store.committed_bytes));
  one(page, "nudge_disk_free_bytes", Type::gauge, "Free space where the data lies; below store.low_space nothing is taken in.",
      number(store.free_bytes));
}

void show_connectors(Page& page, const RuntimeFigures& f) {
  const auto each = [&](std::string_view name, Type type, std::string_view help, auto value) {
    page.family(name, type, help);
    for (const ConnectorFigures& c : f.connectors) page.sample({{"connector", c.name}}, number(value(c)));
  };
  each("nudge_connector_up", Type::gauge, "1 when the connector's process is ready.",
       [](const ConnectorFigures& c) { return c.status.state == connectors::ConnectorState::ready ? 1 : 0; });
  each("nudge_connector_waiting", Type::gauge, "Actions waiting for a connector.", [](const ConnectorFigures& c) { return c.waiting; });
  page.family("nudge_connector_outcomes_total", Type::counter, "Answers of connectors since the start, by outcome.");
  for (const ConnectorFigures& c : f.connectors) {
    const std::pair<const char*, std::uint64_t> outcomes[] = {{"accepted", c.status.accepted},
                                                              {"not_sent", c.status.not_sent},
                                                              {"unknown", c.status.unknown},
                                                              {"bad_config", c.status.bad_config}};
    for (const auto& [name, count] : outcomes) page.sample({{"connector", c.name}, {"outcome", name}}, number(count));
  }
}

void show_rules(Page& page, const Plan& plan, const StatsDelta& stats) {
  static const RuleStats kNoRule;
  const auto each = [&](std::string_view name, Type type, std::string_view help, auto value) {
    page.family(name, type, help);
    for (const Rule& rule : plan.rules) {
      const auto found = stats.rules.find(rule.id);
      page.sample({{"rule", rule.name}}, value(found == stats.rules.end() ? kNoRule : found->second));
    }
  };
  each("nudge_rule_fired_total", Type::counter, "Firings by rule.", [](const RuleStats& r) { return number(r.fired); });
  each("nudge_rule_held_total", Type::counter, "Times the rule was triggered and held back, by rule.",
       [](const RuleStats& r) { return number(r.held_total()); });
  each("nudge_rule_actions_total", Type::counter, "Actions by rule.", [](const RuleStats& r) { return number(r.actions); });
  each("nudge_rule_failed_total", Type::counter, "Actions of the rule that could not be delivered.",
       [](const RuleStats& r) { return number(r.failed); });
  each("nudge_rule_last_fired_timestamp_seconds", Type::gauge, "When the rule fired last; 0: never.",
       [](const RuleStats& r) { return r.last_fired == kAlways ? 0 : seconds(r.last_fired); });
  page.family("nudge_actions_held_total", Type::counter, "Actions that a policy held back, by rule and reason.");
  for (const Rule& rule : plan.rules) {
    const auto found = stats.rules.find(rule.id);
    if (found == stats.rules.end()) continue;
    for (std::size_t i = 0; i < kHeldReasons; ++i) {
      if (found->second.dropped[i] != 0)
        page.sample({{"rule", rule.name}, {"reason", std::string(held_name(static_cast<Held>(i)))}}, number(found->second.dropped[i]));
    }
  }
}

void show_segments(Page& page, const Plan& plan, const StatsDelta& stats) {
  static const RootStats kNoRoot;
  const auto each = [&](std::string_view name, Type type, std::string_view help, std::int64_t RootStats::* value) {
    page.family(name, type, help);
    for (const Segment& segment : plan.segments) {
      const auto found = stats.roots.find(segment.root);
      page.sample({{"segment", segment.name}}, number((found == stats.roots.end() ? kNoRoot : found->second).*value));
    }
  };
  each("nudge_segment_members", Type::gauge, "Customers in the segment.", &RootStats::members);
  each("nudge_segment_entered_total", Type::counter, "Customers that came into the segment.", &RootStats::entered);
  each("nudge_segment_left_total", Type::counter, "Customers that left the segment.", &RootStats::left);
}

// The second field of /proc/self/statm, in pages.
double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  long pages = 0;
  const bool read = std::fscanf(file, "%*s %ld", &pages) == 1;
  std::fclose(file);
  return read ? static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

double entries(const char* path) {
  DIR* directory = ::opendir(path);
  if (directory == nullptr) return 0;
  double count = -3;  // ".", "..", and the directory that is being read
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

double in_seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

}  // namespace

void show_runtime(Page& page, Runtime& runtime, const MetricsFacts& facts) {
  const RuntimeFigures f = runtime.figures();
  page.family("nudge_build_info", Type::gauge, "1, with the version of nudged.");
  page.sample({{"version", facts.version}}, 1);
  one(page, "nudge_start_time_seconds", Type::gauge, "When nudged was started.", seconds(facts.started_at));
  one(page, "nudge_ready", Type::gauge, "1 while events are taken in.", facts.ready && runtime.refusal().empty() ? 1 : 0);
  one(page, "nudge_backup_last_success_timestamp_seconds", Type::gauge, "When the last backup was made; 0: none is known.",
      seconds(facts.last_backup));
  show_books(page, f);
  show_queues(page, f, runtime.options());
  show_shards(page, f);
  show_store(page, runtime.store().stats());
  show_connectors(page, f);
  const std::shared_ptr<const Plan> plan = runtime.plan();
  one(page, "nudge_plan_sequence", Type::gauge, "Number of the plan in force.", number(f.plan));
  one(page, "nudge_plan_slots_swept", Type::gauge, "Of 256 parts of the customers, so many have been brought to the plan in force.",
      number(f.slots_swept));
  show_rules(page, *plan, f.stats);
  show_segments(page, *plan, f.stats);
  const std::shared_ptr<const Controls> controls = runtime.gate().controls();
  one(page, "nudge_stopped", Type::gauge, "1 while stop-all is on and nothing leaves.", controls->stopped ? 1 : 0);
  one(page, "nudge_rules_braked", Type::gauge, "Rules that the brake has stopped.", number(controls->braked.size()));
}

void show_http(Page& page, const http::HttpServer& server) {
  const http::Stats s = server.stats();
  one(page, "nudge_http_connections", Type::gauge, "Open connections.", number(s.connections_open));
  one(page, "nudge_http_connections_refused_total", Type::counter, "Connections beyond http.connections_max.",
      number(s.connections_refused));
  one(page, "nudge_http_in_flight", Type::gauge, "Requests being answered.", number(s.requests_in_flight));
  one(page, "nudge_http_bad_requests_total", Type::counter, "Requests that are no HTTP or more than is allowed.", number(s.bad_requests));
  one(page, "nudge_http_timeouts_total", Type::counter, "Requests and answers that took too long.", number(s.timeouts));
  one(page, "nudge_http_received_bytes_total", Type::counter, "Bytes received.", number(s.bytes_in));
  one(page, "nudge_http_sent_bytes_total", Type::counter, "Bytes sent.", number(s.bytes_out));
  one(page, "nudge_tls_certificate_expires_timestamp_seconds", Type::gauge, "When the certificate in use expires; 0: no TLS.",
      number(server.tls_expires().value_or(0)));
}

void show_process(Page& page) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  one(page, "process_cpu_seconds_total", Type::counter, "Processor time used, by nudged without its connectors.",
      in_seconds(used.ru_utime) + in_seconds(used.ru_stime));
  one(page, "process_resident_memory_bytes", Type::gauge, "Memory in use.", resident_bytes());
  one(page, "process_open_fds", Type::gauge, "Open files and connections.", entries("/proc/self/fd"));
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  one(page, "process_max_fds", Type::gauge, "Most open files and connections.", number(files.rlim_cur));
  one(page, "nudge_log_lost_total", Type::counter, "Lines of the log that could not be written.", number(log::lost()));
}

}  // namespace nudge::daemon
