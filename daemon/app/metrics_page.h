// What /metrics shows beside the counters that stand in the registry: written anew each time the page is rendered. docs/metrics.md lists all
// of it, and tests/e2e/ops/test_metrics.py compares.
//
// Thread-safety: any thread. Nothing is kept; labels are rules, segments, connectors, shards and families, never a customer.
#pragma once

#include <string>

#include "daemon/http/http_server.h"
#include "daemon/metrics/metrics.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct MetricsFacts {
  std::string version;
  bool ready = false;
  TimeMs started_at = 0;
  TimeMs last_backup = 0;  // 0: none known
};

// The engine, the store, connectors, rules and segments.
void show_runtime(metrics::Page& page, Runtime& runtime, const MetricsFacts& facts);
void show_http(metrics::Page& page, const http::HttpServer& server);
// Memory, processor time and files of this process, as /proc says; and lost lines of the log.
void show_process(metrics::Page& page);

}  // namespace nudge::daemon
