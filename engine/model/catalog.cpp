#include "engine/model/catalog.h"

#include <algorithm>
#include <array>
#include <span>

#include "engine/base/limits.h"

namespace nudge {
namespace {

constexpr std::uint8_t kCatalogVersion = 1;
constexpr std::uint8_t kKept = 4;  // flag of an event type: how long follows its description

struct BuiltInField {
  std::string_view name;
  Type type;
};
struct BuiltInEvent {
  std::string_view name;
  std::string_view description;
  std::span<const BuiltInField> fields;
};

constexpr BuiltInField kTaskFields[] = {
    {"task", Type::text},    {"rule", Type::text},     {"kind", Type::text},         {"team", Type::text},        {"owner", Type::text},
    {"subject", Type::text}, {"due", Type::timestamp}, {"mandatory", Type::boolean}, {"disposition", Type::text}, {"note", Type::text},
    {"by", Type::text},      {"reason", Type::text},   {"previous", Type::text},     {"again_at", Type::timestamp}, {"try", Type::integer},
};
constexpr BuiltInField kMessageFields[] = {
    {"action", Type::text},    {"rule", Type::text},     {"channel", Type::text},
    {"connector", Type::text}, {"template", Type::text}, {"reason", Type::text},
};
constexpr BuiltInField kAnswerFields[] = {
    {"action", Type::text},   {"rule", Type::text},   {"channel", Type::text}, {"connector", Type::text},
    {"template", Type::text}, {"reason", Type::text}, {"text", Type::text},
};
// A field that is left out speaks of all: every channel, every purpose.
constexpr BuiltInField kConsentFields[] = {
    {"channel", Type::text}, {"purpose", Type::text}, {"address", Type::text}, {"source", Type::text},
    {"reason", Type::text},  {"action", Type::text},  {"rule", Type::text},
};
constexpr BuiltInField kTicketFields[] = {
    {"action", Type::text}, {"rule", Type::text},       {"channel", Type::text}, {"connector", Type::text},
    {"status", Type::text}, {"raw_status", Type::text}, {"ticket", Type::text},
};
constexpr BuiltInField kApprovalFields[] = {
    {"action", Type::text}, {"rule", Type::text},   {"kind", Type::text},    {"channel", Type::text},       {"team", Type::text},
    {"asked", Type::text},  {"by", Type::text},     {"reason", Type::text},  {"subject", Type::text},       {"deadline", Type::timestamp},
    {"sent", Type::boolean},
};
constexpr BuiltInField kLeadFields[] = {
    {"pool", Type::text}, {"team", Type::text},   {"owner", Type::text},         {"previous", Type::text},
    {"by", Type::text},   {"reason", Type::text}, {"owned_since", Type::timestamp},
};
constexpr BuiltInField kFollowUpFields[] = {
    {"by", Type::text}, {"kind", Type::text}, {"text", Type::text}, {"result", Type::text}, {"opportunity", Type::text},
};
constexpr BuiltInField kOpportunityFields[] = {
    {"opportunity", Type::text}, {"funnel", Type::text},     {"stage", Type::text},   {"previous", Type::text}, {"title", Type::text},
    {"amount", Type::decimal},   {"probability", Type::integer}, {"owner", Type::text}, {"by", Type::text},   {"reason", Type::text},
    {"stage_since", Type::timestamp},
};
constexpr BuiltInEvent kBuiltIn[] = {
    {"task_created", "A task was put on a salesperson's list", kTaskFields},
    {"task_completed", "A task was done; `disposition` says what came of it", kTaskFields},
    {"task_overdue", "A task's deadline passed before it was done", kTaskFields},
    {"task_offered", "A task was offered to somebody, who accepts or declines it", kTaskFields},
    {"task_accepted", "A task was accepted by whom it was offered or given to", kTaskFields},
    {"task_declined", "A task was declined, or not accepted in time; `by` never gets it again", kTaskFields},
    {"task_attempted", "A task was tried and stays open; `disposition` says what came of it, `again_at` when it is tried again", kTaskFields},
    {"task_reassigned", "A task went to another person; `previous` had it before", kTaskFields},
    {"task_released", "A task went back to the pool", kTaskFields},
    {"task_reminded", "Somebody is to be reminded of a task; `reason` says why", kTaskFields},
    {"task_escalated", "A task was not done, and went up the ladder; `reason` says how", kTaskFields},
    {"task_cancelled", "A task was withdrawn; `reason` says why", kTaskFields},
    {"task_expired", "A task was not done in its time, and is closed", kTaskFields},
    {"lead_pooled", "The customer was put into a pool, where somebody can claim them", kLeadFields},
    {"lead_claimed", "A salesperson took the lead out of its pool", kLeadFields},
    {"lead_assigned", "The lead was given to somebody", kLeadFields},
    {"lead_returned", "The lead went back to the pool; `reason` says why, `previous` had it", kLeadFields},
    {"lead_transferred", "The lead went from one person to another", kLeadFields},
    {"lead_recycled", "Nobody followed up: the lead went back to a pool; `previous` had it", kLeadFields},
    {"lead_closed", "The lead was closed; `reason` says why", kLeadFields},
    {"follow_up", "Somebody was in touch with the customer, or wrote something down about them", kFollowUpFields},
    {"opportunity_opened", "A sale has begun", kOpportunityFields},
    {"opportunity_moved", "An opportunity is in another stage; `previous` was the one before", kOpportunityFields},
    {"opportunity_changed", "The amount, owner or title of an opportunity is another", kOpportunityFields},
    {"opportunity_task_done", "A key task of the stage is done; `reason` says which", kOpportunityFields},
    {"opportunity_stalled", "An opportunity has lain in its stage for too long without anybody doing anything", kOpportunityFields},
    {"opportunity_won", "The sale was made", kOpportunityFields},
    {"opportunity_lost", "The sale was lost; `reason` says why", kOpportunityFields},
    {"message_accepted", "A provider took a message", kMessageFields},
    {"message_failed", "A message was given up; `reason` says why", kMessageFields},
    {"message_held", "A policy held a message back; `reason` says which", kMessageFields},
    {"message_unsubscribed", "The customer wants no more messages of this channel and purpose", kConsentFields},
    {"message_subscribed", "The customer wants messages of this channel and purpose (again)", kConsentFields},
    {"message_delivered", "A provider reports that a message arrived", kMessageFields},
    {"message_replied", "The customer answered a message; `text` is the answer", kAnswerFields},
    {"approval_requested", "An action waits for the yes of `asked`, until `deadline`", kApprovalFields},
    {"approval_given", "Somebody said yes to an action that waited for it", kApprovalFields},
    {"approval_refused", "Somebody said no to an action that waited for a yes; `reason` says why", kApprovalFields},
    {"approval_expired", "Nobody said yes or no in time; `sent` says whether the action goes out all the same", kApprovalFields},
    {"ticket_updated", "The system of a ticket reports its `status`: open, waiting, done or rejected", kTicketFields},
};

LeafDef leaf_of(const BuiltInField& field) {
  LeafDef leaf;
  leaf.name = field.name;
  leaf.type = field.type;
  return leaf;
}

// Puts `fresh` into the order of `stored`: what both have keeps the stored place, what only `stored` has stays as retired, what is new
// comes after. `moved` tells where each fresh leaf went. Changes of type are told in `changes`.
std::vector<LeafDef> merge_leaves(const std::vector<LeafDef>& stored, std::vector<LeafDef> fresh, std::string_view where,
                                  std::vector<std::uint16_t>& moved, std::string& changes) {
  std::unordered_map<std::string_view, std::uint16_t> places;
  std::vector<LeafDef> merged = stored;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    merged[i].retired = true;
    places.emplace(stored[i].name, static_cast<std::uint16_t>(i));
  }
  moved.assign(fresh.size(), 0);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const auto place = places.find(fresh[i].name);
    if (place == places.end()) {
      moved[i] = static_cast<std::uint16_t>(merged.size());
      merged.push_back(std::move(fresh[i]));
      continue;
    }
    const LeafDef& old = stored[place->second];
    if (kind_of(old.type) != kind_of(fresh[i].type)) {
      changes += changes.empty() ? "" : "; ";
      changes.append(where).append(" \"").append(old.name).append("\" was ").append(type_name(old.type)).append(" and is now ");
      changes.append(type_name(fresh[i].type));
    }
    moved[i] = place->second;
    merged[place->second] = std::move(fresh[i]);
  }
  return merged;
}

void move_objects(std::vector<ObjectDef>& objects, const std::vector<std::uint16_t>& moved) {
  for (ObjectDef& object : objects) {
    for (std::uint16_t& leaf : object.leaves) leaf = leaf < moved.size() ? moved[leaf] : leaf;
  }
}

void encode_leaves(Writer& out, const std::vector<LeafDef>& leaves) {
  out.varint(leaves.size());
  for (const LeafDef& leaf : leaves) {
    out.string(leaf.name);
    out.u8(static_cast<std::uint8_t>(leaf.type));
    out.u8(static_cast<std::uint8_t>((leaf.pii ? 1 : 0) | (leaf.retired ? 2 : 0) | (leaf.forward ? 4 : 0)));
    out.string(leaf.description);
    out.varint(leaf.one_of.size());
    for (const std::string& text : leaf.one_of) out.string(text);
  }
}

bool decode_leaves(Reader& in, std::vector<LeafDef>& leaves, std::size_t at_most) {
  const std::uint64_t n = in.varint();
  if (in.bad() || n > at_most || n > in.left()) return false;
  leaves.resize(n);
  for (LeafDef& leaf : leaves) {
    leaf.name = in.string();
    const std::uint8_t type = in.u8();
    const std::uint8_t flags = in.u8();
    leaf.description = in.string();
    const std::uint64_t texts = in.varint();
    if (in.bad() || type > static_cast<std::uint8_t>(Type::list) || flags > 7 || texts > in.left()) return false;
    leaf.type = static_cast<Type>(type);
    leaf.pii = (flags & 1) != 0;
    leaf.retired = (flags & 2) != 0;
    leaf.forward = (flags & 4) != 0;
    for (std::uint64_t i = 0; i < texts; ++i) leaf.one_of.emplace_back(in.string());
    if (in.bad()) return false;
  }
  return true;
}

void encode_objects(Writer& out, const std::vector<ObjectDef>& objects) {
  out.varint(objects.size());
  for (const ObjectDef& object : objects) {
    out.string(object.name);
    out.varint(object.leaves.size());
    for (const std::uint16_t leaf : object.leaves) out.varint(leaf);
  }
}

bool decode_objects(Reader& in, std::vector<ObjectDef>& objects, std::size_t leaves) {
  const std::uint64_t n = in.varint();
  if (in.bad() || n > limits::kAttributes || n > in.left()) return false;
  objects.resize(n);
  for (ObjectDef& object : objects) {
    object.name = in.string();
    const std::uint64_t below = in.varint();
    if (in.bad() || below > leaves || below > in.left()) return false;
    for (std::uint64_t i = 0; i < below; ++i) {
      const std::uint64_t leaf = in.varint();
      if (in.bad() || leaf >= leaves) return false;
      object.leaves.push_back(static_cast<std::uint16_t>(leaf));
    }
  }
  return true;
}

bool decode_event(Reader& in, EventTypeDef& event) {
  event.name = in.string();
  const std::uint8_t flags = in.u8();
  event.description = in.string();
  if ((flags & kKept) != 0) event.keep = in.svarint();
  if (in.bad() || flags > 7 || event.keep < 0) return false;
  event.built_in = (flags & 1) != 0;
  event.retired = (flags & 2) != 0;
  return decode_leaves(in, event.fields, limits::kFieldsPerEvent) && decode_objects(in, event.objects, event.fields.size());
}

}  // namespace

FieldId EventTypeDef::find(std::string_view field) const {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == field) return fields[i].retired ? kNoField : static_cast<FieldId>(i);
  }
  return kNoField;
}

const ObjectDef* EventTypeDef::find_object(std::string_view field) const {
  for (const ObjectDef& object : objects) {
    if (object.name == field) return &object;
  }
  return nullptr;
}

AttributeId Catalog::find_attribute(std::string_view name) const {
  const auto found = attribute_ids_.find(name);
  return found == attribute_ids_.end() || attributes[found->second].retired ? kNoAttribute : found->second;
}

const ObjectDef* Catalog::find_object(std::string_view name) const {
  for (const ObjectDef& object : objects) {
    if (object.name == name) return &object;
  }
  return nullptr;
}

EventTypeId Catalog::find_event(std::string_view name) const {
  const auto found = event_ids_.find(name);
  return found == event_ids_.end() || events[found->second].retired ? kNoEventType : found->second;
}

void Catalog::add_built_in() {
  for (const BuiltInEvent& known : kBuiltIn) {
    auto event = std::ranges::find(events, known.name, &EventTypeDef::name);
    if (event != events.end() && !event->fields.empty()) continue;
    // A catalog that names it without fields says how long it is kept.
    if (event == events.end()) event = events.insert(events.end(), {.name = std::string(known.name)});
    if (event->description.empty()) event->description = known.description;
    event->built_in = true;
    for (const BuiltInField& field : known.fields) event->fields.push_back(leaf_of(field));
  }
  index();
}

void Catalog::index() {
  attribute_ids_.clear();
  event_ids_.clear();
  for (std::size_t i = 0; i < attributes.size(); ++i) attribute_ids_.emplace(attributes[i].name, static_cast<AttributeId>(i));
  for (std::size_t i = 0; i < events.size(); ++i) event_ids_.emplace(events[i].name, static_cast<EventTypeId>(i));
}

Result<void> Catalog::continue_from(const Catalog& stored) {
  std::string changes;
  std::vector<std::uint16_t> moved;
  Catalog merged;
  merged.attributes = merge_leaves(stored.attributes, attributes, "attribute", moved, changes);
  merged.objects = objects;
  move_objects(merged.objects, moved);

  merged.events = stored.events;
  for (EventTypeDef& event : merged.events) event.retired = true;
  for (const EventTypeDef& fresh : events) {
    EventTypeDef* place = nullptr;
    for (EventTypeDef& event : merged.events) place = event.name == fresh.name ? &event : place;
    if (place == nullptr) {
      merged.events.push_back(fresh);
      continue;
    }
    std::vector<LeafDef> fields = merge_leaves(place->fields, fresh.fields, "field of event \"" + fresh.name + "\"", moved, changes);
    *place = fresh;
    place->fields = std::move(fields);
    move_objects(place->objects, moved);
    if (place->fields.size() > limits::kFieldsPerEvent) {
      return fail(Code::too_large, "event type \"" + fresh.name + "\" has had more than " + std::to_string(limits::kFieldsPerEvent) +
                                       " fields over time, the ones no longer in the catalog included; give it a new name");
    }
  }
  if (!changes.empty()) {
    return fail(Code::conflict, "the catalog gives another type to what is stored already: " + changes +
                                    "; keep the old type, or use a new name for the new one");
  }
  if (merged.attributes.size() > limits::kAttributes || merged.events.size() > limits::kEventTypes) {
    return fail(Code::too_large,
                "the catalog has had more than " + std::to_string(limits::kAttributes) + " attributes or event types over time");
  }
  merged.index();
  *this = std::move(merged);
  return {};
}

bool Catalog::keeps_like(const Catalog& other) const {
  for (std::size_t type = 0; type < std::max(events.size(), other.events.size()); ++type) {
    const DurationMs here = type < events.size() ? events[type].keep : 0;
    if (here != (type < other.events.size() ? other.events[type].keep : 0)) return false;
  }
  return true;
}

void Catalog::encode(std::string& out) const {
  Writer writer(out);
  writer.u8(kCatalogVersion);
  encode_leaves(writer, attributes);
  encode_objects(writer, objects);
  writer.varint(events.size());
  for (const EventTypeDef& event : events) {
    writer.string(event.name);
    writer.u8(static_cast<std::uint8_t>((event.built_in ? 1 : 0) | (event.retired ? 2 : 0) | (event.keep != 0 ? kKept : 0)));
    writer.string(event.description);
    if (event.keep != 0) writer.svarint(event.keep);
    encode_leaves(writer, event.fields);
    encode_objects(writer, event.objects);
  }
}

Result<Catalog> Catalog::decode(std::string_view bytes) {
  Reader in(bytes);
  if (const std::uint8_t version = in.u8(); !in.bad() && version != kCatalogVersion) {
    return fail(Code::corrupt, "the stored catalog has version " + std::to_string(version) + ", and this program reads version " +
                                   std::to_string(kCatalogVersion) + "; use a program as new as the one that wrote it");
  }
  Catalog catalog;
  bool good = decode_leaves(in, catalog.attributes, limits::kAttributes) && decode_objects(in, catalog.objects, catalog.attributes.size());
  const std::uint64_t n = good ? in.varint() : 0;
  good = good && !in.bad() && n <= limits::kEventTypes && n <= in.left();
  for (std::uint64_t i = 0; good && i < n; ++i) good = decode_event(in, catalog.events.emplace_back());
  if (!good || !in.at_end()) return fail(Code::corrupt, "the stored catalog is damaged; restore the data directory from a backup");
  catalog.index();
  return catalog;
}

}  // namespace nudge
