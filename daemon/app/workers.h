// A few threads for what may take a while (reads of the store, compiling rules), so that I/O and shard threads never wait for it.
// Thread-safety: post() from any thread. Bounded: post() answers false when too much is waiting.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nudge::daemon {

class Workers {
 public:
  explicit Workers(unsigned threads, std::size_t most = 1024);
  ~Workers();
  [[nodiscard]] bool post(std::function<void()> work);
  // Runs what is waiting, then ends the threads. Idempotent.
  void stop();

 private:
  void run();
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace nudge::daemon
