// What an answer about the past says of itself when it can't have seen everything: "not_whole", left out when it has.
#pragma once

#include <vector>

#include "daemon/app/json.h"
#include "engine/core/past.h"

namespace nudge::daemon {

// The member "not_whole" of the object that is open; nothing when there is nothing to say.
inline void write_faded(Json& json, const std::vector<Faded>& faded) {
  if (faded.empty()) return;
  json.key("not_whole").begin_array();
  for (const Faded& f : faded) {
    json.begin_object().field("event", f.event).field("keep", format_duration(f.keep)).field_time("whole_since", f.whole_since);
    json.field("note", faded_text(f)).end_object();
  }
  json.end_array();
}

}  // namespace nudge::daemon
