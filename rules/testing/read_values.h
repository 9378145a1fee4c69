// Typed values as tests write them: by the catalog's type, strict, with the mistake's place.
#pragma once

#include <optional>
#include <string>

#include "engine/model/input.h"
#include "rules/lang/shape.h"

namespace nudge::testing {

// A value of this type; a mistake is reported and gives nothing. `leaf` limits what is allowed (one_of).
std::optional<Value> read_value(const lang::Context& context, const doc::Node& node, const LeafDef& leaf);

// The fields of an event from a map (nested maps and dotted names for objects).
void read_fields(const lang::Context& context, const doc::Node& node, const doc::Mark& key_mark, const EventTypeDef& type,
                 std::vector<Value>& fields);

// Attributes from a map; null removes one.
void read_attributes(const lang::Context& context, const doc::Node& node, const doc::Mark& key_mark, const Catalog& catalog,
                     std::vector<AttributeUpdate>& updates);

// What is written, as JSON: true, false, null and numbers are such when they are not quoted, everything else is text.
std::string json_of(const doc::Node& node);

}  // namespace nudge::testing
