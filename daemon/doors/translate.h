// Shared by the doors: a document from the members of a message, by a Translation and by equal names. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/doors/mapping.h"
#include "daemon/doors/raw_json.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

// "Order Completed", "orderCompleted" and "order-completed" as catalogs spell them: order_completed.
std::string snake_case(std::string_view name);

// The name in the table that equals `name`, or its snake case; nothing when there is neither.
std::optional<std::string> known_name(const daemon::NameTable& table, std::string_view name);

// The value that a source leads to, as JSON, after what the source says is made of it; nothing when there is none. A value that can't be
// converted stays as it is: intake says what is wrong with it.
std::optional<std::string> source_value(const FieldSource& source, std::string_view message);
// The same as a text: a number's digits, a text unescaped; nothing for everything else.
std::optional<std::string> source_text(const FieldSource& source, std::string_view message);

// What the value object of a document is made of.
struct ObjectParts {
  std::string_view message;  // pointers start here
  std::string_view base;     // the pointer of `object` in the message
  std::string_view object;   // its members go to what has their name; empty: none
  Unknown unknown = Unknown::quarantine;
};
// {"field": value, …}: first what the translation says, then every member of the object that it has not used. A member that the catalog
// does not have keeps its name, so that intake says which it is, or is left out. Error: the object's frame is broken.
Result<std::string> make_object(const Translation& translation, const ObjectParts& parts, const daemon::LeafNames& names);

}  // namespace nudge::doors
