#include "daemon/console/assets.h"

#include <array>
#include <cstddef>
#include <vector>

#ifdef NUDGE_CONSOLE_DIR
// One file of a megabyte and more: the assembler takes it in at once, where a compiler would chew on every byte.
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    "nudge_console_pack:\n"
    ".incbin \"" NUDGE_CONSOLE_DIR
    "/console.pack\"\n"
    ".global nudge_console_pack\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const char nudge_console_pack[];
#endif

namespace nudge::console {
namespace {

#ifdef NUDGE_CONSOLE_DIR
struct Place {
  std::size_t at, length;
};
struct Row {
  std::string_view path, content_type, etag;
  Place gzip, brotli;
};
constexpr Row kRows[] = {
#include "table.inc"
};

std::vector<Asset> read() {
  const auto body = [](Place place) { return std::string_view(&nudge_console_pack[place.at], place.length); };
  std::vector<Asset> found;
  for (const Row& row : kRows) found.push_back({row.path, row.content_type, row.etag, body(row.gzip), body(row.brotli)});
  return found;
}
#endif

}  // namespace

std::span<const Asset> assets() {
#ifdef NUDGE_CONSOLE_DIR
  static const std::vector<Asset> kAssets = read();
  return kAssets;
#else
  return {};
#endif
}

}  // namespace nudge::console
