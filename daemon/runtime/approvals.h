// Approvals in the daemon: what is kept of them, and the signed links by which a manager answers from a mail or a chat. Deciding is the
// desk's (engine/core/approvals.h); the thread of Tasks brings the answers and the deadlines to it.
//
// Pure functions and plain data; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/runtime/unit.h"
#include "engine/core/approvals.h"

namespace nudge::daemon {

std::string approval_key(bool open, std::string_view id_bytes);
// Puts what a change did to approvals into the books. The events go with those about tasks.
void book_approvals(WriteSet& set, const ApprovalOut& out);
// Reads the open ones into the desk, at the start.
Result<void> load_approvals(const Store& store, Desk& desk);
// The one with this id, open or decided. Error: not_found.
Result<Request> approval_by_id(const Store& store, std::string_view id_bytes);
// Open ones, or those that were decided, in no order.
Result<std::vector<Request>> approvals_in(const Store& store, bool open);

// Links that answer: which approval, until when, and who. Signed, so that nobody can make one for another; good until the deadline, and
// for one answer, for an approval is decided once.
struct ApprovalLinks {
  std::string base;  // https://nudge.example.com
  std::string key;   // never shown

  bool on() const { return !base.empty() && !key.empty(); }
  // base/a/TOKEN for what a message asks for (ActionOut::asks_for).
  std::string link(std::string_view asks_for) const;
  // Nothing when the token is not one of ours. Whether it is too late is for the caller to see.
  std::optional<Asking> read(std::string_view token) const;
  // The payload of a message that asks, with the link where it is to stand; without links what to do instead.
  std::string filled(const ActionOut& action) const;
};

}  // namespace nudge::daemon
