// Mail that comes back: bounces (RFC 3464), complaints (RFC 5965) and answers, as reports. Pure functions, thread-safe. What is read comes
// from anybody: nothing in it is trusted beyond "this Message-ID was ours", and sizes are bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/http/inbound.h"

namespace nudge::connectors {

// Whether an enhanced status code says that the mailbox or its domain does not exist (any more).
bool code_is_hard(std::string_view code);

// The header fields of a message or part, unfolded, names in lower case, in their order; `rest` is what follows the blank line.
FormFields read_mail_headers(std::string_view text, std::string_view& rest);

// The reports in one message; empty when it says nothing about a message of ours (a holiday notice, an advertisement). Nothing: it is no
// mail at all. `domain`: the right side of our Message-IDs.
std::optional<std::vector<Report>> mail_reports(std::string_view message, std::string_view domain);

}  // namespace nudge::connectors
