// Messages that say of what type they are and are about one customer each (CloudEvents, webhooks) to our documents, by the mapping and by
// equal names. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/mapping.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

struct OpenMessage {
  std::string_view json;  // pointers of the mapping start here
  std::string kept;       // as the quarantine keeps it
  std::string id;         // of the first document; the second has "ID/2" and so on
  std::string type;
};

// Appends the documents of one message: none when the mapping ignores its type, or those that it says.
void open_message(const MessageMapping& mapping, const daemon::IntakeSchema& schema, const OpenMessage& message,
                  std::vector<daemon::DoorDocument>& out);

// Appends the message as one that can't be opened.
void refuse_message(std::string kept, std::string code, std::string field, std::string reason, std::vector<daemon::DoorDocument>& out);

// {"door": DOOR, "name": …, "message": …}; `name` may be empty, `message` is JSON.
std::string kept_message(std::string_view door, std::string_view name, std::string_view message);
// The same of something that is no JSON: {…, "text": …}, or the bytes as they are when they are no text either.
std::string kept_text(std::string_view door, std::string_view name, std::string_view bytes);

// Where a pointer of a mapping leads, in the words of the sender: "customer.id", "header x-topic".
std::string said(std::string_view pointer);

// An id that fits into the length that ids may have: itself, or a hash of it behind `prefix`.
std::string fitting_id(std::string id, std::string_view prefix);

}  // namespace nudge::doors
