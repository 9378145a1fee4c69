// The first part of a customer's record, read without the rest.
#pragma once

#include <string_view>

#include "engine/model/customer.h"

namespace nudge {

// Reads no more than the clock, the plan and the attributes, which come first, into `state`; what else there was in it stays. False when the
// bytes are damaged or of a version that this program does not read: decode_customer says how.
bool decode_customer_head(std::string_view bytes, const Catalog& catalog, CustomerState& state);

}  // namespace nudge
