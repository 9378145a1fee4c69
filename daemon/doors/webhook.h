// Calls of webhooks to our documents, by the mapping alone: what it does not name is not taken. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/mapping.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

// The body of a form ("a=1&b=x+y") as a JSON object of texts, so that a mapping reads it like any other. Error (invalid): no form.
Result<std::string> form_as_json(std::string_view form);

// Appends the documents of one call: none when the mapping ignores what it says. What can't be read becomes a problem.
void open_webhook(std::string_view name, const WebhookMapping& mapping, const daemon::IntakeSchema& schema, Headers headers,
                  std::string_view body, std::vector<daemon::DoorDocument>& out);
// The same of what the quarantine kept. Error (invalid): the mapping has no such webhook any more.
Result<std::vector<daemon::DoorDocument>> reopen_webhook(const Mapping& mapping, const daemon::IntakeSchema& schema, std::string_view kept);

}  // namespace nudge::doors
