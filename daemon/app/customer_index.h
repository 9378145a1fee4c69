// Finds customers by what people know of them: a piece of the id, name, number or address; a segment; a value. In memory, built when
// somebody first asks and kept up to date from the log by a thread of its own, so that intake and shards know nothing of it.
//
// Thread-safety: find() from any thread; it blocks (on the first call for as long as it takes to read every customer). Ownership: refers to
// the Runtime; stop() before that stops.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

class CustomerIndex {
 public:
  // More customers than `most` are not indexed: find() then answers `unavailable` and says what to do instead.
  explicit CustomerIndex(Runtime& runtime, std::size_t most = 3'000'000) : runtime_(runtime), most_(most) {}
  ~CustomerIndex() { stop(); }
  void stop();

  enum class Sort : std::uint8_t { customer, name, changed };
  struct Query {
    std::string text;           // somewhere in the id or a searched attribute; case does not matter, of a number only digits do
    std::string prefix;         // of the id
    RootId segment = kNone;     // members only
    std::string attribute, value;  // with this value; an attribute with `one_of`, or a boolean
    Sort sort = Sort::customer;
    bool descending = false;
    std::string cursor;  // `next` of the page before
    std::string after;   // only ids behind this one
    std::size_t limit = 100;
  };
  struct Found {
    std::vector<std::string> ids;
    std::uint64_t total = 0;  // all that fit, on every page
    std::string next;         // empty: that was all
  };
  // All that was acknowledged before the call is in. Error: invalid (the cursor or attribute), unavailable, or the store's.
  Result<Found> find(const Query& query);
  // Attributes that `text` looks into, besides the id.
  static std::vector<AttributeId> searched(const Catalog& catalog);

 private:
  struct Entry {
    std::string id, name;
    std::string folded;             // what `text` looks into
    TimeMs changed = 0;             // the last instant judged
    std::vector<RootId> roots;      // segments, ascending
    std::vector<std::uint8_t> few;  // of each attribute in few_: 0 missing, else which of its values + 1
  };
  // Attributes of few values.
  struct Few {
    AttributeId attribute;
    std::vector<std::string> values;
  };

  Result<void> catch_up();  // with the mutex held, like all below
  Result<void> build();
  Result<void> read_blocks(std::uint64_t last);
  Result<void> read_again(std::vector<std::string> ids);
  Entry entry_of(const CustomerState& state, const Plan& plan) const;
  Result<void> fits(const Query& query, std::vector<const Entry*>& all) const;
  void follow();

  Runtime& runtime_;
  const std::size_t most_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
  std::vector<AttributeId> searched_;
  std::vector<Few> few_;
  AttributeId name_ = kNoAttribute;
  std::uint64_t plan_ = 0;   // that it was built under; 0: it is not built
  std::uint64_t block_ = 0;  // up to here the log is in
  bool too_many_ = false;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  TimeMs asked_at_ = 0;
  std::thread thread_;
};

}  // namespace nudge::daemon
