#include "daemon/runtime/offline.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "daemon/runtime/runtime_replay.h"

namespace nudge::daemon {
namespace {

namespace fs = std::filesystem;

/// The lock of a store's directory, shared: nudged asks for it alone.
class SharedLock {
 public:
  static Result<SharedLock> take(const std::string& store) {
    const std::string path = store + "/LOCK";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      const int why = errno;
      return fail(why == ENOENT ? Code::not_found : Code::denied,
                  why == ENOENT ? "there is no data of nudged in " + store + ": name the directory that its setting data_dir names"
                                : "cannot read " + path + ": " + std::strerror(why));
    }
    SharedLock lock(fd);
    if (::flock(fd, LOCK_SH | LOCK_NB) != 0)
      return fail(Code::conflict, "a nudged runs on " + store + ": ask it (leave --data-dir out), or stop it first");
    return lock;
  }
  SharedLock(SharedLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SharedLock& operator=(SharedLock&&) = delete;
  ~SharedLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit SharedLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Removed with all that is in it.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> make() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "nudge-XXXXXX").string();
    if (error || ::mkdtemp(pattern.data()) == nullptr)
      return fail(Code::io, "cannot make a directory for temporary files: set TMPDIR to one that can be written");
    return TemporaryDirectory(pattern);
  }
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace

Result<OfflineLog> replay_stopped(const std::string& data_dir, const std::function<void(const CustomerState&)>& each) {
  const std::string store_path = data_dir + "/store";
  NUDGE_ASSIGN(const SharedLock lock, SharedLock::take(store_path));
  NUDGE_ASSIGN(const TemporaryDirectory temporary, TemporaryDirectory::make());
  const std::string copy = temporary.path() + "/store";
  std::error_code error;
  fs::copy(store_path, copy, fs::copy_options::recursive, error);
  if (error)
    return fail(Code::io,
                "cannot copy " + store_path + " to " + copy + ": " + error.message() + "; set TMPDIR to a directory with room for it");
  StoreOptions options;
  options.path = copy;
  options.create_if_missing = false;
  options.low_space_bytes = 0;
  NUDGE_ASSIGN(const std::unique_ptr<Store> store, Store::open(options));
  PlanStore plans(*store);
  NUDGE_TRY(plans.load());
  if (plans.current() == 0) return fail(Code::not_found, "no rules were ever loaded in " + data_dir);
  NUDGE_ASSIGN(const BoundPlan bound, plans.plan(plans.current()));
  OfflineLog log;
  log.sources = bound.sources;
  log.plan = bound.plan;
  NUDGE_ASSIGN(log.digest, replay_whole_log(*store, plans, kLastBlock, *bound.plan->catalog, each));
  return log;
}

}  // namespace nudge::daemon
