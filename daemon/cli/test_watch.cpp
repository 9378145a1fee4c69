#include "daemon/cli/test_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr int kQuietMs = 60;
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;

bool is_rule_file(std::string_view name) { return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml")); }

Error no_watch(const std::string& what) { return {Code::io, say("cannot watch {1}: {2}", {what, std::strerror(errno)})}; }

}  // namespace

Result<FileWatch> FileWatch::open(const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  FileWatch watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (watch.descriptor_ < 0) return std::unexpected(no_watch("files"));
  for (const std::string& root : directories) {
    if (inotify_add_watch(watch.descriptor_, root.c_str(), kEvents) < 0) return std::unexpected(no_watch(root));
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(root, error); !error && entry != fs::recursive_directory_iterator();
         entry.increment(error)) {
      std::error_code ignored;
      if (entry->is_directory(ignored)) inotify_add_watch(watch.descriptor_, entry->path().c_str(), kEvents);
    }
  }
  return watch;
}

FileWatch::~FileWatch() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool FileWatch::drain() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool matters = false;
  for (;;) {
    const ssize_t bytes = read(descriptor_, buffer.data(), buffer.size());
    if (bytes <= 0) return matters;
    for (std::size_t at = 0; at < static_cast<std::size_t>(bytes);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string_view name = event.len > 0 ? std::string_view(buffer.data() + at + sizeof event) : std::string_view();
      const bool created_file = (event.mask & IN_CREATE) != 0 && (event.mask & IN_ISDIR) == 0;  // its content comes with CLOSE_WRITE
      const bool whole = (event.mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_Q_OVERFLOW)) != 0;
      matters |= whole || (is_rule_file(name) && !created_file);
      at += sizeof event + event.len;
    }
  }
}

Result<void> FileWatch::wait() {
  pollfd waiting{descriptor_, POLLIN, 0};
  bool matters = false;
  for (;;) {
    const int ready = poll(&waiting, 1, matters ? kQuietMs : -1);
    if (ready < 0 && errno != EINTR) return std::unexpected(no_watch("files"));
    if (ready == 0) return {};
    if (ready > 0 && drain()) matters = true;
  }
}

}  // namespace nudge::cli
