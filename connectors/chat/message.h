// Cutting text for a provider that counts bytes. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace nudge::connectors {

// How many bytes of the text to keep so that there are at most `bytes` and no character is cut in two.
std::size_t utf8_cut(std::string_view text, std::size_t bytes);

}  // namespace nudge::connectors
