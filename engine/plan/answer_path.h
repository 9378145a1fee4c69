// Where in an answer something stands: `result`, or `result.` and names of members or numbers of items with dots between them, such as
// `result.predictions.0.score`. Pure.
#pragma once

#include <string_view>

namespace nudge {

inline constexpr std::string_view kAnswerRoot = "result";

inline bool is_answer_path(std::string_view path) {
  if (!path.starts_with(kAnswerRoot)) return false;
  path.remove_prefix(kAnswerRoot.size());
  while (!path.empty()) {
    if (path[0] != '.') return false;
    path.remove_prefix(1);
    const std::string_view name = path.substr(0, path.find('.'));
    if (name.empty()) return false;
    path.remove_prefix(name.size());
  }
  return true;
}

}  // namespace nudge
