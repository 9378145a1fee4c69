// The log: one record a line, text or JSON, message first, then key=value fields. The only place that knows spdlog.
//
// Thread-safety: all functions from any thread, also before init() (then: text, info, standard error). Never throws: a log
// that cannot be written is counted, see lost(). Control characters are escaped, so a field cannot forge a record.
// Personal data does not belong here: log the ids of rules, connectors and actions, never names, phones, addresses or contents.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "daemon/log/secret.h"
#include "engine/base/status.h"

namespace nudge::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error, off };
enum class Format : std::uint8_t { text, json };

struct Options {
  Level level = Level::info;
  Format format = Format::text;
  std::string file;  // empty: standard error
};

// One key and its value. Keys are short literals: [a-z0-9_.]. A view: valid for the call only.
class Field {
 public:
  enum class Kind : std::uint8_t { text, integer, natural, real, boolean };

  Field(std::string_view key, std::string_view value) : key_(key), kind_(Kind::text), text_(value) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const Secret&) : Field(key, Secret::shown()) {}
  Field(std::string_view key, bool value) : key_(key), kind_(Kind::boolean), natural_(value ? 1 : 0) {}
  template <std::signed_integral T>
  Field(std::string_view key, T value) : key_(key), kind_(Kind::integer), integer_(value) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Field(std::string_view key, T value) : key_(key), kind_(Kind::natural), natural_(value) {}
  Field(std::string_view key, double value) : key_(key), kind_(Kind::real), real_(value) {}
  Field(std::string_view key, const Error& error) : Field(key, std::string_view(error.message)) {}

  std::string_view key() const { return key_; }
  // Appends the value as JSON (also the form of text lines, where quotes are left out if nothing needs them).
  void append_to(std::string& out, Format format) const;

 private:
  std::string_view key_;
  Kind kind_;
  std::string_view text_;
  std::int64_t integer_ = 0;
  std::uint64_t natural_ = 0;
  double real_ = 0;
};
using Fields = std::initializer_list<Field>;

// Sets where and how to log. May be called again (a reload). Error: the file cannot be opened; the old log stays.
Result<void> init(const Options& options);
void set_level(Level level);
bool enabled(Level level);
// "debug" → Level::debug. Error names the choices.
Result<Level> parse_level(std::string_view text);
Result<Format> parse_format(std::string_view text);
std::string_view to_string(Level level);

// Opens the file anew (after logrotate moved it); for SIGUSR1. Call it from an ordinary thread, not from the signal handler.
Result<void> reopen();
void flush();
// Records that could not be written since the start.
std::uint64_t lost();

void write(Level level, std::string_view message, Fields fields);

inline void trace(std::string_view message, Fields fields = {}) {
  if (enabled(Level::trace)) write(Level::trace, message, fields);
}
inline void debug(std::string_view message, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  if (enabled(Level::info)) write(Level::info, message, fields);
}
inline void warn(std::string_view message, Fields fields = {}) {
  if (enabled(Level::warn)) write(Level::warn, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  if (enabled(Level::error)) write(Level::error, message, fields);
}

}  // namespace nudge::log
