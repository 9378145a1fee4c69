// The catalog: which attributes a customer has, which event types exist and which fields they carry, each with a type.
//
// Names are small integers everywhere else. An id, once given, keeps its meaning for the life of a data directory: `continue_from` carries
// the ids of the stored catalog over to a newly loaded one. Immutable after loading; safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/status.h"
#include "engine/model/value.h"

namespace nudge {

using AttributeId = std::uint16_t;
using EventTypeId = std::uint16_t;
using FieldId = std::uint16_t;  // ordinal of a leaf field within its event type

inline constexpr AttributeId kNoAttribute = 0xffff;
inline constexpr EventTypeId kNoEventType = 0xffff;
inline constexpr FieldId kNoField = 0xffff;
inline constexpr FieldId kTimeField = 0xfffe;  // the pseudo-field `timestamp`: the row's own time

// A leaf: an attribute, or a field of an event type. A nested object is its leaves, with dotted names ("address.city").
struct LeafDef {
  std::string name;
  Type type = Type::text;
  std::vector<std::string> one_of;  // allowed texts; empty: any
  bool pii = false;
  bool retired = false;  // was in an earlier catalog, is not in this one: kept so that its id is never given again
  bool forward = false;  // `one_of` is an order, and rules move it forward only, unless they say otherwise
  std::string description;
};

// A nested object: its dotted name and the ids of the leaves below it (at any depth).
struct ObjectDef {
  std::string name;
  std::vector<std::uint16_t> leaves;
};

struct EventTypeDef {
  std::string name;
  std::vector<LeafDef> fields;
  std::vector<ObjectDef> objects;
  bool built_in = false;  // made by nudge itself (task_completed …)
  bool retired = false;
  DurationMs keep = 0;  // how long after they happened its events are kept; 0: for ever
  std::string description;

  FieldId find(std::string_view field) const;                  // kNoField when unknown or retired
  const ObjectDef* find_object(std::string_view field) const;  // null when no such object
};

class Catalog {
 public:
  std::vector<LeafDef> attributes;
  std::vector<ObjectDef> objects;
  std::vector<EventTypeDef> events;

  AttributeId find_attribute(std::string_view name) const;  // kNoAttribute when unknown or retired
  const ObjectDef* find_object(std::string_view name) const;
  EventTypeId find_event(std::string_view name) const;  // kNoEventType when unknown or retired

  // Adds the event types that nudge itself emits (task_created, task_completed, task_overdue, message_accepted, message_failed,
  // message_held, message_unsubscribed, message_subscribed, message_delivered, message_replied) unless they are there with fields.
  void add_built_in();
  // Rebuilds the name tables after the vectors were filled.
  void index();

  // Gives what this catalog shares with `stored` the stored ids and keeps what it no longer has as retired. A changed type of an
  // attribute or field that stays is an error that names every such change (stored values could not be read any more).
  Result<void> continue_from(const Catalog& stored);

  // True when this one keeps the events of every type as long as the other.
  bool keeps_like(const Catalog& other) const;

  void encode(std::string& out) const;
  static Result<Catalog> decode(std::string_view bytes);

 private:
  // Lets a name be looked up without making a string of it.
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  std::unordered_map<std::string, AttributeId, NameHash, std::equal_to<>> attribute_ids_;
  std::unordered_map<std::string, EventTypeId, NameHash, std::equal_to<>> event_ids_;
};

}  // namespace nudge
