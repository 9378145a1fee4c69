// Decides which ids become one (docs/decisions/merge.md): one thread, so that two merges that contradict each other never both happen.
// Everything for a shard that another shard sends goes through forward() as well.
//
// Thread-safety: forward() from any thread between start() and stop().
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "daemon/runtime/unit.h"

namespace nudge::daemon {

class Shard;

// Where a portion waits on disk, and what stands there.
inline constexpr std::string_view kPendingMerges = "merge/";
std::string pending_key(std::string_view alias, std::size_t portion);
std::string pending_value(std::string_view into, std::string_view portion);
// The item that takes a portion in.
Item pending_portion(std::string key, std::string into, std::string portion);
// The same from what stands on disk. Error: corrupt.
Result<Item> read_pending(std::string_view key, std::string_view value);

class Merger {
 public:
  // `shard_of`: the shard that owns a slot. `queued`: told of items that enter the runtime here.
  Merger(std::function<Shard&(std::uint8_t slot)> shard_of, std::function<void(std::uint64_t)> queued);
  ~Merger();

  void start();
  // Ends the thread; requests that wait are not answered. The queues of the shards are to be empty by then.
  void stop();
  // Sends items to the shards of their customers; merge requests wait for the decision first.
  void forward(std::vector<Item> items);

 private:
  void run();
  void decide(std::vector<Item> requests);
  // The customer that stands behind each of the ids, as far as the shards know.
  bool resolve(std::unordered_map<std::string, std::string>& ways, std::vector<std::string> ids);
  const std::string& root(const std::unordered_map<std::string, std::string>& ways, const std::string& id) const;

  const std::function<Shard&(std::uint8_t)> shard_of_;
  const std::function<void(std::uint64_t)> queued_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> requests_;
  // Merges that were let go and may not show in the alias's state yet. Entered by the thread only.
  std::unordered_map<std::string, std::string> under_way_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace nudge::daemon
