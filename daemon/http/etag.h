// Conditional requests (RFC 9110, 13): the tag of an answer, 304 for who has it already, and the part of a tag that a change may insist on.
//
// A tag is "STATE.BODY" or "BODY": BODY is a hash of the answer's bytes, so that equal tags mean equal bytes; STATE names what is behind
// them (Response::state), whoever looks at it and however it is shown. A change compares STATE alone. Pure functions, from any thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/http/message.h"

namespace nudge::http {

// True when the tag is in the list of an If-None-Match or If-Match, or the list is "*". `W/` is ignored.
bool etag_listed(std::string_view list, std::string_view tag);
// The same for the STATE of the tags in the list.
bool state_listed(std::string_view list, std::string_view state);
// Gives the answer to a GET or HEAD its tag, if it is JSON and has none, and makes it a 304 or 412 when the request asks for that.
void settle_conditional(const Request& request, Response& response);

}  // namespace nudge::http
