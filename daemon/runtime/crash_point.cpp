#include "daemon/runtime/crash_point.h"

#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace nudge::daemon {
namespace {

struct Wanted {
  std::string name;
  std::atomic<long> left{1};
  Wanted() {
    const char* text = std::getenv("NUDGE_CRASH_AT");
    if (text == nullptr) return;
    name = text;
    const std::size_t star = name.rfind('*');
    if (star == std::string::npos) return;
    left = std::atol(name.c_str() + star + 1);
    name.resize(star);
  }
};

Wanted& wanted() {
  static Wanted one;
  return one;
}

}  // namespace

bool crash_points_set() { return !wanted().name.empty(); }

void crash_point(std::string_view name) {
  if (wanted().name == name && --wanted().left == 0) ::raise(SIGKILL);
}

}  // namespace nudge::daemon
