#include "engine/base/json.h"

#include "engine/base/text.h"

namespace nudge {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((c >> shift) & 0x3fU)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0U | (c >> 6U));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0U | (c >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0U | (c >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<JsonValue> document() {
    JsonValue value;
    space();
    if (!read(value, 0)) return fail(Code::invalid, "no valid JSON at byte " + std::to_string(at_));
    space();
    if (at_ != text_.size()) return fail(Code::invalid, "something follows the JSON document at byte " + std::to_string(at_));
    return value;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (!text_.substr(at_).starts_with(w)) return false;
    at_ += w.size();
    return true;
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  bool read(JsonValue& out, int depth) {
    if (depth > kJsonDepth) return false;
    switch (peek()) {
      case '{': return object(out, depth);
      case '[': return list(out, depth);
      case '"': out.kind = JsonValue::Kind::text; return string(out.text);
      case 't':
      case 'f':
        out.kind = JsonValue::Kind::boolean;
        out.truth = peek() == 't';
        return word(out.truth ? "true" : "false");
      case 'n': return word("null");
      default: return number(out);
    }
  }

  bool object(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::object;
    ++at_;
    space();
    if (take('}')) return true;
    do {
      space();
      if (!string(out.names.emplace_back())) return false;
      space();
      if (!take(':')) return false;
      space();
      if (!read(out.items.emplace_back(), depth + 1)) return false;
      space();
    } while (take(','));
    return take('}');
  }

  bool list(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::list;
    ++at_;
    space();
    if (take(']')) return true;
    do {
      space();
      if (!read(out.items.emplace_back(), depth + 1)) return false;
      space();
    } while (take(','));
    return take(']');
  }

  bool number(JsonValue& out) {
    const std::size_t from = at_;
    const auto digits = [this] {
      const std::size_t begin = at_;
      while (is_digit(peek())) ++at_;
      return at_ > begin;
    };
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    out.kind = JsonValue::Kind::number;
    out.text = text_.substr(from, at_ - from);
    return true;
  }

  bool hex4(std::uint32_t& out) {
    out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return false;
      out = out * 16 + static_cast<std::uint32_t>(digit);
    }
    return true;
  }

  bool escaped(std::string& out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const std::size_t i = kFrom.find(c); at_ < text_.size() && i != std::string_view::npos) {
      out += kTo[i];
      ++at_;
      return true;
    }
    std::uint32_t high = 0, low = 0;
    if (!take('u') || !hex4(high)) return false;
    if (high >= 0xdc00 && high < 0xe000) return false;
    if (high >= 0xd800 && high < 0xdc00) {  // half of a pair
      if (!word("\\u") || !hex4(low) || low < 0xdc00 || low > 0xdfff) return false;
      high = 0x10000 + ((high - 0xd800) << 10U) + (low - 0xdc00);
    }
    append_utf8(out, high);
    return true;
  }

  bool string(std::string& out) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return false;
      ++at_;
      if (c == '"') return true;
      if (c != '\\') {
        out += c;
      } else if (!escaped(out)) {
        return false;
      }
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  for (std::size_t i = names.size(); i-- > 0;) {
    if (names[i] == name) return &items[i];
  }
  return nullptr;
}

std::string_view JsonValue::kind_name() const {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return truth ? "true" : "false";
    case Kind::number: return "a number";
    case Kind::text: return "a text";
    case Kind::list: return "a list";
    case Kind::object: return "an object";
  }
  return "";
}

Result<JsonValue> parse_json(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return fail(Code::too_large, "longer than " + std::to_string(bytes_max) + " bytes");
  if (!is_utf8(text)) return fail(Code::invalid, "no valid UTF-8");
  return Parser(text).document();
}

}  // namespace nudge
