// A clean replay of the whole log, beside the live states: what the crash test and `verify` compare them with.
#include "daemon/runtime/runtime_replay.h"

#include <unordered_map>

#include "daemon/runtime/log_block.h"
#include "daemon/runtime/retention.h"
#include "daemon/runtime/runtime_impl.h"
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
  Replayer(PlanStore& plans, ReplayDigest& out) : plans_(plans), out_(out) {}

  Result<void> block(const LogBlock& block) {
    for (const Decision& d : block.decisions)
      if (!d.customer.empty()) stored_ += fingerprint(d);  // else of a customer who was erased
    for (const LogUnit& unit : block.units) {
      NUDGE_ASSIGN(const BoundPlan bound, plans_.plan(unit.plan));
      plan_ = bound.plan;
      NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) { apply(entry); }));
      if (failure_) return std::unexpected(*failure_);
    }
    out_.decisions += block.decisions.size();
    return {};
  }

  void finish(const Catalog& catalog, const std::function<void(const CustomerState&)>& each) {
    StateDigest sum;
    for (auto& [id, state] : states_) {
      if (!state.known()) continue;
      state.applied = 0;
      if (each) each(state);
      sum.add(state, catalog);
    }
    out_.customers = sum.customers();
    out_.digest = sum.text();
    out_.same_decisions = stored_ == decided_;
  }

 private:
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
    CustomerState& state = states_[entry.customer];
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
  ReplayDigest& out_;
  Engine engine_;
  std::shared_ptr<const Plan> plan_;
  std::unordered_map<std::string, CustomerState> states_;
  std::vector<Receipt> receipts_;
  std::uint64_t stored_ = 0, decided_ = 0;
  std::optional<Error> failure_;
};

}  // namespace

Result<ReplayDigest> replay_whole_log(Store& store, PlanStore& plans, std::uint64_t last, const Catalog& catalog,
                                      const std::function<void(const CustomerState&)>& each) {
  if (const std::uint64_t gone = store.dropped_blocks(); gone != 0)
    return fail(Code::conflict, "the log begins behind block " + std::to_string(gone) +
                                    ", because older ones were taken off it (retention.log); states can't be made anew from it");
  NUDGE_ASSIGN(const KeptLog kept, read_kept_log(store));
  if (kept.changed != 0) {
    std::string names;
    for (const auto& [type, next] : kept.next)
      if (type < catalog.events.size()) names += (names.empty() ? "" : ", ") + catalog.events[type].name;
    return fail(Code::conflict, "blocks of the log up to " + std::to_string(kept.changed) + " are without their old events (" + names +
                                    "), because the catalog keeps them for a time only (keep); states can't be made anew from it");
  }
  ReplayDigest out;
  Replayer replayer(plans, out);
  std::optional<Error> error;
  NUDGE_TRY(store.log_blocks(1, [&](std::uint64_t sequence, std::string_view bytes) {
    if (sequence > last) return false;
    Result<LogBlock> block = decode_block(bytes, BlockPart::all);
    Result<void> done = block ? replayer.block(*block) : std::unexpected(block.error());
    if (!done) error = std::move(done).error();
    ++out.blocks;
    return !error.has_value();
  }));
  if (error) return std::unexpected(*std::move(error));
  replayer.finish(catalog, each);
  return out;
}

Result<ReplayDigest> Runtime::replay_digest() {
  Impl& impl = *impl_;
  const std::lock_guard no_reload(impl.reload_mutex);
  return replay_whole_log(impl.store, impl.plans, impl.committer.last_block(), *plan()->catalog, {});
}

}  // namespace nudge::daemon
