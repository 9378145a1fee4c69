// What a reply to a message says about further ones. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace nudge {

// STOP and the words that providers agree on, alone in the message, whatever their case; START and its like.
enum class ReplyWord : std::uint8_t { other, stop, start };
ReplyWord reply_word(std::string_view text);

}  // namespace nudge
