// Regular expressions in RE2 syntax: linear time, bounded memory. Immutable; safe from any thread.
#pragma once

#include <memory>
#include <string_view>

#include "engine/base/status.h"

namespace nudge {

class Regex {
 public:
  // An error names what is wrong with the pattern. ignore_case: full Unicode folding of pattern literals and of the text.
  static Result<std::shared_ptr<const Regex>> compile(std::string_view pattern, bool ignore_case);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  // True when the pattern is found anywhere in the text.
  bool found_in(std::string_view text) const;

 private:
  Regex();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge
