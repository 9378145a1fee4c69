// The first part of a customer's record, read without the rest.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/model/customer.h"

namespace nudge {

// Reads no more than the clock, the plan and the attributes, which come first, into `state`; what else there was in it stays. False when the
// bytes are damaged or of a version that this program does not read: decode_customer says how.
bool decode_customer_head(std::string_view bytes, const Catalog& catalog, CustomerState& state);

// Even less of it: what some attributes were at the customer's clock, or at `not_before` when that is later. Nothing is copied; views point
// into the bytes.
struct CustomerGlance {
  TimeMs clock = kAlways;
  std::uint64_t plan = 0;
  std::vector<ValueView> values;  // of the attributes asked for, in their order; missing when there is none
};
// `wanted` is strictly ascending. False as above, and for records of an older version. What it says of damaged bytes means nothing.
bool glance_at_customer(std::string_view bytes, std::span<const AttributeId> wanted, TimeMs not_before, CustomerGlance& glance);

}  // namespace nudge
