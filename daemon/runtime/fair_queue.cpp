#include "daemon/runtime/fair_queue.h"

#include <algorithm>

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kTurnOfTheLow = 8;  // every so manieth place goes to the priority that has waited longest for one

}  // namespace

void FairQueue::put(TimeMs at, Entry entry) {
  const std::uint64_t number = entry.number;
  if (ordered_) customers_[entry.customer].try_emplace(number);
  if (const auto found = later_.find(number); found != later_.end()) times_.erase({found->second.first, number});
  times_.emplace(at, number);
  later_.insert_or_assign(number, std::pair{at, std::move(entry)});
}

void FairQueue::expect(const Entry& entry) {
  if (ordered_) customers_[entry.customer].try_emplace(entry.number);
}

void FairQueue::make_ready(Entry entry) {
  Turn& turn = ready_[entry.priority];
  std::deque<Entry>& mine = turn.rules[entry.rule];
  if (mine.empty()) turn.order.push_back(entry.rule);
  mine.push_back(std::move(entry));
  ++ready_size_;
}

// What has come due moves to where it can be taken.
void FairQueue::wake(TimeMs now) {
  while (!times_.empty() && times_.begin()->first <= now) {
    const auto found = later_.find(times_.begin()->second);
    times_.erase(times_.begin());
    Entry entry = std::move(found->second.second);
    later_.erase(found);
    if (ordered_) {
      auto& mine = customers_[entry.customer];
      mine.try_emplace(entry.number);
      if (mine.begin()->first < entry.number) {
        std::optional<Entry>& place = mine[entry.number];
        if (!place) ++parked_size_;
        place = std::move(entry);
        continue;
      }
    }
    make_ready(std::move(entry));
  }
}

FairQueue::Entry FairQueue::take_from(Turn& turn) {
  const RuleId rule = turn.order.front();
  turn.order.pop_front();
  const auto found = turn.rules.find(rule);
  Entry entry = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty())
    turn.rules.erase(found);
  else
    turn.order.push_back(rule);
  return entry;
}

std::optional<FairQueue::Entry> FairQueue::take(TimeMs now) {
  wake(now);
  if (ready_size_ == 0) return std::nullopt;
  ++turn_;
  auto best = ready_.begin();
  if (turn_ % kTurnOfTheLow == 0) {
    best = std::ranges::min_element(ready_, [](const auto& a, const auto& b) { return a.second.served < b.second.served; });
  }
  Entry entry = take_from(best->second);
  best->second.served = turn_;
  if (best->second.rules.empty()) ready_.erase(best);
  --ready_size_;
  return entry;
}

void FairQueue::done(const Entry& entry) {
  if (!ordered_) return;
  const auto found = customers_.find(entry.customer);
  if (found == customers_.end()) return;
  auto& mine = found->second;
  if (const auto place = mine.find(entry.number); place != mine.end()) {
    if (place->second) --parked_size_;
    mine.erase(place);
  }
  if (mine.empty()) {
    customers_.erase(found);
    return;
  }
  std::optional<Entry>& next = mine.begin()->second;
  if (!next) return;
  Entry ready = *std::move(next);
  next.reset();
  --parked_size_;
  make_ready(std::move(ready));
}

TimeMs FairQueue::next(TimeMs now) {
  wake(now);
  if (ready_size_ > 0) return now;
  return times_.empty() ? kNever : times_.begin()->first;
}

}  // namespace nudge::daemon
