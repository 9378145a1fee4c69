// What delivery keeps for one connector. Private to this folder; delivery's thread only, the two figures from any thread.
#pragma once

#include <atomic>

#include "daemon/runtime/delivery.h"

namespace nudge::daemon {

struct Delivery::Lane {
  std::string name;
  std::string kind;
  bool fallback = false;
  std::size_t most = 8;                          // under way at once
  std::set<std::pair<TimeMs, std::string>> due;  // id bytes
  std::set<std::string> ask;                     // ids to ask the provider about
  std::map<std::string, ActionRecord> under_way;
  std::map<std::string, ActionRecord> asking;  // whose policies are being asked
  std::map<std::string, ActionRecord> lost;    // in flight when the last process ended; settled once the connector has said what it is
  std::unique_ptr<connectors::ConnectorProcess> process;
  std::atomic<std::size_t> waiting_shown{0}, under_way_shown{0};
};

}  // namespace nudge::daemon
