// Reads single members of rendered payloads and connector descriptions: small JSON objects that we or a connector made. Pure.
#pragma once

#include <string>
#include <string_view>

namespace nudge::daemon {

// The text (or number, as text) of a member of a JSON object; empty when it is not there or the text is no object.
std::string member_text(std::string_view json, std::string_view name);

// The payload with another recipient (`to`).
std::string with_recipient(std::string_view json, std::string_view to);

// The payload with a link to unsubscribe, unless its author gave one.
std::string with_unsubscribe(std::string_view json, std::string_view url);

// True when the payload of a task asks for the manager once it is overdue.
bool escalates_to_manager(std::string_view json);
// The payload of the task that tells the manager: the overdue task's own, with another subject, its id, and without a further escalation.
std::string escalation_payload(std::string_view json, std::string_view overdue_task);

}  // namespace nudge::daemon
