#include "rules/lang/template_parser.h"

#include <algorithm>
#include <array>

#include "rules/doc/diagnostic.h"

namespace nudge::lang {
namespace {

using doc::quoted;

enum class Argument : std::uint8_t { text, digits, places, currency, format };

struct FilterRule {
  std::string_view name;
  Filter::Fn fn;
  std::size_t least, most;
  Argument argument;
  std::string_view example;
};

constexpr std::array<FilterRule, 11> kFilters = {{{"default", Filter::Fn::default_, 1, 1, Argument::text, "default: 'customer'"},
                                                  {"date", Filter::Fn::date, 0, 1, Argument::format, "date: '%d.%m.%Y'"},
                                                  {"time", Filter::Fn::time, 0, 1, Argument::format, "time: '%H:%M'"},
                                                  {"number", Filter::Fn::number, 0, 1, Argument::places, "number: 2"},
                                                  {"money", Filter::Fn::money, 0, 1, Argument::currency, "money: 'CNY'"},
                                                  {"truncate", Filter::Fn::truncate, 1, 1, Argument::digits, "truncate: 40"},
                                                  {"upcase", Filter::Fn::upcase, 0, 0, Argument::text, "upcase"},
                                                  {"downcase", Filter::Fn::downcase, 0, 0, Argument::text, "downcase"},
                                                  {"capitalize", Filter::Fn::capitalize, 0, 0, Argument::text, "capitalize"},
                                                  {"mask", Filter::Fn::mask, 0, 1, Argument::digits, "mask: 4"},
                                                  {"join", Filter::Fn::join, 0, 1, Argument::text, "join: ' / '"}}};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

/// Reads the inside of one placeholder; stops at the first mistake in it.
class PlaceholderParser {
 public:
  PlaceholderParser(std::string_view inside, std::size_t offset, ParsedTemplate& out) : in_(inside), offset_(offset), out_(out) {}

  void parse(std::size_t begin, std::size_t length) {
    TemplatePiece piece;
    piece.placeholder = true;
    piece.offset = begin;
    piece.length = length;
    skip();
    piece.text = path();
    if (piece.text.empty()) {
      return mistake("R0801", at_ >= in_.size() ? "this placeholder is empty" : "a variable is expected here, such as `customer.name`",
                     "a variable is written as customer.name, event.amount or trait.NAME", at_);
    }
    skip();
    while (at_ < in_.size()) {
      if (in_[at_] != '|')
        return mistake("R0801", "a `|` and a filter, or the end `}}`, is expected here",
                       "text goes outside the braces; a filter is written `| upcase`", at_);
      ++at_;
      skip();
      if (!filter(piece)) return;
      skip();
    }
    out_.pieces.push_back(std::move(piece));
  }

 private:
  void skip() {
    while (at_ < in_.size() && (in_[at_] == ' ' || in_[at_] == '\n')) ++at_;
  }

  std::string path() {
    const std::size_t start = at_;
    while (at_ < in_.size() && (is_word(in_[at_]) || in_[at_] == '.')) ++at_;
    return std::string(in_.substr(start, at_ - start));
  }

  bool filter(TemplatePiece& piece) {
    const std::size_t start = at_;
    while (at_ < in_.size() && is_word(in_[at_])) ++at_;
    const std::string_view name = in_.substr(start, at_ - start);
    const auto rule = std::find_if(kFilters.begin(), kFilters.end(), [&](const FilterRule& r) { return r.name == name; });
    if (rule == kFilters.end()) {
      mistake("R0803", name.empty() ? "a filter is expected after `|`" : "there is no filter " + quoted(name),
              doc::did_you_mean(name, filter_names(), "filters"), start);
      return false;
    }
    Filter filter{rule->fn, {}};
    skip();
    if (at_ < in_.size() && in_[at_] == ':') {
      ++at_;
      if (!arguments(filter)) return false;
    }
    if (filter.args.size() < rule->least || filter.args.size() > rule->most) {
      mistake("R0804",
              "the filter " + quoted(name) +
                  (rule->most == 0    ? " takes no argument"
                   : rule->least == 1 ? " takes one argument"
                                      : " takes at most one argument"),
              "for instance `| " + std::string(rule->example) + "`", start);
      return false;
    }
    if (!filter.args.empty() && !fits(rule->argument, filter.args[0])) {
      mistake("R0804", quoted(filter.args[0]) + " is no argument for the filter " + quoted(name),
              "for instance `| " + std::string(rule->example) + "`", start);
      return false;
    }
    piece.filters.push_back(std::move(filter));
    return true;
  }

  bool arguments(Filter& filter) {
    while (true) {
      skip();
      const std::size_t start = at_;
      if (at_ < in_.size() && (in_[at_] == '\'' || in_[at_] == '"')) {
        const std::size_t end = in_.find(in_[at_], at_ + 1);
        if (end == std::string_view::npos) {
          mistake("R0801", "this text is never closed", "add the closing quote", start);
          return false;
        }
        filter.args.emplace_back(in_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
      } else {
        while (at_ < in_.size() && (is_word(in_[at_]) || in_[at_] == '.')) ++at_;
        const std::string_view word = in_.substr(start, at_ - start);
        if (word.empty() || word.find_first_not_of("0123456789.") != std::string_view::npos) {
          mistake("R0801", "an argument in quotes or a number is expected here", "put text in single quotes: 'text'", start);
          return false;
        }
        filter.args.emplace_back(word);
      }
      skip();
      if (at_ >= in_.size() || in_[at_] != ',') return true;
      ++at_;
    }
  }

  static bool fits(Argument kind, std::string_view text) {
    switch (kind) {
      case Argument::text: return true;
      case Argument::format: {
        for (std::size_t i = 0; i < text.size(); ++i) {
          if (text[i] == '%' && (++i == text.size() || std::string_view("YmdHMS%").find(text[i]) == std::string_view::npos)) return false;
        }
        return !text.empty() && text.size() <= 100;
      }
      case Argument::places: return text.size() == 1 && text[0] >= '0' && text[0] <= '6';
      case Argument::digits: return !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == std::string_view::npos;
      case Argument::currency: return !text.empty() && text.size() <= 8;
    }
    return false;
  }

  void mistake(std::string code, std::string message, std::string hint, std::size_t at) {
    out_.mistakes.push_back({std::move(code), std::move(message), std::move(hint), offset_ + std::min(at, in_.size()), 1});
  }

  std::string_view in_;
  std::size_t offset_;
  ParsedTemplate& out_;
  std::size_t at_ = 0;
};

/// Where the placeholder that starts before `from` ends: the first `}}` outside quotes.
std::size_t find_end(std::string_view text, std::size_t from) {
  char quote = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    } else if (text.substr(i).starts_with("}}")) {
      return i;
    } else if (text.substr(i).starts_with("{{")) {
      return std::string_view::npos;
    }
  }
  // A stray apostrophe must not swallow the end.
  const std::size_t plain = text.find("}}", from);
  return plain < text.find("{{", from) ? plain : std::string_view::npos;
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

ParsedTemplate parse_template(std::string_view text) {
  ParsedTemplate out;
  std::size_t at = 0;
  const auto literal = [&](std::size_t from, std::size_t to) {
    if (to > from) out.pieces.push_back({false, std::string(text.substr(from, to - from)), {}, from, to - from});
  };
  while (at < text.size()) {
    const std::size_t open = text.find("{{", at);
    const std::size_t tag = text.find("{%", at);
    if (tag < open) {
      out.mistakes.push_back({"R0901", "template logic (`{% … %}`) is not available in this version",
                              "write two templates and choose between them by rules", tag, 2});
      at = tag + 2;
      continue;
    }
    if (open == std::string_view::npos) break;
    literal(at, open);
    const std::size_t end = find_end(text, open + 2);
    if (end == std::string_view::npos) {
      out.mistakes.push_back({"R0801", "this `{{` is never closed by `}}`", "add `}}` after the variable", open, 2});
      at = open + 2;
      continue;
    }
    PlaceholderParser(text.substr(open + 2, end - open - 2), open + 2, out).parse(open, end + 2 - open);
    at = end + 2;
  }
  literal(at, text.size());
  return out;
}

}  // namespace nudge::lang
