#include "connectors/host/process_loop.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace nudge::connectors {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kStderrLineBytesMax = 4096;
constexpr int kLogLinesPerSecondMax = 50;
constexpr std::size_t kReadBytesPerTurnMax = 1u << 20;
constexpr std::int64_t kPongWaitMs = 5'000;

std::int64_t wall_ms() { return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

Outcome not_sent(std::string detail) { return {OutcomeStatus::not_sent, true, 0, {}, std::move(detail), 0}; }
Outcome unknown(std::string detail) { return {OutcomeStatus::unknown, false, 0, {}, std::move(detail), 0}; }
Outcome bad_config(std::string detail) { return {OutcomeStatus::bad_config, false, 0, {}, std::move(detail), 0}; }

}  // namespace

void ProcessLoop::log(int level, std::string_view text) {
  if (!log_fn_) return;
  const auto now = Clock::now();
  if (now - log_second_ > std::chrono::seconds(1)) {
    if (log_lines_ > kLogLinesPerSecondMax)
      log_fn_(2, spec_.name,
              std::to_string(log_lines_ - kLogLinesPerSecondMax) + " lines of this connector were left out: over 50 in a second");
    log_second_ = now;
    log_lines_ = 0;
  }
  if (++log_lines_ <= kLogLinesPerSecondMax) log_fn_(level, spec_.name, clean_text(text, kStderrLineBytesMax));
}

void ProcessLoop::set_state(ConnectorState state, std::string error) {
  book_.set_state(state, child_ ? static_cast<int>(child_->pid()) : 0, std::move(error));
}

void ProcessLoop::finish(Entry entry, Outcome outcome, RequestBook::From from) {
  book_.settle(from, outcome.status, entry.request.receive);
  done_.push_back({std::move(entry.request), std::move(outcome)});
}

void ProcessLoop::finish_queue(const Outcome& outcome) {
  for (Entry& entry : book_.take_all()) finish(std::move(entry), outcome, RequestBook::From::queue);
}

void ProcessLoop::call_back() {
  std::vector<Done> batch;
  batch.swap(done_);
  for (const Done& one : batch) on_outcome_(one.request, one.outcome);
}

// --- starting and ending the child ---

ChildOptions ProcessLoop::child_options() const {
  ChildOptions options;
  options.arguments = {spec_.runner};
  const auto add = [&options](const char* name, std::uint64_t value) {
    options.arguments.emplace_back(name);
    options.arguments.push_back(std::to_string(value));
  };
  add("--parent", static_cast<std::uint64_t>(::getpid()));
  add("--limit-memory", spec_.memory_bytes_max);
  add("--limit-cpu", spec_.cpu_seconds_max);
  add("--limit-files", spec_.open_files_max);
  if (!spec_.plugin.empty()) {
    options.arguments.insert(options.arguments.end(), {"--plugin", spec_.plugin});
  } else {
    options.arguments.emplace_back("--exec");
    options.arguments.insert(options.arguments.end(), spec_.command.begin(), spec_.command.end());
  }
  options.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
  std::vector<std::string> names = environment_references(spec_.config_json);
  names.emplace_back("TZ");
#ifdef NUDGE_SANITIZED
  // Where its reports go: on standard error they would be lines of a log.
  names.insert(names.end(), {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"});
#endif
  for (const std::string& name : names)
    if (const char* value = ::getenv(name.c_str()); value != nullptr && name != "PATH" && name != "LANG")
      options.environment.emplace_back(name, value);
  return options;
}

void ProcessLoop::start_child() {
  start_at_ = kNever;
  if (std::exchange(started_before_, true)) book_.change([](ConnectorStatus& status) { ++status.restarts; });
  auto started = Child::start(child_options());
  if (!started) {
    back_off(started.error());
    return;
  }
  child_.emplace(std::move(*started));
  outgoing_.push_back({.line = encode_hello(spec_)});
  hello_deadline_ = Clock::now() + milliseconds(spec_.timeout_ms);
  set_state(ConnectorState::starting);
}

void ProcessLoop::back_off(const std::string& reason) {
  const bool was_stable = ready_since_ != kNever && Clock::now() - ready_since_ > milliseconds(spec_.backoff_ms_max);
  backoff_ms_ = was_stable || backoff_ms_ == 0 ? spec_.backoff_ms_min : std::min(backoff_ms_ * 2, spec_.backoff_ms_max);
  ready_since_ = kNever;
  const std::int64_t pause = backoff_ms_ * static_cast<std::int64_t>(80 + jitter_() % 41) / 100;
  start_at_ = Clock::now() + milliseconds(pause);
  set_state(ConnectorState::backoff, reason);
  log(3, reason + "; next start in " + std::to_string(pause) + " ms");
}

// The child is gone or has to go: settles what it had and leaves no process behind.
void ProcessLoop::end_child(std::string why) {
  if (child_) {
    const std::string end = child_->reap();
    read_stderr();  // its last words may still be in the pipe
    if (!from_stderr_.empty()) last_stderr_line_ = clean_text(from_stderr_, 300);
    child_.reset();
    why += why.empty() ? "the connector's process " + end : " (its process " + end + ")";
  }
  if (!last_stderr_line_.empty()) why += "; its last words: " + last_stderr_line_;
  for (auto& [id, entry] : in_flight_) finish(std::move(entry), unknown("no answer: " + why), RequestBook::From::flight);
  in_flight_.clear();
  overdue_.clear();
  pings_ = deaf_ = false;
  ping_deadline_ = kNever;
  end_reason_.clear();
  // Not wholly written, so the child can't have read the line: it may go to the next one.
  for (auto it = outgoing_.rbegin(); it != outgoing_.rend(); ++it)
    if (it->entry) book_.put_back(std::move(*it->entry));
  outgoing_.clear();
  from_child_.clear();
  from_stderr_.clear();
  last_stderr_line_.clear();
  hello_deadline_ = kNever;
  if (stopping_) {
    set_state(ConnectorState::stopped);
  } else {
    back_off(why);
  }
}

void ProcessLoop::fail(const std::string& why) {
  child_.reset();
  outgoing_.clear();
  from_child_.clear();
  last_stderr_line_.clear();
  hello_deadline_ = kNever;
  start_at_ = Clock::now() + milliseconds(spec_.failed_retry_ms);
  set_state(ConnectorState::failed, why);
  log(3, "can't work: " + why);
}

// --- what the child says ---

bool ProcessLoop::on_line(std::string_view line) {
  Reply reply = decode_reply(line, kReportsBytesMax);
  switch (reply.what) {
    case Reply::What::garbage: end_child("the connector wrote " + reply.text); return false;
    case Reply::What::log: log(reply.level, reply.text); return true;
    case Reply::What::hello: return on_hello(reply);
    case Reply::What::pong:
      deaf_ = false;
      ping_deadline_ = kNever;
      return true;
    case Reply::What::outcome: return on_outcome_line(reply);
  }
  return true;
}

bool ProcessLoop::on_hello(Reply& reply) {
  if (hello_deadline_ == kNever) {
    book_.change([](ConnectorStatus& status) { ++status.stray_replies; });
    return true;
  }
  hello_deadline_ = kNever;
  if (!reply.ok) {
    fail(reply.text.empty() ? "the connector refused its configuration without a reason" : reply.text);
    return false;
  }
  ready_since_ = Clock::now();
  pings_ = reply.pings;
  book_.change([&reply](ConnectorStatus& status) { status.description_json = std::move(reply.text); });
  set_state(ConnectorState::ready);
  return true;
}

bool ProcessLoop::on_outcome_line(Reply& reply) {
  if (const auto it = in_flight_.find(reply.id); it != in_flight_.end()) {
    Entry entry = std::move(it->second);
    in_flight_.erase(it);
    if (const std::string& json = reply.outcome.result_json; !entry.request.receive && json.size() > kResultBytesMax)
      reply.outcome = unknown("the connector accepted, but its result " + result_problem(json));
    finish(std::move(entry), std::move(reply.outcome), RequestBook::From::flight);
    return true;
  }
  if (reply.id == 0 || reply.id >= next_id_) {
    end_child("the connector answered request " + std::to_string(reply.id) + ", which it was never given");
    return false;
  }
  overdue_.erase(reply.id);
  book_.change([](ConnectorStatus& status) { ++status.stray_replies; });
  return true;
}

// Reads and acts on all that is there.
bool ProcessLoop::read_replies() {
  std::array<char, 65536> room;
  for (std::size_t total = 0; total < kReadBytesPerTurnMax;) {
    const ssize_t got = ::read(child_->out(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return true;  // EAGAIN
    if (got == 0) {
      end_child({});
      return false;
    }
    total += static_cast<std::size_t>(got);
    from_child_.append(room.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = from_child_.find('\n', begin)) != std::string::npos && end - begin <= kReplyBytesMax; begin = end + 1) {
      const std::string line = from_child_.substr(begin, end - begin);
      if (line.find_first_not_of(" \r\t") != std::string::npos && !on_line(line)) return false;
    }
    from_child_.erase(0, begin);
    if (from_child_.size() > kReplyBytesMax) {
      end_child("the connector wrote a line of over 256 KiB");
      return false;
    }
  }
  return true;
}

void ProcessLoop::read_stderr() {
  std::array<char, 16384> room;
  for (std::size_t total = 0; total < kReadBytesPerTurnMax;) {
    const ssize_t got = ::read(child_->err(), room.data(), room.size());
    if (got <= 0) return;
    total += static_cast<std::size_t>(got);
    from_stderr_.append(room.data(), static_cast<std::size_t>(got));
    for (std::size_t end; (end = from_stderr_.find('\n')) != std::string::npos || from_stderr_.size() > kStderrLineBytesMax;) {
      const std::size_t size = std::min(end, kStderrLineBytesMax);
      last_stderr_line_ = clean_text(std::string_view(from_stderr_).substr(0, size), 300);
      log(1, std::string_view(from_stderr_).substr(0, size));
      from_stderr_.erase(0, size == end ? size + 1 : size);
    }
  }
}

// --- what the child is told ---

void ProcessLoop::next_request() {
  if (!outgoing_.empty() || !child_ || hello_deadline_ != kNever || !end_reason_.empty()) return;
  if (in_flight_.size() + overdue_.size() >= spec_.in_flight_max) return;  // what is overdue still holds its place
  std::optional<Entry> entry = book_.take();
  if (!entry) return;
  const auto now = Clock::now();
  if (entry->deadline <= now) {
    finish(std::move(*entry), not_sent("its deadline passed before it could be handed to the connector"), RequestBook::From::queue);
    return;
  }
  const auto left = std::min(std::chrono::duration_cast<milliseconds>(entry->deadline - now), milliseconds(spec_.timeout_ms));
  const std::uint64_t id = next_id_++;
  std::string line = encode_request(id, entry->request, wall_ms() + left.count());
  outgoing_.push_back({.line = std::move(line), .id = id, .entry = std::move(entry), .deadline = now + left});
}

// Writes as much as the pipe takes.
bool ProcessLoop::write_requests() {
  for (next_request(); !outgoing_.empty(); next_request()) {
    Outgoing& out = outgoing_.front();
    const ssize_t put = ::write(child_->in(), out.line.data() + out.written, out.line.size() - out.written);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return true;
      if (!read_replies()) return false;  // what it answered before it closed its input still counts
      end_child("the connector closed its standard input");
      return false;
    }
    out.written += static_cast<std::size_t>(put);
    if (out.written < out.line.size()) continue;
    if (out.entry) {
      out.entry->deadline = std::min(out.entry->deadline, Clock::now() + milliseconds(spec_.timeout_ms));
      in_flight_.emplace(out.id, std::move(*out.entry));
      book_.handed_over();
    }
    outgoing_.pop_front();
  }
  return true;
}

// --- time ---

void ProcessLoop::on_time(SteadyTime now) {
  for (Entry& entry : book_.take_expired(now))
    finish(std::move(entry),
           not_sent("its deadline passed while it waited for the connector (state " + std::string(to_string(book_.state())) + ")"),
           RequestBook::From::queue);
  if (!child_) {
    if (now >= start_at_) start_child();
    return;
  }
  if (now >= hello_deadline_) {
    end_child("the connector did not answer hello within " + std::to_string(spec_.timeout_ms) + " ms");
    return;
  }
  seen_ = now;
  on_overdue(now);
  end_reason_ = why_end(now);
  // Its neighbours in flight may still be answered; when there are none (any more), nothing is lost with the process.
  if (!end_reason_.empty() && in_flight_.empty()) end_child(std::string(end_reason_));
}

// A request that is late costs itself: it is answered for, and the process is asked whether it is well.
void ProcessLoop::on_overdue(SteadyTime now) {
  bool late = false;
  for (auto it = in_flight_.begin(); it != in_flight_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    late = true;
    overdue_.emplace(it->first, now);
    finish(std::move(it->second), unknown("the connector gave no answer before the deadline"), RequestBook::From::flight);
    it = in_flight_.erase(it);
  }
  if (ping_deadline_ <= now) {
    deaf_ = true;
    ping_deadline_ = kNever;
  }
  if (!late || !pings_ || deaf_ || ping_deadline_ != kNever) return;
  ping_deadline_ = now + milliseconds(std::min(spec_.timeout_ms, kPongWaitMs));
  outgoing_.push_back({.line = encode_ping(next_id_++)});
}

// Why the process should be ended; empty: it should not.
std::string ProcessLoop::why_end(SteadyTime now) const {
  if (!outgoing_.empty() && outgoing_.front().deadline <= now) return "the connector hung: it does not read its requests";
  if (deaf_) return "the connector hung: it has not answered whether it is well";
  if (overdue_.empty()) return {};
  const std::string late = "the connector hung: " + std::to_string(overdue_.size()) + " requests were not answered in time";
  if (!pings_ || overdue_.size() >= spec_.in_flight_max) return late;
  // Given up for good are those that are late by as long again. Half of its places lost, or nothing to lose: it starts anew.
  const auto lost = static_cast<std::size_t>(
      std::ranges::count_if(overdue_, [&](const auto& one) { return one.second + milliseconds(spec_.timeout_ms) <= now; }));
  const bool idle = ping_deadline_ == kNever && in_flight_.empty() && outgoing_.empty() && book_.status().queued == 0;
  return idle || 2 * lost >= spec_.in_flight_max ? late : std::string();
}

SteadyTime ProcessLoop::next_time() const {
  SteadyTime next = std::min(book_.next_deadline(), child_ ? hello_deadline_ : start_at_);
  const auto consider = [&](SteadyTime at) {
    if (at > seen_) next = std::min(next, at);
  };
  consider(ping_deadline_);
  for (const auto& [id, entry] : in_flight_) consider(entry.deadline);
  for (const auto& [id, since] : overdue_) consider(since + milliseconds(spec_.timeout_ms));
  for (const Outgoing& out : outgoing_) consider(out.deadline);
  return next;
}

// --- the loop ---

// Blocks until something happens, and handles what the child has to say.
void ProcessLoop::turn() {
  std::array<pollfd, 5> fds{};
  nfds_t count = 0;
  fds[count++] = {wake_fd_, POLLIN, 0};
  if (child_) {
    fds[count++] = {child_->exit_fd(), POLLIN, 0};
    fds[count++] = {child_->out(), POLLIN, 0};
    fds[count++] = {child_->err(), POLLIN, 0};
    if (!outgoing_.empty()) fds[count++] = {child_->in(), POLLOUT, 0};
  }
  std::int64_t wait_ms = 3'600'000;
  if (const auto next = next_time(); next != kNever)
    wait_ms = std::clamp<std::int64_t>(std::chrono::ceil<milliseconds>(next - Clock::now()).count(), 0, wait_ms);
  if (wake_fd_ < 0) wait_ms = std::min<std::int64_t>(wait_ms, 100);  // there was no descriptor left for it
  ::poll(fds.data(), count, static_cast<int>(wait_ms));
  std::uint64_t ignored = 0;
  if ((fds[0].revents & POLLIN) != 0 && ::read(wake_fd_, &ignored, sizeof ignored) < 0) return;
  if (!child_) return;
  const bool ended = fds[1].revents != 0;
  if (fds[3].revents != 0 || ended) read_stderr();
  if ((fds[2].revents != 0 || ended) && !read_replies()) return;
  if (ended) end_child({});
}

// False: the order to stop is carried out as far as it can be.
bool ProcessLoop::handle_orders() {
  const RequestBook::Orders orders = book_.orders();
  if (orders.stop) {
    stopping_ = true;
    finish_queue(not_sent("the connector is being stopped"));
    if (child_ && !stop_sent_ && hello_deadline_ == kNever && outgoing_.empty()) {
      outgoing_.push_back({.line = encode_stop(next_id_++)});
      stop_sent_ = true;
    }
    return child_ && (stop_sent_ || !in_flight_.empty()) && Clock::now() < orders.stop_deadline;
  }
  if (orders.restart) {
    if (child_) end_child("it was restarted by order");
    backoff_ms_ = 0;
    start_at_ = Clock::now();
  }
  return true;
}

void ProcessLoop::run() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // SIGPIPE above all: a write to a dead child must be an error, not our end
  while (handle_orders()) {
    on_time(Clock::now());
    if (book_.state() == ConnectorState::failed) finish_queue(bad_config(book_.status().last_error));
    if (child_) write_requests();
    call_back();
    turn();
    call_back();
  }
  end_child("it was stopped before it answered");
  finish_queue(not_sent("the connector is being stopped"));
  call_back();
}

void ProcessLoop::run_broken(const std::string& problem) {
  start_at_ = kNever;
  set_state(ConnectorState::failed, problem);
  log(3, "can't work: " + problem);
  for (bool stop = false; !stop;) {
    stop = book_.orders().stop;
    finish_queue(bad_config(problem));
    call_back();
    if (!stop) turn();
  }
  set_state(ConnectorState::stopped);
}

}  // namespace nudge::connectors
