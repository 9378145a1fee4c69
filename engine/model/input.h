// What comes in for one customer, after the catalog check: typed, bounded, complete.
#pragma once

#include <string>
#include <vector>

#include "engine/base/id_coder.h"
#include "engine/model/catalog.h"

namespace nudge {

struct AttributeUpdate {
  AttributeId attribute = kNoAttribute;
  Value value;  // missing removes the attribute
  friend bool operator==(const AttributeUpdate&, const AttributeUpdate&) = default;
};

enum class InputKind : std::uint8_t {
  event = 1,       // a row of an event type
  attributes = 2,  // an upsert of attributes
  tag = 3,         // a tag set (until `expires`) or removed
};

struct Input {
  InputKind kind = InputKind::event;
  bool import = false;        // history: corrects the state and fires nothing
  bool generated_id = false;  // the id was given at intake, the sender gave none
  std::string customer;
  std::string id;                           // unique per customer; never empty after intake
  TimeMs time = 0;                          // when it happened
  EventTypeId type = kNoEventType;          // event
  std::vector<Value> fields;                // event: one per field of the type, missing where absent
  std::vector<AttributeUpdate> attributes;  // attributes
  std::string tag;                          // tag
  bool tag_removed = false;
  TimeMs tag_expires = kNever;
  friend bool operator==(const Input&, const Input&) = default;
};

// The bytes of an input as the log stores them, and back. Ids of the catalog are stored, so a decoder needs the catalog's history only to
// name them.
void encode_input(Writer& out, const Input& input);
bool decode_input(Reader& in, Input& input);
// The same as one of many, of which the customer is known: ids and times are written by what went before. Both sides go through the same
// inputs in the same order, each with a context of its own.
struct InputContext {
  IdCoder ids;
  TimeMs time = 0;  // of the input before
};
void encode_input(Writer& out, InputContext& context, const Input& input);
// Sets everything but the customer.
bool decode_input(Reader& in, InputContext& context, Input& input);

// True when both say the same of the same moment: the content that a repeated id must have. The order of the attributes does not matter,
// nor do missing fields at the end, nor whether it came as an import or with an id of our own.
bool same_content(const Input& a, const Input& b);

}  // namespace nudge
