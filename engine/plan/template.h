// The compiled form of templates: text, values sent through filters, and the logic around them (docs/language.md § Templates). Plain data;
// immutable once the plan is built; shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/condition.h"

namespace nudge {

using TemplateId = std::uint32_t;
struct TemplatePart;
struct TemplateBlock;

struct Filter {
  // Numbers go into fingerprints: append only.
  enum class Fn : std::uint8_t {
    default_, date, time, number, money, truncate, upcase, downcase, capitalize, mask, join, size, first, last, times, plus, minus, divided_by
  };
  Fn fn = Fn::default_;
  std::vector<std::string> args;
  std::shared_ptr<const TemplatePart> operand;  // the argument, where it is a variable
};

// One piece of a template: literal text, a value sent through filters, or a block of pieces.
struct TemplatePart {
  // Numbers go into fingerprints: append only.
  enum class Kind : std::uint8_t {
    text,   // `text`
    value,  // expression `expr` (attribute, trigger field, trait, score …)
    customer_id,
    event_time,  // when the cause happened
    event_id,
    rule_name,
    now,
    literal,         // `literal`; missing: nil
    rule_field,      // `text`: description, version, priority, category, purpose
    goal_field,      // `text`: event, days
    owner_field,     // property `text` of the team member whom attribute `ref` names
    assignee_field,  // property `text` of whom the desk chooses: filled in by the desk
    segment,         // whether condition `node` holds
    tags,            // the tags carried, a list
    band,            // name of the band that score `ref`, expression `expr`, lies in
    variable,        // what was assigned to `slot`, or the list item of the loop with that slot
    row_field,       // field `ref` of event type `event` of the row that the loop with `slot` is at; kTimeField: its time
    row_id,          // … its id
    forloop,         // of the loop with `slot`: `ref` is a TemplateBlock::Counter
    branch,          // `block`: the first branch that holds
    loop,            // `block`
    assign,          // `block->list[0]`, through the filters, into `slot`
  };
  Kind kind = Kind::text;
  EventTypeId event = kNoEventType;
  std::string text;
  ExprId expr = kNone;
  std::vector<Filter> filters;
  NodeId node = kNone;
  std::uint32_t slot = kNone;
  std::uint32_t ref = kNone;
  Value literal;
  std::shared_ptr<const TemplateBlock> block;
};

// A condition of `if`. Unlike the conditions of rules, it has Liquid's meaning: nil and false do not hold, everything else does.
struct TemplateTest {
  enum class Kind : std::uint8_t { holds, compare, all, any };
  enum class Right : std::uint8_t { value, blank, empty };
  Kind kind = Kind::holds;
  Op op = Op::equals;  // equals, not_equals, less_than, at_most, greater_than, at_least, contains
  Right against = Right::value;
  TemplatePart left, right;
  std::vector<TemplateTest> children;
};

struct TemplateBlock {
  enum class Counter : std::uint8_t { index, index0, rindex, rindex0, first, last, length };
  struct Branch {
    bool otherwise = false;  // no test
    bool negated = false;    // unless
    TemplateTest test;
    std::vector<TemplatePart> parts;
  };
  std::vector<Branch> branches;
  // loop: over the rows of `event`, newest first, or over the list that list[0] is
  EventTypeId event = kNoEventType;
  FieldId same = kNoField;  // only rows with the key that the rule fired for
  std::vector<TemplatePart> list;
  std::uint32_t limit = 0;
  std::uint32_t offset = 0;
  bool reversed = false;
  std::vector<TemplatePart> parts;
  std::vector<TemplatePart> otherwise;  // when there is nothing to go through
};

struct Template {
  std::vector<TemplatePart> parts;
  std::uint32_t slots = 0;
  std::string language;  // that it is written in: the locale of numbers and dates; empty: the plain forms
  // The same in other languages, by tag; taken by what the customer's attribute says.
  struct Translation {
    std::string language;
    TemplateId text;
  };
  std::vector<Translation> translations;
  AttributeId language_attribute = kNoAttribute;
};

}  // namespace nudge
