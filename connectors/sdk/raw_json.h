// Finds a member of a JSON object WITHOUT decoding it, so that its bytes can be passed on exactly as they came: a decimal
// 12.10 stays 12.10, and a body that is signed is the same at every attempt. Header-only, std only, no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace nudge::sdk {
namespace detail {

inline std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

// One past the end of the value that begins at `at`; npos when it doesn't end. Assumes valid JSON (check it first).
inline std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        quoted = false;
        if (depth == 0) return at + 1;
      }
      continue;
    }
    if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      return at;
    }
  }
  return depth == 0 && !quoted ? at : std::string_view::npos;
}

}  // namespace detail

// The bytes of `object`'s top-level member `key`; empty when it has none. `object` must be valid JSON (parse it first: this
// function does not check). Keys are compared as written: one spelt with \u escapes is not found. The last of two equal
// keys wins, as in Boost.JSON.
inline std::string_view raw_member(std::string_view object, std::string_view key) {
  std::string_view found;
  std::size_t at = detail::skip_space(object, 0);
  if (at >= object.size() || object[at] != '{') return found;
  at = detail::skip_space(object, at + 1);
  while (at < object.size() && object[at] == '"') {
    const std::size_t key_end = detail::skip_value(object, at);
    if (key_end == std::string_view::npos) return {};
    const std::string_view name = object.substr(at + 1, key_end - at - 2);
    at = detail::skip_space(object, key_end);
    if (at >= object.size() || object[at] != ':') return {};
    at = detail::skip_space(object, at + 1);
    const std::size_t value_end = detail::skip_value(object, at);
    if (value_end == std::string_view::npos) return {};
    if (name == key) found = object.substr(at, value_end - at);
    at = detail::skip_space(object, value_end);
    if (at >= object.size() || object[at] != ',') return found;
    at = detail::skip_space(object, at + 1);
  }
  return found;
}

}  // namespace nudge::sdk
