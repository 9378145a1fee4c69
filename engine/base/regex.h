// Regular expressions in RE2 syntax: linear time, bounded memory. Immutable; safe from any thread.
//
// ignore_case, exactly: the text is folded (fold_case of base/text.h: full Unicode folding, "Straße" becomes "strasse"), and so is every
// literal character of the pattern, where a character that folds to several becomes a group of them ("ß+" becomes "(?:ss)+"). The folded
// pattern is then searched with RE2's own case-insensitive matching, which takes care of ranges and of Unicode classes ("[A-Z]", "\p{Lu}").
// A class in brackets that holds a character with a longer folding ("[ßx]") matches that folding as well; a negated class, "." and counted
// repetitions see the characters of the folded text. Characters whose upper and lower case are unrelated stay what they are, so Chinese
// text is compared as it is.
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
  // True when the pattern is found anywhere in the text, which must be valid UTF-8.
  bool found_in(std::string_view text) const;

 private:
  Regex();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge
