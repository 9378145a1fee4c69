// How messages of other systems become events and attributes of our catalog: the file that `doors` of the configuration names, read from
// YAML and checked against the catalog (docs/integrations.md). Without a file everything goes by equal names.
//
// Plain data after reading; immutable, safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/doors/signature.h"
#include "engine/model/catalog.h"
#include "rules/doc/diagnostic.h"

namespace nudge::doors {

// What is made of a value on the way; nothing is guessed, so each has to be asked for.
enum class Convert : std::uint8_t {
  none,
  number,        // "12.50" to 12.50
  text,          // 12.50 to "12.50"
  seconds,       // since 1970, to a timestamp
  milliseconds,  // the same
};

// A field or attribute, and where in the message its value lies.
struct FieldSource {
  std::string name;     // of the catalog, dotted
  std::string pointer;  // RFC 6901, from the top of the message
  Convert as = Convert::none;
  int divide = 0;                                        // by this power of ten: amounts in cents
  std::vector<std::pair<std::string, std::string>> map;  // texts, from → to; others stay
  std::string constant;                                  // JSON, instead of a pointer; empty: none
  bool given() const { return !pointer.empty() || !constant.empty(); }
};

// What becomes of one kind of message.
struct Translation {
  bool ignored = false;
  std::string event;                // of the catalog; empty for attributes
  std::vector<FieldSource> fields;  // besides these, members go to what has their name
};

enum class Unknown : std::uint8_t { quarantine, ignore };
enum class MergeOn : std::uint8_t { identify, always, never };

struct SegmentMapping {
  Unknown unknown_fields = Unknown::quarantine;
  Unknown unknown_events = Unknown::quarantine;
  MergeOn merge = MergeOn::identify;                      // when a message with both ids makes one customer of them
  std::map<std::string, Translation, std::less<>> track;  // by event name
  Translation identify;
  Translation page, screen, group;  // without an event: by name
};

// One document that is made of a message.
struct DocumentMapping {
  Translation translation;
  FieldSource customer, time;  // not given: those of the door
};

// Messages that say of what type they are, and are about one customer each.
struct MessageMapping {
  FieldSource customer, type, id, time;
  std::string base;  // members of what this pointer leads to go to fields of their name; empty: only what is named
  Unknown unknown_fields = Unknown::quarantine;
  Unknown unknown_events = Unknown::quarantine;
  std::map<std::string, std::vector<DocumentMapping>, std::less<>> types;  // an empty list: ignored
};

struct CloudEventsMapping {
  CloudEventsMapping();  // the customer is the subject; everything goes by equal names
  MessageMapping messages;
  std::vector<std::string> allowed_origins;  // that may deliver, asked for by OPTIONS; "*" is any
};

// Calls of one system at POST /v1/webhooks/NAME. A message is {"headers": {…in lower case}, "body": …}.
struct WebhookMapping {
  Signature signature;
  std::string each;  // pointer to the list of messages in a call; "-": the call is one message
  MessageMapping messages;
};

struct Mapping {
  SegmentMapping segment;
  CloudEventsMapping cloud_events;
  std::map<std::string, WebhookMapping, std::less<>> webhooks;
};

// How secrets that the file names get read; tests and `nudge check` look nowhere. Error: why there is none.
using ReadSecret = std::function<Result<Secret>(bool from_file, const std::string& name)>;

// Reads a mapping; mistakes go to diagnostics. Null when there are any.
std::shared_ptr<const Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, const ReadSecret& read_secret,
                                            doc::Diagnostics& diagnostics);

}  // namespace nudge::doors
