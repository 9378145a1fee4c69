// Cuts a template text into literal text and `{{ variable | filter: 'argument' }}` placeholders: a subset of Liquid (no tags, no logic).
// Variables are not looked up here. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/action.h"

namespace nudge::lang {

struct TemplatePiece {
  bool placeholder = false;
  std::string text;  // literal text, or the dotted variable: `customer.name`
  std::vector<Filter> filters;
  std::size_t offset = 0;  // of the placeholder in the template, at `{{`
  std::size_t length = 0;  // up to and with `}}`
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

/// The filter names of this version, for messages.
const std::vector<std::string_view>& filter_names();

}  // namespace nudge::lang
