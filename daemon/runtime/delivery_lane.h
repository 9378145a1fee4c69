// What delivery keeps for one connector. Private to this folder; delivery's thread only, `shown` under Delivery::mutex_.
#pragma once

#include <atomic>

#include "daemon/runtime/delivery.h"
#include "daemon/runtime/fair_queue.h"

namespace nudge::daemon {

// Sets a text field of a built-in event; nothing when the text is empty or the catalog has no such field.
void set_text_field(const Catalog& catalog, Input& input, std::string_view name, std::string_view text);

struct Delivery::Lane {
  explicit Lane(const LaneOptions& from) : options(from), breaker(from.breaker) { queue.set_ordered(from.ordered); }

  std::string name;
  std::string kind;
  bool fallback = false;
  std::size_t most = 8;  // under way at once
  LaneOptions options;
  FairQueue queue;
  Breaker breaker;
  std::shared_ptr<Account> account;
  std::map<std::string, ActionRecord> under_way;  // by id bytes
  std::map<std::string, ActionRecord> asking;     // whose policies are being asked
  std::deque<ActionRecord> cleared;               // the policies have just said yes; waits for the rate
  std::map<std::string, ActionRecord> lost;       // in flight when the last process ended; settled once the connector has said what it is
  std::map<std::string, std::shared_ptr<Call>> calls;  // callbacks at the connector
  std::unique_ptr<connectors::ConnectorProcess> process;
  std::optional<ConnectorSetup> restart;  // waits until nothing is under way, or until `restart_by`
  TimeMs restart_by = 0;
  Help help;
  std::string described;  // what `help` was read from
  ConnectorFigures shown;
  std::atomic<std::uint64_t> callbacks_taken{0}, callbacks_refused{0}, callbacks_failed{0};
  std::atomic<std::uint64_t> reports_told{0}, reports_doubled{0}, reports_unmatched{0};

  // How many more may be begun at this moment, by the limits on what is under way.
  std::size_t room(TimeMs now) const {
    const std::size_t allowed = std::min(breaker.allowed(now, most), account->window(most));
    const std::size_t used = under_way.size() + asking.size() + cleared.size();
    return allowed > used ? allowed - used : 0;
  }
};

FairQueue::Entry entry_of(const ActionRecord& record);

}  // namespace nudge::daemon
