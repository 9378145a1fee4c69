#include "engine/base/regex.h"

#include <re2/re2.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/text.h"

namespace nudge {
namespace {

// Program and automata together; the program alone is held to limits::kRegexProgramBytes.
constexpr std::int64_t kMemoryBytes = 4 << 20;
constexpr std::size_t kInstructionBytes = 16;

RE2::Options options(bool ignore_case) {
  RE2::Options o;
  o.set_log_errors(false);
  o.set_encoding(RE2::Options::EncodingUTF8);
  o.set_case_sensitive(!ignore_case);
  o.set_max_mem(kMemoryBytes);
  return o;
}

re2::StringPiece piece(std::string_view s) { return {s.data(), s.size()}; }

void append_code_point(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// Every character whose full folding is longer than one character (CaseFolding.txt, status F), with that folding.
struct LongFolding {
  char32_t code;
  std::string folded;
};
const std::vector<LongFolding>& long_foldings() {
  static const std::vector<LongFolding> all = [] {
    std::vector<LongFolding> found;
    for (char32_t c = 0x80; c < 0x10000; ++c) {
      if (c >= 0xd800 && c < 0xe000) continue;
      std::string one;
      append_code_point(one, c);
      std::string folded = fold_case(one);
      if (length_utf8(folded) > 1) found.push_back({c, std::move(folded)});
    }
    return found;
  }();
  return all;
}

// Rewrites a pattern that RE2 has accepted, so that it fits folded text. See regex.h.
class Folder {
 public:
  explicit Folder(std::string_view in) : in_(in) {}

  std::string run() {
    while (pos_ < in_.size()) {
      switch (in_[pos_]) {
        case '\\': escape(); break;
        case '[': bracket(); break;
        case '(': group(); break;
        default: literal(next()); break;
      }
    }
    return std::move(out_);
  }

 private:
  // The code point at pos_, which moves on. The pattern is valid UTF-8: RE2 has checked it.
  char32_t next() {
    const auto lead = static_cast<std::uint8_t>(in_[pos_++]);
    if (lead < 0x80) return lead;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    char32_t c = lead & (0x3fU >> more);
    for (int i = 0; i < more && pos_ < in_.size(); ++i) c = c << 6 | (static_cast<std::uint8_t>(in_[pos_++]) & 0x3fU);
    return c;
  }

  void literal(char32_t c) {
    std::string one;
    append_code_point(one, c);
    if (c < 0x80) {
      out_ += one;  // RE2's own folding does these
      return;
    }
    const std::string folded = fold_case(one);
    if (length_utf8(folded) > 1) {
      out_.append("(?:").append(folded).append(")");
    } else {
      out_ += folded;
    }
  }

  // \x41, \x{1F600}, \101: a code point; nothing for every other escape, and then pos_ stays.
  std::optional<char32_t> numeric_escape() {
    std::size_t p = pos_ + 1;
    const auto hex = [](char c) {
      return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
    };
    if (p >= in_.size()) return std::nullopt;
    char32_t v = 0;
    if (in_[p] == 'x') {
      ++p;
      if (p < in_.size() && in_[p] == '{') {
        for (++p; p < in_.size() && in_[p] != '}'; ++p) v = v << 4 | static_cast<char32_t>(hex(in_[p]));
        pos_ = p + 1;
        return v;
      }
      for (int i = 0; i < 2 && p < in_.size(); ++i, ++p) v = v << 4 | static_cast<char32_t>(hex(in_[p]));
      pos_ = p;
      return v;
    }
    if (in_[p] < '0' || in_[p] > '7') return std::nullopt;
    for (int i = 0; i < 3 && p < in_.size() && in_[p] >= '0' && in_[p] <= '7'; ++i, ++p) v = v << 3 | static_cast<char32_t>(in_[p] - '0');
    pos_ = p;
    return v;
  }

  void copy(std::size_t n) {
    out_ += in_.substr(pos_, n);
    pos_ += n;
  }

  // A backslash and what belongs to it, outside of brackets.
  void escape() {
    const std::size_t start = pos_;
    if (const auto c = numeric_escape()) {
      if (*c < 0x80) {
        out_ += in_.substr(start, pos_ - start);
      } else {
        literal(*c);
      }
      return;
    }
    const char kind = pos_ + 1 < in_.size() ? in_[pos_ + 1] : '\0';
    if (kind == 'Q') {
      quoted();
      return;
    }
    copy(2);
    if ((kind == 'p' || kind == 'P') && pos_ < in_.size()) copy(in_[pos_] == '{' ? in_.find('}', pos_) - pos_ + 1 : 1);
  }

  // \Q…\E: everything in it is literal.
  void quoted() {
    pos_ += 2;
    const std::size_t end = std::min(in_.find("\\E", pos_), in_.size());
    while (pos_ < end) {
      const char32_t c = next();
      if (c < 0x80) {
        out_ += RE2::QuoteMeta(piece(in_.substr(pos_ - 1, 1)));
      } else {
        literal(c);
      }
    }
    if (pos_ < in_.size()) pos_ += 2;
  }

  // The opening of a group: flags and names are no literals.
  void group() {
    if (in_.substr(pos_, 2) != "(?") {
      copy(1);
      return;
    }
    std::size_t end = pos_ + 2;
    if (in_.substr(pos_, 3) == "(?P" || in_.substr(pos_, 3) == "(?<") {
      end = in_.find('>', pos_) + 1;
    } else {
      while (end < in_.size() && in_[end] != ':' && in_[end] != ')') ++end;
      ++end;
    }
    copy(end - pos_);
  }

  // [ … ]: kept as it is (RE2 folds its members one to one), and beside it the longer foldings of members that have one.
  void bracket() {
    const std::size_t start = pos_++;
    const bool negated = pos_ < in_.size() && in_[pos_] == '^';
    if (negated) ++pos_;
    std::vector<std::pair<char32_t, char32_t>> ranges;
    for (bool first = true; pos_ < in_.size() && (first || in_[pos_] != ']'); first = false) {
      if (in_.substr(pos_, 2) == "[:") {
        pos_ = in_.find(":]", pos_) + 2;
        continue;
      }
      const auto low = member();
      if (!low) continue;
      char32_t high = *low;
      if (pos_ + 1 < in_.size() && in_[pos_] == '-' && in_[pos_ + 1] != ']') {
        ++pos_;
        high = member().value_or(*low);
      }
      ranges.emplace_back(*low, high);
    }
    ++pos_;
    std::string more;
    if (!negated) {
      for (const LongFolding& f : long_foldings()) {
        for (const auto& [low, high] : ranges) {
          if (f.code < low || f.code > high) continue;
          more.append("|").append(f.folded);
          break;
        }
      }
    }
    const std::string_view written = in_.substr(start, pos_ - start);
    if (more.empty()) {
      out_ += written;
    } else {
      // The longer ones first would change nothing: only whether it is found is asked.
      out_.append("(?:").append(written).append(more).append(")");
    }
  }

  // One member of a bracket; nothing for a class such as \d or \pL.
  std::optional<char32_t> member() {
    if (in_[pos_] != '\\') return next();
    if (const auto c = numeric_escape()) return c;
    const char kind = pos_ + 1 < in_.size() ? in_[pos_ + 1] : '\0';
    pos_ += 2;
    switch (kind) {
      case 'p':
      case 'P':
        if (pos_ < in_.size()) pos_ += in_[pos_] == '{' ? in_.find('}', pos_) - pos_ + 1 : 1;
        return std::nullopt;
      case 'd':
      case 'D':
      case 's':
      case 'S':
      case 'w':
      case 'W': return std::nullopt;
      case 'a': return U'\a';
      case 'f': return U'\f';
      case 't': return U'\t';
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 'v': return U'\v';
      default: return static_cast<char32_t>(static_cast<std::uint8_t>(kind));
    }
  }

  std::string_view in_;
  std::size_t pos_ = 0;
  std::string out_;
};

}  // namespace

struct Regex::Impl {
  std::unique_ptr<RE2> re;
  bool ignore_case = false;
};

Regex::Regex() : impl_(std::make_unique<Impl>()) {}
Regex::~Regex() = default;

Result<std::shared_ptr<const Regex>> Regex::compile(std::string_view pattern, bool ignore_case) {
  if (!is_utf8(pattern)) return fail(Code::invalid, "the pattern is not valid UTF-8");
  auto re = std::make_unique<RE2>(piece(pattern), options(ignore_case));
  if (re->ok() && ignore_case) {
    const std::string folded = Folder(pattern).run();
    if (folded != pattern) re = std::make_unique<RE2>(piece(folded), options(true));
  }
  if (!re->ok()) {
    if (re->error_code() == RE2::ErrorPatternTooLarge) {
      return fail(Code::too_large, "the pattern is too large (" + re->error() + "); use fewer or smaller counted repetitions");
    }
    return fail(Code::invalid, "the pattern does not follow RE2 syntax: " + re->error());
  }
  if (static_cast<std::size_t>(re->ProgramSize()) * kInstructionBytes > limits::kRegexProgramBytes) {
    return fail(Code::too_large, "the pattern is too large (" + std::to_string(re->ProgramSize()) + " instructions, " +
                                     std::to_string(limits::kRegexProgramBytes / kInstructionBytes) +
                                     " allowed); use fewer or smaller counted repetitions");
  }
  std::shared_ptr<Regex> made(new Regex);
  made->impl_->re = std::move(re);
  made->impl_->ignore_case = ignore_case;
  return std::shared_ptr<const Regex>(std::move(made));
}

bool Regex::found_in(std::string_view text) const {
  if (!impl_->ignore_case) return RE2::PartialMatch(piece(text), *impl_->re);
  const std::string folded = fold_case(text);
  return RE2::PartialMatch(piece(folded), *impl_->re);
}

}  // namespace nudge
