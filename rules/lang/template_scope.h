// What the compiler keeps while it goes through one template text: names made by tags, where it is in the source, what is known to be there.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/lang/compile.h"
#include "rules/lang/template_parser.h"

namespace nudge::lang {

/// Where a piece of a template stands in the source. Escapes and block indentation move it, so it is looked for as it is written, from the
/// place of the piece before it.
class TemplateFinder {
 public:
  explicit TemplateFinder(const Where& where) : where_(where), at_(where.mark.offset) {}
  Where find(std::string_view written, std::size_t template_size);

 private:
  Where where_;
  std::size_t at_;
};

/// A name that a tag made.
struct TemplateLocal {
  std::uint32_t slot = 0;
  EventTypeId event = kNoEventType;  // a loop's row of this event
  Type type = Type::text;            // else
};

/// An operand with what is known of it.
struct TypedPart {
  TemplatePart part;
  Type type = Type::text;
  bool literal = false;
  TemplateOperand::Kind kind = TemplateOperand::Kind::variable;
};

struct TemplateScope {
  const Scope& rule;
  std::string_view text;
  TemplateFinder* finder;
  std::map<std::string, TemplateLocal, std::less<>> locals;
  std::vector<std::uint32_t> loops;        // slots, the innermost last
  std::vector<ExprId> present;             // values that a surrounding `if` says are there
  std::vector<std::string_view> rendering;  // partials under way
  std::string_view key;                    // text, html, subject …: which text of a partial fits
  std::string_view language;
  std::uint32_t* slots;
  std::size_t* pieces;

  Where at(std::size_t offset, std::size_t length) const { return finder->find(text.substr(offset, length), text.size()); }
};

}  // namespace nudge::lang
