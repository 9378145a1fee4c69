// How messages of other systems become events and attributes of our catalog: the file that `doors` of the configuration names, read from
// YAML and checked against the catalog (docs/integrations.md). Without a file everything goes by equal names.
//
// Plain data after reading; immutable, safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/catalog.h"
#include "rules/doc/diagnostic.h"

namespace nudge::doors {

// A field or attribute, and where in the message its value lies.
struct FieldSource {
  std::string name;     // of the catalog, dotted
  std::string pointer;  // RFC 6901, from the top of the message
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

struct Mapping {
  SegmentMapping segment;
};

// Reads a mapping; mistakes go to diagnostics. Null when there are any.
std::shared_ptr<const Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics);

}  // namespace nudge::doors
