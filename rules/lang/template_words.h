// The inside of one `{{ … }}` or `{% … %}`: variables, literals, filters, conditions. Stops at the first mistake in it, which is reported.
// Used by template_parser.cpp only; points to the text and the result for its lifetime; not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "rules/lang/template_parser.h"

namespace nudge::lang {

class TemplateWords {
 public:
  /// `offset`: of the inside in the template.
  TemplateWords(std::string_view inside, std::size_t offset, ParsedTemplate& out) : in_(inside), offset_(offset), out_(out) {}

  void skip();
  [[nodiscard]] bool at_end() const { return at_ >= in_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }
  /// A name without dots; empty when there is none.
  std::string_view word();
  /// Takes the text when it stands here.
  bool take(std::string_view text);
  /// A variable or literal. `what` is expected, for the message.
  bool operand(TemplateOperand& operand, std::string_view what);
  /// `| filter: argument`, any number of them, to the end.
  bool filters(std::vector<PieceFilter>& filters);
  /// Comparisons with and / or, to the end. As in Liquid both bind alike, from the right: `a or b and c` is `a or (b and c)`,
  /// `a and b or c` is `a and (b or c)`.
  bool condition(TemplateCondition& condition, std::size_t parts = 0);
  /// Reports; always false.
  bool mistake(std::string code, std::string message, std::string hint, std::size_t at);

 private:
  bool filter(PieceFilter& filter);
  bool arguments(PieceFilter& filter, bool may_be_variable);
  bool comparison(TemplateCondition& condition);
  bool quoted_text(std::string& text);

  std::string_view in_;
  std::size_t offset_;
  ParsedTemplate& out_;
  std::size_t at_ = 0;
};

}  // namespace nudge::lang
