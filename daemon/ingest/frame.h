// Where the documents of a request body lie: one object, an array of objects, or one object a line (NDJSON). Pure functions.
// Only the frame is looked at here, so that one broken document costs itself alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace nudge::daemon {

struct Span {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};

enum class Framing : std::uint8_t { guess, lines };

struct Frames {
  std::vector<Span> spans;
  bool single = false;  // the body was one object on its own: its result is the answer, not a list
};

// Splits a body. `lines` (Content-Type: application/x-ndjson): one document a line, empty lines are skipped. `guess`: '[' begins an array;
// otherwise the body is one document if it is the only one, else one a line. More than `most` documents: too_large. Nothing in it: invalid.
Result<Frames> split_body(std::string_view body, Framing framing, std::size_t most);

}  // namespace nudge::daemon
