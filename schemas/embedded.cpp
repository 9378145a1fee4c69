#include "schemas/embedded.h"

#include <algorithm>

namespace nudge::schemas {

std::string_view find(std::string_view name) {
  const auto files = all();
  const auto found = std::ranges::find(files, name, &File::name);
  return found == files.end() ? std::string_view() : found->text;
}

}  // namespace nudge::schemas
