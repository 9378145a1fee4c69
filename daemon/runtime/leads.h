// Leads on disk: each by its customer, an index to list them by, all changes there ever were, and who claimed how many today. They lie in
// the family `task` beside the tasks. Free functions without state of their own; reads from any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/store/store.h"
#include "engine/core/desk.h"

namespace nudge::daemon {

// Puts what a change did to leads into the books.
void book_leads(WriteSet& set, const LeadOut& leads);
// Reads the leads into the desk, at the start.
Result<void> load_leads(const Store& store, Desk& desk);
// Everything that is kept of the customer as a lead.
Result<void> erase_lead(const Store& store, WriteSet& set, std::string_view customer);

// Error: not_found.
Result<Lead> lead_of(const Store& store, std::string_view customer);
// All changes of the customer's owner or state, the oldest first.
// All names of a customer: changes from before they were one, too.
Result<std::vector<LeadChange>> lead_history(const Store& store, const std::vector<std::string>& names);

// A lead as the index has it: enough to choose by.
struct LeadEntry {
  LeadState state = LeadState::pooled;
  std::string pool, owner;
  TimeMs since = 0;
  std::string customer;
};
struct LeadQuery {
  std::optional<LeadState> state;  // none: all
  std::string cursor;              // `next` of the page before; empty: from the first
  std::uint64_t limit = 100;
};
struct LeadPage {
  std::vector<Lead> leads;
  std::uint64_t total = 0;  // all that fit, on every page
  std::string next;         // empty: that was all
};
// By state, pool and owner, the longest there first. Error: invalid (the cursor).
Result<LeadPage> leads_page(const Store& store, const LeadQuery& query, const std::function<bool(const LeadEntry&)>& fits);

}  // namespace nudge::daemon
