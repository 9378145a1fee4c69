// Reads a template text into pieces: a subset of Liquid (docs/language.md § Templates). Variables are not looked up here; limits on size and
// nesting are kept here, so that whatever comes out may be walked by recursion. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/plan/action.h"

namespace nudge::lang {

inline constexpr std::size_t kTemplateDepth = 12;         // blocks within blocks, partials counted
inline constexpr std::size_t kTemplatePieces = 5000;      // of one text, with its partials
inline constexpr std::uint32_t kLoopRounds = 50;          // of one loop

/// A variable or a literal.
struct TemplateOperand {
  enum class Kind : std::uint8_t { variable, text, number, truth, nil, blank, empty };
  Kind kind = Kind::variable;
  std::string text;  // the dotted variable, the text, the digits, true or false
  std::size_t offset = 0, length = 0;
};

struct PieceFilter {
  Filter::Fn fn = Filter::Fn::default_;
  std::vector<std::string> args;
  std::optional<TemplateOperand> operand;  // the argument, where it is a variable
};

struct TemplateCondition {
  TemplateTest::Kind kind = TemplateTest::Kind::holds;
  Op op = Op::equals;
  TemplateOperand left, right;
  std::vector<TemplateCondition> children;
};

struct TemplatePiece {
  enum class Kind : std::uint8_t { text, output, branch, loop, assign, render };
  struct Branch {
    std::optional<TemplateCondition> test;  // none: else
    bool negated = false;
    std::vector<TemplatePiece> pieces;
  };
  Kind kind = Kind::text;
  std::string text;       // text; output: the variable as written; assign, loop: the name; render: the template
  TemplateOperand value;  // output, assign; loop: what is gone through
  std::vector<PieceFilter> filters;
  std::vector<Branch> branches;
  std::vector<TemplatePiece> body, otherwise;  // loop
  std::uint32_t limit = kLoopRounds, skip = 0;
  bool reversed = false;
  std::vector<std::pair<std::string, TemplateOperand>> arguments;  // render
  std::size_t offset = 0;                                          // of the tag in the template, at `{{` or `{%`
  std::size_t length = 0;                                          // up to and with `}}` or `%}`
};

struct TemplateMistake {
  std::string code;
  std::string message;
  std::string hint;
  std::size_t offset = 0;
  std::size_t length = 0;
};

struct ParsedTemplate {
  std::vector<TemplatePiece> pieces;
  std::vector<TemplateMistake> mistakes;
};

ParsedTemplate parse_template(std::string_view text);

/// The filter names of this version, in the order of Filter::Fn.
const std::vector<std::string_view>& filter_names();

}  // namespace nudge::lang
