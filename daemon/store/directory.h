// The store's directory: who may use it, and the few file operations that RocksDB doesn't do for us. Messages name the path and the way
// out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge::daemon {

// Creates `path` (mode 0700) if only its last part is missing. Errors: not_found (no parent), denied (no permission), invalid (not a
// directory).
Result<void> prepare_directory(const std::string& path, bool create_if_missing);

// Holds the directory for this process until destroyed; survives no crash, so a killed owner leaves nothing to clean up.
class DirectoryLock {
 public:
  // Errors: conflict (another process, or this one, holds it: says the pid), denied, io.
  static Result<DirectoryLock> acquire(const std::string& directory);
  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Makes entries of a directory durable.
Result<void> sync_directory(const std::string& path);
// Bytes that a process without privileges may still write on the file system of `path`.
Result<std::uint64_t> free_bytes(const std::string& path);
bool path_exists(const std::string& path);
// True if the directory has a file with data of a database (*.sst, *.log or *.blob with content), whatever else is missing.
bool has_database_files(const std::string& path);
// Code and text for an errno: denied for permissions, unavailable for a full disk, else io.
Error system_error(std::string_view what, const std::string& path, int error);

}  // namespace nudge::daemon
