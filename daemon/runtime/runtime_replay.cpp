// A clean replay of the whole log, beside the live states: what the crash test and `verify` compare them with.
#include "daemon/runtime/runtime_replay.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <unordered_map>

#include "daemon/runtime/erasure.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/retention.h"
#include "daemon/runtime/runtime_impl.h"
#include "daemon/store/keys.h"
#include "engine/core/merge.h"

namespace nudge::daemon {
namespace {

// One number for a decision, without what only the desk or the committer gives it.
std::uint64_t fingerprint(const Decision& d) {
  std::string bytes;
  Writer w(bytes);
  w.varint(d.rule_id);
  w.varint(d.rule_version);
  w.string(d.customer);
  w.svarint(d.at);
  w.varint(d.step);
  w.string(d.cause.row_id);
  w.string(d.cause.key);
  return hash64(bytes);
}

class Replayer {
 public:
  Replayer(PlanStore& plans, const Catalog& catalog, const SlotPlaces* places, ReplayDigest& out)
      : plans_(plans), catalog_(catalog), out_(out), slots_(kSlots) {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) ends_.emplace_back(places == nullptr ? kLogEnd : (*places)[slot], slot);
    std::ranges::sort(ends_);
  }

  Result<void> block(std::uint64_t sequence, const LogBlock& block) {
    for (const Decision& d : block.decisions)
      if (!d.customer.empty()) stored_ += fingerprint(d);  // else of a customer who was erased
    LogPlace here{sequence, 0};
    for (const LogUnit& unit : block.units) {
      add_up(here);
      ++here.unit;
      NUDGE_ASSIGN(const BoundPlan bound, plans_.plan(unit.plan));
      plan_ = bound.plan;
      NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) { apply(entry); }));
      if (failure_) return std::unexpected(*failure_);
    }
    out_.decisions += block.decisions.size();
    return {};
  }

  void finish(const std::function<void(const CustomerState&)>& each) {
    add_up(kLogEnd);
    for (auto& states : slots_) {
      for (auto& [id, state] : states) {
        if (!state.known() || !each) continue;
        state.applied = 0;
        each(state);
      }
    }
    out_.customers = sum_.customers();
    out_.digest = sum_.text();
    out_.same_decisions = stored_ == decided_;
  }

 private:
  // The customers of those slots that are not to go further than this.
  void add_up(const LogPlace& here) {
    for (; added_ < ends_.size() && ends_[added_].first <= here; ++added_) {
      for (const auto& [id, state] : slots_[ends_[added_].second]) {
        if (!state.known()) continue;
        CustomerState copy = state;
        sum_.add(copy, catalog_);
      }
    }
  }

  void absorb(CustomerState& state, const LogEntry& entry) {
    Result<Portion> portion = read_portion(entry.text, entry.customer, *plan_->catalog);
    if (!portion) {
      failure_ = std::move(portion).error();
      return;
    }
    Effects effects;
    receipts_.clear();
    engine_.absorb(*plan_, state, *portion, entry.instant, receipts_, effects);
    for (const Decision& d : effects.decisions) decided_ += fingerprint(d);
  }

  void apply(LogEntry& entry) {
    ++out_.entries;
    CustomerState& state = slots_[slot_of(entry.customer)][entry.customer];
    state.id = entry.customer;
    Effects effects;
    LeanVector<Membership> left;
    receipts_.clear();
    switch (entry.kind) {
      case EntryKind::step:
        for (Input& input : entry.inputs) {
          if (input.kind == InputKind::event) input.fields.resize(plan_->catalog->events[input.type].fields.size());
        }
        engine_.step(*plan_, state, entry.inputs, entry.instant, receipts_, effects);
        break;
      case EntryKind::advance: engine_.advance(*plan_, state, entry.instant, effects); break;
      case EntryKind::reconcile: engine_.reconcile(*plan_, state, effects); break;
      case EntryKind::merge: engine_.give_away(*plan_, state, entry.text, entry.instant, effects, left); break;
      case EntryKind::absorb: return absorb(state, entry);
      case EntryKind::erase:
        state = CustomerState{};
        state.id = entry.customer;
        break;
    }
    for (const Decision& d : effects.decisions) decided_ += fingerprint(d);
  }

  PlanStore& plans_;
  const Catalog& catalog_;
  ReplayDigest& out_;
  Engine engine_;
  std::shared_ptr<const Plan> plan_;
  std::vector<std::unordered_map<std::string, CustomerState>> slots_;
  std::vector<std::pair<LogPlace, std::uint32_t>> ends_;  // of the slots, in the order of the log; …
  std::size_t added_ = 0;                                 // … those before this one are in the sum
  StateDigest sum_;
  std::vector<Receipt> receipts_;
  std::uint64_t stored_ = 0, decided_ = 0;
  std::optional<Error> failure_;
};

Result<void> check_log_is_whole(const Store& store, const Catalog& catalog) {
  if (const std::uint64_t gone = store.dropped_blocks(); gone != 0)
    return fail(Code::conflict, "the log begins behind block " + std::to_string(gone) +
                                    ", because older ones were taken off it (retention.log); states can't be made anew from it");
  NUDGE_ASSIGN(const KeptLog kept, read_kept_log(store));
  if (kept.changed == 0) return {};
  std::string names;
  for (const auto& [type, next] : kept.next)
    if (type < catalog.events.size()) names += (names.empty() ? "" : ", ") + catalog.events[type].name;
  return fail(Code::conflict, "blocks of the log up to " + std::to_string(kept.changed) + " are without their old events (" + names +
                                  "), because the catalog keeps them for a time only (keep); states can't be made anew from it");
}

// An erasure takes a customer out of the log portion by portion: what is half taken out can't be stepped.
Result<bool> is_being_erased(const Store& store) {
  bool found = false;
  std::optional<Error> error;
  NUDGE_TRY(store.scan(Family::meta, kErasures, prefix_end(std::string(kErasures)), [&](std::string_view, std::string_view bytes) {
    Result<Erasure> erasure = decode_erasure(bytes);
    if (!erasure) error = std::move(erasure).error();
    found = found || (erasure && erasure->step == Erasure::Step::log);
    return !found && !error;
  }));
  if (error) return std::unexpected(*std::move(error));
  return found;
}

Error is_rewritten() {
  return {Code::conflict, "the log is being rewritten, by an erasure or because old events leave it; ask again when that is done"};
}

}  // namespace

Result<ReplayDigest> replay_whole_log(Store& store, PlanStore& plans, std::uint64_t last, const Catalog& catalog,
                                      const std::function<void(const CustomerState&)>& each, const SlotPlaces* places) {
  NUDGE_TRY(check_log_is_whole(store, catalog));
  NUDGE_ASSIGN(const bool half_erased, is_being_erased(store));
  if (half_erased) return std::unexpected(is_rewritten());
  ReplayDigest out;
  Replayer replayer(plans, catalog, places, out);
  std::optional<Error> error;
  NUDGE_TRY(store.log_blocks(1, [&](std::uint64_t sequence, std::string_view bytes) {
    if (sequence > last) return false;
    Result<LogBlock> block = decode_block(bytes, BlockPart::all);
    Result<void> done = block ? replayer.block(sequence, *block) : std::unexpected(block.error());
    if (!done) error = std::move(done).error();
    ++out.blocks;
    return !error.has_value();
  }));
  if (error) return std::unexpected(*std::move(error));
  replayer.finish(each);
  return out;
}

// Slot by slot, each with a mark that the committer puts at its place in the log.
struct Runtime::Marked {
  std::mutex mutex;
  StateDigest digest;
  SlotPlaces places{};
  std::optional<Error> error;
  std::atomic<std::uint32_t> left{kSlots};
  std::promise<void> done;

  void one() {
    if (left.fetch_sub(1) == 1) done.set_value();
  }
};

void Runtime::mark_slot(const std::shared_ptr<Marked>& marked, const std::shared_ptr<const Plan>& plan, std::uint32_t slot) {
  impl_->shard_of(static_cast<std::uint8_t>(slot)).ask([this, marked, plan, slot](Shard& shard) {
    Result<void> walked = shard.each_customer(static_cast<std::uint8_t>(slot), [&](const CustomerState& state) {
      CustomerState copy = state;
      const std::lock_guard lock(marked->mutex);
      marked->digest.add(copy, *plan->catalog);
    });
    if (!walked) {
      const std::lock_guard lock(marked->mutex);
      marked->error = std::move(walked).error();
    }
    shard.mark([marked, slot](CommitContext& c) {
      marked->places[slot] = c.place;
      c.after.push_back([marked] { marked->one(); });
    });
    // One slot of a shard at a time: intake goes on in between.
    if (slot + impl_->options.shards < kSlots) mark_slot(marked, plan, slot + impl_->options.shards);
  });
}

Result<ReplayDigest> Runtime::replay_digest() {
  Impl& impl = *impl_;
  const std::lock_guard no_reload(impl.reload_mutex);
  const std::shared_ptr<const Plan> now = plan();
  constexpr int kTries = 3;
  constexpr auto kPatience = std::chrono::seconds(30);
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t rewrites = impl.store.rewrites();
    for (const auto until = std::chrono::steady_clock::now() + kPatience; std::chrono::steady_clock::now() < until;) {
      NUDGE_ASSIGN(const bool half_erased, is_being_erased(impl.store));
      if (!half_erased) break;
      if (impl.failed) return nudge::fail(Code::unavailable, "nudge stops");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const auto marked = std::make_shared<Marked>();
    std::future<void> done = marked->done.get_future();
    for (std::uint32_t shard = 0; shard < std::min(impl.options.shards, kSlots); ++shard) mark_slot(marked, now, shard);
    while (done.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
      if (impl.failed) return nudge::fail(Code::unavailable, "nudge stops");
    }
    if (marked->error) return std::unexpected(*marked->error);
    NUDGE_ASSIGN(ReplayDigest out,
                 replay_whole_log(impl.store, impl.plans, impl.committer.last_block(), *now->catalog, {}, &marked->places));
    if (impl.store.rewrites() != rewrites) continue;
    out.live = marked->digest.text();
    out.same_states = marked->digest.customers() == out.customers && StateDigest::known(out.live) == StateDigest::known(out.digest);
    return out;
  }
  return std::unexpected(is_rewritten());
}

}  // namespace nudge::daemon
