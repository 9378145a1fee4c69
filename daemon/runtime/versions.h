// Who put which rules into force, when and why: one record per plan of a data directory (Family::meta). Plain data with a codec.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "engine/base/time.h"

namespace nudge::daemon {

// Where the texts of a plan came from. Numbers are stored: append only.
enum class PlanOrigin : std::uint8_t {
  directory = 0,  // read from the folders of the configuration, at a start or a reload
  applied = 1,    // sent by a person (`nudge apply`)
  rollback = 2,   // an earlier version, put into force again
};
std::string_view plan_origin_name(PlanOrigin origin);

struct PlanNote {
  PlanOrigin origin = PlanOrigin::directory;
  std::string author;
  std::string comment;
  std::uint64_t rolled_back_to = 0;  // rollback: the version whose texts these are
};

struct PlanVersion {
  std::uint64_t sequence = 0;
  TimeMs at = 0;
  PlanNote note;
  std::uint64_t rules = 0, segments = 0;
  std::string digest;
};

std::string version_key(std::uint64_t sequence);
inline constexpr std::string_view kVersionPrefix = "version/";
std::string encode_version(const PlanVersion& version);
Result<PlanVersion> decode_version(std::string_view bytes);

}  // namespace nudge::daemon
