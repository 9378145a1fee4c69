// CloudEvents 1.0 to our documents, by the mapping and by equal names. The three modes of the HTTP binding are brought to one form first:
// an event as the JSON format writes it. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/mapping.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

enum class EventMode : std::uint8_t { binary, structured, batch };
// By the content type, as the binding says. Error (invalid): a format other than JSON.
Result<EventMode> cloud_event_mode(std::string_view content_type);

// Whether a request in binary mode has anything of an event in its headers.
bool has_event_headers(Headers headers);
// A binary event as JSON: attributes from the `ce-` headers, the body as `data`. Error (invalid): a header that is no attribute or can't be
// decoded, a body that is not what its content type says.
Result<std::string> structured_event(Headers headers, std::string_view body);

// Appends the document of one event, as JSON: none when the mapping ignores it, its problem when it is no event as the specification wants
// it or does not fit. `id` is source and id together, the customer is where the mapping says (usually `subject`), `data` its fields.
void open_cloud_event(const MessageMapping& mapping, const daemon::IntakeSchema& schema, std::string_view event,
                      std::vector<daemon::DoorDocument>& out);
// The same of what the quarantine kept.
Result<std::vector<daemon::DoorDocument>> reopen_cloud_event(const MessageMapping& mapping, const daemon::IntakeSchema& schema,
                                                             std::string_view kept);

}  // namespace nudge::doors
