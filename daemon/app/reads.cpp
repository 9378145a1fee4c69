#include "daemon/app/reads.h"

#include <algorithm>
#include <charconv>

#include "daemon/runtime/actions.h"
#include "daemon/runtime/log_block.h"
#include "daemon/store/block.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

Result<std::vector<Decision>> decode_list(std::string_view bytes) {
  Reader in(bytes);
  std::vector<Decision> list;
  while (!in.at_end()) {
    if (!decode_decision(in, list.emplace_back()) || in.bad()) return fail(Code::corrupt, "a stored decision can't be read");
  }
  return list;
}

// Takes what the query wants out of decisions in ascending order; true when there are enough.
bool take(std::vector<Decision>& out, std::vector<Decision>& list, const ListQuery& query) {
  for (auto it = list.rbegin(); it != list.rend(); ++it) {
    if (query.before != 0 && it->number >= query.before) continue;
    if (it->customer.empty() || (query.erased != nullptr && query.erased->covers(it->customer, it->at))) continue;
    if (!query.rule.empty() && it->rule != query.rule) continue;
    if (it->at < query.from || it->at >= query.to) continue;
    if (query.fired && it->fired != *query.fired) continue;
    if (!query.held_by.empty() && (it->fired || held_name(it->held) != query.held_by)) continue;
    out.push_back(std::move(*it));
    if (out.size() >= query.limit) return true;
  }
  return false;
}

Result<std::vector<ActionRecord>> listed_actions(const Store& store, std::optional<std::string_view> customer, const ListQuery& query,
                                                 const ActionFilter& filter) {
  std::vector<ActionRecord> out;
  std::optional<Error> error;
  NUDGE_TRY(scan_actions(store, customer, query.before, [&](std::uint64_t, std::string_view id) {
    Result<ActionRecord> record = find_action(store, id);
    if (!record && record.error().code == Code::not_found) return true;  // taken away a moment ago
    if (!record) {
      error = std::move(record).error();
      return false;
    }
    if ((query.rule.empty() || record->action.rule == query.rule) && filter(*record)) out.push_back(*std::move(record));
    return out.size() < query.limit;
  }));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

}  // namespace

Result<std::vector<Decision>> decisions_of(const Store& store, std::string_view customer, const ListQuery& query) {
  std::vector<Decision> out;
  std::optional<Error> error;
  std::string prefix = decision_key(customer, 0);
  prefix.resize(prefix.size() - 8);
  NUDGE_TRY(store.scan(
      Family::decision, prefix, prefix_end(prefix),
      [&](std::string_view, std::string_view value) {
        Result<std::vector<Decision>> list = decode_list(value);
        if (!list) {
          error = std::move(list).error();
          return false;
        }
        return !take(out, *list, query);
      },
      ScanOptions{.backward = true}));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

namespace {

Result<LogBlock> open_log(std::string_view key, std::string_view value, BlockPart part) {
  const Result<Block> frame = open_block(parse_log_key(key).value_or(0), value);
  if (!frame) return std::unexpected(frame.error());
  std::string room;
  NUDGE_ASSIGN(const std::string_view content, block_content(*frame, room));
  Result<LogBlock> block = decode_block(content, part);
  if (block) block->units.clear();  // views into what goes away
  return block;
}

// The end (exclusive, a key) of the blocks that may hold decisions numbered below `before`: their first numbers only grow.
Result<std::string> end_of_blocks(const Store& store, std::uint64_t before) {
  std::uint64_t low = 0, high = store.last_sequence() + 1;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    bool below = false;
    std::optional<Error> error;
    NUDGE_TRY(store.scan(Family::log, log_key(middle), "", [&](std::string_view key, std::string_view value) {
      const Result<LogBlock> block = open_log(key, value, BlockPart::units);
      if (!block) error = block.error();
      below = block && block->first_decision < before;
      return false;
    }));
    if (error) return std::unexpected(*std::move(error));
    (below ? low : high) = middle;
  }
  return log_key(low + 1);
}

}  // namespace

Result<DecisionPage> decisions_recent(const Store& store, const ListQuery& query, std::uint64_t blocks) {
  DecisionPage page;
  std::optional<Error> error;
  std::string to;
  if (query.before != 0) {
    NUDGE_ASSIGN(to, end_of_blocks(store, query.before));
  }
  NUDGE_TRY(store.scan(
      Family::log, "", to,
      [&](std::string_view key, std::string_view value) {
        Result<LogBlock> block = open_log(key, value, BlockPart::all);
        if (!block) {
          error = std::move(block).error();
          return false;
        }
        if (take(page.decisions, block->decisions, query)) {
          page.next = page.decisions.back().number;
          return false;
        }
        if (--blocks > 0) return true;
        page.next = block->first_decision > 1 ? block->first_decision : 0;
        return false;
      },
      ScanOptions{.backward = true, .fill_cache = false}));
  if (error) return std::unexpected(*std::move(error));
  return page;
}

Result<std::vector<ActionRecord>> actions_of(const Store& store, std::string_view customer, const ListQuery& query,
                                             const ActionFilter& filter) {
  return listed_actions(store, customer, query, filter);
}

Result<std::vector<ActionRecord>> actions_recent(const Store& store, const ListQuery& query, const ActionFilter& filter) {
  return listed_actions(store, std::nullopt, query, filter);
}

std::vector<std::pair<std::string_view, std::string*>> ActionChoice::fields() {
  return {{"state", &state},         {"rule", &rule},         {"kind", &kind}, {"channel", &channel},
          {"connector", &connector}, {"customer", &customer}, {"held", &held}, {"note", &note}};
}

Result<ActionFilter> ActionChoice::filter() const {
  std::optional<ActionState> wanted;
  if (!state.empty()) {
    wanted = find_action_state(state);
    if (!wanted) {
      return fail(Code::invalid,
                  "`state` must be one of waiting, in_flight, retrying, unknown, accepted, dead, discarded, cancelled, held, kept");
    }
  }
  return [this, wanted](const ActionRecord& r) {
    const ActionOut& a = r.action;
    const std::string& by = r.connector.empty() ? a.connector : r.connector;
    return (!wanted || r.state == *wanted) && (rule.empty() || a.rule == rule) && (kind.empty() || a.kind == kind) &&
           (channel.empty() || a.channel == channel) && (connector.empty() || by == connector) &&
           (customer.empty() || a.customer == customer) && (held.empty() || held_name(r.held) == held) &&
           (note.empty() || r.note.find(note) != std::string::npos);
  };
}

Result<std::vector<std::string>> action_ids(const Store& store, bool pending, const ActionFilter& filter) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::optional<Error> error;
  const std::string prefix = action_key(pending, "");
  NUDGE_TRY(store.scan(Family::outbox, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
    Result<ActionRecord> record = decode_action_record(value);
    if (!record) {
      error = std::move(record).error();
      return false;
    }
    if (filter(*record)) found.emplace_back(record->number, id_bytes(record->action.id));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  std::ranges::sort(found);
  std::vector<std::string> ids;
  ids.reserve(found.size());
  for (auto& [number, id] : found) ids.push_back(std::move(id));
  return ids;
}

namespace {

// What a task is ordered by, its number behind it: no two are equal.
using TaskKey = std::pair<std::int64_t, std::uint64_t>;
TaskKey key_of(const TaskRecord& t, TaskOrder::By by) {
  switch (by) {
    case TaskOrder::By::due: return {t.action.due == 0 ? kNever : t.action.due, t.number};
    case TaskOrder::By::created: return {t.action.at, t.number};
    case TaskOrder::By::priority: return {t.action.priority, t.number};
    case TaskOrder::By::done: return {t.done_at, t.number};
    case TaskOrder::By::number: return {0, t.number};
  }
  return {};
}

std::optional<TaskKey> read_cursor(std::string_view text) {
  TaskKey key;
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto [a, first] = std::from_chars(text.data(), text.data() + dot, key.first);
  const auto [b, second] = std::from_chars(text.data() + dot + 1, text.data() + text.size(), key.second);
  if (first != std::errc() || second != std::errc() || a != text.data() + dot || b != text.data() + text.size()) return std::nullopt;
  return key;
}

}  // namespace

// Reads them all, keeps the page: the heap has the last of it on top.
Result<TaskPage> tasks_page(const Store& store, bool open, const TaskOrder& order, const std::function<bool(const TaskRecord&)>& filter) {
  TaskPage page;
  const std::optional<TaskKey> cursor = read_cursor(order.cursor);
  if (!order.cursor.empty() && !cursor) return fail(Code::invalid, "`cursor` is not the `next` of a page of tasks");
  const auto before = [&](const TaskKey& a, const TaskKey& b) { return order.descending ? b < a : a < b; };
  const auto earlier = [&](const TaskRecord& a, const TaskRecord& b) { return before(key_of(a, order.by), key_of(b, order.by)); };
  std::uint64_t behind = 0;  // the cursor
  std::optional<Error> error;
  const std::string prefix = task_key(open, "");
  NUDGE_TRY(store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
    Result<TaskRecord> task = decode_task(value);
    if (!task) {
      error = std::move(task).error();
      return false;
    }
    if (!filter(*task)) return true;
    ++page.total;
    if (cursor && !before(*cursor, key_of(*task, order.by))) return true;
    ++behind;
    page.tasks.push_back(*std::move(task));
    std::ranges::push_heap(page.tasks, earlier);
    if (page.tasks.size() > order.limit) {
      std::ranges::pop_heap(page.tasks, earlier);
      page.tasks.pop_back();
    }
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  std::ranges::sort_heap(page.tasks, earlier);
  if (behind > page.tasks.size() && !page.tasks.empty()) {
    const TaskKey last = key_of(page.tasks.back(), order.by);
    page.next = std::to_string(last.first) + "." + std::to_string(last.second);
  }
  return page;
}

Result<TaskRecord> task_by_id(const Store& store, std::string_view id) {
  for (const bool open : {true, false, true}) {
    NUDGE_ASSIGN(const auto bytes, store.get(Family::task, task_key(open, id)));
    if (bytes) return decode_task(*bytes);
  }
  return fail(Code::not_found, "there is no task with this id");
}

Result<std::vector<QuarantineRecord>> quarantine_list(const Store& store, std::uint64_t limit, std::uint64_t after, std::string_view code) {
  std::vector<QuarantineRecord> out;
  std::optional<Error> error;
  NUDGE_TRY(store.scan(Family::quarantine, quarantine_key(after + 1), "", [&](std::string_view, std::string_view value) {
    Result<QuarantineRecord> record = decode_quarantine_record(value);
    if (!record) {
      error = std::move(record).error();
      return false;
    }
    if (code.empty() || record->code == code) out.push_back(*std::move(record));
    return out.size() < limit;
  }));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

Result<QuarantineRecord> quarantine_record(const Store& store, std::uint64_t number) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::quarantine, quarantine_key(number)));
  if (!bytes) return fail(Code::not_found, "there is no record " + std::to_string(number) + " in quarantine");
  return decode_quarantine_record(*bytes);
}

}  // namespace nudge::daemon
