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

}  // namespace nudge::daemon
