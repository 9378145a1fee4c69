// What the runtime keeps in Family::meta, apart from plans (plan_store.h). Plain data with codecs.
#pragma once

#include <string_view>

#include "daemon/runtime/stats.h"

namespace nudge::daemon {

inline constexpr std::string_view kMetaStats = "runtime/stats";
inline constexpr std::string_view kMetaCheckpoint = "runtime/checkpoint";
inline constexpr std::string_view kMetaDesk = "runtime/desk";
inline constexpr std::string_view kMetaRegistry = "runtime/registry";
inline constexpr std::string_view kMetaKept = "runtime/kept";  // see retention.h
inline constexpr std::string_view kMetaSwept = "runtime/swept";

// The sums as of a block.
struct StoredStats {
  std::uint64_t sequence = 0;  // the last block that is in
  TimeMs latest = kAlways;     // the highest instant used so far
  StatsDelta sums;
};
std::string encode_stats(const StoredStats& stats);
Result<StoredStats> decode_stats(std::string_view bytes);

std::string encode_number(std::uint64_t n);
Result<std::uint64_t> decode_number(std::string_view bytes);

}  // namespace nudge::daemon
