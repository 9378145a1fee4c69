#include "daemon/doors/raw_json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace nudge::doors {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::unexpected<Error> broken(std::string_view what) { return fail(Code::invalid, "this is no valid JSON: " + std::string(what)); }

class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}

  void spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    spaces();
    return at_ == text_.size();
  }
  // The next value as a slice; empty when there is none or its frame is broken.
  std::string_view value() {
    spaces();
    const std::size_t from = at_;
    if (at_ >= text_.size()) return {};
    if (text_[at_] == '"') return string() ? text_.substr(from, at_ - from) : std::string_view();
    if (text_[at_] == '{' || text_[at_] == '[') return nested() ? text_.substr(from, at_ - from) : std::string_view();
    while (at_ < text_.size() && !is_space(text_[at_]) && std::string_view(",]}{[\":").find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(from, at_ - from);
  }

 private:
  bool string() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      }
    }
    return false;
  }
  bool nested() {
    open_.clear();
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!string()) return false;
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') open_.push_back(c);
      if (c != '}' && c != ']') continue;
      if (open_.back() != (c == '}' ? '{' : '[')) return false;
      open_.pop_back();
      if (open_.empty()) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string open_;
};

bool hex4(std::string_view text, std::uint32_t& out) {
  if (text.size() < 4) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, out, 16);
  return error == std::errc() && end == text.data() + 4;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(kLead[more] | (c >> (6 * more))));
  for (int i = more - 1; i >= 0; --i) out.push_back(static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F)));
}

// \uXXXX at text[i] (behind the u); moves i to its last digit. False: no code point.
bool escape_u(std::string_view text, std::size_t& i, std::string& out) {
  std::uint32_t c = 0;
  if (!hex4(text.substr(i + 1), c)) return false;
  i += 4;
  if (c >= 0xD800 && c < 0xDC00) {
    std::uint32_t low = 0;
    if (text.substr(i + 1, 2) != "\\u" || !hex4(text.substr(i + 3), low) || low < 0xDC00 || low > 0xDFFF) return false;
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    i += 6;
  } else if (c >= 0xDC00 && c < 0xE000) {
    return false;
  }
  append_utf8(out, c);
  return true;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = kFrom.find(text[i]); at != std::string_view::npos) {
      out.push_back(kTo[at]);
    } else if (text[i] != 'u' || !escape_u(text, i, out)) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<RawMember>> raw_object(std::string_view json) {
  Scan scan(json);
  std::vector<RawMember> members;
  if (!scan.take('{')) return fail(Code::invalid, "a JSON object is expected");
  if (!scan.take('}')) {
    do {
      const std::string_view key = scan.value();
      if (key.size() < 2 || key.front() != '"') return broken("a member has no name");
      std::optional<std::string> name = unescape(key.substr(1, key.size() - 2));
      if (!name) return broken("the name of a member");
      if (!scan.take(':')) return broken("`:` is missing behind the name of a member");
      const std::string_view value = scan.value();
      if (value.empty()) return broken("member `" + *name + "` has no value, or its brackets or quotes do not match");
      members.push_back({*std::move(name), value});
    } while (scan.take(','));
    if (!scan.take('}')) return broken("an object does not end");
  }
  if (!scan.at_end()) return broken("there is text after the end of the object");
  return members;
}

Result<std::vector<std::string_view>> raw_array(std::string_view json) {
  Scan scan(json);
  std::vector<std::string_view> items;
  if (!scan.take('[')) return fail(Code::invalid, "a JSON array is expected");
  if (!scan.take(']')) {
    do {
      const std::string_view value = scan.value();
      if (value.empty()) return broken("item " + std::to_string(items.size()) + " of an array is missing, or its frame is broken");
      items.push_back(value);
    } while (scan.take(','));
    if (!scan.take(']')) return broken("an array does not end");
  }
  if (!scan.at_end()) return broken("there is text after the end of the array");
  return items;
}

std::optional<std::string> raw_text(std::string_view json) {
  if (json.empty()) return std::nullopt;
  if (json.front() == '"') return json.size() < 2 ? std::nullopt : unescape(json.substr(1, json.size() - 2));
  if (json.front() == '-' || (json.front() >= '0' && json.front() <= '9')) return std::string(json);
  return std::nullopt;
}

std::optional<std::string_view> raw_at(std::string_view json, std::string_view pointer) {
  while (!pointer.empty()) {
    if (pointer.front() != '/') return std::nullopt;
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string name;
    for (std::size_t i = 0; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end) {
        name.push_back(pointer[++i] == '1' ? '/' : '~');
      } else {
        name.push_back(pointer[i]);
      }
    }
    pointer.remove_prefix(end);
    if (json.starts_with('[')) {
      const auto items = raw_array(json);
      std::size_t index = 0;
      const auto [last, error] = std::from_chars(name.data(), name.data() + name.size(), index);
      if (!items || error != std::errc() || last != name.data() + name.size() || index >= items->size()) return std::nullopt;
      json = (*items)[index];
      continue;
    }
    const auto members = raw_object(json);
    if (!members) return std::nullopt;
    json = raw_member(*members, name);
    if (json.empty()) return std::nullopt;
  }
  return json;
}

std::string raw_pointer(std::string_view base, std::string_view key) {
  std::string out = std::string(base) + "/";
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out.push_back(c);
  }
  return out;
}

std::string_view raw_member(const std::vector<RawMember>& members, std::string_view key) {
  for (std::size_t i = members.size(); i > 0; --i) {
    if (members[i - 1].key == key) return members[i - 1].value;
  }
  return {};
}

bool raw_is_null(std::string_view json) { return json == "null"; }

}  // namespace nudge::doors
