// The watermark: a small file beside the database that says how far this store has acknowledged. RocksDB opens "OK" when its write-ahead
// log was truncated or deleted; comparing with the watermark is how we notice. Layout in docs/storage.md.
//
// Not thread-safe, except sync(), which may run beside advance(). The file is written with pwrite into space allocated at creation, so that
// a kill -9 loses nothing (the kernel has it) and a full disk can't hurt; unlike a mapping, a failing disk answers with an error, not
// SIGBUS.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/status.h"

namespace nudge::daemon {

using StoreId = std::array<char, 16>;

struct Mark {
  StoreId store{};                 // whose watermark this is
  std::uint64_t log_sequence = 0;  // the highest block acknowledged
  std::uint64_t write_number = 0;  // RocksDB's own count of writes, at least this far: covers commits without a block
  friend bool operator==(const Mark&, const Mark&) = default;
};

class Watermark {
 public:
  // What the file at `path` says; nullopt if there is no such file. Errors: corrupt (neither slot checks out), io.
  static Result<std::optional<Mark>> read(const std::string& path);
  // Creates the file durably with this mark, or replaces what was there.
  static Result<Watermark> create(const std::string& path, const Mark& mark);
  // Goes on with an existing file.
  static Result<Watermark> open(const std::string& path);

  Watermark(Watermark&& other) noexcept;
  Watermark& operator=(Watermark&&) = delete;
  ~Watermark();

  // Writes the mark to the slot that is not the newest; about a microsecond, no fsync.
  Result<void> advance(const Mark& mark);
  // fdatasync.
  Result<void> sync() const;
  const Mark& mark() const { return mark_; }

 private:
  Watermark(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_ = -1;
  std::uint64_t generation_ = 0;
  Mark mark_;
};

}  // namespace nudge::daemon
