// Errors as values. Every function that can fail returns Result<T>; nothing in engine/ throws across a function that others call.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace nudge {

// A coarse class of failure, so that callers can branch (HTTP status, exit code, retry) without reading the text.
enum class Code : std::uint8_t {
  invalid,      // the input is wrong; the message says how to mend it
  not_found,    // what was named does not exist
  conflict,     // same id, other content; or a version that moved on
  unavailable,  // try again later (back-pressure, low space, shutting down)
  too_large,    // a limit was passed; the message names it
  denied,       // not allowed
  corrupt,      // stored bytes do not check out
  io,           // the operating system or the store failed
  internal,     // a bug in nudge
};

struct [[nodiscard]] Error {
  Code code = Code::internal;
  std::string message;  // a whole sentence for a person: what, where, how to mend it

  // The same error with where it happened put in front.
  Error prefixed(std::string_view where) && {
    message.insert(0, ": ").insert(0, where);
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string message) { return std::unexpected(Error{code, std::move(message)}); }

}  // namespace nudge

// Returns the error of `expr` (a Result) from the enclosing function, or goes on.
#define NUDGE_TRY(expr)                                                                                                             \
  do {                                                                                                                              \
    if (auto nudge_try_result = (expr); !nudge_try_result.has_value()) return std::unexpected(std::move(nudge_try_result).error()); \
  } while (false)

#define NUDGE_CONCAT_(a, b) a##b
#define NUDGE_CONCAT(a, b) NUDGE_CONCAT_(a, b)
// Declares `target` from the value of `expr` (a Result), or returns its error: NUDGE_ASSIGN(auto x, f());
#define NUDGE_ASSIGN_(tmp, target, expr)                                \
  auto tmp = (expr);                                                    \
  if (!tmp.has_value()) return std::unexpected(std::move(tmp).error()); \
  target = std::move(tmp).value()
#define NUDGE_ASSIGN(target, expr) NUDGE_ASSIGN_(NUDGE_CONCAT(nudge_assign_, __LINE__), target, expr)
