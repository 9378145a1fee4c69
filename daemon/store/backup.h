// Backups: a directory to which each backup adds only what is new. docs/production.md says how to use them, docs/storage.md what is in
// there.
//
// Files are kept once, by their SHA-256; a backup is a list of names and hashes. It is complete as soon as its list is there, so a crash
// in the middle leaves nothing that looks like one.
//
// Threads: create_backup beside a running store, one at a time per directory (a lock says so); the others from anywhere, without one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/store/store.h"

namespace nudge::daemon {

struct BackupInfo {
  std::uint64_t number = 0;
  std::string at;  // RFC 3339, UTC
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t new_bytes = 0;  // of create_backup: what was not there yet
};

struct BackupOptions {
  std::string directory;  // new, empty, or one with backups; its parent must exist
  std::string scratch;    // a name on the store's file system that is free to use: hard links go there meanwhile
  std::string at;
  std::uint64_t keep = 0;  // older ones beyond so many are removed afterwards; 0: none
};
// Everything acknowledged before the call is in it. What was written is read back and compared before the list is. Errors: conflict
// (the directory holds something else, or is in use), io, and those of Store::checkpoint_to.
Result<BackupInfo> create_backup(Store& store, const BackupOptions& options);
// Oldest first.
Result<std::vector<BackupInfo>> list_backups(const std::string& directory);
// Reads every file of a backup (0: the newest) and compares it. Error (corrupt): names the first that is missing or different.
Result<BackupInfo> verify_backup(const std::string& directory, std::uint64_t number);
// Writes a backup (0: the newest) as a store of that path, which must not exist; each file is compared on the way.
Result<BackupInfo> restore_backup(const std::string& directory, std::uint64_t number, const std::string& store_path);

}  // namespace nudge::daemon
