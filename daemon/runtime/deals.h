// Opportunities on disk, in the family `task` beside the leads: each by its id, and by its customer. Free functions without state of their own;
// reads from any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/store/store.h"
#include "engine/core/desk.h"

namespace nudge::daemon {

void book_deals(WriteSet& set, const DealOut& deals);
// Reads the open ones into the desk, at the start.
Result<void> load_deals(const Store& store, Desk& desk);
Result<void> erase_deals(const Store& store, WriteSet& set, std::string_view customer);

// Error: not_found.
Result<Opportunity> deal_of(const Store& store, std::string_view id);
// All of these customers, by any name they had, in the order of their ids.
Result<std::vector<Opportunity>> deals_of(const Store& store, const std::vector<std::string>& names);
enum class DealsIn : std::uint8_t { open, closed, all };
// Those that fit, the open ones first, each kind in the order of ids. Reads every one there is of the kind.
Result<std::vector<Opportunity>> deals_where(const Store& store, DealsIn which, const std::function<bool(const Opportunity&)>& fits);

}  // namespace nudge::daemon
