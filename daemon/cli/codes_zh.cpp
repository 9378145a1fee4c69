#include <array>

#include "daemon/cli/words.h"

namespace nudge::cli {
std::span<const CodePhrase> chinese_codes() { return {}; }
}  // namespace nudge::cli
