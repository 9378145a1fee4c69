// What people have set by hand to hold actions back, and which rules the brake has stopped. Part of the desk's state; copied out for those
// who show it or check an action before it leaves. Plain data; not thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/effects.h"

namespace nudge {

// Holds back the actions that match, until it ends. An empty matcher matches all; at least one is set.
struct Silence {
  std::uint64_t id = 0;
  std::string rule, channel, category, customer;
  TimeMs from = 0;
  TimeMs until = 0;  // excluded
  std::string author, reason;
  friend bool operator==(const Silence&, const Silence&) = default;
};

struct Braked {
  TimeMs since = 0;
  std::string policy;
  std::string words;       // the figures
  std::uint64_t kept = 0;  // actions kept so far
  friend bool operator==(const Braked&, const Braked&) = default;
};

struct Controls {
  std::vector<Silence> silences;  // by id; ended ones are taken out
  std::map<RuleId, Braked> braked;
  bool stopped = false;  // stop-all: nothing leaves
  TimeMs stopped_at = 0;
  std::string stopped_by, stopped_why;
  std::uint64_t last_silence = 0;
  friend bool operator==(const Controls&, const Controls&) = default;

  // The silence that holds the action back at `now`; null when there is none.
  const Silence* silenced(const ActionOut& action, TimeMs now) const;
};

// "rule promo, channel sms": what it matches, for people.
std::string describe_silence(const Silence& silence);

void encode_controls(Writer& out, const Controls& controls);
bool decode_controls(Reader& in, Controls& controls);

}  // namespace nudge
