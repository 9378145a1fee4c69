// The files of the console, compiled in. Thread-safe: nothing changes.
#pragma once

#include <span>
#include <string_view>

namespace nudge::console {

struct Asset {
  std::string_view path;  // "assets/index-x.js", below /console/
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  std::string_view gzip, brotli;
};

// All of them; empty in a build without the console (NUDGE_CONSOLE=OFF).
std::span<const Asset> assets();

}  // namespace nudge::console
