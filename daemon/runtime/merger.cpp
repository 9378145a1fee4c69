#include "daemon/runtime/merger.h"

#include <algorithm>

#include "daemon/runtime/shard.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {

std::string pending_key(std::string_view alias, std::size_t portion) {
  return Key().raw(kPendingMerges).text(alias).u32(static_cast<std::uint32_t>(portion)).take();
}

std::string pending_value(std::string_view into, std::string_view portion) {
  std::string out;
  Writer w(out);
  w.string(into);
  w.string(portion);
  return out;
}

Item pending_portion(std::string key, std::string into, std::string portion) {
  Item item;
  item.slot = slot_of(into);
  item.input.customer = std::move(into);
  item.merge = std::make_unique<MergeItem>();
  item.merge->kind = MergeItem::Kind::portion;
  item.merge->portion = std::move(portion);
  item.merge->pending_key = std::move(key);
  return item;
}

Result<Item> read_pending(std::string_view key, std::string_view value) {
  Reader in(value);
  std::string into(in.string()), portion(in.string());
  if (in.bad() || !in.at_end() || into.empty()) return fail(Code::corrupt, "the record of a merge under way is damaged");
  return pending_portion(std::string(key), std::move(into), std::move(portion));
}

Merger::Merger(std::function<Shard&(std::uint8_t slot)> shard_of, std::function<void(std::uint64_t)> queued)
    : shard_of_(std::move(shard_of)), queued_(std::move(queued)) {}

Merger::~Merger() { stop(); }

void Merger::start() {
  thread_ = std::thread([this] { run(); });
}

void Merger::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Merger::forward(std::vector<Item> items) {
  for (Item& item : items) {
    if (item.merge != nullptr && item.merge->kind == MergeItem::Kind::landed) {
      const std::lock_guard lock(mutex_);
      under_way_.erase(item.input.customer);
    } else if (item.merge != nullptr && item.merge->kind == MergeItem::Kind::request) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(item));
      }
      wake_.notify_all();
    } else {
      // A portion that sets out for the first time is new to the queue; one that is sent on is in it already.
      std::vector<Item> one;
      const std::uint8_t slot = item.slot;
      if (item.merge != nullptr && item.merge->kind == MergeItem::Kind::portion && !item.merge->queued) {
        item.merge->queued = true;
        queued_(1);
      }
      one.push_back(std::move(item));
      shard_of_(slot).post(std::move(one));
    }
  }
}

void Merger::run() {
  while (true) {
    std::vector<Item> requests;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !requests_.empty() || stopping_; });
      if (stopping_) return;
      requests.swap(requests_);
    }
    decide(std::move(requests));
  }
}

void Merger::decide(std::vector<Item> requests) {
  std::unordered_map<std::string, std::string> ways;
  {
    // Before the shards are asked: a merge leaves this table only after the alias's state shows it.
    const std::lock_guard lock(mutex_);
    ways = under_way_;
  }
  std::vector<std::string> ids;
  for (const Item& item : requests) {
    ids.push_back(item.input.customer);
    ids.push_back(item.merge->into);
  }
  if (!resolve(ways, std::move(ids))) return;
  for (Item& item : requests) {
    const std::string& alias = item.input.customer;
    const std::string& from = root(ways, alias);
    if (from == root(ways, item.merge->into)) {
      item.merge->kind = MergeItem::Kind::known;
    } else if (from != alias) {
      item.merge->kind = item.merge->unless_merged ? MergeItem::Kind::known : MergeItem::Kind::conflict;
    } else {
      item.merge->kind = MergeItem::Kind::go;
      ways[alias] = item.merge->into;
      const std::lock_guard lock(mutex_);
      under_way_[alias] = item.merge->into;
    }
    std::vector<Item> one;
    const std::uint8_t slot = item.slot;
    one.push_back(std::move(item));
    shard_of_(slot).post(std::move(one));
  }
}

bool Merger::resolve(std::unordered_map<std::string, std::string>& ways, std::vector<std::string> ids) {
  struct Round {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left = 0;
    std::vector<std::pair<std::string, std::string>> found;
  };
  std::unordered_map<std::string, bool> asked;
  while (!ids.empty()) {
    std::unordered_map<Shard*, std::vector<std::string>> by_shard;
    for (std::string& id : ids) {
      if (asked.emplace(id, true).second) by_shard[&shard_of_(slot_of(id))].push_back(id);
    }
    ids.clear();
    auto round = std::make_shared<Round>();
    round->left = by_shard.size();
    for (auto& [shard, of_shard] : by_shard) {
      shard->ask([round, wanted = std::move(of_shard)](Shard& s) {
        std::vector<std::pair<std::string, std::string>> found;
        for (const std::string& id : wanted) {
          const CustomerState* state = s.customer(id);
          if (state != nullptr && state->merged()) found.emplace_back(id, state->merged_into());
        }
        const std::lock_guard lock(round->mutex);
        std::ranges::move(found, std::back_inserter(round->found));
        if (--round->left == 0) round->done.notify_all();
      });
    }
    std::unique_lock lock(round->mutex);
    while (round->left != 0) {
      round->done.wait_for(lock, std::chrono::milliseconds(100));
      const std::lock_guard own(mutex_);
      if (stopping_) return false;
    }
    for (auto& [alias, to] : round->found) ways.emplace(std::move(alias), std::move(to));
    for (const auto& [id, into] : ways) {
      if (!asked.contains(into)) ids.push_back(into);
    }
  }
  return true;
}

const std::string& Merger::root(const std::unordered_map<std::string, std::string>& ways, const std::string& id) const {
  const std::string* at = &id;
  for (auto way = ways.find(*at); way != ways.end(); way = ways.find(*at)) at = &way->second;
  return *at;
}

}  // namespace nudge::daemon
