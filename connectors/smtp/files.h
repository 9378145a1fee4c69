// The files that go with a mail: read from one folder, and never from outside of it. Thread-safe, no state.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/http/payload.h"
#include "connectors/smtp/message.h"

namespace nudge::connectors {

// Reads what the payload names in `attachments` and `inline` (lists of names in `folder`) into the mail. What is wrong, or an empty text.
std::string read_mail_files(const Payload& payload, const std::string& folder, std::int64_t bytes_max, Email& email);

}  // namespace nudge::connectors
