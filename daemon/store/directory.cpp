#include "daemon/store/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace nudge::daemon {

namespace fs = std::filesystem;

Error system_error(std::string_view what, const std::string& path, int error) {
  const Code code = error == EACCES || error == EPERM || error == EROFS ? Code::denied
                    : error == ENOSPC || error == EDQUOT                ? Code::unavailable
                                                                        : Code::io;
  return Error{code, std::string(what) + " " + path + ": " + std::generic_category().message(error)};
}

namespace {

std::unexpected<Error> not_writable(const std::string& path) {
  return fail(Code::denied, "the data directory " + path + " is not writable for user id " + std::to_string(geteuid()) +
                                "; give it to the user that runs nudged (chown), or choose another directory");
}

// A path without slashes at its end, so that its parent is what a person thinks it is.
std::string trimmed(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

Result<void> prepare_directory(const std::string& given, bool create_if_missing) {
  if (given.empty()) return fail(Code::invalid, "the store has no data directory; name one");
  const std::string path = trimmed(given);
  struct stat info{};
  if (stat(path.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode)) return fail(Code::invalid, "the data directory " + path + " is a file; name a directory");
    if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) return not_writable(path);
    return {};
  }
  if (errno != ENOENT) return std::unexpected(system_error("cannot look at the data directory", path, errno));
  if (!create_if_missing) return fail(Code::not_found, "there is no data directory " + path);
  const fs::path parent = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno == ENOENT)
      return fail(Code::not_found, "cannot create the directory " + path + ": its parent " + parent.string() +
                                       " does not exist; create the parent, or correct the path");
    if (errno == EACCES || errno == EPERM) return not_writable(parent.string());
    return std::unexpected(system_error("cannot create the directory", path, errno));
  }
  return sync_directory(parent.string());
}

namespace {

// Who was killed while it started a connector leaves that child behind for a moment, which holds the lock until it becomes the connector. Its
// owner is dead then: a start that follows at once waits for it, up to five seconds.
constexpr int kLeftoverTries = 250;
constexpr unsigned kLeftoverPauseUs = 20'000;

// The process that wrote itself into the lock's file; empty when none did.
std::string holder(int fd) {
  char text[32] = {};
  const ssize_t n = pread(fd, text, sizeof text - 1, 0);
  std::string pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::acquire(const std::string& directory) {
  const std::string path = directory + "/LOCK";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(system_error("cannot open", path, errno));
  DirectoryLock lock(fd);
  for (int left = kLeftoverTries; flock(fd, LOCK_EX | LOCK_NB) != 0; --left) {
    if (errno != EWOULDBLOCK && errno != EINTR) return std::unexpected(system_error("cannot lock", path, errno));
    const std::string pid = holder(fd);
    if (left > 0 && !pid.empty() && kill(std::atoi(pid.c_str()), 0) != 0 && errno == ESRCH) {
      usleep(kLeftoverPauseUs);
      continue;
    }
    return fail(Code::conflict, "the data directory " + directory + " is in use by " +
                                    (pid.empty() ? "another process" : "process " + pid) +
                                    "; stop that one first, or give this one a directory of its own");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  // On a full disk the pid may not fit; the lock holds all the same.
  if (ftruncate(fd, 0) == 0) [[maybe_unused]]
    const ssize_t ignored = pwrite(fd, pid.data(), pid.size(), 0);
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

Result<void> sync_directory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(system_error("cannot open the directory", path, errno));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (error != 0) return std::unexpected(system_error("cannot sync the directory", path, error));
  return {};
}

Result<std::uint64_t> free_bytes(const std::string& path) {
  struct statvfs info{};
  if (statvfs(path.c_str(), &info) != 0) return std::unexpected(system_error("cannot ask for the free space of", path, errno));
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

bool path_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool has_database_files(const std::string& path) {
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string extension = it->path().extension().string();
    if (extension != ".sst" && extension != ".log" && extension != ".blob") continue;
    std::error_code size_error;
    if (it->file_size(size_error) > 0 || size_error) return true;
  }
  return false;
}

}  // namespace nudge::daemon
