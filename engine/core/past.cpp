#include "engine/core/past.h"

#include <algorithm>

#include "engine/base/time.h"

namespace nudge {

std::vector<Faded> faded(const Plan& plan, const Reading& reading, TimeMs at, const Catalog& kept_by, TimeMs now) {
  std::vector<Faded> out;
  for (const auto& [type, back] : looks_back(plan, reading)) {
    if (type >= kept_by.events.size() || kept_by.events[type].keep == 0) continue;
    const EventTypeDef& def = kept_by.events[type];
    // The window is open at its far end: a row at exactly at - back is not read.
    const TimeMs first = back == kNever ? kAlways : at - back + (back == 0 ? 0 : 1);
    if (first <= now - def.keep) out.push_back({def.name, def.keep, now - def.keep});
  }
  std::ranges::sort(out, {}, &Faded::event);
  return out;
}

std::string faded_text(const Faded& f) {
  return "events of `" + f.event + "` are kept for " + format_duration(f.keep) + ": what happened up to " + format_timestamp(f.whole_since) +
         " is deleted, so at the instant that is asked about it may have been otherwise";
}

}  // namespace nudge
