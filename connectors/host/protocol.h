// The JSON lines of connectors/PROTOCOL.md, host side: requests to text, replies to values. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/host/connector_process.h"

namespace nudge::connectors {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kRequestBytesMax = 1u << 20;
inline constexpr std::size_t kReplyBytesMax = 256u << 10;
inline constexpr std::size_t kDetailBytesMax = 2048;
inline constexpr std::size_t kProviderRefBytesMax = 512;
inline constexpr std::size_t kResultBytesMax = 64u << 10;
inline constexpr std::size_t kReportsBytesMax = 192u << 10;  // the result of a callback: many reports
inline constexpr std::size_t kResultDepthMax = 24;           // less than a line may have
inline constexpr std::int64_t kRetryAfterMsMax = 7ll * 24 * 3600 * 1000;

// The line (with its \n) for a request. The payload's bytes are kept, but for line breaks between tokens.
std::string encode_request(std::uint64_t id, const DeliverRequest& request, std::int64_t deadline_ms);
std::string encode_hello(const ConnectorSpec& spec);
std::string encode_stop(std::uint64_t id);
std::string encode_ping(std::uint64_t id);

// Why a request can't be sent at all; empty = it can.
std::string request_problem(const DeliverRequest& request);

struct Reply {
  enum class What : std::uint8_t { outcome, hello, log, pong, garbage };
  What what = What::garbage;
  std::uint64_t id = 0;
  Outcome outcome;     // outcome
  bool ok = false;     // hello
  bool pings = false;  // hello: it answers a ping at any time
  std::string text;    // hello: reason or description; log: the line; garbage: what is wrong
  int level = 1;       // log
};
Reply decode_reply(std::string_view line, std::size_t result_bytes_max = kResultBytesMax);

// The environment variables that a configuration refers to by {"env": NAME}, at any depth.
std::vector<std::string> environment_references(std::string_view config_json);

// What is wrong with a `result`: no object, too long; empty = nothing.
std::string result_problem(std::string_view json, std::size_t bytes_max = kResultBytesMax);
// JSON with its line breaks, which can only stand between tokens, as spaces.
std::string one_line(std::string_view json);

// Text from outside, made fit for a log or an error: valid UTF-8 with control characters replaced, cut at `bytes_max`.
std::string clean_text(std::string_view text, std::size_t bytes_max);

}  // namespace nudge::connectors
