// Erasure of customers (docs/decisions/erasure.md): first the states, as an entry of the log, then what is kept beside them, then the blocks
// of the log behind them, then the files. Each step is on disk before the next, so that a start goes on where the last process ended.
//
// Thread-safety: everything from any thread between start() and stop(); look() and erase() block, not on a shard's thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/runtime/committer.h"
#include "daemon/runtime/erased.h"
#include "daemon/runtime/merger.h"

namespace nudge::daemon {

class Delivery;
class Shard;

// What there is of customers, or was taken away.
struct ErasureCounts {
  std::uint64_t facts = 0;  // events, updates of attributes, tags
  std::uint64_t decisions = 0, actions = 0, tasks = 0, quarantine = 0;
  std::uint64_t in_flight = 0;  // of the actions: at a provider at this moment, they may still arrive
  bool any() const { return facts + decisions + actions + tasks + quarantine != 0; }
};

// One erasure. Numbers of the steps are stored: append only.
struct Erasure {
  enum class Step : std::uint8_t {
    states = 1,  // the customers' states are being erased
    log = 2,     // nothing can be asked about them any more; the blocks of the log are rewritten
    files = 3,   // the log is clean; files with what was there before are rewritten
    done = 4,
  };
  std::string id;  // given by the caller: 1 to 64 letters, digits and hyphens; the same id again is the same erasure
  Step step = Step::states;
  TimeMs at = 0, done_at = 0;
  std::string by;
  std::vector<std::pair<std::string, TimeMs>> customers;  // with the instant up to which; empty once it is done
  std::uint64_t next_block = 1, last_block = 0;           // of the log: to be looked at from, up to (0: not known yet)
  ErasureCounts counts;
};
std::string_view erasure_step_name(Erasure::Step step);
void encode_erasure(std::string& out, const Erasure& e);
Result<Erasure> decode_erasure(std::string_view bytes);
inline constexpr std::string_view kErasures = "erasure/";  // in Family::meta, by id

// Counts what is kept of the customers beside their states, and with `context` takes it away, moving what waited to `discarded` in the
// books. `sums` are the books so far: the words of last errors that were theirs leave them. Reads the store.
Result<ErasureCounts> kept_records(const Store& store, const std::vector<std::string>& ids, const ErasedIds& gone, const StatsDelta& sums,
                                   CommitContext* context);

// What is known of erasures outside of the data directory: one that is not in it was made after the backup that it comes from.
struct ErasureLedger {
  // Called once nothing can be asked about the customers any more, with their names; again after a restart. To be on disk when it returns.
  std::function<Result<void>(const Erasure&)> record;
  std::vector<std::pair<std::string, TimeMs>> erasures;  // all that are known at the start, with when they were
  // Takes away what else names them, in files of other programs' making. May be called again. May be empty.
  std::function<Result<void>(const std::vector<std::pair<std::string, TimeMs>>& customers)> forget_files;
  // Ids of those erasures that name a customer.
  std::function<std::vector<std::string>(std::string_view customer)> of;
};

struct ErasureParts {
  Store& store;
  LogicalClock& clock;
  Committer& committer;
  std::function<Shard&(std::uint8_t slot)> shard_of;
  std::function<Delivery&()> delivery;
  std::function<std::shared_ptr<const Plan>()> plan;
  std::function<Result<std::uint64_t>()> checkpoint;       // answers the block up to which every state is on disk
  std::function<bool()> stopping;                          // nothing goes on any more
  std::function<void(CommitContext&, const std::vector<std::string>&)> forget_lists;  // suppressions and silences of these ids
  std::function<void(std::uint64_t)> queued;               // told of items that enter the runtime here
  std::function<Result<void>(const Erasure&)> record;      // see ErasureLedger, both; may be empty
  std::function<Result<void>(const std::vector<std::pair<std::string, TimeMs>>&)> forget_files;
};

// Before the shards run: makes a record of each erasure that this data directory does not know, for start() to carry out. `others`: every
// customer who is not in the store's family yet.
Result<void> take_erasures(Store& store, const ErasureLedger& ledger,
                           const std::function<void(const std::function<void(std::string_view)>&)>& others);

class Eraser {
 public:
  explicit Eraser(ErasureParts parts) : parts_(std::move(parts)) {}
  ~Eraser() { stop(); }

  // Before delivery starts: what was under way is out of its reach.
  Result<void> load();
  const ErasedIds& erased() const { return erased_; }
  // With shards, committer and delivery running: finishes what an end of the process left open, as far as anybody could notice it.
  Result<void> start();
  void stop();

  struct Sight {
    std::vector<std::string> ids;  // the customer first, then all its other names
    ErasureCounts counts;
  };
  // Who stands behind the id, and what there is. Error: not_found when nothing was ever heard of it.
  Result<Sight> look(const std::string& id);
  // Erases these ids (all names of one customer). When it returns nothing can be asked about them; log and files follow in the background.
  Result<Erasure> erase(const std::string& id, std::vector<std::string> ids, std::string by);
  // All there were, oldest first.
  Result<std::vector<Erasure>> list() const;

 private:
  Result<void> carry_out(Erasure& e);
  Result<TimeMs> erase_state(const std::string& id);
  void withdraw_tasks(CommitContext& c, const std::vector<std::string>& ids);
  Result<std::vector<std::string>> names_of(const std::vector<std::string>& ids, std::uint64_t* facts, bool* known);
  Result<void> settle_merges(const std::vector<std::string>& ids);
  Result<void> save(const Erasure& e);
  void run();
  Result<void> clean_log(std::vector<Erasure>& all);
  Result<void> finish(std::vector<Erasure>& all);
  bool ending() const;

  ErasureParts parts_;
  ErasedIds erased_;
  std::mutex one_at_a_time_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, work_ = false;
  std::thread thread_;
};

}  // namespace nudge::daemon
