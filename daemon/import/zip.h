// Reads the entries of a ZIP file (with ZIP64) one after the other, unpacked piece by piece, so that their size needs no memory.
// Not thread-safe; a Zip must outlive the readers of its entries.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/base/status.h"

namespace nudge::import {

class ZipEntry {
 public:
  ZipEntry(ZipEntry&&) noexcept;
  ZipEntry& operator=(ZipEntry&&) noexcept;
  ~ZipEntry();
  // Replaces `out` by the next piece, at most 64 KiB; empty at the end. Error (corrupt): damaged.
  Result<void> next(std::string& out);
  // How much was read, 0 to 1.
  double progress() const;

 private:
  friend class Zip;
  struct Impl;
  explicit ZipEntry(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Zip {
 public:
  static Result<Zip> open(const std::string& path);
  Zip(Zip&& other) noexcept;
  Zip& operator=(Zip&& other) noexcept;
  ~Zip();

  bool has(const std::string& name) const { return entries_.contains(name); }
  // Error (not_found): there is no such entry; (invalid): packed in a way that is not read.
  Result<ZipEntry> entry(const std::string& name) const;

 private:
  struct Place {
    std::uint64_t offset = 0, packed = 0, size = 0;
    std::uint32_t crc = 0;
    std::uint16_t method = 0, flags = 0;
  };
  Zip(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<void> read_directory();
  int fd_ = -1;
  std::string path_;
  std::map<std::string, Place> entries_;
};

}  // namespace nudge::import
