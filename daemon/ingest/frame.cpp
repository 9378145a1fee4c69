#include "daemon/ingest/frame.h"

#include <cstring>
#include <string>

namespace nudge::daemon {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The mark that some programs put before UTF-8 (RFC 8259 lets a reader skip it).
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::size_t skip_space(std::string_view body, std::size_t i) {
  if (i == 0 && body.starts_with(kByteOrderMark)) i = kByteOrderMark.size();
  while (i < body.size() && is_space(body[i])) ++i;
  return i;
}

// The end of the value that starts at i: just past its last byte; npos when it never ends. Looks at quotes and brackets only.
std::size_t value_end(std::string_view body, std::size_t i) {
  std::size_t depth = 0;
  bool quoted = false;
  for (; i < body.size(); ++i) {
    const char c = body[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
      continue;
    }
    switch (c) {
      case '"': quoted = true; break;
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']':
        if (depth == 0) return i;  // closes what is around
        if (--depth == 0) return i + 1;
        break;
      case ',':
        if (depth == 0) return i;
        break;
      default: break;
    }
  }
  return depth == 0 && !quoted ? body.size() : std::string_view::npos;
}

Span trimmed(std::string_view body, std::size_t from, std::size_t to) {
  while (to > from && is_space(body[to - 1])) --to;
  return Span{static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to - from)};
}

Error too_many(std::size_t most) {
  return Error{Code::too_large, "the request has more than " + std::to_string(most) + " documents; send them in several requests"};
}

Result<void> split_lines(std::string_view body, std::size_t most, std::vector<Span>& spans) {
  for (std::size_t i = 0; i < body.size();) {
    const void* found = std::memchr(body.data() + i, '\n', body.size() - i);
    const std::size_t end = found == nullptr ? body.size() : static_cast<std::size_t>(static_cast<const char*>(found) - body.data());
    const std::size_t start = skip_space(body, i);
    if (start < end) {
      if (spans.size() == most) return std::unexpected(too_many(most));
      spans.push_back(trimmed(body, start, end));
    }
    i = end + 1;
  }
  return {};
}

Result<void> split_array(std::string_view body, std::size_t i, std::size_t most, std::vector<Span>& spans) {
  i = skip_space(body, i + 1);
  if (i < body.size() && body[i] == ']') {
    if (skip_space(body, i + 1) != body.size()) return fail(Code::invalid, "there is text after the end of the array");
    return {};
  }
  while (true) {
    const std::size_t end = value_end(body, i);
    if (end == std::string_view::npos || end >= body.size()) {
      return fail(Code::invalid, "the array does not end: a `]`, a `}` or a quote is missing; nothing was taken in");
    }
    if (spans.size() == most) return std::unexpected(too_many(most));
    spans.push_back(trimmed(body, i, end));
    if (spans.back().length == 0)
      return fail(Code::invalid, "the array has an empty place after document " + std::to_string(spans.size() - 1));
    i = skip_space(body, end);
    if (i < body.size() && body[i] == ',') {
      i = skip_space(body, i + 1);
    } else if (i < body.size() && body[i] == ']') {
      break;
    } else {
      return fail(Code::invalid, "a comma or `]` is missing after document " + std::to_string(spans.size() - 1) + " of the array");
    }
  }
  if (skip_space(body, i + 1) != body.size()) return fail(Code::invalid, "there is text after the end of the array");
  return {};
}

}  // namespace

Result<Frames> split_body(std::string_view body, Framing framing, std::size_t most) {
  if (body.size() > 0xfffffff0) return fail(Code::too_large, "the body is larger than 4 GiB");
  Frames frames;
  const std::size_t start = skip_space(body, 0);
  if (start == body.size()) return fail(Code::invalid, "the body is empty; send a JSON object, an array of objects, or one object a line");
  if (framing == Framing::lines) {
    NUDGE_TRY(split_lines(body, most, frames.spans));
    return frames;
  }
  if (body[start] == '[') {
    NUDGE_TRY(split_array(body, start, most, frames.spans));
    return frames;
  }
  const std::size_t end = value_end(body, start);
  if (end == std::string_view::npos || skip_space(body, end) == body.size() || body.find('\n', start) == std::string_view::npos) {
    // One document, whole or broken: a broken one on several lines is told apart from NDJSON by its first line being whole.
    const std::size_t line = body.find('\n', start);
    const bool first_line_whole = line != std::string_view::npos && value_end(body.substr(0, line), start) != std::string_view::npos;
    if (end != std::string_view::npos || !first_line_whole) {
      frames.spans.push_back(trimmed(body, start, body.size()));
      frames.single = true;
      return frames;
    }
  }
  NUDGE_TRY(split_lines(body, most, frames.spans));
  return frames;
}

}  // namespace nudge::daemon
