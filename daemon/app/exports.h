// Everything of one kind as lines of JSON, streamed as it is read. Each export runs on a thread of its own behind intake, over a view of the
// store, and waits for its client; a few at once.
//
// Thread-safety: start() from any thread. Ownership: refers to the Runtime; stop() before that stops.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/access/audit.h"
#include "daemon/app/pipe.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

// Calls `each` with every fact of a customer as the document that says the same (POST /v1/import takes it), oldest first by kind.
void each_document(const CustomerState& state, const Catalog& catalog, bool full, const std::function<void(std::string)>& each);

class Exports {
 public:
  static constexpr std::size_t kAtOnce = 2;
  Exports(Runtime& runtime, access::AuditLog& audit) : runtime_(runtime), audit_(audit) {}
  ~Exports() { stop(); }
  void stop();

  static bool known(std::string_view what);  // documents, decisions, actions, tasks, quarantine, audit
  // `full`: personal data as it is. Error: unavailable, when too many are under way; `responder` is then left as it was.
  Result<void> start(std::string what, bool full, http::Responder& responder);

 private:
  struct Run {
    std::atomic<bool> done{false};
    std::shared_ptr<Pipe> pipe;
    std::thread thread;
  };
  Result<void> work(std::string_view what, bool full, Pipe& pipe);
  Result<void> documents(bool full, Pipe& pipe);
  Result<void> decisions(bool full, Pipe& pipe);
  Result<void> records(std::string_view what, bool full, Pipe& pipe);

  Runtime& runtime_;
  access::AuditLog& audit_;
  std::mutex mutex_;
  std::list<Run> runs_;
  bool stopping_ = false;
};

}  // namespace nudge::daemon
