// All diagnostic codes of the language with what they mean, for `nudge explain-code` and docs/codes. Codes are stable: a number is never
// given again.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace nudge::lang {

struct CodeInfo {
  std::string_view code;         // "R0304"
  std::string_view title;        // one line
  std::string_view explanation;  // a paragraph: what it means, why it is refused, what to write instead
};

/// True for the codes of what is legal but wrong: warnings and notes, which a definition may `allow`.
bool is_warning(std::string_view code);

/// All codes, ascending.
std::span<const CodeInfo> all_codes();
/// Null when there is no such code.
const CodeInfo* find_code(std::string_view code);

}  // namespace nudge::lang
