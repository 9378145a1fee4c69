// Texts behind one another in one block, each with its length before it: a text is named by four bytes. Nothing is ever taken out.
// Not thread-safe. Views are valid until the next store().
//
// Invariant: a reference is used only with the arena that gave it, so it names the start of a whole text.
#pragma once

#include <string_view>

#include "engine/model/compact_array.h"

namespace nudge {

using TextRef = std::uint32_t;

class TextArena {
 public:
  // The text must not lie in this arena.
  TextRef store(std::string_view text);
  std::string_view at(TextRef ref) const {
    const char* p = bytes_.data() + ref;
    const auto length = static_cast<unsigned char>(*p);
    if (length >= 0x80) [[unlikely]]
      return long_text_at(ref);
    return {p + 1, length};
  }
  std::size_t memory_bytes() const { return bytes_.memory_bytes(); }

 private:
  std::string_view long_text_at(TextRef ref) const;
  CompactArray<char> bytes_;  // for each text its length as a varint, then its bytes
};

}  // namespace nudge
