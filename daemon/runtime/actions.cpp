#include "daemon/runtime/actions.h"

#include <algorithm>

#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::string_view kNumbers = "n";

std::string customer_list(std::string_view customer) {
  std::string list = action_customer_key(customer, 0);
  list.resize(list.size() - 8);
  return list;
}

std::string entry_key(std::string_view list, std::uint64_t number) { return Key{}.raw(list).u64(number).take(); }
std::uint64_t first_of(std::string_view key) { return KeyReader(key.substr(key.size() - 8)).u64(); }
bool is_blank(std::string_view id) { return id.find_first_not_of('\0') == std::string_view::npos; }

}  // namespace

ActionRecord action_of(const Task& task) {
  ActionRecord record;
  record.number = task.number;
  record.state = ActionState::accepted;
  record.changed_at = record.next_at = task.action.at;
  record.action = task.action;
  if (!task.decided_for.empty()) record.action.customer = task.decided_for;
  return record;
}

Result<ActionRecord> find_action(const Store& store, std::string_view id) {
  // Twice: between two reads it may have moved from one place to the other.
  for (int again = 0; again < 2; ++again) {
    for (const bool pending : {true, false}) {
      NUDGE_ASSIGN(const auto bytes, store.get(Family::outbox, action_key(pending, id)));
      if (bytes) return decode_action_record(*bytes);
    }
    for (const bool open : {true, false}) {
      NUDGE_ASSIGN(const auto bytes, store.get(Family::task, task_key(open, id)));
      if (!bytes) continue;
      NUDGE_ASSIGN(const Task task, decode_task(*bytes));
      if (task.sole_record) return action_of(task);
    }
  }
  return fail(Code::not_found, "there is no action with this id");
}

void list_actions(WriteSet& set, std::uint64_t first, std::span<const ActionOut> actions) {
  if (actions.empty()) return;
  std::string ids;
  ids.reserve(actions.size() * kIdBytes);
  for (const ActionOut& action : actions) ids += id_bytes(action.id);
  set.put(Family::outbox, action_number_key(first), ids);
  for (std::size_t begin = 0; begin < actions.size();) {
    std::size_t end = begin + 1;
    while (end < actions.size() && actions[end].customer == actions[begin].customer) ++end;
    set.put(Family::outbox, action_customer_key(actions[begin].customer, first + begin),
            std::string_view(ids).substr(begin * kIdBytes, (end - begin) * kIdBytes));
    begin = end;
  }
}

Result<void> scan_actions(const Store& store, std::optional<std::string_view> customer, std::uint64_t before, const SeeAction& see) {
  const std::string list = customer ? customer_list(*customer) : std::string(kNumbers);
  return store.scan(
      Family::outbox, list, before != 0 ? entry_key(list, before) : prefix_end(list),
      [&](std::string_view key, std::string_view ids) {
        const std::uint64_t first = first_of(key);
        for (std::size_t i = ids.size() / kIdBytes; i-- > 0;) {
          const std::string_view id = ids.substr(i * kIdBytes, kIdBytes);
          if ((before != 0 && first + i >= before) || is_blank(id)) continue;
          if (!see(first + i, id)) return false;
        }
        return true;
      },
      ScanOptions{.backward = true});
}

Result<std::vector<ListedActions>> listed_from(const Store& store, std::string_view key, std::size_t most) {
  std::vector<ListedActions> entries;
  std::size_t named = 0;
  NUDGE_TRY(store.scan(Family::outbox, std::max(key, kNumbers), prefix_end(kNumbers), [&](std::string_view at, std::string_view ids) {
    ListedActions& entry = entries.emplace_back();
    entry.key = at;
    for (std::size_t i = 0; i + kIdBytes <= ids.size(); i += kIdBytes) {
      const std::string_view id = ids.substr(i, kIdBytes);
      entry.ids.emplace_back(is_blank(id) ? std::string_view() : id);
    }
    return (named += entry.ids.size()) < most;
  }));
  return entries;
}

Result<void> Unlisting::take_out(std::string_view customer, std::uint64_t number) {
  NUDGE_TRY(blank(kNumbers, number));
  return blank(customer_list(customer), number);
}

Result<void> Unlisting::blank(std::string_view list, std::uint64_t number) {
  std::string key, ids;
  NUDGE_TRY(store_.scan(
      Family::outbox, list, entry_key(list, number) + '\0',
      [&](std::string_view found, std::string_view value) {
        key = found;
        ids = value;
        return false;
      },
      ScanOptions{.backward = true}));
  if (key.empty()) return {};
  const std::size_t at = (number - first_of(key)) * kIdBytes;
  std::string& entry = entries_.try_emplace(std::move(key), std::move(ids)).first->second;
  if (at < entry.size()) std::fill_n(entry.begin() + static_cast<std::ptrdiff_t>(at), kIdBytes, '\0');
  return {};
}

void Unlisting::write(WriteSet& set) const {
  for (const auto& [key, ids] : entries_) {
    if (is_blank(ids))
      set.erase(Family::outbox, key);
    else
      set.put(Family::outbox, key, ids);
  }
}

}  // namespace nudge::daemon
