// Waits until a file of a project changes (inotify). Watches are set before the files are read, so that no change in between is lost.
// Owns its descriptor; not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"

namespace nudge::cli {

class FileWatch {
 public:
  // Watches the trees below these directories.
  static Result<FileWatch> open(const std::vector<std::string>& directories);
  ~FileWatch();
  FileWatch(FileWatch&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  FileWatch& operator=(FileWatch&&) = delete;

  // Returns when a *.yaml file came, changed or went, or a directory did, and nothing more has happened for a moment: an editor that saves
  // writes several times.
  Result<void> wait();

 private:
  explicit FileWatch(int descriptor) : descriptor_(descriptor) {}
  // Reads what is there; true when some of it matters.
  bool drain();
  int descriptor_;
};

}  // namespace nudge::cli
