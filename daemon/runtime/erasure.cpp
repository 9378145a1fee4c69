#include "daemon/runtime/erasure.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <tuple>

#include "daemon/log/log.h"
#include "daemon/runtime/crash_point.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/digests.h"
#include "daemon/runtime/log_scrub.h"
#include "daemon/runtime/shard.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint8_t kErasureVersion = 1;
constexpr std::uint64_t kBlocksAtOnce = 2048;           // between two marks of how far the log is clean
constexpr std::size_t kBytesAtOnce = std::size_t{8} << 20;  // of rewritten blocks in one commit
constexpr int kMergeWaits = 500;
constexpr auto kMergeWait = std::chrono::milliseconds(20);

std::string key_of(std::string_view id) { return std::string(kErasures) + std::string(id); }

}  // namespace

std::string_view erasure_step_name(Erasure::Step step) {
  switch (step) {
    case Erasure::Step::states: return "states";
    case Erasure::Step::log: return "log";
    case Erasure::Step::files: return "files";
    case Erasure::Step::done: return "done";
  }
  return "";
}

void encode_erasure(std::string& out, const Erasure& e) {
  Writer w(out);
  w.u8(kErasureVersion);
  w.string(e.id);
  w.u8(static_cast<std::uint8_t>(e.step));
  w.svarint(e.at);
  w.svarint(e.done_at);
  w.string(e.by);
  w.varint(e.customers.size());
  for (const auto& [customer, upto] : e.customers) {
    w.string(customer);
    w.svarint(upto);
  }
  w.varint(e.next_block);
  w.varint(e.last_block);
  for (const std::uint64_t n : {e.counts.facts, e.counts.decisions, e.counts.actions, e.counts.tasks, e.counts.quarantine, e.counts.in_flight})
    w.varint(n);
}

Result<Erasure> decode_erasure(std::string_view bytes) {
  Reader in(bytes);
  Erasure e;
  const bool known = in.u8() == kErasureVersion;
  e.id = in.string();
  e.step = static_cast<Erasure::Step>(in.u8());
  e.at = in.svarint();
  e.done_at = in.svarint();
  e.by = in.string();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    auto& [customer, upto] = e.customers.emplace_back();
    customer = in.string();
    upto = in.svarint();
  }
  e.next_block = in.varint();
  e.last_block = in.varint();
  for (std::uint64_t* n : {&e.counts.facts, &e.counts.decisions, &e.counts.actions, &e.counts.tasks, &e.counts.quarantine, &e.counts.in_flight})
    *n = in.varint();
  if (!known || in.bad())
    return fail(Code::corrupt, "the record of an erasure can't be read: it is damaged or was written by a newer version");
  return e;
}

// --- what there was

Result<std::vector<Erasure>> Eraser::list() const {
  std::vector<Erasure> all;
  std::optional<Error> error;
  NUDGE_TRY(parts_.store.scan(Family::meta, kErasures, prefix_end(kErasures), [&](std::string_view, std::string_view value) {
    Result<Erasure> e = decode_erasure(value);
    if (e)
      all.push_back(*std::move(e));
    else
      error = std::move(e).error();
    return !error.has_value();
  }));
  if (error) return std::unexpected(*std::move(error));
  std::ranges::sort(all, {}, [](const Erasure& e) { return std::tuple(e.at, e.id); });
  return all;
}

Result<void> Eraser::save(const Erasure& e) {
  std::string bytes;
  encode_erasure(bytes, e);
  return parts_.committer.change_and_wait([&](CommitContext& c) { c.set.put(Family::meta, key_of(e.id), bytes); });
}

bool Eraser::ending() const {
  const std::lock_guard lock(mutex_);
  return stopping_ || parts_.stopping();
}

// --- life

Result<void> Eraser::load() {
  NUDGE_ASSIGN(const std::vector<Erasure> all, list());
  for (const Erasure& e : all) {
    for (const auto& [customer, upto] : e.customers) erased_.set(customer, e.step == Erasure::Step::states ? kNever : upto);
  }
  return {};
}

Result<void> Eraser::start() {
  NUDGE_ASSIGN(std::vector<Erasure> all, list());
  for (Erasure& e : all) {
    if (e.step == Erasure::Step::states) {
      log::info("an erasure that was begun is gone on with", {{"erasure", e.id}});
      NUDGE_TRY(carry_out(e));
    }
    if (!e.customers.empty() && parts_.record) NUDGE_TRY(parts_.record(e));
  }
  work_ = std::ranges::any_of(all, [](const Erasure& e) { return e.step != Erasure::Step::done; });
  thread_ = std::thread([this] { run(); });
  return {};
}

void Eraser::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> take_erasures(Store& store, const ErasureLedger& ledger,
                           const std::function<void(const std::function<void(std::string_view)>&)>& others) {
  std::map<std::string, Erasure> missing;
  for (const auto& [id, at] : ledger.erasures) {
    NUDGE_ASSIGN(const auto known, store.get(Family::meta, key_of(id)));
    if (known) continue;
    Erasure& e = missing[id];
    e.id = id;
    e.at = at;
    e.by = "restore";
  }
  if (missing.empty()) return {};
  std::set<std::pair<std::string, std::string>> found;
  const auto look = [&](std::string_view customer) {
    for (std::string& id : ledger.of(customer))
      if (missing.contains(id)) found.emplace(std::move(id), customer);
  };
  NUDGE_TRY(store.scan(
      Family::customer, "", "",
      [&](std::string_view key, std::string_view) {
        if (const std::optional<CustomerKey> parsed = parse_customer_key(key)) look(parsed->customer);
        return true;
      },
      {.fill_cache = false}));
  others(look);
  for (const auto& [id, customer] : found) missing[id].customers.emplace_back(customer, kNever);
  WriteSet set;
  for (auto& [id, e] : missing) {
    if (e.customers.empty()) {  // nobody of them is in this backup
      e.step = Erasure::Step::done;
      e.done_at = e.at;
    }
    std::string bytes;
    encode_erasure(bytes, e);
    set.put(Family::meta, key_of(id), bytes);
  }
  log::info("erasures that were made after this backup are made again", {{"erasures", missing.size()}, {"customers", found.size()}});
  return store.commit(std::move(set));
}

// --- who

// All names of the customers behind the ids, those that lead somewhere before those that they lead to.
Result<std::vector<std::string>> Eraser::names_of(const std::vector<std::string>& ids, std::uint64_t* facts, bool* known) {
  struct Found {
    bool known = false;
    std::string into;
    std::vector<std::string> aliases;
    std::uint64_t facts = 0;
  };
  std::vector<std::string> left = ids, all;
  std::map<std::string, std::string> ways;
  std::set<std::string> seen;
  while (!left.empty()) {
    const std::string id = std::move(left.back());
    left.pop_back();
    if (!seen.insert(id).second) continue;
    auto answer = std::make_shared<std::promise<Found>>();
    std::future<Found> future = answer->get_future();
    parts_.shard_of(slot_of(id)).ask([answer, id](Shard& shard) {
      Found found;
      if (const CustomerState* state = shard.customer(id); state != nullptr) {
        found = {true, state->merged_into(), {state->aliases.begin(), state->aliases.end()}, state->attributes.size() + state->tags.size()};
        for (const auto& [type, rows] : state->events) found.facts += rows.size();
      }
      answer->set_value(std::move(found));
    });
    while (future.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
      if (ending()) return fail(Code::unavailable, "nudge stops");
    Found found = future.get();
    if (known != nullptr) *known = *known || found.known;
    if (facts != nullptr) *facts += found.facts;
    if (!found.into.empty()) {
      left.push_back(found.into);
      ways.emplace(id, std::move(found.into));
    }
    left.insert(left.end(), found.aliases.begin(), found.aliases.end());
    all.push_back(id);
  }
  std::ranges::sort(all, {}, [&ways](const std::string& id) {
    std::ptrdiff_t steps = 0;
    for (auto way = ways.find(id); way != ways.end(); way = ways.find(way->second)) --steps;
    return std::tuple(steps, id);
  });
  return all;
}

// What an alias gave away has to be taken in before it can be erased.
Result<void> Eraser::settle_merges(const std::vector<std::string>& ids) {
  for (int i = 0; i < kMergeWaits; ++i) {
    bool open = false;
    NUDGE_TRY(parts_.store.scan(Family::meta, kPendingMerges, prefix_end(kPendingMerges), [&](std::string_view key, std::string_view value) {
      const Result<Item> item = read_pending(key, value);
      const std::string alias = KeyReader(key.substr(kPendingMerges.size())).text();
      open = open || std::ranges::find(ids, alias) != ids.end() || (item && std::ranges::find(ids, item->input.customer) != ids.end());
      return !open;
    }));
    if (!open) return {};
    if (ending()) break;
    std::this_thread::sleep_for(kMergeWait);
  }
  return fail(Code::unavailable, "this customer is being merged with another at this moment; try again");
}

Result<Eraser::Sight> Eraser::look(const std::string& id) {
  Sight sight;
  bool known = false;
  NUDGE_ASSIGN(sight.ids, names_of({id}, &sight.counts.facts, &known));
  std::ranges::reverse(sight.ids);
  ErasedIds all;
  for (const std::string& one : sight.ids) all.set(one, kNever);
  const std::uint64_t facts = sight.counts.facts;
  NUDGE_ASSIGN(sight.counts, kept_records(parts_.store, sight.ids, all, {}, nullptr));
  sight.counts.facts = facts;
  if (!known && !sight.counts.any()) return fail(Code::not_found, "customer `" + id + "` was never heard of; nothing is kept of this id");
  return sight;
}

// --- the erasure

Result<Erasure> Eraser::erase(const std::string& id, std::vector<std::string> ids, std::string by) {
  const std::lock_guard lock(one_at_a_time_);
  NUDGE_ASSIGN(const auto before, parts_.store.get(Family::meta, key_of(id)));
  if (before) return decode_erasure(*before);
  Erasure e;
  e.id = id;
  e.at = parts_.clock.now();
  e.by = std::move(by);
  for (std::string& one : ids) e.customers.emplace_back(std::move(one), kNever);
  NUDGE_TRY(settle_merges(ids));
  NUDGE_TRY(save(e));
  crash_point("erasure:begun");
  NUDGE_TRY(carry_out(e));
  // Before the names leave the record: until then a start does this again.
  if (parts_.record) NUDGE_TRY(parts_.record(e));
  {
    const std::lock_guard own(mutex_);
    work_ = true;
  }
  wake_.notify_all();
  return e;
}

// Delivery and the clocks of tasks let go first, so that nothing of their own is behind the erasure on the way to the shards; then the states,
// other names before the customer, so that what was sent on from one name is ahead of the erasure of the next; then what is kept beside them.
Result<void> Eraser::carry_out(Erasure& e) {
  std::vector<std::string> ids;
  for (const auto& [customer, upto] : e.customers) ids.push_back(customer);
  e.counts.facts = 0;
  NUDGE_ASSIGN(ids, names_of(ids, &e.counts.facts, nullptr));
  for (const std::string& id : ids) erased_.set(id, kNever);
  std::promise<std::uint64_t> let_go;
  parts_.delivery().forget_erased([&let_go](std::uint64_t in_flight) { let_go.set_value(in_flight); });
  (void)let_go.get_future().get();
  NUDGE_TRY(parts_.committer.change_and_wait([&](CommitContext& c) { withdraw_tasks(c, ids); }));
  e.customers.clear();
  for (const std::string& id : ids) {
    NUDGE_ASSIGN(const TimeMs upto, erase_state(id));
    e.customers.emplace_back(id, upto);
    crash_point("erasure:state");
  }
  // Those made meanwhile; in a commit of its own, because closed tasks are written behind what a change erases.
  NUDGE_TRY(parts_.committer.change_and_wait([&](CommitContext& c) { withdraw_tasks(c, ids); }));
  const std::uint64_t facts = e.counts.facts;
  const StatsDelta sums = parts_.committer.stats();
  std::optional<Error> error;
  if (parts_.forget_files) NUDGE_TRY(parts_.forget_files(e.customers));
  NUDGE_TRY(parts_.committer.change_and_wait([&](CommitContext& c) {
    Result<ErasureCounts> counts = kept_records(parts_.store, ids, erased_, sums, &c);
    if (!counts) {
      error = std::move(counts).error();
      return;
    }
    e.counts = *counts;
    e.counts.facts = facts;
    e.step = Erasure::Step::log;
    parts_.forget_lists(c, ids);
    std::string bytes;
    encode_erasure(bytes, e);
    c.set.put(Family::meta, key_of(e.id), bytes);
  }));
  if (error) return std::unexpected(*std::move(error));
  crash_point("erasure:records");
  return {};
}

// Open tasks are the desk's. They close like others and whoever had them gets the next; what that would tell of the customer stays untold.
void Eraser::withdraw_tasks(CommitContext& c, const std::vector<std::string>& ids) {
  const std::shared_ptr<const Plan> plan = parts_.plan();
  std::vector<std::string> open;
  for (const std::string& id : ids)
    if (c.desk.work().withdraw(*plan, c.desk.roster(), id, {}, "erased", c.now, c.work) != 0) open.push_back(id);
  for (const std::string& id : ids) {
    c.desk.leads().forget(id);
    c.desk.deals().forget(id);
  }
  if (!open.empty()) c.desk_changed = true;
  const auto theirs = [&](const std::string& customer) { return std::ranges::find(open, customer) != open.end(); };
  // What waits for a yes gets its no, and what waits for a message with others is not in it.
  std::vector<Hash128> asked;
  for (const auto& [id, request] : c.desk.approvals().open())
    if (std::ranges::find(ids, request.action.customer) != ids.end()) asked.push_back(id);
  for (const Hash128& id : asked)
    (void)c.desk.approvals().apply(*plan, {.id = id, .yes = false, .by = "erased", .reason = {}, .as_admin = true}, c.now, c.approvals);
  std::erase_if(c.approvals.news, [&](const Input& input) { return std::ranges::find(ids, input.customer) != ids.end(); });
  for (const std::string& id : ids)
    for (const std::uint64_t number : c.desk.digests().forget(id)) erase_digest_part(c.set, number);
  std::erase_if(c.work.news, [&](const Input& input) { return theirs(input.customer); });
  std::erase_if(c.work.made, [&](const Task& task) { return theirs(task.action.customer); });
  std::erase_if(c.work.actions, [&](const ActionOut& action) { return theirs(action.customer); });
}

Result<TimeMs> Eraser::erase_state(const std::string& id) {
  auto done = std::make_shared<std::promise<TimeMs>>();
  std::future<TimeMs> future = done->get_future();
  Item item;
  item.slot = slot_of(id);
  item.input.customer = id;
  item.merge = std::make_unique<MergeItem>();
  item.merge->kind = MergeItem::Kind::erase;
  // In the batch, before anything newer of this id can be settled.
  item.merge->erased = [this, done, id](CommitContext& c, TimeMs at) {
    erased_.set(id, at);
    c.after.push_back([done, at] { done->set_value(at); });
  };
  std::vector<Item> items;
  items.push_back(std::move(item));
  parts_.queued(1);
  parts_.shard_of(slot_of(id)).post(std::move(items));
  while (future.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
    if (parts_.stopping()) return fail(Code::unavailable, "nudge stops");
  return future.get();
}

// --- in the background

void Eraser::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 15);
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return work_ || stopping_; });
      if (stopping_) return;
      work_ = false;
    }
    Result<std::vector<Erasure>> all = list();
    Result<void> done;
    if (all) {
      std::erase_if(*all, [](const Erasure& e) { return e.step == Erasure::Step::done || e.step == Erasure::Step::states; });
      done = clean_log(*all);
      if (done && !ending()) done = finish(*all);
    } else {
      done = std::unexpected(all.error());
    }
    if (!done && !ending())
      log::error("an erasure is not finished; what it is to take out of the log and the files is still there, and a start goes on with it",
                 {{"error", done.error()}});
  }
}

// Blocks up to the last checkpoint: no start reads them again.
Result<void> Eraser::clean_log(std::vector<Erasure>& all) {
  std::uint64_t next = UINT64_MAX, last = 0;
  for (Erasure& e : all) {
    if (e.step != Erasure::Step::log) continue;
    if (e.last_block == 0) {
      NUDGE_ASSIGN(e.last_block, parts_.checkpoint());
      NUDGE_TRY(save(e));
    }
    next = std::min(next, e.next_block);
    last = std::max(last, e.last_block);
  }
  while (next <= last) {
    if (ending()) return {};
    const std::uint64_t end = std::min(last, next + kBlocksAtOnce - 1);
    std::vector<std::pair<std::uint64_t, std::string>> clean;
    std::size_t bytes = 0;
    std::uint64_t upto = end;
    std::optional<Error> error;
    NUDGE_TRY(parts_.store.log_blocks(next, [&](std::uint64_t sequence, std::string_view block) {
      if (sequence > end) return false;
      Result<std::optional<std::string>> without = scrub_block(block, erased_);
      if (!without) {
        error = std::move(without).error();
        return false;
      }
      if (without->has_value()) {
        bytes += (*without)->size();
        clean.emplace_back(sequence, **std::move(without));
      }
      upto = sequence;
      return bytes < kBytesAtOnce;
    }));
    if (error) return std::unexpected(*std::move(error));
    if (bytes < kBytesAtOnce) upto = end;
    NUDGE_TRY(parts_.store.replace_blocks(clean));
    next = upto + 1;
    for (Erasure& e : all) {
      if (e.step != Erasure::Step::log || e.next_block >= next) continue;
      e.next_block = next;
      NUDGE_TRY(save(e));
    }
    crash_point("erasure:blocks");
  }
  for (Erasure& e : all) {
    if (e.step != Erasure::Step::log) continue;
    e.step = Erasure::Step::files;
    NUDGE_TRY(save(e));
  }
  return {};
}

// Once more what is kept, for whatever was on its way then; the names leave the record of the erasure, and all of it the files.
Result<void> Eraser::finish(std::vector<Erasure>& all) {
  if (all.empty()) return {};
  for (Erasure& e : all) {
    std::vector<std::string> ids;
    for (const auto& [customer, upto] : e.customers) ids.push_back(customer);
    const StatsDelta sums = parts_.committer.stats();
    if (parts_.forget_files) NUDGE_TRY(parts_.forget_files(e.customers));
    NUDGE_TRY(parts_.committer.change_and_wait([&](CommitContext& c) { (void)kept_records(parts_.store, ids, erased_, sums, &c); }));
  }
  // The names go before the files are written anew: what is left of them then is in no file. A crash in between leaves the step.
  for (Erasure& e : all) {
    e.customers.clear();
    NUDGE_TRY(save(e));
  }
  crash_point("erasure:files");
  NUDGE_TRY(parts_.store.compact());
  for (Erasure& e : all) {
    e.step = Erasure::Step::done;
    e.done_at = parts_.clock.now();
    NUDGE_TRY(save(e));
    log::info("a customer is erased, from log and files too",
              {{"erasure", e.id}, {"facts", e.counts.facts}, {"actions", e.counts.actions}, {"blocks", e.last_block}});
  }
  return {};
}

}  // namespace nudge::daemon
