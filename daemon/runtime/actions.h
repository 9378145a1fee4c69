// Where actions are kept: each under its id, a call task's within its task, and two lists of them, by number and by customer. A list's entry
// lies under the number of its first action and names those that a batch decided one after the other (by customer: for the same one), so that
// a batch of many actions is a key and not one each (docs/decisions/actions.md).
//
// Free functions over a Store are thread-safe; writing is the committer's.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "daemon/runtime/records.h"
#include "daemon/store/store.h"

namespace nudge::daemon {

// The action with this id (16 bytes). Error: not_found, corrupt.
Result<ActionRecord> find_action(const Store& store, std::string_view id);
// The record of the action that made a task: it is done with the batch that has the task.
ActionRecord action_of(const Task& task);

// Lists what a batch decided: `actions` have consecutive numbers from `first` on.
void list_actions(WriteSet& set, std::uint64_t first, std::span<const ActionOut> actions);

// An action in a list; ids that were taken out are left out.
using SeeAction = std::function<bool(std::uint64_t number, std::string_view id)>;  // false: enough
// A customer's actions, or (no customer) everybody's; newest first, those with numbers below `before` only (0: all).
Result<void> scan_actions(const Store& store, std::optional<std::string_view> customer, std::uint64_t before, const SeeAction& see);

// Entries of everybody's list from `key` on, until they name `most` actions; none: that was all.
struct ListedActions {
  std::string key;
  std::vector<std::string> ids;  // empty: taken out
};
Result<std::vector<ListedActions>> listed_from(const Store& store, std::string_view key, std::size_t most);

// Takes actions out of both lists: an entry that names nothing any more goes with the last of its actions. Not thread-safe.
class Unlisting {
 public:
  explicit Unlisting(const Store& store) : store_(store) {}
  // `customer`: whom it was decided for.
  Result<void> take_out(std::string_view customer, std::uint64_t number);
  // Once, when all are named.
  void write(WriteSet& set) const;

 private:
  Result<void> blank(std::string_view list, std::uint64_t number);

  const Store& store_;
  std::map<std::string, std::string> entries_;  // as they are to be; all zeros: gone
};

}  // namespace nudge::daemon
