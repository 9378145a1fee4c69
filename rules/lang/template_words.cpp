#include "rules/lang/template_words.h"

#include <algorithm>
#include <array>

#include "engine/base/locale.h"
#include "rules/doc/diagnostic.h"

namespace nudge::lang {
namespace {

using doc::quoted;

enum class Argument : std::uint8_t { text, any, digits, places, currency, format, number };

struct FilterRule {
  std::string_view name;
  std::size_t least, most;
  Argument argument;
  std::string_view example;
};

// In the order of Filter::Fn.
constexpr std::array<FilterRule, 18> kFilters = {{{"default", 1, 1, Argument::any, "default: 'customer'"},
                                                  {"date", 0, 1, Argument::format, "date: '%d.%m.%Y'"},
                                                  {"time", 0, 1, Argument::format, "time: '%H:%M'"},
                                                  {"number", 0, 1, Argument::places, "number: 2"},
                                                  {"money", 0, 2, Argument::currency, "money: 'CNY'"},
                                                  {"truncate", 1, 2, Argument::digits, "truncate: 40"},
                                                  {"upcase", 0, 0, Argument::text, "upcase"},
                                                  {"downcase", 0, 0, Argument::text, "downcase"},
                                                  {"capitalize", 0, 0, Argument::text, "capitalize"},
                                                  {"mask", 0, 1, Argument::digits, "mask: 4"},
                                                  {"join", 0, 1, Argument::text, "join: ' / '"},
                                                  {"size", 0, 0, Argument::text, "size"},
                                                  {"first", 0, 0, Argument::text, "first"},
                                                  {"last", 0, 0, Argument::text, "last"},
                                                  {"times", 1, 1, Argument::number, "times: 2"},
                                                  {"plus", 1, 1, Argument::number, "plus: 1"},
                                                  {"minus", 1, 1, Argument::number, "minus: 1"},
                                                  {"divided_by", 1, 1, Argument::number, "divided_by: 100.0"}}};

constexpr std::size_t kConditionParts = 32;

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool fits(Argument kind, std::string_view text) {
  switch (kind) {
    case Argument::text:
    case Argument::any: return true;
    case Argument::format: {
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') continue;
        if (++i < text.size() && text[i] == '-') ++i;
        if (i >= text.size() || std::string_view("YymdeHIMSpjABabuF%").find(text[i]) == std::string_view::npos) return false;
      }
      return !text.empty() && text.size() <= 100;
    }
    case Argument::places: return text.size() == 1 && text[0] >= '0' && text[0] <= '6';
    case Argument::digits: return !text.empty() && text.size() <= 4 && std::ranges::all_of(text, is_digit);
    case Argument::currency: return !text.empty() && text.size() <= 8;
    case Argument::number: return Decimal::parse(text).has_value();
  }
  return false;
}

}  // namespace

const std::vector<std::string_view>& filter_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> names;
    for (const FilterRule& rule : kFilters) names.push_back(rule.name);
    return names;
  }();
  return kNames;
}

void TemplateWords::skip() {
  while (at_ < in_.size() && (in_[at_] == ' ' || in_[at_] == '\n' || in_[at_] == '\t' || in_[at_] == '\r')) ++at_;
}

std::string_view TemplateWords::word() {
  skip();
  const std::size_t start = at_;
  while (at_ < in_.size() && is_word(in_[at_])) ++at_;
  return in_.substr(start, at_ - start);
}

bool TemplateWords::take(std::string_view text) {
  skip();
  if (!in_.substr(at_).starts_with(text)) return false;
  // A word ends where it ends: `and` is not the start of `android`.
  if (is_word(text.back()) && at_ + text.size() < in_.size() && is_word(in_[at_ + text.size()])) return false;
  at_ += text.size();
  return true;
}

bool TemplateWords::mistake(std::string code, std::string message, std::string hint, std::size_t at) {
  out_.mistakes.push_back({std::move(code), std::move(message), std::move(hint), offset_ + std::min(at, in_.size()), 1});
  return false;
}

bool TemplateWords::quoted_text(std::string& text) {
  const std::size_t end = in_.find(in_[at_], at_ + 1);
  if (end == std::string_view::npos) return mistake("R0801", "this text is never closed", "add the closing quote", at_);
  text = in_.substr(at_ + 1, end - at_ - 1);
  at_ = end + 1;
  return true;
}

bool TemplateWords::operand(TemplateOperand& operand, std::string_view what) {
  using Kind = TemplateOperand::Kind;
  skip();
  const std::size_t start = at_;
  operand.offset = offset_ + at_;
  if (at_ < in_.size() && (in_[at_] == '\'' || in_[at_] == '"')) {
    operand.kind = Kind::text;
    if (!quoted_text(operand.text)) return false;
  } else {
    while (at_ < in_.size() && (is_word(in_[at_]) || in_[at_] == '.')) ++at_;
    operand.text = in_.substr(start, at_ - start);
    if (operand.text.empty())
      return mistake("R0801", std::string(what) + " is expected here", "a variable is written as customer.name, event.amount or trait.NAME", at_);
    const std::string_view text = operand.text;
    if (is_digit(text[0]) || (text[0] == '-' && text.size() > 1)) {
      operand.kind = Kind::number;
      if (text.find_first_not_of("0123456789.-") != std::string_view::npos || !Decimal::parse(text))
        return mistake("R0801", quoted(text) + " is no number", "at most 12 digits before the point and 6 after it; text goes in quotes", start);
    } else if (text == "true" || text == "false") {
      operand.kind = Kind::truth;
    } else if (text == "nil" || text == "null") {
      operand.kind = Kind::nil;
    } else if (text == "blank") {
      operand.kind = Kind::blank;
    } else if (text == "empty") {
      operand.kind = Kind::empty;
    }
  }
  operand.length = offset_ + at_ - operand.offset;
  return true;
}

bool TemplateWords::filters(std::vector<PieceFilter>& filters) {
  skip();
  while (!at_end()) {
    if (in_[at_] != '|')
      return mistake("R0801", "a `|` and a filter, or the end `}}`, is expected here",
                     "text goes outside the braces; a filter is written `| upcase`", at_);
    ++at_;
    skip();
    PieceFilter next;
    if (!filter(next)) return false;
    if (filters.size() >= 20) return mistake("R0808", "more than 20 filters in a row", "assign what comes out halfway", at_);
    filters.push_back(std::move(next));
    skip();
  }
  return true;
}

bool TemplateWords::filter(PieceFilter& filter) {
  const std::size_t start = at_;
  const std::string_view name = word();
  const auto rule = std::find_if(kFilters.begin(), kFilters.end(), [&](const FilterRule& r) { return r.name == name; });
  if (rule == kFilters.end())
    return mistake("R0803", name.empty() ? "a filter is expected after `|`" : "there is no filter " + quoted(name),
                   doc::did_you_mean(name, filter_names(), "filters"), start);
  filter.fn = static_cast<Filter::Fn>(rule - kFilters.begin());
  if (take(":") && !arguments(filter, rule->argument == Argument::any || rule->argument == Argument::number)) return false;
  const std::size_t given = filter.args.size() + (filter.operand ? 1 : 0);
  const std::string example = "for instance `| " + std::string(rule->example) + "`";
  if (given < rule->least || given > rule->most) {
    return mistake("R0804",
                   "the filter " + quoted(name) +
                       (rule->most == 0                        ? " takes no argument"
                        : rule->least == 1 && rule->most == 1 ? " takes one argument"
                        : rule->most == 2                     ? " takes at most two arguments"
                                                              : " takes at most one argument"),
                   example, start);
  }
  if (!filter.args.empty() && !fits(rule->argument, filter.args[0]))
    return mistake("R0804", quoted(filter.args[0]) + " is no argument for the filter " + quoted(name), example, start);
  if (filter.fn == Filter::Fn::divided_by && !filter.args.empty() && Decimal::parse(filter.args[0])->units == 0)
    return mistake("R0804", "nothing can be divided by 0", example, start);
  if (filter.fn == Filter::Fn::money && filter.args.size() == 2) {
    if (!is_language_tag(filter.args[1])) return mistake("R0804", quoted(filter.args[1]) + " is no language", "for instance `| money: 'CNY', 'zh-CN'`", start);
    if (!is_currency(filter.args[0]))
      return mistake("R0804", quoted(filter.args[0]) + " is no currency", "a code of ISO 4217, such as CNY, EUR or USD", start);
  }
  return true;
}

bool TemplateWords::arguments(PieceFilter& filter, bool may_be_variable) {
  while (true) {
    skip();
    const std::size_t start = at_;
    if (!at_end() && (in_[at_] == '\'' || in_[at_] == '"')) {
      std::string text;
      if (!quoted_text(text)) return false;
      filter.args.push_back(std::move(text));
    } else {
      while (at_ < in_.size() && (is_word(in_[at_]) || in_[at_] == '.')) ++at_;
      const std::string_view word = in_.substr(start, at_ - start);
      if (word.empty() || (word.find_first_not_of("0123456789.-") != std::string_view::npos && (!may_be_variable || filter.operand))) {
        return mistake("R0801", "an argument in quotes or a number is expected here", "put text in single quotes: 'text'", start);
      }
      if (word.find_first_not_of("0123456789.-") == std::string_view::npos) {
        filter.args.emplace_back(word);
      } else {
        filter.operand = TemplateOperand{TemplateOperand::Kind::variable, std::string(word), offset_ + start, word.size()};
      }
    }
    skip();
    if (at_end() || in_[at_] != ',') return true;
    ++at_;
  }
}

bool TemplateWords::comparison(TemplateCondition& condition) {
  static constexpr std::array<std::pair<std::string_view, Op>, 8> kOperators = {{{"==", Op::equals},
                                                                                 {"!=", Op::not_equals},
                                                                                 {"<>", Op::not_equals},
                                                                                 {"<=", Op::at_most},
                                                                                 {">=", Op::at_least},
                                                                                 {"<", Op::less_than},
                                                                                 {">", Op::greater_than},
                                                                                 {"contains", Op::contains}}};
  if (!operand(condition.left, "a variable, such as `customer.name`,")) return false;
  for (const auto& [word, op] : kOperators) {
    if (!take(word)) continue;
    condition.kind = TemplateTest::Kind::compare;
    condition.op = op;
    return operand(condition.right, "the right side of `" + std::string(word) + "`");
  }
  return true;
}

bool TemplateWords::condition(TemplateCondition& condition, std::size_t parts) {
  TemplateCondition first;
  if (!comparison(first)) return false;
  skip();
  if (at_end()) {
    condition = std::move(first);
    return true;
  }
  const bool both = take("and");
  if (!both && !take("or")) {
    return mistake("R0801", "`and`, `or` or the end `%}` is expected here",
                   in_[at_] == '=' ? "equality is written `==`"
                   : in_[at_] == '(' || in_[at_] == '|'
                       ? "conditions of Liquid have neither brackets nor filters: assign first, or nest two `if`"
                       : "operators: == != < <= > >= contains",
                   at_);
  }
  if (parts + 1 >= kConditionParts)
    return mistake("R0808", "more than " + std::to_string(kConditionParts) + " comparisons in one condition", "nest two `if`", at_);
  condition.kind = both ? TemplateTest::Kind::all : TemplateTest::Kind::any;
  condition.children.resize(2);
  condition.children[0] = std::move(first);
  return this->condition(condition.children[1], parts + 1);
}

}  // namespace nudge::lang
