// A stored fact as the document that says the same, for people and for sending it in again. Pure functions.
#pragma once

#include <functional>
#include <string>

#include "engine/model/input.h"

namespace nudge::daemon {

// The JSON text of a leaf's value. An empty function: as it is.
using LeafText = std::function<std::string(const LeafDef& leaf, const ValueView& value)>;

// {"customer","id","time", and "event" with "data", or "attributes", or "tag"}: what POST /v1/import takes.
std::string as_document(const Input& input, const Catalog& catalog, const LeafText& text = {});

}  // namespace nudge::daemon
