// A data directory on which no nudged runs: its whole log decided again, without a byte of it being changed.
//
// RocksDB writes when it opens a database, so what is opened is a copy under the directory for temporary files. While it is made the
// directory is locked (shared), so that no nudged starts on it. Thread-safety: none needed; one call, one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/runtime/plan_store.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct OfflineLog {
  ReplayDigest digest;
  PlanSources sources;               // in force at the end
  std::shared_ptr<const Plan> plan;  // the same, bound
};

// `data_dir`: as nudged's setting of that name. `each` (may be empty) is given every customer's state as of the end of the log.
// Errors: not_found (no data there), conflict (a nudged runs on it), denied and io (with the path), corrupt.
Result<OfflineLog> replay_stopped(const std::string& data_dir, const std::function<void(const CustomerState&)>& each);

}  // namespace nudge::daemon
