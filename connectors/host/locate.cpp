#include <unistd.h>

#include <array>
#include <climits>
#include <string>

#include "connectors/host/connector_process.h"

namespace nudge::connectors {

namespace {

std::string own_directory() {
  std::array<char, PATH_MAX> room{};
  const ssize_t size = ::readlink("/proc/self/exe", room.data(), room.size());
  if (size <= 0) return {};
  const std::string path(room.data(), static_cast<std::size_t>(size));
  return path.substr(0, path.rfind('/'));
}

}  // namespace

std::string find_runner() {
  const std::string here = own_directory();
  // Installed side by side; then the build tree, seen from daemon/ and from tests/unit/.
  for (const char* place : {"/nudge-connector", "/../connectors/nudge-connector", "/../../connectors/nudge-connector"})
    if (::access((here + place).c_str(), X_OK) == 0) return here + place;
  return {};
}

std::string find_plugin_directory() {
  const std::string here = own_directory();
  for (const char* place : {"/connectors", "/../lib/nudge/connectors", "", "/../connectors", "/../../connectors"})
    if (::access((here + place + "/maildrop.so").c_str(), R_OK) == 0) return here + place;
  return {};
}

}  // namespace nudge::connectors
