// The list of erasures: beside the store in the data directory, and beside the backups, so that an older backup brings nobody back. It names
// customers by pseudonyms only. Lines of text; docs/privacy.md says how it is used.
//
// Thread-safety: functions on files; two callers on one file take turns at the caller's. Not for use while somebody else writes the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace nudge::daemon {

struct Ledger {
  struct Entry {
    std::string id, at;               // at: RFC 3339
    std::vector<std::string> people;  // pseudonyms
  };
  std::string key;  // of the pseudonyms; empty: there is no entry yet
  std::vector<Entry> entries;
  bool has(std::string_view id) const;
};

inline constexpr std::string_view kLedgerName = "erasures";

// No file: an empty list. Error: corrupt (names the file and what to do), io.
Result<Ledger> read_ledger(const std::string& directory);
// Mode 0600, on disk when this returns; the old one stays until then.
Result<void> write_ledger(const std::string& directory, const Ledger& ledger);
// Entries of the file in `directory` that `ledger` does not have are added to it, and the file then has all. The key is that of the
// ledger, unless it has none. Error: conflict, when both have keys and they differ: lists of two installations.
Result<void> join_ledger(const std::string& directory, Ledger& ledger);

}  // namespace nudge::daemon
