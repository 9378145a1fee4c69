// Versions of the rules, drafts bound for a look, and reading all customers beside the running shards.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/runtime/runtime_impl.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {

Result<PlanSources> Runtime::plan_sources(std::uint64_t sequence) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.reload_mutex);
  if (sequence == 0) sequence = impl.plans.current();
  if (sequence == 0 || sequence > impl.plans.current()) {
    return nudge::fail(Code::not_found, "there is no version " + std::to_string(sequence) + " of the rules; see /v1/versions");
  }
  NUDGE_ASSIGN(BoundPlan bound, impl.plans.plan(sequence));
  return std::move(bound.sources);
}

Result<std::shared_ptr<const Plan>> Runtime::preview(const Plan& plan) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.reload_mutex);
  auto bound = std::make_shared<Plan>(plan);
  Registry registry = impl.plans.registry();
  registry.bind(*bound, impl.clock.now());
  return std::shared_ptr<const Plan>(std::move(bound));
}

Result<std::vector<PlanVersion>> Runtime::versions() {
  Impl& impl = *impl_;
  std::vector<PlanVersion> versions;
  std::optional<Error> error;
  NUDGE_TRY(impl.store.scan(Family::meta, kVersionPrefix, prefix_end(kVersionPrefix), [&](std::string_view, std::string_view value) {
    Result<PlanVersion> version = decode_version(value);
    if (!version) {
      error = std::move(version).error();
      return false;
    }
    versions.push_back(*std::move(version));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return versions;
}

Result<std::optional<PlanVersion>> Runtime::version_in_force() const {
  const auto current = plan();
  const std::uint64_t sequence = current == nullptr ? impl_->plans.current() : current->sequence;
  NUDGE_ASSIGN(const auto bytes, impl_->store.get(Family::meta, version_key(sequence)));
  if (!bytes) return std::optional<PlanVersion>();
  NUDGE_ASSIGN(PlanVersion version, decode_version(*bytes));
  return std::optional<PlanVersion>(std::move(version));
}

namespace {

struct Reading {
  Store& store;
  const Snapshot& snapshot;
  const Catalog& catalog;
  const Runtime::EachState& each;
  const std::function<bool(double)>& progress;
  std::atomic<std::uint32_t> next{0}, done{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::optional<Error> error;

  void fail_with(Error e) {
    stop = true;
    const std::lock_guard lock(mutex);
    if (!error) error = std::move(e);
  }

  void slot(unsigned worker, std::uint8_t number) {
    const std::string prefix = slot_prefix(number);
    Result<void> scanned = store.scan(
        Family::customer, prefix, prefix_end(prefix),
        [&](std::string_view key, std::string_view value) {
          std::optional<CustomerKey> parsed = parse_customer_key(key);
          if (!parsed) return true;
          Result<CustomerState> state = decode_customer(value, catalog);
          if (!state) {
            fail_with(std::move(state).error().prefixed("record of customer `" + parsed->customer + "`"));
            return false;
          }
          state->id = std::move(parsed->customer);
          each(worker, *state);
          return !stop;
        },
        ScanOptions{.snapshot = &snapshot, .fill_cache = false});
    if (!scanned) fail_with(std::move(scanned).error());
  }

  void run(unsigned worker) {
    for (std::uint32_t number = next++; number < kSlots && !stop; number = next++) {
      slot(worker, static_cast<std::uint8_t>(number));
      if (progress && !progress(static_cast<double>(++done) / kSlots)) fail_with({Code::unavailable, "it was cancelled"});
    }
  }
};

}  // namespace

Result<void> Runtime::read_states(const Catalog& catalog, unsigned threads, const EachState& each,
                                  const std::function<bool(double)>& progress) {
  NUDGE_TRY(checkpoint());
  const Snapshot snapshot = impl_->store.snapshot();
  Reading reading{impl_->store, snapshot, catalog, each, progress};
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < std::max(1U, threads); ++w) {
    workers.emplace_back([&reading, w] {
      // Intake goes first: these threads take what it leaves.
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
      reading.run(w);
    });
  }
  for (std::thread& worker : workers) worker.join();
  if (reading.error) return std::unexpected(*std::move(reading.error));
  return {};
}

}  // namespace nudge::daemon
