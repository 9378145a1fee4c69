// Any bytes as a template text: read without end, crash or a place outside the text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rules/lang/template_parser.h"

namespace {

void check(const std::vector<nudge::lang::TemplatePiece>& pieces, std::size_t size, std::size_t depth) {
  if (depth > nudge::lang::kTemplateDepth + 1) std::abort();
  for (const auto& piece : pieces) {
    if (piece.offset + piece.length > size) std::abort();
    for (const auto& branch : piece.branches) check(branch.pieces, size, depth + 1);
    check(piece.body, size, depth + 1);
    check(piece.otherwise, size, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const nudge::lang::ParsedTemplate parsed = nudge::lang::parse_template(text);
  check(parsed.pieces, size, 0);
  for (const auto& mistake : parsed.mistakes) {
    if (mistake.offset > size || mistake.message.empty()) std::abort();
  }
  return 0;
}
