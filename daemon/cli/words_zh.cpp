#include <array>

#include "daemon/cli/words.h"

namespace nudge::cli {
std::span<const Phrase> chinese_phrases() { return {}; }
}  // namespace nudge::cli
