#include "engine/model/text_arena.h"

#include "engine/base/codec.h"

namespace nudge {

TextRef TextArena::store(std::string_view text) {
  char length[10];
  std::size_t n = 0;
  std::size_t rest = text.size();
  for (; rest >= 0x80; rest >>= 7) length[n++] = static_cast<char>(rest | 0x80);
  length[n++] = static_cast<char>(rest);
  const std::size_t at = bytes_.size();
  char* place = bytes_.insert(at, n + text.size());
  std::memcpy(place, length, n);
  if (!text.empty()) std::memcpy(place + n, text.data(), text.size());
  return static_cast<TextRef>(at);
}

std::string_view TextArena::long_text_at(TextRef ref) const {
  Reader in({bytes_.data() + ref, bytes_.size() - ref});
  return in.string();
}

}  // namespace nudge
