// What the tests of the store share: a directory that goes away, quick options, and this same program started again as another process.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/store/keys.h"
#include "daemon/store/store.h"

namespace nudge::daemon::test {

// In memory where that is possible: thousands of syncs on a busy disk take minutes, and kills and simulated power cuts mean the same there.
inline std::filesystem::path quick_directory() {
  std::error_code error;
  const auto space = std::filesystem::space("/dev/shm", error);
  if (!error && space.available > (256U << 20) && access("/dev/shm", W_OK) == 0) return "/dev/shm";
  return std::filesystem::temp_directory_path();
}

class TempDir {
 public:
  explicit TempDir(const std::filesystem::path& under = quick_directory()) {
    std::string name = (under / "nudge-store-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Lines the store logged, for tests that look at them.
struct LogLines {
  std::mutex mutex;
  std::string text;
  bool contains(std::string_view part) {
    const std::lock_guard lock(mutex);
    return text.find(part) != std::string::npos;
  }
};

inline StoreOptions options_for(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.cache_bytes = 1U << 20;
  options.write_buffer_bytes = 1U << 20;
  options.low_space_bytes = 0;
  options.tick = std::chrono::milliseconds(20);
  return options;
}

inline std::unique_ptr<Store> must_open(const StoreOptions& options) {
  auto store = Store::open(options);
  REQUIRE_MESSAGE(store.has_value(), (store ? "" : store.error().message));
  return std::move(*store);
}

inline Error must_refuse(const StoreOptions& options) {
  auto store = Store::open(options);
  REQUIRE_FALSE(store.has_value());
  return store.error();
}

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// The value that belongs to a sequence: its size and every byte follow from it.
inline std::string payload(std::uint64_t sequence) {
  std::string text(static_cast<std::size_t>(200 + sequence * 37 % 3000), '\0');
  std::uint64_t x = sequence * 0x9e3779b97f4a7c15ULL + 1;
  for (char& c : text) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    c = static_cast<char>(x >> 32);
  }
  return text;
}

// A block, an outbox record and a customer's record that belong together.
inline WriteSet full_set(std::uint64_t sequence) {
  WriteSet set;
  set.append(sequence, payload(sequence));
  set.put(Family::outbox, Key{}.u64(sequence).view(), payload(sequence + 1'000'000));
  set.put(Family::customer, customer_key(static_cast<std::uint8_t>(sequence), "c" + std::to_string(sequence % 50)),
          Key{}.u64(sequence).view());
  return set;
}

inline void commit_all(Store& store, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t i = from; i <= to; ++i) {
    const auto done = store.commit(full_set(i));
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().message));
  }
}

// Every block, checked against what it must be. Returns the sequences.
inline std::vector<std::uint64_t> check_blocks(const Store& store) {
  std::vector<std::uint64_t> sequences;
  bool equal = true;
  const auto given = store.log_blocks(0, [&](std::uint64_t sequence, std::string_view block) {
    sequences.push_back(sequence);
    equal = equal && block == payload(sequence);
    return true;
  });
  REQUIRE_MESSAGE(given.has_value(), (given ? "" : given.error().message));
  CHECK(equal);
  CHECK(*given == sequences.size());
  return sequences;
}

// Every sequence for which there is a record of its own in the outbox.
inline std::vector<std::uint64_t> check_outbox(const Store& store) {
  std::vector<std::uint64_t> sequences;
  bool equal = true;
  REQUIRE(store
              .scan(Family::outbox, {}, {},
                    [&](std::string_view key, std::string_view value) {
                      sequences.push_back(parse_log_key(key).value());
                      equal = equal && value == payload(sequences.back() + 1'000'000);
                      return true;
                    })
              .has_value());
  CHECK(equal);
  return sequences;
}

// Runs the skipped test case `name` of this program as a process of its own; it finds `directory` in NUDGE_STORE_DIR and may write to
// descriptor 3, which the caller reads.
class Child {
 public:
  Child(const std::string& name, const std::string& directory) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    // Everything is prepared before fork: this process has threads.
    const std::string filter = "--test-case=" + name, variable = "NUDGE_STORE_DIR=" + directory;
    std::vector<char*> arguments{const_cast<char*>("child"), const_cast<char*>(filter.c_str()), const_cast<char*>("--no-skip"), nullptr};
    std::vector<char*> environment;
    for (char** e = environ; *e != nullptr; ++e) environment.push_back(*e);
    environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(open("/dev/null", O_RDWR), 1);
      if (ends[1] == 3)
        fcntl(3, F_SETFD, 0);
      else
        dup2(ends[1], 3);
      execve("/proc/self/exe", arguments.data(), environment.data());
      _exit(127);
    }
    close(ends[1]);
    from_ = ends[0];
    REQUIRE(pid_ > 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      wait();
    }
    close(from_);
  }
  pid_t pid() const { return pid_; }
  void kill_now() { kill(pid_, SIGKILL); }
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  // Blocks until `bytes` came or the child is gone.
  std::string read(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::size_t got = 0;
    for (ssize_t n; got < bytes && (n = ::read(from_, out.data() + got, bytes - got)) > 0;) got += static_cast<std::size_t>(n);
    out.resize(got);
    return out;
  }
  std::string read_all() {
    std::string out;
    for (std::string part; !(part = read(4096)).empty();) out += part;
    return out;
  }

 private:
  pid_t pid_ = -1;
  int from_ = -1;
};

// In the child: the directory, or nothing when somebody runs the skipped cases by hand.
inline std::string child_directory() {
  const char* directory = getenv("NUDGE_STORE_DIR");
  return directory == nullptr ? "" : directory;
}

inline std::vector<std::string> files_of(const std::string& directory, std::string_view extension) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == extension) names.push_back(entry.path().string());
  std::ranges::sort(names);
  return names;
}

inline void flip_byte(const std::string& file, std::uint64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const int c = stream.get();
  REQUIRE(c != EOF);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(c ^ 0x40));
  REQUIRE(stream.good());
}

}  // namespace nudge::daemon::test
