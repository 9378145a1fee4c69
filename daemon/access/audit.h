// The record of who changed what: lines of JSON, each with the hash of the one before, so that a change, a gap or another order shows.
// docs/security.md says how to check it without us.
//
// Thread-safe. append() waits for the disk: call it on a worker. Ownership: refers to the store, which must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/store/store.h"
#include "engine/base/time.h"

namespace nudge::access {

struct AuditEntry {
  TimeMs at = 0;
  std::string actor, address, action;
  std::string target;       // "POST /v1/plans/7/apply"
  int status = 0;           // of the answer
  std::string body_sha256;  // of what was sent; empty: nothing was
  std::string detail;       // for people; never a secret, never personal data
};

struct AuditHead {
  std::uint64_t number = 0;  // 0: no record yet
  std::string hash;          // 64 zeros then
};

class AuditLog {
 public:
  // Error (corrupt): the newest record is not the one that the head names.
  static Result<std::unique_ptr<AuditLog>> open(daemon::Store& store);
  // What is about to be done, on disk before it is: if the process ends before append() says how it ended, the next open() writes a
  // record of it. Answers the number to give to append().
  Result<std::uint64_t> intend(const AuditEntry& entry);
  Result<void> append(const AuditEntry& entry, std::uint64_t intent = 0);
  // Stands for a customer in records, which can't be erased: the same for the same id, and nothing without the key, which is in the store.
  std::string pseudonym(std::string_view customer) const;
  // The key of the pseudonyms. `take_key` puts another one in its place: that of an older list of erasures.
  const std::string& key() const { return key_; }
  Result<void> take_key(const std::string& key);
  AuditHead head() const;
  // Records after the number `after`, oldest first, as the lines that were hashed, until `each` answers false.
  Result<void> read(std::uint64_t after, const std::function<bool(std::uint64_t number, std::string_view line)>& each) const;
  // Reads all of it. Error (corrupt): names the first record that is wrong and how. `known` is a head that was noted down before;
  // a number of 0: none.
  Result<AuditHead> verify(const AuditHead& known) const;

 private:
  explicit AuditLog(daemon::Store& store) : store_(store) {}
  daemon::Store& store_;
  Result<void> load_key();
  Result<void> settle_intents();
  std::string key_;
  mutable std::mutex mutex_;
  AuditHead head_;
  std::uint64_t last_intent_ = 0;
};

}  // namespace nudge::access
