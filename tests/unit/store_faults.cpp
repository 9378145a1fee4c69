#include "tests/unit/store_faults.h"

#include <rocksdb/file_system.h>
#include <rocksdb/utilities/object_registry.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

namespace nudge::daemon::test {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

struct FileState {
  std::uint64_t written = 0;
  std::uint64_t synced = 0;
  bool entry_synced = false;
};

struct State {
  std::mutex mutex;
  std::map<std::string, FileState> files;
  int fail_syncs = 0;
  bool ignore_syncs = false;
  std::int64_t space = -1;
  int tear_in = 0;
  int syncs = 0;
  bool off = false;
};

State& state() {
  static State the_state;
  return the_state;
}

IOStatus no_power() { return IOStatus::IOError("the power is off"); }

class FaultyFile final : public rocksdb::FSWritableFileWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string name)
      : FSWritableFileWrapper(file.get()), file_(std::move(file)), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    std::size_t allowed = data.size();
    IOStatus failure;
    {
      const std::lock_guard lock(state().mutex);
      if (state().off) return no_power();
      if (state().tear_in > 0 && --state().tear_in == 0) {
        allowed = data.size() / 2;
        failure = IOStatus::IOError("a torn write");
      }
      if (state().space >= 0 && static_cast<std::int64_t>(data.size()) > state().space) {
        allowed = static_cast<std::size_t>(state().space);
        failure = IOStatus::NoSpace("no space left on device");
      }
      if (state().space >= 0) state().space -= static_cast<std::int64_t>(allowed);
      state().files[name_].written += allowed;
    }
    if (allowed > 0)
      if (auto status = file_->Append(Slice(data.data(), allowed), options, debug); !status.ok()) return status;
    return failure;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    {
      const std::lock_guard lock(state().mutex);
      if (state().off) return no_power();
      FileState& file = state().files[name_];
      file.written = size;
      file.synced = std::min(file.synced, size);
    }
    return file_->Truncate(size, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return sync([&] { return file_->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return sync([&] { return file_->Fsync(options, debug); });
  }
  // A hint to the kernel, no promise.
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  template <class Really>
  IOStatus sync(const Really& really) {
    std::uint64_t written = 0;
    {
      const std::lock_guard lock(state().mutex);
      ++state().syncs;
      if (state().off) return no_power();
      if (state().fail_syncs != 0) {
        if (state().fail_syncs > 0) --state().fail_syncs;
        return IOStatus::IOError("fdatasync failed: Input/output error");
      }
      if (state().ignore_syncs) return IOStatus::OK();
      written = state().files[name_].written;
    }
    if (auto status = really(); !status.ok()) return status;
    const std::lock_guard lock(state().mutex);
    state().files[name_].synced = std::max(state().files[name_].synced, written);
    return IOStatus::OK();
  }

  std::unique_ptr<rocksdb::FSWritableFile> file_;
  std::string name_;
};

class FaultyDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultyDirectory(std::unique_ptr<rocksdb::FSDirectory>&& directory, std::string name)
      : FSDirectoryWrapper(std::move(directory)), name_(std::move(name)) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    if (auto status = mark(); !status.ok()) return status;
    return FSDirectoryWrapper::Fsync(options, debug);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug, const rocksdb::DirFsyncOptions& how) override {
    if (auto status = mark(); !status.ok()) return status;
    return FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how);
  }

 private:
  IOStatus mark() {
    const std::lock_guard lock(state().mutex);
    if (state().off) return no_power();
    if (state().ignore_syncs) return IOStatus::OK();
    for (auto& [name, file] : state().files)
      if (std::filesystem::path(name).parent_path() == std::filesystem::path(name_)) file.entry_synced = true;
    return IOStatus::OK();
  }
  std::string name_;
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "nudge-faulty"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    {
      const std::lock_guard lock(state().mutex);
      if (state().off) return no_power();
      if (state().space == 0) return IOStatus::NoSpace("no space left on device");
    }
    std::unique_ptr<rocksdb::FSWritableFile> file;
    if (auto status = target()->NewWritableFile(name, options, &file, debug); !status.ok()) return status;
    const std::lock_guard lock(state().mutex);
    state().files[name] = {};
    *result = std::make_unique<FaultyFile>(std::move(file), name);
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    if (auto status = target()->ReopenWritableFile(name, options, &file, debug); !status.ok()) return status;
    const std::lock_guard lock(state().mutex);
    if (state().off) return no_power();
    *result = std::make_unique<FaultyFile>(std::move(file), name);
    return IOStatus::OK();
  }
  IOStatus ReuseWritableFile(const std::string&, const std::string&, const rocksdb::FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>*,
                             IODebugContext*) override {
    return IOStatus::NotSupported("not used by these tests");
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    if (auto status = target()->NewDirectory(name, options, &directory, debug); !status.ok()) return status;
    *result = std::make_unique<FaultyDirectory>(std::move(directory), name);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) override {
    {
      const std::lock_guard lock(state().mutex);
      if (state().off) return no_power();
      state().files.erase(name);
    }
    return target()->DeleteFile(name, options, debug);
  }
  // A rename is taken to be durable at once: RocksDB renames only CURRENT and its options, after syncing what they point to.
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options, IODebugContext* debug) override {
    const std::lock_guard lock(state().mutex);
    if (state().off) return no_power();
    if (const auto it = state().files.find(from); it != state().files.end()) {
      FileState file = it->second;
      file.entry_synced = true;
      state().files.erase(it);
      state().files[to] = file;
    }
    return target()->RenameFile(from, to, options, debug);
  }
};

}  // namespace

std::string faulty_file_system() {
  static const bool kRegistered = [] {
    rocksdb::ObjectLibrary::Default()->AddFactory<rocksdb::FileSystem>(
        "nudge-faulty", [](const std::string&, std::unique_ptr<rocksdb::FileSystem>* guard, std::string*) {
          *guard = std::make_unique<FaultyFileSystem>();
          return guard->get();
        });
    return true;
  }();
  return kRegistered ? "nudge-faulty" : "";
}

namespace faults {

void reset() {
  const std::lock_guard lock(state().mutex);
  state().files.clear();
  state().fail_syncs = 0;
  state().ignore_syncs = false;
  state().space = -1;
  state().tear_in = 0;
  state().syncs = 0;
  state().off = false;
}
void fail_syncs(int times) {
  const std::lock_guard lock(state().mutex);
  state().fail_syncs = times;
}
void ignore_syncs(bool on) {
  const std::lock_guard lock(state().mutex);
  state().ignore_syncs = on;
}
void space_left(std::int64_t bytes) {
  const std::lock_guard lock(state().mutex);
  state().space = bytes;
}
void tear_append(int n) {
  const std::lock_guard lock(state().mutex);
  state().tear_in = n;
}
int syncs() {
  const std::lock_guard lock(state().mutex);
  return state().syncs;
}
void power_off() {
  const std::lock_guard lock(state().mutex);
  state().off = true;
}

void power_on() {
  const std::lock_guard lock(state().mutex);
  state().off = false;
}

std::uint64_t lose_unsynced() {
  const std::lock_guard lock(state().mutex);
  std::uint64_t lost = 0;
  for (auto it = state().files.begin(); it != state().files.end();) {
    auto& [name, file] = *it;
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(name, error);
    if (error || !file.entry_synced) {
      if (!error) lost += size;
      std::filesystem::remove(name, error);
      it = state().files.erase(it);
      continue;
    }
    if (size > file.synced) {
      lost += size - file.synced;
      std::filesystem::resize_file(name, file.synced);
    }
    file.written = file.synced;
    ++it;
  }
  state().off = false;
  return lost;
}

}  // namespace faults

}  // namespace nudge::daemon::test
