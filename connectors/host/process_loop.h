// The thread behind a ConnectorProcess: one loop that starts the child, feeds it, reads it, watches the clock and settles
// every request. All members but those of RequestBook belong to the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/host/child.h"
#include "connectors/host/protocol.h"
#include "connectors/host/request_book.h"

namespace nudge::connectors {

class ProcessLoop {
 public:
  // `wake_fd` is an eventfd that becomes readable when `book` has something new; both outlive the loop.
  ProcessLoop(const ConnectorSpec& spec, const OutcomeFn& on_outcome, const LogFn& log, RequestBook& book, int wake_fd)
      : spec_(spec), on_outcome_(on_outcome), log_fn_(log), book_(book), wake_fd_(wake_fd) {}

  void run();                                   // until the order to stop is carried out
  void run_broken(const std::string& problem);  // the same for a spec that can't work: answers everything with bad_config

 private:
  struct Outgoing {
    std::string line;
    std::size_t written = 0;
    std::uint64_t id = 0;
    std::optional<Entry> entry = {};  // empty: hello or stop
    SteadyTime deadline = kNever;     // until when the child must have read it
  };
  struct Done {
    DeliverRequest request;
    Outcome outcome;
  };

  void log(int level, std::string_view text);
  void set_state(ConnectorState state, std::string error = {});
  void finish(Entry entry, Outcome outcome, RequestBook::From from);
  void finish_queue(const Outcome& outcome);
  void call_back();

  ChildOptions child_options() const;
  void start_child();
  void back_off(const std::string& reason);
  void end_child(std::string why);
  void fail(const std::string& why);

  // These say false when the child is gone.
  bool on_line(std::string_view line);
  bool on_hello(Reply& reply);
  bool on_outcome_line(Reply& reply);
  bool read_replies();
  bool write_requests();
  void read_stderr();
  void next_request();

  void on_time(SteadyTime now);
  void on_overdue(SteadyTime now);
  std::string why_end(SteadyTime now) const;
  SteadyTime next_time() const;
  void turn();
  bool handle_orders();

  const ConnectorSpec& spec_;
  const OutcomeFn& on_outcome_;
  const LogFn& log_fn_;
  RequestBook& book_;
  const int wake_fd_;

  std::optional<Child> child_;
  std::deque<Outgoing> outgoing_;
  std::string from_child_, from_stderr_, last_stderr_line_;
  std::unordered_map<std::uint64_t, Entry> in_flight_;
  std::unordered_map<std::uint64_t, SteadyTime> overdue_;  // answered for as unknown, and since when; the child may still answer late
  bool pings_ = false;                                     // it can be asked whether it is well
  bool deaf_ = false;                                      // it was asked, and did not answer in time
  SteadyTime ping_deadline_ = kNever;                      // until when the answer must be there; kNever: nothing was asked
  std::string end_reason_;               // it gets nothing new, and ends when nothing is in flight any more; empty: it is well
  SteadyTime seen_ = SteadyTime::min();  // what was due by then is dealt with
  std::vector<Done> done_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false, stop_sent_ = false, started_before_ = false;
  SteadyTime start_at_ = std::chrono::steady_clock::now(), hello_deadline_ = kNever, ready_since_ = kNever;
  std::int64_t backoff_ms_ = 0;
  std::minstd_rand jitter_{std::random_device{}()};
  SteadyTime log_second_{};
  int log_lines_ = 0;
};

}  // namespace nudge::connectors
