#include "rules/lang/template_parser.h"

#include <algorithm>
#include <array>

#include "rules/doc/diagnostic.h"
#include "rules/lang/template_words.h"

namespace nudge::lang {
namespace {

using doc::quoted;

constexpr std::string_view kSpace = " \t\r\n";
// Tags of Liquid that are left out, by decision: docs/decisions/templates.md.
constexpr std::array<std::string_view, 10> kLeftOut = {"capture", "cycle",  "tablerow", "increment", "decrement",
                                                       "include", "liquid", "echo",     "break",     "continue"};
constexpr std::size_t kBranches = 100;  // of one block
constexpr std::size_t kWhenValues = 50;  // of one `when`

struct Token {
  enum class Kind : std::uint8_t { text, output, tag };
  Kind kind = Kind::text;
  std::size_t begin = 0, end = 0;          // of all of it
  std::size_t inside = 0, inside_end = 0;  // between the braces, without the hyphens
};

/// Where a `{{` or `{%` that starts before `from` ends: the first closing mark outside quotes.
std::size_t find_end(std::string_view text, std::size_t from, std::string_view close, std::string_view open) {
  char quote = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    } else if (text.substr(i).starts_with(close)) {
      return i;
    } else if (text.substr(i).starts_with(open)) {
      return std::string_view::npos;
    }
  }
  // A stray apostrophe must not swallow the end.
  const std::size_t plain = text.find(close, from);
  return plain < text.find(open, from) ? plain : std::string_view::npos;
}

/// Cuts the text at its braces, takes out comments and the inside of `raw`, and trims where hyphens say so.
class Cutter {
 public:
  Cutter(std::string_view text, ParsedTemplate& out) : text_(text), out_(out) {}

  std::vector<Token> cut() {
    std::size_t at = 0;
    while (at < text_.size()) {
      const std::size_t open = std::min(text_.find("{{", at), text_.find("{%", at));
      if (open == std::string_view::npos) break;
      literal(at, open);
      const bool tag = text_[open + 1] == '%';
      const std::size_t close = find_end(text_, open + 2, tag ? "%}" : "}}", tag ? "{%" : "{{");
      if (close == std::string_view::npos) {
        out_.mistakes.push_back({"R0801", tag ? "this `{%` is never closed by `%}`" : "this `{{` is never closed by `}}`",
                                 tag ? "add `%}` at the end of the tag" : "add `}}` after the variable", open, 2});
        at = open + 2;
        trim_next_ = false;
        continue;
      }
      at = take(tag, open, close);
    }
    literal(at, text_.size());
    return std::move(tokens_);
  }

 private:
  void literal(std::size_t from, std::size_t to) {
    if (trim_next_)
      while (from < to && kSpace.find(text_[from]) != std::string_view::npos) ++from;
    trim_next_ = false;
    if (to > from) tokens_.push_back({Token::Kind::text, from, to, from, to});
  }
  void trim_before() {
    if (tokens_.empty() || tokens_.back().kind != Token::Kind::text) return;
    Token& last = tokens_.back();
    while (last.end > last.begin && kSpace.find(text_[last.end - 1]) != std::string_view::npos) --last.end;
    if (last.end == last.begin) tokens_.pop_back();
  }

  std::size_t take(bool tag, std::size_t open, std::size_t close) {
    Token token{tag ? Token::Kind::tag : Token::Kind::output, open, close + 2, open + 2, close};
    if (token.inside < token.inside_end && text_[token.inside] == '-') {
      ++token.inside;
      trim_before();
    }
    const bool trims = token.inside < token.inside_end && text_[token.inside_end - 1] == '-';
    if (trims) --token.inside_end;
    if (tag) {
      const std::string_view name = name_of(token);
      if (name == "comment" || name == "raw") return verbatim(token, name, trims);
      if (name == "#") {
        trim_next_ = trims;
        return token.end;
      }
    }
    tokens_.push_back(token);
    trim_next_ = trims;
    return token.end;
  }

  std::string_view name_of(const Token& token) const {
    std::string_view inside = text_.substr(token.inside, token.inside_end - token.inside);
    inside.remove_prefix(std::min(inside.find_first_not_of(kSpace), inside.size()));
    if (inside.starts_with('#')) return "#";
    return inside.substr(0, inside.find_first_of(kSpace));
  }

  /// `comment` and `raw`: nothing in between is read.
  std::size_t verbatim(const Token& opening, std::string_view name, bool trims) {
    const std::string end_name = "end" + std::string(name);
    for (std::size_t at = text_.find("{%", opening.end); at != std::string_view::npos; at = text_.find("{%", at + 2)) {
      const std::size_t close = text_.find("%}", at);
      if (close == std::string_view::npos) break;
      Token ending{Token::Kind::tag, at, close + 2, at + 2, close};
      const bool trims_before = text_[ending.inside] == '-';
      if (trims_before) ++ending.inside;
      const bool trims_after = ending.inside < ending.inside_end && text_[ending.inside_end - 1] == '-';
      if (trims_after) --ending.inside_end;
      if (name_of(ending) != end_name) continue;
      if (name == "raw") {
        trim_next_ = trims;
        literal(opening.end, at);
        if (trims_before) trim_before();
      }
      trim_next_ = trims_after;
      return ending.end;
    }
    out_.mistakes.push_back({"R0807", "this " + quoted(name) + " is never closed", "add `{% " + end_name + " %}`", opening.begin, 2});
    return text_.size();
  }

  std::string_view text_;
  ParsedTemplate& out_;
  std::vector<Token> tokens_;
  bool trim_next_ = false;
};

class Parser {
 public:
  Parser(std::string_view text, ParsedTemplate& out) : text_(text), out_(out), tokens_(Cutter(text, out).cut()) {}

  void parse() {
    while (next_ < tokens_.size()) {
      const Token* ending = block(out_.pieces, {}, 0);
      if (ending != nullptr) misplaced(*ending);
    }
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  TemplateWords words(const Token& token) {
    return {text_.substr(token.inside, token.inside_end - token.inside), token.inside, out_};
  }
  std::string name(const Token& token) { return std::string(words(token).word()); }

  /// Reads pieces up to a tag of `ends`, which is given back, or to the end.
  const Token* block(std::vector<TemplatePiece>& into, Names ends, std::size_t depth) {
    while (next_ < tokens_.size()) {
      const Token& token = tokens_[next_++];
      TemplatePiece piece;
      piece.offset = token.begin;
      piece.length = token.end - token.begin;
      if (token.kind == Token::Kind::text) {
        piece.text = text_.substr(token.begin, piece.length);
        add(into, std::move(piece));
      } else if (token.kind == Token::Kind::output) {
        if (output(token, piece)) add(into, std::move(piece));
      } else {
        const std::string tag = name(token);
        if (std::ranges::find(ends, tag) != ends.end()) return &token;
        if (tag == "else" || tag == "elsif" || tag == "when" || tag.starts_with("end")) {
          if (ends.size() == 0) return &token;
          misplaced(token);
        } else if (this->tag(token, tag, piece, depth)) {
          add(into, std::move(piece));
        }
      }
    }
    return nullptr;
  }

  void add(std::vector<TemplatePiece>& into, TemplatePiece piece) {
    if (++pieces_ == kTemplatePieces)
      mistake("R0808", tokens_[next_ - 1], "this text has more than " + std::to_string(kTemplatePieces) + " pieces", "cut it into several");
    if (pieces_ < kTemplatePieces) into.push_back(std::move(piece));
  }

  bool output(const Token& token, TemplatePiece& piece) {
    piece.kind = TemplatePiece::Kind::output;
    TemplateWords in = words(token);
    in.skip();
    if (in.at_end())
      return in.mistake("R0801", "this placeholder is empty", "a variable is written as customer.name, event.amount or trait.NAME", in.at());
    if (!in.operand(piece.value, "a variable")) return false;
    piece.text = piece.value.text;
    return in.filters(piece.filters);
  }

  bool tag(const Token& token, const std::string& name, TemplatePiece& piece, std::size_t depth) {
    if (depth >= kTemplateDepth) {
      mistake("R0808", token, "blocks are nested more than " + std::to_string(kTemplateDepth) + " deep", "put the inner part into a template of its own, or simplify");
      next_ = tokens_.size();
      too_deep_ = true;  // the blocks around it are then not closed, which is nobody's mistake
      return false;
    }
    if (name == "if" || name == "unless") return branch(token, name, piece, depth);
    if (name == "case") return choice(token, piece, depth);
    if (name == "for") return loop(token, piece, depth);
    if (name == "assign") return assign(token, piece);
    if (name == "render") return render(token, piece);
    if (std::ranges::find(kLeftOut, name) != kLeftOut.end()) {
      return mistake("R0901", token, "Liquid's tag " + quoted(name) + " is not available", "`if`, `unless`, `case`, `for`, `assign`, `render`, `comment` and `raw` are");
    }
    static const std::vector<std::string_view> kTags = {"if",  "elsif",  "else",   "endif",   "unless",     "endunless", "case", "when", "endcase",
                                                        "for", "endfor", "assign", "comment", "endcomment", "raw", "endraw", "render"};
    return mistake("R0807", token, name.empty() ? "this tag has no name" : "there is no tag " + quoted(name),
                   doc::did_you_mean(name, kTags, "tags"));
  }

  bool branch(const Token& opening, const std::string& name, TemplatePiece& piece, std::size_t depth) {
    piece.kind = TemplatePiece::Kind::branch;
    const std::string end = "end" + name;
    const Token* token = &opening;
    bool good = true;
    bool had_else = false;
    while (true) {
      TemplatePiece::Branch next;
      TemplateWords in = words(*token);
      const std::string_view tag = in.word();
      if (tag == "else") {
        had_else = true;
        in.skip();
        if (!in.at_end()) good = in.mistake("R0807", "`else` takes no condition", "`elsif` does", in.at());
      } else {
        next.negated = tag == "unless";
        TemplateCondition test;
        if (in.condition(test))
          next.test = std::move(test);
        else
          good = false;
      }
      piece.branches.push_back(std::move(next));
      if (piece.branches.size() > kBranches) good = mistake("R0808", *token, "more than 100 branches", "cut the text into several");
      token = block(piece.branches.back().pieces, {"elsif", "else", end}, depth + 1);
      if (token == nullptr && too_deep_) return false;
      if (token == nullptr) return mistake("R0807", opening, "this " + quoted(name) + " is never closed", "add `{% " + end + " %}`");
      if (this->name(*token) == end) return good;
      if (had_else) good = mistake("R0807", *token, "nothing can follow `else` but " + quoted(end), "move `else` to the end");
    }
  }

  /// `case` is the branches that its `when`s come to: the value equals one of theirs.
  bool choice(const Token& opening, TemplatePiece& piece, std::size_t depth) {
    piece.kind = TemplatePiece::Kind::branch;
    TemplateWords head = words(opening);
    head.word();
    TemplateOperand value;
    if (!head.operand(value, "what `case` looks at")) return skip_choice(opening, depth);
    head.skip();
    if (!head.at_end()) {
      head.mistake("R0801", "`case` looks at one value", "`{% case customer.tier %}{% when 'gold' %}…{% endcase %}`; assign first, when a filter is needed", head.at());
      return skip_choice(opening, depth);
    }
    bool good = true;
    bool had_else = false;
    std::vector<TemplatePiece> before;  // what stands before the first `when` is not shown, as in Liquid
    const Token* token = block(before, {"when", "else", "endcase"}, depth + 1);
    while (token != nullptr) {
      const std::string tag = name(*token);
      if (tag == "endcase") return good;
      if (had_else) good = mistake("R0807", *token, "nothing can follow `else` but `endcase`", "move `else` to the end");
      had_else = tag == "else";
      TemplatePiece::Branch next;
      if (!had_else && !when(*token, value, next)) good = false;
      piece.branches.push_back(std::move(next));
      if (piece.branches.size() > kBranches) good = mistake("R0808", *token, "more than 100 branches", "cut the text into several");
      token = block(piece.branches.back().pieces, {"when", "else", "endcase"}, depth + 1);
    }
    if (too_deep_) return false;
    return mistake("R0807", opening, "this `case` is never closed", "add `{% endcase %}`");
  }

  /// Reads over a block whose head is wrong, so that the rest is read as it is meant. Always false.
  bool skip_choice(const Token& opening, std::size_t depth) {
    std::vector<TemplatePiece> unread;
    const Token* token = block(unread, {"when", "else", "endcase"}, depth + 1);
    while (token != nullptr && name(*token) != "endcase") token = block(unread, {"when", "else", "endcase"}, depth + 1);
    if (token == nullptr && !too_deep_) mistake("R0807", opening, "this `case` is never closed", "add `{% endcase %}`");
    return false;
  }

  /// `when 'a', 'b' or 'c'`.
  bool when(const Token& token, const TemplateOperand& value, TemplatePiece::Branch& branch) {
    TemplateWords in = words(token);
    in.word();
    std::vector<TemplateCondition> tests;
    do {
      TemplateCondition& test = tests.emplace_back();
      test.kind = TemplateTest::Kind::compare;
      test.left = value;
      if (!in.operand(test.right, "a value of `when`")) return false;
      in.skip();
    } while (tests.size() <= kWhenValues && (in.take(",") || in.take("or")));
    if (!in.at_end()) return in.mistake("R0801", "a comma, `or` or the end `%}` is expected here", "`{% when 'gold', 'silver' %}`, at most 50 values", in.at());
    // Binds from the right, like any `or`.
    TemplateCondition all = std::move(tests.back());
    for (tests.pop_back(); !tests.empty(); tests.pop_back()) {
      TemplateCondition both;
      both.kind = TemplateTest::Kind::any;
      both.children.push_back(std::move(tests.back()));
      both.children.push_back(std::move(all));
      all = std::move(both);
    }
    branch.test = std::move(all);
    return true;
  }

  bool loop(const Token& opening, TemplatePiece& piece, std::size_t depth) {
    piece.kind = TemplatePiece::Kind::loop;
    bool good = loop_head(opening, piece);
    const Token* token = block(piece.body, {"else", "endfor"}, depth + 1);
    if (token != nullptr && name(*token) == "else") token = block(piece.otherwise, {"endfor"}, depth + 1);
    if (token == nullptr && too_deep_) return false;
    if (token == nullptr) return mistake("R0807", opening, "this `for` is never closed", "add `{% endfor %}`");
    return good;
  }

  bool loop_head(const Token& token, TemplatePiece& piece) {
    static const std::string kForm = "`{% for order in events.order_placed limit: 3 %}`";
    TemplateWords in = words(token);
    in.word();
    piece.text = in.word();
    if (piece.text.empty() || !in.take("in")) return in.mistake("R0801", "`for` needs a name, `in` and what to go through", kForm, in.at());
    if (!in.operand(piece.value, "what to go through")) return false;
    while (true) {
      in.skip();
      if (in.at_end()) return true;
      if (in.take("reversed")) {
        piece.reversed = true;
        continue;
      }
      const std::size_t start = in.at();
      const bool limit = in.take("limit");
      if (!limit && !in.take("offset")) return in.mistake("R0801", "`limit: N`, `offset: N` or `reversed` is expected here", kForm, start);
      TemplateOperand number;
      if (!in.take(":") || !in.operand(number, "a number")) return in.mistake("R0801", "a `:` and a number are expected here", kForm, start);
      const std::uint32_t least = limit ? 1 : 0;
      const bool whole = number.kind == TemplateOperand::Kind::number && number.text.size() <= 4 && number.text.find_first_not_of("0123456789") == std::string::npos;
      const auto n = whole ? static_cast<std::uint32_t>(std::stoul(number.text)) : 0;
      if (!whole || n < least || (limit && n > kLoopRounds))
        return in.mistake("R0807", limit ? "`limit` is a number from 1 to " + std::to_string(kLoopRounds) : "`offset` is a number from 0 to 9999", kForm, start);
      (limit ? piece.limit : piece.skip) = n;
    }
  }

  bool assign(const Token& token, TemplatePiece& piece) {
    piece.kind = TemplatePiece::Kind::assign;
    TemplateWords in = words(token);
    in.word();
    piece.text = in.word();
    if (piece.text.empty() || !in.take("="))
      return in.mistake("R0801", "`assign` needs a name, `=` and a value", "`{% assign total = event.amount | times: 2 %}`", in.at());
    return in.operand(piece.value, "a variable or a literal") && in.filters(piece.filters);
  }

  bool render(const Token& token, TemplatePiece& piece) {
    static const std::string kForm = "`{% render 'signature' %}`, or with values `{% render 'line', order: order %}`";
    piece.kind = TemplatePiece::Kind::render;
    TemplateWords in = words(token);
    in.word();
    TemplateOperand file;
    if (!in.operand(file, "the template's name in quotes")) return false;
    if (file.kind != TemplateOperand::Kind::text) return in.mistake("R0801", "the template's name stands in quotes", kForm, 0);
    piece.text = file.text;
    piece.value = file;
    while (in.take(",")) {
      std::pair<std::string, TemplateOperand> argument;
      argument.first = in.word();
      if (argument.first.empty() || !in.take(":")) return in.mistake("R0801", "a name and `:` are expected here", kForm, in.at());
      if (!in.operand(argument.second, "a value")) return false;
      piece.arguments.push_back(std::move(argument));
    }
    in.skip();
    return in.at_end() || in.mistake("R0801", "a comma or the end `%}` is expected here", kForm, in.at());
  }

  void misplaced(const Token& token) {
    mistake("R0807", token, quoted(name(token)) + " stands outside its block",
            name(token) == "when" ? "it belongs between `{% case … %}` and `{% endcase %}`" : "each `if`, `unless`, `case` and `for` has one end of its own");
  }
  bool mistake(std::string code, const Token& token, std::string message, std::string hint) {
    out_.mistakes.push_back({std::move(code), std::move(message), std::move(hint), token.begin, token.end - token.begin});
    return false;
  }

  std::string_view text_;
  ParsedTemplate& out_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  std::size_t pieces_ = 0;
  bool too_deep_ = false;
};

}  // namespace

ParsedTemplate parse_template(std::string_view text) {
  ParsedTemplate out;
  Parser(text, out).parse();
  return out;
}

}  // namespace nudge::lang
