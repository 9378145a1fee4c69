#include "connectors/host/connector_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "connectors/host/child.h"
#include "connectors/host/protocol.h"

namespace nudge::connectors {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr Clock::time_point kNever = Clock::time_point::max();
constexpr std::size_t kStderrLineBytesMax = 4096;
constexpr int kLogLinesPerSecondMax = 50;
constexpr std::size_t kReadBytesPerTurnMax = 1u << 20;

std::int64_t wall_ms() { return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

struct Entry {
  DeliverRequest request;
  Clock::time_point deadline = kNever;
};

struct Outgoing {
  std::string line;
  std::size_t written = 0;
  std::uint64_t id = 0;
  std::optional<Entry> entry;           // empty: hello or stop
  Clock::time_point deadline = kNever;  // until when the child must have read it
};

struct Done {
  DeliverRequest request;
  Outcome outcome;
};

Outcome not_sent(std::string detail) { return {OutcomeStatus::not_sent, true, 0, {}, std::move(detail), 0}; }
Outcome unknown(std::string detail) { return {OutcomeStatus::unknown, false, 0, {}, std::move(detail), 0}; }
Outcome bad_config(std::string detail) { return {OutcomeStatus::bad_config, false, 0, {}, std::move(detail), 0}; }

std::string spec_problem(const ConnectorSpec& spec) {
  if (spec.plugin.empty() == spec.command.empty()) return "give either a plugin or a command";
  if (!spec.plugin.empty() && !spec.plugin.starts_with('/')) return "the plugin must be given by its absolute path";
  if (!spec.command.empty() && !spec.command[0].starts_with('/')) return "the command must begin with an absolute path";
  if (spec.runner.empty()) return "the program nudge-connector was not found beside this one; is the installation complete?";
  if (spec.in_flight_max < 1 || spec.in_flight_max > 64) return "in_flight_max must be between 1 and 64";
  if (spec.timeout_ms < 1) return "timeout_ms must be positive";
  return {};
}

}  // namespace

std::string_view to_string(ConnectorState state) {
  switch (state) {
    case ConnectorState::starting: return "starting";
    case ConnectorState::ready: return "ready";
    case ConnectorState::backoff: return "backoff";
    case ConnectorState::failed: return "failed";
    case ConnectorState::stopped: return "stopped";
  }
  return "stopped";
}

struct ConnectorProcess::Impl {
  // Constant after construction.
  ConnectorSpec spec;
  OutcomeFn on_outcome;
  LogFn log_fn;
  int wake_fd = -1;

  // Guarded by mutex.
  mutable std::mutex mutex;
  std::deque<Entry> queue;
  Clock::time_point queue_deadline = kNever;  // no entry of the queue has an earlier one
  ConnectorStatus shown;
  bool stopping = false;
  bool restart_wanted = false;
  Clock::time_point stop_deadline = kNever;
  std::mutex stop_mutex;  // one stop() at a time

  // Only the I/O thread touches what follows.
  std::optional<Child> child;
  std::deque<Outgoing> outgoing;
  std::string from_child, from_stderr, last_stderr_line;
  std::unordered_map<std::uint64_t, Entry> in_flight;
  std::unordered_set<std::uint64_t> overdue;  // answered for as unknown; the child may still answer late
  std::vector<Done> done;
  std::uint64_t next_id = 1;
  bool stop_sent = false, started_before = false;
  Clock::time_point start_at = Clock::now(), hello_deadline = kNever, ready_since = kNever;
  std::int64_t backoff_ms = 0;
  std::minstd_rand jitter{std::random_device{}()};
  Clock::time_point log_second{};
  int log_lines = 0;
  std::thread thread;

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd, &one, sizeof one);
  }

  void log(int level, std::string_view text) {
    const auto now = Clock::now();
    if (now - log_second > std::chrono::seconds(1)) {
      if (log_lines > kLogLinesPerSecondMax && log_fn)
        log_fn(2, spec.name,
               std::to_string(log_lines - kLogLinesPerSecondMax) + " lines of this connector were left out: over 50 in a second");
      log_second = now;
      log_lines = 0;
    }
    if (++log_lines <= kLogLinesPerSecondMax && log_fn) log_fn(level, spec.name, clean_text(text, kStderrLineBytesMax));
  }

  void set_state(ConnectorState state, std::string error = {}) {
    const std::lock_guard lock(mutex);
    shown.state = state;
    if (!error.empty()) shown.last_error = std::move(error);
    shown.pid = child ? static_cast<int>(child->pid()) : 0;
  }

  ConnectorState state() const {
    const std::lock_guard lock(mutex);
    return shown.state;
  }

  enum class From : std::uint8_t { queue, flight };
  void finish(Entry entry, Outcome outcome, From from) {
    {
      const std::lock_guard lock(mutex);
      --(from == From::queue ? shown.queued : shown.in_flight);
      switch (outcome.status) {
        case OutcomeStatus::accepted: ++shown.accepted; break;
        case OutcomeStatus::not_sent: ++shown.not_sent; break;
        case OutcomeStatus::unknown: ++shown.unknown; break;
        case OutcomeStatus::bad_config: ++shown.bad_config; break;
      }
    }
    done.push_back({std::move(entry.request), std::move(outcome)});
  }

  // Ends everything that waits in the queue and matches.
  template <class Matches>
  void finish_queued(Matches matches, const Outcome& outcome) {
    std::deque<Entry> taken;
    {
      const std::lock_guard lock(mutex);
      for (auto it = queue.begin(); it != queue.end();) {
        if (matches(*it)) {
          taken.push_back(std::move(*it));
          it = queue.erase(it);
        } else {
          ++it;
        }
      }
    }
    for (Entry& entry : taken) finish(std::move(entry), outcome, From::queue);
  }

  void call_back() {
    std::vector<Done> batch;
    batch.swap(done);
    for (const Done& one : batch) on_outcome(one.request, one.outcome);
  }

  // --- starting and ending the child ---

  ChildOptions child_options() const {
    ChildOptions options;
    options.arguments = {spec.runner,
                         "--parent",
                         std::to_string(::getpid()),
                         "--limit-memory",
                         std::to_string(spec.memory_bytes_max),
                         "--limit-cpu",
                         std::to_string(spec.cpu_seconds_max),
                         "--limit-files",
                         std::to_string(spec.open_files_max)};
    if (!spec.plugin.empty()) {
      options.arguments.insert(options.arguments.end(), {"--plugin", spec.plugin});
    } else {
      options.arguments.emplace_back("--exec");
      options.arguments.insert(options.arguments.end(), spec.command.begin(), spec.command.end());
    }
    options.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
    std::vector<std::string> names = environment_references(spec.config_json);
    names.emplace_back("TZ");
    for (const std::string& name : names)
      if (const char* value = ::getenv(name.c_str()); value != nullptr && name != "PATH" && name != "LANG")
        options.environment.emplace_back(name, value);
    return options;
  }

  void start_child() {
    start_at = kNever;
    if (std::exchange(started_before, true)) {
      const std::lock_guard lock(mutex);
      ++shown.restarts;
    }
    auto started = Child::start(child_options());
    if (!started) {
      back_off(started.error());
      return;
    }
    child.emplace(std::move(*started));
    outgoing.push_back({.line = encode_hello(spec)});
    hello_deadline = Clock::now() + milliseconds(spec.timeout_ms);
    set_state(ConnectorState::starting);
  }

  void back_off(const std::string& reason) {
    const bool was_stable = ready_since != kNever && Clock::now() - ready_since > milliseconds(spec.backoff_ms_max);
    backoff_ms = was_stable || backoff_ms == 0 ? spec.backoff_ms_min : std::min(backoff_ms * 2, spec.backoff_ms_max);
    ready_since = kNever;
    const std::int64_t pause = backoff_ms * static_cast<std::int64_t>(80 + jitter() % 41) / 100;
    start_at = Clock::now() + milliseconds(pause);
    set_state(ConnectorState::backoff, reason);
    log(3, reason + "; next start in " + std::to_string(pause) + " ms");
  }

  // The child is gone or has to go: settles what it had and leaves no process behind.
  void end_child(std::string why) {
    if (child) {
      const std::string end = child->reap();
      child.reset();
      why += why.empty() ? "the connector's process " + end : " (its process " + end + ")";
    }
    if (!last_stderr_line.empty()) why += "; its last words: " + last_stderr_line;
    for (auto& [id, entry] : in_flight) finish(std::move(entry), unknown("no answer: " + why), From::flight);
    in_flight.clear();
    overdue.clear();
    for (auto it = outgoing.rbegin(); it != outgoing.rend(); ++it) {
      if (!it->entry) continue;  // not wholly written, so the child can't have read the line: it may go to the next one
      const std::lock_guard lock(mutex);
      queue_deadline = std::min(queue_deadline, it->entry->deadline);
      queue.push_front(std::move(*it->entry));
    }
    outgoing.clear();
    from_child.clear();
    from_stderr.clear();
    last_stderr_line.clear();
    hello_deadline = kNever;
    bool stop = false;
    {
      const std::lock_guard lock(mutex);
      shown.pid = 0;
      stop = stopping;
    }
    if (!stop) back_off(why);
  }

  void fail(const std::string& why) {
    child.reset();
    outgoing.clear();
    from_child.clear();
    hello_deadline = kNever;
    start_at = Clock::now() + milliseconds(spec.failed_retry_ms);
    set_state(ConnectorState::failed, why);
    log(3, "can't work: " + why);
    last_stderr_line.clear();
  }

  // --- what the child says ---

  // False: the child broke the protocol and is gone.
  bool on_line(std::string_view line) {
    Reply reply = decode_reply(line);
    switch (reply.what) {
      case Reply::What::garbage: end_child("the connector wrote " + reply.text); return false;
      case Reply::What::log: log(reply.level, reply.text); return true;
      case Reply::What::hello: return on_hello(reply);
      case Reply::What::outcome: return on_outcome_line(reply);
    }
    return true;
  }

  bool on_hello(Reply& reply) {
    if (hello_deadline == kNever) {
      const std::lock_guard lock(mutex);
      ++shown.stray_replies;
      return true;
    }
    hello_deadline = kNever;
    if (!reply.ok) {
      fail(reply.text.empty() ? "the connector refused its configuration without a reason" : reply.text);
      return false;
    }
    ready_since = Clock::now();
    set_state(ConnectorState::ready);
    const std::lock_guard lock(mutex);
    shown.description_json = reply.text;
    return true;
  }

  bool on_outcome_line(Reply& reply) {
    if (const auto it = in_flight.find(reply.id); it != in_flight.end()) {
      Entry entry = std::move(it->second);
      in_flight.erase(it);
      finish(std::move(entry), std::move(reply.outcome), From::flight);
      return true;
    }
    if (reply.id == 0 || reply.id >= next_id) {
      end_child("the connector answered request " + std::to_string(reply.id) + ", which it was never given");
      return false;
    }
    overdue.erase(reply.id);
    const std::lock_guard lock(mutex);
    ++shown.stray_replies;
    return true;
  }

  // Reads and acts on all that is there. False: the child is gone.
  bool read_replies() {
    std::array<char, 65536> room;
    for (std::size_t total = 0; total < kReadBytesPerTurnMax;) {
      const ssize_t got = ::read(child->out(), room.data(), room.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        if (got < 0) return true;  // EAGAIN
        end_child({});
        return false;
      }
      total += static_cast<std::size_t>(got);
      from_child.append(room.data(), static_cast<std::size_t>(got));
      std::size_t begin = 0;
      for (std::size_t end; (end = from_child.find('\n', begin)) != std::string::npos; begin = end + 1) {
        if (end - begin > kReplyBytesMax) break;
        const std::string line = from_child.substr(begin, end - begin);
        if (line.find_first_not_of(" \r\t") != std::string::npos && !on_line(line)) return false;
      }
      from_child.erase(0, begin);
      if (from_child.size() > kReplyBytesMax) {
        end_child("the connector wrote a line of over 256 KiB");
        return false;
      }
    }
    return true;
  }

  void read_stderr() {
    std::array<char, 16384> room;
    for (std::size_t total = 0; total < kReadBytesPerTurnMax;) {
      const ssize_t got = ::read(child->err(), room.data(), room.size());
      if (got <= 0) return;
      total += static_cast<std::size_t>(got);
      from_stderr.append(room.data(), static_cast<std::size_t>(got));
      for (std::size_t end; (end = from_stderr.find('\n')) != std::string::npos || from_stderr.size() > kStderrLineBytesMax;) {
        const std::size_t size = std::min(end, kStderrLineBytesMax);
        last_stderr_line = clean_text(std::string_view(from_stderr).substr(0, size), 300);
        log(1, std::string_view(from_stderr).substr(0, size));
        from_stderr.erase(0, end != std::string::npos && size == end ? size + 1 : size);
      }
    }
  }

  // --- what the child is told ---

  void next_request() {
    if (!outgoing.empty() || !child || hello_deadline != kNever || !overdue.empty() || in_flight.size() >= spec.in_flight_max) return;
    std::optional<Entry> entry;
    {
      const std::lock_guard lock(mutex);
      if (stopping || queue.empty() || shown.state != ConnectorState::ready) return;
      entry.emplace(std::move(queue.front()));
      queue.pop_front();
    }
    const auto now = Clock::now();
    if (entry->deadline <= now) {
      finish(std::move(*entry), not_sent("its deadline passed before it could be handed to the connector"), From::queue);
      return;
    }
    const auto left = std::min(std::chrono::duration_cast<milliseconds>(entry->deadline - now), milliseconds(spec.timeout_ms));
    Outgoing out;
    out.id = next_id++;
    out.line = encode_request(out.id, entry->request, wall_ms() + left.count());
    out.entry = std::move(entry);
    out.deadline = now + left;
    outgoing.push_back(std::move(out));
  }

  // Writes as much as the pipe takes. False: the child is gone.
  bool write_requests() {
    for (next_request(); !outgoing.empty(); next_request()) {
      Outgoing& out = outgoing.front();
      const ssize_t put = ::write(child->in(), out.line.data() + out.written, out.line.size() - out.written);
      if (put < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return true;
        // It closed its input. What it answered already still counts, and its end is reported by the pidfd.
        if (!read_replies()) return false;
        end_child("the connector closed its standard input");
        return false;
      }
      out.written += static_cast<std::size_t>(put);
      if (out.written < out.line.size()) continue;
      if (out.entry) {
        out.entry->deadline = std::min(out.entry->deadline, Clock::now() + milliseconds(spec.timeout_ms));
        in_flight.emplace(out.id, std::move(*out.entry));
        const std::lock_guard lock(mutex);
        --shown.queued;
        ++shown.in_flight;
      }
      outgoing.pop_front();
    }
    return true;
  }

  // --- time ---

  void expire_queue(Clock::time_point now) {
    {
      const std::lock_guard lock(mutex);
      if (queue_deadline > now) return;
    }
    finish_queued([now](const Entry& entry) { return entry.deadline <= now; },
                  not_sent("its deadline passed while it waited for the connector (state " + std::string(to_string(state())) + ")"));
    const std::lock_guard lock(mutex);
    queue_deadline = kNever;
    for (const Entry& entry : queue) queue_deadline = std::min(queue_deadline, entry.deadline);
  }

  void on_time(Clock::time_point now) {
    expire_queue(now);
    if (!child) {
      if (now >= start_at) start_child();
      return;
    }
    if (now >= hello_deadline) {
      end_child("the connector did not answer hello within " + std::to_string(spec.timeout_ms) + " ms");
      return;
    }
    for (auto it = in_flight.begin(); it != in_flight.end();) {
      if (it->second.deadline > now) {
        ++it;
        continue;
      }
      overdue.insert(it->first);
      finish(std::move(it->second), unknown("the connector gave no answer before the deadline"), From::flight);
      it = in_flight.erase(it);
    }
    const bool stuck_writing = !outgoing.empty() && outgoing.front().deadline <= now;
    if (stuck_writing || (!overdue.empty() && in_flight.empty())) end_child("the connector hung and was killed");
  }

  Clock::time_point next_time() const {
    Clock::time_point next = child ? hello_deadline : start_at;
    for (const auto& [id, entry] : in_flight) next = std::min(next, entry.deadline);
    for (const Outgoing& out : outgoing) next = std::min(next, out.deadline);
    const std::lock_guard lock(mutex);
    next = std::min(next, queue_deadline);
    return stopping ? std::min(next, stop_deadline) : next;
  }

  // --- the loop ---

  // Blocks until something happens; tells what, then lets it be handled.
  void turn() {
    std::array<pollfd, 5> fds{};
    nfds_t count = 0;
    fds[count++] = {wake_fd, POLLIN, 0};
    if (child) {
      fds[count++] = {child->exit_fd(), POLLIN, 0};
      fds[count++] = {child->out(), POLLIN, 0};
      fds[count++] = {child->err(), POLLIN, 0};
      if (!outgoing.empty()) fds[count++] = {child->in(), POLLOUT, 0};
    }
    const auto next = next_time();
    int wait_ms = 3'600'000;
    if (next != kNever) {
      const auto left = std::chrono::ceil<milliseconds>(next - Clock::now()).count();
      wait_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, wait_ms));
    }
    ::poll(fds.data(), count, wait_ms);
    std::uint64_t ignored = 0;
    if ((fds[0].revents & POLLIN) != 0 && ::read(wake_fd, &ignored, sizeof ignored) < 0) return;
    if (!child || count < 4) return;
    const bool ended = fds[1].revents != 0;
    if (fds[3].revents != 0 || ended) read_stderr();
    if ((fds[2].revents != 0 || ended) && !read_replies()) return;
    if (ended) end_child({});
  }

  bool handle_orders() {
    bool stop = false, again = false;
    Clock::time_point until = kNever;
    {
      const std::lock_guard lock(mutex);
      stop = stopping;
      until = stop_deadline;
      again = std::exchange(restart_wanted, false);
    }
    if (stop) {
      finish_queued([](const Entry&) { return true; }, not_sent("the connector is being stopped"));
      if (child && !stop_sent && hello_deadline == kNever && outgoing.empty()) {
        outgoing.push_back({.line = encode_stop(next_id++)});
        stop_sent = true;
      }
      if (!child || (in_flight.empty() && !stop_sent) || Clock::now() >= until) return false;
    } else if (again) {
      if (child) end_child("it was restarted by order");
      backoff_ms = 0;
      start_at = Clock::now();
    }
    return true;
  }

  void run() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // SIGPIPE above all: a write to a dead child must be an error, not our end
    while (handle_orders()) {
      on_time(Clock::now());
      if (state() == ConnectorState::failed) {
        std::string why = status().last_error;
        finish_queued([](const Entry&) { return true; }, bad_config(std::move(why)));
      }
      if (child) write_requests();
      call_back();
      turn();
      call_back();
    }
    end_child("it was stopped before it answered");
    finish_queued([](const Entry&) { return true; }, not_sent("the connector is being stopped"));
    set_state(ConnectorState::stopped);
    call_back();
  }

  void run_broken(const std::string& problem) {
    start_at = kNever;
    set_state(ConnectorState::failed, problem);
    log(3, "can't work: " + problem);
    for (bool stop = false; !stop;) {
      {
        const std::lock_guard lock(mutex);
        stop = stopping;
      }
      finish_queued([](const Entry&) { return true; }, bad_config(problem));
      call_back();
      if (!stop) turn();
    }
    set_state(ConnectorState::stopped);
  }

  ConnectorStatus status() const {
    const std::lock_guard lock(mutex);
    return shown;
  }
};

ConnectorProcess::ConnectorProcess(ConnectorSpec spec, OutcomeFn on_outcome, LogFn log) : impl_(std::make_unique<Impl>()) {
  if (spec.runner.empty()) spec.runner = find_runner();
  impl_->spec = std::move(spec);
  impl_->on_outcome = std::move(on_outcome);
  impl_->log_fn = std::move(log);
  impl_->wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::string problem = spec_problem(impl_->spec);
  if (problem.empty() && impl_->wake_fd < 0) problem = "no eventfd: too many open files";
  impl_->thread = std::thread([impl = impl_.get(), problem = std::move(problem)] {
    if (problem.empty())
      impl->run();
    else
      impl->run_broken(problem);
  });
}

ConnectorProcess::~ConnectorProcess() {
  stop(0);
  if (impl_->wake_fd >= 0) ::close(impl_->wake_fd);
}

bool ConnectorProcess::submit(DeliverRequest request) {
  if (!request_problem(request).empty()) return false;
  Entry entry;
  std::int64_t wait_ms = impl_->spec.queue_wait_ms_max;
  if (request.deadline_ms > 0) wait_ms = std::min(wait_ms, request.deadline_ms - wall_ms());
  entry.deadline = Clock::now() + milliseconds(wait_ms);
  entry.request = std::move(request);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->spec.queue_max) return false;
    impl_->queue_deadline = std::min(impl_->queue_deadline, entry.deadline);
    impl_->queue.push_back(std::move(entry));
    ++impl_->shown.taken;
    ++impl_->shown.queued;
  }
  impl_->wake();
  return true;
}

ConnectorStatus ConnectorProcess::status() const { return impl_->status(); }

void ConnectorProcess::restart() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->restart_wanted = true;
  }
  impl_->wake();
}

void ConnectorProcess::stop(std::int64_t deadline_ms) {
  const std::lock_guard one(impl_->stop_mutex);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->stop_deadline = Clock::now() + milliseconds(std::max<std::int64_t>(deadline_ms, 0));
  }
  impl_->wake();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace nudge::connectors
