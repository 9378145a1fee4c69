// Messages of the Segment tracking API (also spoken by RudderStack's libraries) to our documents, by the mapping and by equal names.
// Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/mapping.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

struct SegmentCall {
  std::string_view type;     // from the path; empty: each message says its own
  std::string_view sent_at;  // of the batch, as a time; empty: unknown
  std::string_view context;  // of the batch, a JSON object or empty: what a message's own context lacks
  TimeMs received = 0;
};

// When a message happened by our clock: received - (sent - original), not after `received`. Nothing when the message gives no time that can
// be read. Without a readable time of sending the message's own time is taken as it is.
std::optional<TimeMs> corrected_time(std::string_view original, std::string_view sent, TimeMs received);

// Appends the documents of one message: none (ignored by the mapping, or nothing in it to keep), one, or several.
void open_segment(const SegmentMapping& mapping, const daemon::IntakeSchema& schema, const SegmentCall& call, std::string_view message,
                  std::vector<daemon::DoorDocument>& out);

// Opens what the quarantine kept of a message that came at `received`.
Result<std::vector<daemon::DoorDocument>> reopen_segment(const SegmentMapping& mapping, const daemon::IntakeSchema& schema,
                                                         std::string_view kept, TimeMs received);

}  // namespace nudge::doors
