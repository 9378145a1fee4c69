// One connector in a process of its own: started, fed, watched and restarted.
//
// Thread-safety: every member function may be called from any thread. One thread of this class's own does all the input and
// output and calls the callbacks, one at a time; a callback may call submit() and status(), but never stop() or the destructor.
// Ownership: the object owns its child process and kills it, with everything the child started, when it goes.
//
// The promise: a request that submit() took is answered through the outcome callback exactly once, whatever the child does.
//   - not yet handed to the child (queue, restart, stop)            -> not_sent, retryable
//   - handed over, and no usable answer (crash, hang, garbage)      -> unknown
// A request that is late costs itself alone: its neighbours in flight go on, and others follow in the places that are left. A process that
// does not say that it is well, or lost half of its places to late ones, gets nothing new and is ended when nothing is in flight any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::connectors {

enum class OutcomeStatus : std::uint8_t { accepted = 1, not_sent = 2, unknown = 3, bad_config = 4 };
std::string_view to_string(OutcomeStatus status);

// What became of one attempt.
struct Outcome {
  OutcomeStatus status = OutcomeStatus::unknown;
  bool retryable = false;           // with not_sent: another attempt can help
  std::int64_t retry_after_ms = 0;  // the provider's wish, counted from now; 0 = none
  std::string provider_ref = {};    // the provider's own id, at most 512 bytes
  std::string detail = {};          // one sentence for people, at most 2 KiB
  int http_status = 0;              // or the SMTP code; 0 = none
  std::string result_json = {};     // accepted: what was answered, a JSON object of at most 64 KiB, its bytes as they came; or empty
};

// One attempt to deliver an action; or (query) the question what became of an earlier one; or (receive) what the provider called back with.
struct DeliverRequest {
  std::string action_id;  // hexadecimal, the same at every attempt
  std::string kind;       // the action's verb, e.g. "sms"
  std::string channel;    // e.g. "email"
  std::uint32_t attempt = 1;
  std::string customer_id;
  std::string payload_json;  // an object: the rendered action, see connectors/PROTOCOL.md
  std::int64_t created_ms = 0;
  std::int64_t deadline_ms = 0;  // epoch ms; 0 = only the connector's own time limits
  bool query = false;
  std::string provider_ref = {};  // query only
  bool receive = false;           // the action id is then any name for the call
};

// How to run a connector. Give either `plugin` (a shared library) or `command` (any program that speaks the protocol).
struct ConnectorSpec {
  std::string name;                  // as operations staff know it; in log lines and errors
  std::string kind;                  // e.g. "smtp"
  std::string plugin;                // absolute path of a shared library
  std::vector<std::string> command;  // program (absolute path) and arguments
  std::string config_json = "{}";
  std::int64_t timeout_ms = 30'000;             // from hand-over to answer of each request; also for the start
  std::size_t in_flight_max = 8;                // requests that the child works on at a time, 1..64
  std::size_t queue_max = 1'000;                // requests that wait here
  std::int64_t queue_wait_ms_max = 300'000;     // how long one waits for its turn, or for a restart, before it ends as not_sent
  std::uint64_t memory_bytes_max = 1ull << 30;  // RLIMIT_AS of the child; 0 = no limit
  std::uint64_t cpu_seconds_max = 0;            // RLIMIT_CPU over the child's whole life; 0 = no limit
  std::uint64_t open_files_max = 256;           // RLIMIT_NOFILE
  std::string runner;                           // path of nudge-connector; empty = find_runner()
  std::int64_t backoff_ms_min = 200;
  std::int64_t backoff_ms_max = 30'000;
  std::int64_t failed_retry_ms = 60'000;  // pause before a refused configuration is tried again
};

enum class ConnectorState : std::uint8_t { starting, ready, backoff, failed, stopped };
std::string_view to_string(ConnectorState state);

struct ConnectorStatus {
  ConnectorState state = ConnectorState::starting;
  int pid = 0;                 // 0 = no child at the moment
  std::uint64_t restarts = 0;  // starts after the first
  std::size_t in_flight = 0;   // handed over, not answered
  std::size_t queued = 0;      // waiting here
  std::uint64_t taken = 0;     // submit() said yes; = accepted + not_sent + unknown + bad_config + received + in_flight + queued
  std::uint64_t accepted = 0, not_sent = 0, unknown = 0, bad_config = 0;  // of attempts
  std::uint64_t received = 0;                                             // callbacks that were answered, whatever was said to them
  std::uint64_t stray_replies = 0;                                        // late or doubled answers, counted and not followed
  std::string last_error;
  std::string description_json;  // what the connector said of itself in hello; empty before
};

using OutcomeFn = std::function<void(const DeliverRequest&, const Outcome&)>;
// level: 0 debug, 1 info, 2 warning, 3 error. `text` is one line without control characters.
using LogFn = std::function<void(int level, std::string_view connector, std::string_view text)>;

class ConnectorProcess {
 public:
  // Starts the thread and the child. A spec that can't work shows as state failed with the reason in last_error.
  ConnectorProcess(ConnectorSpec spec, OutcomeFn on_outcome, LogFn log);
  ~ConnectorProcess();  // stop(0)
  ConnectorProcess(const ConnectorProcess&) = delete;
  ConnectorProcess& operator=(const ConnectorProcess&) = delete;

  // Never blocks. True: taken, and the callback will have the outcome, once. False: the queue is full, the connector is
  // stopping, or the request breaks a limit (1 MiB, payload no JSON object); the callback won't be called for it.
  [[nodiscard]] bool submit(DeliverRequest request);

  ConnectorStatus status() const;

  // Starts the child anew now, e.g. after a configuration's secret was mended; requests in flight end as unknown.
  void restart();

  // Takes nothing new, answers what is queued with not_sent, waits up to deadline_ms for what is in flight, then kills.
  // Every callback has returned when stop() returns. Safe to call twice.
  void stop(std::int64_t deadline_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The nudge-connector program that belongs to this executable: beside it, or where the build put it; empty = not found.
std::string find_runner();

// The directory with the built-in plugins (*.so) that belongs to this executable; empty = not found.
std::string find_plugin_directory();

}  // namespace nudge::connectors
