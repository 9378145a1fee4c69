// The requests of one connector and the books about them: what waits, what is in flight, what became of the rest.
// Self-synchronised: every function may be called from any thread.
//
// Invariant: taken = accepted + not_sent + unknown + bad_config + received + in_flight + queued, at every moment.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "connectors/host/connector_process.h"

namespace nudge::connectors {

using SteadyTime = std::chrono::steady_clock::time_point;
inline constexpr SteadyTime kNever = SteadyTime::max();

struct Entry {
  DeliverRequest request;
  SteadyTime deadline = kNever;  // until when its answer counts
};

class RequestBook {
 public:
  // What other threads order the loop to do.
  struct Orders {
    bool stop = false, restart = false;
    SteadyTime stop_deadline = kNever;
  };

  // False: full or stopping.
  bool add(Entry entry, std::size_t queue_max);
  // The next one to hand over; nothing when there is none, or the connector isn't ready, or is stopping. It still counts as queued.
  std::optional<Entry> take();
  void put_back(Entry entry);  // what take() gave, to the front
  void handed_over();          // what take() gave: it counts as in flight from now on
  enum class From : std::uint8_t { queue, flight };
  void settle(From from, OutcomeStatus status, bool received);  // one entry has its outcome; `received`: it was a callback
  std::deque<Entry> take_all();                                 // the whole queue; each still counts as queued
  std::deque<Entry> take_expired(SteadyTime now);
  SteadyTime next_deadline() const;  // no queued entry has an earlier one

  void set_state(ConnectorState state, int pid, std::string error);
  ConnectorState state() const;
  void change(const std::function<void(ConnectorStatus&)>& how);
  ConnectorStatus status() const;

  void order_stop(SteadyTime deadline);
  void order_restart();
  Orders orders();  // clears the order to restart

 private:
  mutable std::mutex mutex_;
  std::deque<Entry> queue_;
  SteadyTime queue_deadline_ = kNever;
  ConnectorStatus status_;
  Orders orders_;
};

}  // namespace nudge::connectors
