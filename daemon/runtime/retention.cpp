#include "daemon/runtime/retention.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "daemon/log/log.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/gate.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/payload.h"
#include "daemon/runtime/receipts.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kAtOnce = 1000;  // records in one commit: intake goes on in between

}  // namespace

// What something that is not over yet may still be asked about.
struct Retention::Open {
  std::set<std::string> tasks;                   // ids
  std::set<std::string, std::less<>> customers;  // with something waiting
};

Retention::Retention(RetentionOptions options, Store& store, LogicalClock& clock, Committer& committer,
                     std::function<std::uint64_t()> needed, std::function<std::shared_ptr<const Plan>()> plan, Expire expire)
    : options_(options),
      store_(store),
      clock_(clock),
      committer_(committer),
      needed_(std::move(needed)),
      plan_(std::move(plan)),
      expire_(std::move(expire)) {}

void Retention::start() {
  thread_ = std::thread([this] { run(); });
}

void Retention::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Retention::ending() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Retention::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 15);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.every, [this] { return stopping_; })) {
    lock.unlock();
    const Result<Trimmed> gone = trim();
    if (!gone && !ending())
      log::error("what is too old could not be taken away; it is tried again", {{"error", gone.error()}});
    else if (gone && gone->all() != 0)
      log::info("what was too old is gone", {{"decisions", gone->decisions},
                                             {"actions", gone->actions},
                                             {"tasks", gone->tasks},
                                             {"blocks", gone->blocks},
                                             {"quarantine", gone->quarantine},
                                             {"events", gone->events}});
    lock.lock();
  }
}

Result<Trimmed> Retention::trim() {
  const TimeMs now = clock_.now();
  Trimmed gone;
  NUDGE_ASSIGN(const Open open, what_is_open());
  if (options_.actions != 0) {
    NUDGE_ASSIGN(gone.actions, trim_actions(open, now - options_.actions));
  }
  if (options_.tasks != 0) {
    NUDGE_ASSIGN(gone.tasks, trim_tasks(now - options_.tasks));
  }
  if (options_.decisions != 0) {
    NUDGE_ASSIGN(gone.decisions, trim_decisions(open, now - options_.decisions));
  }
  if (options_.log != 0) {
    NUDGE_ASSIGN(gone.blocks, trim_log(now - options_.log));
  }
  if (options_.quarantine != 0) {
    NUDGE_ASSIGN(gone.quarantine, trim_quarantine(now - options_.quarantine));
    NUDGE_ASSIGN(const std::uint64_t copies, trim_given_up(now - options_.quarantine));
    gone.quarantine += copies;
    if (copies != 0) NUDGE_TRY(store_.compact(Family::audit));
    if (gone.quarantine != copies) NUDGE_TRY(store_.compact(Family::quarantine));
  }
  NUDGE_ASSIGN(gone.events, trim_events(now));
  // Only a family that lost something is written anew.
  if (gone.actions != 0) NUDGE_TRY(store_.compact(Family::outbox));
  if (gone.tasks != 0) NUDGE_TRY(store_.compact(Family::task));
  if (gone.decisions != 0) NUDGE_TRY(store_.compact(Family::decision));
  if (gone.blocks != 0) NUDGE_TRY(store_.compact(Family::log));
  return gone;
}

Result<void> Retention::take(const Keys& keys, const std::function<Result<void>(WriteSet&)>& more) {
  if (ending()) return fail(Code::unavailable, "nudge stops");
  Result<void> done;
  NUDGE_TRY(committer_.change_and_wait([&](CommitContext& c) {
    if (more && !(done = more(c.set))) return;
    for (const auto& [family, key] : keys) c.set.erase(family, key);
  }));
  return done;
}

// A task that stays longer than its action is no record of it any more.
Result<void> Retention::keep_task_alone(WriteSet& set, std::string_view id) const {
  const std::string key = task_key(false, id);
  NUDGE_ASSIGN(const auto bytes, store_.get(Family::task, key));
  if (!bytes) return {};
  NUDGE_ASSIGN(Task task, decode_task(*bytes));
  if (!task.sole_record) return {};
  task.sole_record = false;
  std::string alone;
  encode_task(alone, task);
  set.put(Family::task, key, alone);
  return {};
}

// An action that stays longer than its task has a record of its own from now on.
Result<void> Retention::keep_action_alone(WriteSet& set, std::string_view key) const {
  NUDGE_ASSIGN(const auto bytes, store_.get(Family::task, key));
  if (!bytes) return {};
  NUDGE_ASSIGN(const Task task, decode_task(*bytes));
  if (!task.sole_record) return {};
  const ActionRecord record = action_of(task);
  std::string alone;
  encode_record(alone, record);
  set.put(Family::outbox, action_key(false, id_bytes(record.action.id)), alone);
  return {};
}

Result<Retention::Open> Retention::what_is_open() const {
  Open open;
  std::optional<Error> error;
  const std::string tasks = task_key(true, ""), pending = action_key(true, "");
  NUDGE_TRY(store_.scan(Family::task, tasks, prefix_end(tasks), [&](std::string_view, std::string_view value) {
    const Result<TaskRecord> task = decode_task(value);
    if (!task) {
      error = task.error();
      return false;
    }
    open.tasks.insert(id_bytes(task->action.id));
    open.customers.insert(task->action.customer);
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  NUDGE_TRY(store_.scan(Family::outbox, pending, prefix_end(pending), [&](std::string_view, std::string_view value) {
    const Result<ActionRecord> record = decode_action_record(value);
    if (!record) {
      error = record.error();
      return false;
    }
    open.customers.insert(record->action.customer);
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return open;
}

// In the order of decision, so that what is young ends it.
Result<std::uint64_t> Retention::trim_actions(const Open& open, TimeMs before) {
  std::uint64_t gone = 0;
  std::string from;
  for (bool more = true; more;) {
    NUDGE_ASSIGN(const std::vector<ListedActions> entries, listed_from(store_, from, kAtOnce));
    more = !entries.empty();
    Keys keys;
    Unlisting lists(store_);
    std::vector<std::string> tasks;  // that stay
    for (auto entry = entries.begin(); more && entry != entries.end(); ++entry) {
      from = entry->key + '\0';
      for (const std::string& id : entry->ids) {
        if (id.empty()) continue;
        const Result<ActionRecord> record = find_action(store_, id);
        if (!record && record.error().code == Code::not_found) continue;
        if (!record) return std::unexpected(record.error());
        if (is_pending(record->state)) continue;
        if (record->action.at >= before) {
          more = false;
          break;
        }
        if (record->changed_at >= before || open.tasks.contains(id)) continue;
        NUDGE_TRY(add_action_keys(*record, id, keys));
        NUDGE_TRY(lists.take_out(record->action.customer, record->number));
        if (record->action.kind == "call_task") tasks.push_back(id);
        ++gone;
      }
    }
    if (keys.empty()) continue;
    NUDGE_TRY(take(keys, [&](WriteSet& set) -> Result<void> {
      lists.write(set);
      for (const std::string& id : tasks) NUDGE_TRY(keep_task_alone(set, id));
      return {};
    }));
  }
  return gone;
}

// What is kept of one action beside the lists.
Result<void> Retention::add_action_keys(const ActionRecord& record, std::string_view id, Keys& keys) const {
  keys.emplace_back(Family::outbox, action_key(false, id));
  keys.emplace_back(Family::outbox, receipt_key(id));
  std::vector<std::string> ways;
  for (const Attempt& attempt : record.attempts)
    if (!attempt.provider_ref.empty()) ways.push_back(way_by_ref_key(record.connector, attempt.provider_ref));
  if (const std::string address = normal_address(member_text(record.action.payload, "to")); !address.empty())
    ways.push_back(way_by_address_key(record.action.channel, address));
  for (std::string& way : ways) {  // that of an address may be a newer action's by now
    NUDGE_ASSIGN(const auto whose, store_.get(Family::outbox, way));
    if (whose && *whose == id) keys.emplace_back(Family::outbox, std::move(way));
  }
  return {};
}

Result<std::uint64_t> Retention::trim_tasks(TimeMs before) {
  std::vector<std::string> keys;
  std::optional<Error> error;
  const std::string done = task_key(false, "");
  NUDGE_TRY(store_.scan(
      Family::task, done, prefix_end(done),
      [&](std::string_view key, std::string_view value) {
        const Result<TaskRecord> task = decode_task(value);
        if (!task) {
          error = task.error();
          return false;
        }
        if (std::max(task->done_at, task->action.at) < before) keys.emplace_back(key);
        return !ending();
      },
      {.fill_cache = false}));
  if (error) return std::unexpected(*std::move(error));
  for (std::size_t i = 0; i < keys.size();) {
    Keys gone_keys;
    for (const std::size_t end = std::min(keys.size(), i + kAtOnce); i < end; ++i) gone_keys.emplace_back(Family::task, keys[i]);
    NUDGE_TRY(take(gone_keys, [&](WriteSet& set) -> Result<void> {
      for (const auto& [family, key] : gone_keys) NUDGE_TRY(keep_action_alone(set, key));
      return {};
    }));
  }
  return keys.size();
}

Result<std::uint64_t> Retention::trim_decisions(const Open& open, TimeMs before) {
  std::uint64_t gone = 0;
  std::string from;
  bool more = true, damaged = false;
  while (more) {
    Keys gone_keys;
    std::size_t seen = 0;
    more = false;
    NUDGE_TRY(store_.scan(
        Family::decision, from, "",
        [&](std::string_view key, std::string_view value) {
          if (gone_keys.size() >= kAtOnce || ++seen > 100 * kAtOnce) {
            from = key;
            return !(more = true);
          }
          Reader in(value);
          Decision d;
          std::uint64_t n = 0;
          TimeMs at = kAlways;
          for (; !in.at_end(); ++n) {
            if (!decode_decision(in, d)) return !(damaged = true);
            at = std::max(at, d.at);
          }
          if (at >= before || open.customers.contains(d.customer)) return true;
          gone_keys.emplace_back(Family::decision, key);
          gone += n;
          return true;
        },
        {.fill_cache = false}));
    if (damaged) return fail(Code::corrupt, "a stored decision is damaged; restore the last backup");
    if (ending()) break;
    if (!gone_keys.empty()) NUDGE_TRY(take(gone_keys));
  }
  return gone;
}

// From the first block on, up to the first with something young in it.
Result<std::uint64_t> Retention::trim_log(TimeMs before) {
  const std::uint64_t first = store_.dropped_blocks() + 1, needed = needed_();
  std::uint64_t upto = 0, gone = 0;
  std::optional<Error> error;
  NUDGE_TRY(store_.log_blocks(first, [&](std::uint64_t sequence, std::string_view bytes) {
    if (sequence + 1 >= needed || ending()) return false;
    const Result<LogBlock> block = decode_block(bytes, BlockPart::all);
    if (!block) {
      error = block.error();
      return false;
    }
    bool old = true;
    for (const LogUnit& unit : block->units) {
      const Result<void> read = read_entries(unit, [&](LogEntry& entry) { old = old && entry.instant < before; });
      if (!read) error = read.error();
    }
    for (const Decision& d : block->decisions) old = old && d.at < before;
    if (error || !old) return false;
    upto = sequence;
    ++gone;
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  if (gone != 0) NUDGE_TRY(store_.drop_blocks(upto));
  return gone;
}

}  // namespace nudge::daemon
