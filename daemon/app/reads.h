// Lists out of the store: decisions, actions, tasks, quarantine. Blocking reads; for worker threads.
// Newest first; `before` (exclusive) and `limit` page through. Thread-safe: refers to the Store only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/erased.h"
#include "daemon/runtime/records.h"
#include "daemon/store/store.h"

namespace nudge::daemon {

struct ListQuery {
  std::uint64_t limit = 50;
  std::uint64_t before = 0;  // numbers below this only; 0: from the newest
  std::string rule;          // empty: any
  TimeMs from = kAlways, to = kNever;
  std::optional<bool> fired;  // decisions only
  std::string held_by;        // decisions only; as held_name says; empty: any
  const ErasedIds* erased = nullptr;  // decisions out of the log: those of these customers are left out
};

Result<std::vector<Decision>> decisions_of(const Store& store, std::string_view customer, const ListQuery& query);
// Over all customers, out of the log; at most `blocks` of its blocks are read. `next`: ask again with this as `before` for what comes
// before; 0: that was all.
struct DecisionPage {
  std::vector<Decision> decisions;
  std::uint64_t next = 0;
};
Result<DecisionPage> decisions_recent(const Store& store, const ListQuery& query, std::uint64_t blocks);

using ActionFilter = std::function<bool(const ActionRecord&)>;
// Which actions are meant; an empty text stands for any.
struct ActionChoice {
  std::string state, rule, kind, channel, connector, customer;
  std::string held;  // the policy's name
  std::string note;  // a part of the note, such as of the provider's answer
  std::vector<std::pair<std::string_view, std::string*>> fields();
  // Refers to the choice. Invalid: a word that there is not.
  Result<ActionFilter> filter() const;
};
Result<std::vector<ActionRecord>> actions_of(const Store& store, std::string_view customer, const ListQuery& query,
                                             const ActionFilter& filter);
Result<std::vector<ActionRecord>> actions_recent(const Store& store, const ListQuery& query, const ActionFilter& filter);
// The ids of all that pass, in the order of decision. Reads everything that is pending or (`pending` false) at its end: for worker threads.
Result<std::vector<std::string>> action_ids(const Store& store, bool pending, const ActionFilter& filter);

// Tasks in an order that a cursor can go on in. `open`: those to do, else those done.
struct TaskOrder {
  enum class By : std::uint8_t { due, created, priority, done, number };
  By by = By::due;
  bool descending = false;
  std::string cursor;  // `next` of the page before; empty: from the first
  std::uint64_t limit = 100;
};
struct TaskPage {
  std::vector<TaskRecord> tasks;
  std::uint64_t total = 0;  // all that fit, on every page
  std::string next;         // empty: that was all
};
Result<TaskPage> tasks_page(const Store& store, bool open, const TaskOrder& order, const std::function<bool(const TaskRecord&)>& filter);
Result<TaskRecord> task_by_id(const Store& store, std::string_view id_bytes);

Result<std::vector<QuarantineRecord>> quarantine_list(const Store& store, std::uint64_t limit, std::uint64_t after, std::string_view code);
Result<QuarantineRecord> quarantine_record(const Store& store, std::uint64_t number);

}  // namespace nudge::daemon
