#include "connectors/host/connector_process.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "connectors/host/process_loop.h"
#include "connectors/host/protocol.h"
#include "connectors/host/request_book.h"

namespace nudge::connectors {

namespace {

using std::chrono::milliseconds;

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
  LogFn log;
  int wake_fd = -1;

  RequestBook book;       // self-synchronised
  std::mutex stop_mutex;  // one stop() at a time
  std::thread thread;     // guarded by stop_mutex after construction

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd, &one, sizeof one);
  }
};

ConnectorProcess::ConnectorProcess(ConnectorSpec spec, OutcomeFn on_outcome, LogFn log) : impl_(std::make_unique<Impl>()) {
  if (spec.runner.empty()) spec.runner = find_runner();
  impl_->spec = std::move(spec);
  impl_->on_outcome = std::move(on_outcome);
  impl_->log = std::move(log);
  impl_->wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::string problem = spec_problem(impl_->spec);
  if (problem.empty() && impl_->wake_fd < 0) problem = "no eventfd: too many open files";
  impl_->thread = std::thread([impl = impl_.get(), problem = std::move(problem)] {
    ProcessLoop loop(impl->spec, impl->on_outcome, impl->log, impl->book, impl->wake_fd);
    if (problem.empty())
      loop.run();
    else
      loop.run_broken(problem);
  });
}

ConnectorProcess::~ConnectorProcess() {
  stop(0);
  if (impl_->wake_fd >= 0) ::close(impl_->wake_fd);
}

bool ConnectorProcess::submit(DeliverRequest request) {
  if (!request_problem(request).empty()) return false;
  const std::int64_t wall_ms = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::int64_t wait_ms = impl_->spec.queue_wait_ms_max;
  if (request.deadline_ms > 0) wait_ms = std::min(wait_ms, request.deadline_ms - wall_ms);
  Entry entry;
  entry.deadline = std::chrono::steady_clock::now() + milliseconds(wait_ms);
  entry.request = std::move(request);
  if (!impl_->book.add(std::move(entry), impl_->spec.queue_max)) return false;
  impl_->wake();
  return true;
}

ConnectorStatus ConnectorProcess::status() const { return impl_->book.status(); }

void ConnectorProcess::restart() {
  impl_->book.order_restart();
  impl_->wake();
}

void ConnectorProcess::stop(std::int64_t deadline_ms) {
  const std::lock_guard one(impl_->stop_mutex);
  impl_->book.order_stop(std::chrono::steady_clock::now() + milliseconds(std::max<std::int64_t>(deadline_ms, 0)));
  impl_->wake();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace nudge::connectors
