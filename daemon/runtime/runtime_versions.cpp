// Versions of the rules, drafts bound for a look, and reading all customers beside the running shards.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <set>

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

Result<std::shared_ptr<const Plan>> Runtime::plan_at(TimeMs at) {
  NUDGE_ASSIGN(const std::vector<PlanVersion> all, versions());
  std::uint64_t sequence = 0;
  for (const PlanVersion& version : all) {
    if (sequence == 0 || version.at <= at) sequence = version.sequence;
  }
  const std::shared_ptr<const Plan> current = plan();
  if (sequence == 0 || sequence == current->sequence) return current;
  const std::lock_guard lock(impl_->reload_mutex);
  NUDGE_ASSIGN(BoundPlan bound, impl_->plans.plan(sequence));
  return bound.plan;
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

// The smallest ids; the greatest is dropped when there are too many.
class Smallest {
 public:
  Smallest(std::string after, std::size_t limit) : after_(std::move(after)), limit_(limit) {}
  bool beyond(std::string_view id) const { return ids_.size() >= limit_ && id > *ids_.rbegin(); }
  void offer(std::string_view id) {
    if (id <= after_ || beyond(id)) return;
    ids_.emplace(id);
    if (ids_.size() > limit_) ids_.erase(std::prev(ids_.end()));
  }
  std::vector<std::string> take() const { return {ids_.begin(), ids_.end()}; }

 private:
  const std::string after_;
  const std::size_t limit_;
  std::set<std::string, std::less<>> ids_;
};

}  // namespace

Result<Runtime::CustomerIds> Runtime::customer_ids(const std::string& prefix, const std::string& after, std::size_t limit, bool total) {
  Impl& impl = *impl_;
  // Customers that no checkpoint wrote yet are in memory only.
  struct Fresh {
    std::mutex mutex;
    std::set<std::string, std::less<>> ids;
    std::atomic<std::uint32_t> left;
    std::promise<void> all;
  };
  auto fresh = std::make_shared<Fresh>();
  fresh->left = impl.options.shards;
  std::future<void> told = fresh->all.get_future();
  for (auto& shard : impl.shards) {
    shard->ask([fresh, prefix](Shard& s) {
      {
        const std::lock_guard lock(fresh->mutex);
        s.unwritten_customers([&](std::string_view id) {
          if (id.starts_with(prefix)) fresh->ids.emplace(id);
        });
      }
      // A turn later what was being written then is with the committer.
      s.ask([fresh](Shard&) {
        if (fresh->left.fetch_sub(1) == 1) fresh->all.set_value();
      });
    });
  }
  while (told.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    if (impl.failed) return nudge::fail(Code::unavailable, "nudge stops");
  }
  NUDGE_TRY(impl.committer.change_and_wait([](CommitContext&) {}));
  CustomerIds out;
  Smallest smallest(after, limit);
  std::uint64_t counted = 0;
  for (const std::string& id : fresh->ids) smallest.offer(id);
  const Snapshot snapshot = impl.store.snapshot();
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    const auto number = static_cast<std::uint8_t>(slot);
    const std::string from = total ? slot_prefix(number) : customer_key(number, std::max(prefix, after));
    NUDGE_TRY(impl.store.scan(
        Family::customer, from, prefix_end(slot_prefix(number)),
        [&](std::string_view key, std::string_view) {
          const std::optional<CustomerKey> parsed = parse_customer_key(key);
          if (!parsed) return true;
          const std::string& id = parsed->customer;
          if (!id.starts_with(prefix)) return id < prefix;
          if (total && !fresh->ids.contains(id)) ++counted;
          smallest.offer(id);
          return total || !smallest.beyond(id);
        },
        ScanOptions{.snapshot = &snapshot, .fill_cache = false}));
  }
  out.ids = smallest.take();
  if (total) out.total = counted + fresh->ids.size();
  return out;
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
          if (!state->merged()) each(worker, *state);
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
    workers.emplace_back([&reading, w, threads] {
      // Intake goes first: these threads take what it leaves. One alone writes to somebody who reads, and rests by itself (daemon/app/courtesy.h).
      if (threads > 1) ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
      reading.run(w);
    });
  }
  for (std::thread& worker : workers) worker.join();
  if (reading.error) return std::unexpected(*std::move(reading.error));
  return {};
}

}  // namespace nudge::daemon
