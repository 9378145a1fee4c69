// The files of this folder, compiled in: `nudge schema rules` needs no path at run time. Thread-safety: any thread; the data is constant.
#pragma once

#include <span>
#include <string_view>

namespace nudge::schemas {

struct File {
  std::string_view name;  // "catalog", "config", "doors", "openapi", "rules", "snippets", "tests"
  std::string_view text;
};
// All files, by name.
std::span<const File> all();
// Empty when there is no such file.
std::string_view find(std::string_view name);

}  // namespace nudge::schemas
