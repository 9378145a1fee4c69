#include "daemon/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <mutex>

#include "engine/base/text.h"

namespace nudge::log {
namespace {

struct State {
  std::mutex mutex;
  Options options;                         // guarded by mutex
  std::shared_ptr<spdlog::logger> logger;  // guarded by mutex; itself thread-safe
  std::atomic<Level> level{Level::info};
  std::atomic<Format> format{Format::text};
  std::atomic<std::uint64_t> lost{0};
};

// Never destroyed: threads may log while statics are torn down.
State& state() {
  static State& instance = *new State;
  return instance;
}

constexpr std::array<std::string_view, 6> kLevelNames{"trace", "debug", "info", "warn", "error", "off"};

std::shared_ptr<spdlog::logger> make_logger(std::shared_ptr<spdlog::sinks::sink> sink) {
  auto logger = std::make_shared<spdlog::logger>("nudge", std::move(sink));
  logger->set_pattern("%v");  // lines are made here, spdlog only carries them
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  logger->set_error_handler([](const std::string&) { state().lost.fetch_add(1, std::memory_order_relaxed); });
  return logger;
}

Result<std::shared_ptr<spdlog::logger>> open_logger(const Options& options) {
  try {
    if (options.file.empty()) return make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return make_logger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file, false));
  } catch (const std::exception& e) {
    return fail(Code::io, "cannot open the log file " + options.file + ": " + e.what() +
                              "; make its folder writable for this user, or leave log.file out to log to standard error");
  }
}

void append_time(std::string& out) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  out.append(text, n);
  std::snprintf(text, sizeof text, ".%03dZ", static_cast<int>(ms % 1000));
  out += text;
}

void append_text_json(std::string& out, std::string_view text) {
  if (is_utf8(text)) {
    append_json_string(out, text);
    return;
  }
  std::string replaced(text);
  for (char& c : replaced)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  append_json_string(out, replaced);
}

// Plain in a text line: nothing that could be taken for another field, a quote or a control character.
bool is_plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return is_utf8(text);
}

// The message of a text line is not quoted, so control characters are shown as \xNN: one record stays one line.
void append_message(std::string& out, std::string_view message) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool valid = is_utf8(message);
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f && (byte < 0x80 || valid)) {
      out += c;
    } else {
      out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
}

std::string make_line(Level level, std::string_view message, Fields fields, Format format) {
  const std::string_view name = kLevelNames[static_cast<std::size_t>(level)];
  std::string line;
  line.reserve(64 + message.size() + fields.size() * 32);
  if (format == Format::json) {
    line += R"({"ts":")";
    append_time(line);
    line.append(R"(","level":")").append(name).append(R"(","msg":)");
    append_text_json(line, message);
    for (const Field& field : fields) {
      line += ',';
      append_text_json(line, field.key());
      line += ':';
      field.append_to(line, format);
    }
    line += '}';
    return line;
  }
  append_time(line);
  line.append(" ").append(name).append(6 - name.size(), ' ');
  append_message(line, message);
  for (const Field& field : fields) {
    line.append(" ").append(field.key()).append("=");
    field.append_to(line, format);
  }
  return line;
}

template <class T>
void append_number(std::string& out, T value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace

void Field::append_to(std::string& out, Format format) const {
  switch (kind_) {
    case Kind::text:
      if (format == Format::text && is_plain(text_)) {
        out += text_;
      } else {
        append_text_json(out, text_);
      }
      return;
    case Kind::integer: return append_number(out, integer_);
    case Kind::natural: return append_number(out, natural_);
    case Kind::boolean: out += natural_ != 0 ? "true" : "false"; return;
    case Kind::real:
      if (std::isfinite(real_)) {
        append_number(out, real_);
      } else {
        out += "null";  // JSON has no infinity
      }
      return;
  }
}

Result<void> init(const Options& options) {
  NUDGE_ASSIGN(auto logger, open_logger(options));
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.options = options;
  s.logger = std::move(logger);
  s.level = options.level;
  s.format = options.format;
  return {};
}

void set_level(Level level) { state().level = level; }

bool enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed) && level != Level::off; }

std::string_view to_string(Level level) { return kLevelNames[static_cast<std::size_t>(level)]; }

Result<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i)
    if (kLevelNames[i] == text) return static_cast<Level>(i);
  return fail(Code::invalid, "'" + std::string(text) + "' is not a log level; use trace, debug, info, warn, error or off");
}

Result<Format> parse_format(std::string_view text) {
  if (text == "text") return Format::text;
  if (text == "json") return Format::json;
  return fail(Code::invalid, "'" + std::string(text) + "' is not a log format; use text or json");
}

Result<void> reopen() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.options.file.empty()) return {};
  NUDGE_ASSIGN(s.logger, open_logger(s.options));
  return {};
}

void flush() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.logger) s.logger->flush();
}

std::uint64_t lost() { return state().lost; }

void write(Level level, std::string_view message, Fields fields) {
  State& s = state();
  try {
    const std::string line = make_line(level, message, fields, s.format);
    std::shared_ptr<spdlog::logger> logger;
    {
      const std::lock_guard lock(s.mutex);
      if (!s.logger) s.logger = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
      logger = s.logger;
    }
    logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {
    s.lost.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace nudge::log
