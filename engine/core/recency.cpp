#include "engine/core/recency.h"

#include <bit>

namespace nudge {
namespace {

// Node n (from 1) of a Fenwick tree stands for the places (n - low_bit(n), n].
std::size_t low_bit(std::size_t n) { return n & (~n + 1); }

}  // namespace

void Recency::mark(std::size_t place, std::int32_t change) {
  for (std::size_t n = place + 1; n <= tree_.size(); n += low_bit(n)) tree_[n - 1] += change;
}

void Recency::add(const std::string& key) {
  const auto [it, fresh] = numbers_.try_emplace(key, static_cast<std::uint32_t>(newest_.size()));
  if (fresh) {
    newest_.push_back(kNowhere);
    key_bytes_ += key.capacity();
  }
  const std::uint32_t before = newest_[it->second];
  if (before == kNowhere)
    ++distinct_;
  else
    mark(before, -1);
  const std::size_t n = values_.size() + 1;
  std::int32_t sum = 1;
  for (std::size_t child = n - 1; child > n - low_bit(n); child -= low_bit(child)) sum += tree_[child - 1];
  tree_.push_back(sum);
  newest_[it->second] = static_cast<std::uint32_t>(values_.size());
  values_.push_back(it->second);
  earlier_.push_back(before);
}

void Recency::cut(std::size_t place) {
  while (values_.size() > place) {
    const std::uint32_t value = values_.back();
    const std::uint32_t before = earlier_.back();
    values_.pop_back();
    earlier_.pop_back();
    tree_.pop_back();
    newest_[value] = before;
    if (before == kNowhere)
      --distinct_;
    else
      mark(before, 1);
  }
}

std::size_t Recency::nth_newest(std::size_t k) const {
  if (k == 0 || k > distinct_) return size();
  std::size_t left = distinct_ - k + 1;  // as the n-th from the oldest on
  std::size_t place = 0;
  for (std::size_t step = std::bit_floor(tree_.size()); step > 0; step /= 2) {
    if (place + step > tree_.size() || static_cast<std::size_t>(tree_[place + step - 1]) >= left) continue;
    place += step;
    left -= static_cast<std::size_t>(tree_[place - 1]);
  }
  return place;
}

std::size_t Recency::values_from(std::size_t place) const {
  std::size_t before = 0;
  for (std::size_t n = place; n > 0; n -= low_bit(n)) before += static_cast<std::size_t>(tree_[n - 1]);
  return distinct_ - before;
}

std::size_t Recency::memory_bytes() const {
  const std::size_t places = (values_.capacity() + earlier_.capacity() + tree_.capacity() + newest_.capacity()) * sizeof(std::uint32_t);
  return places + numbers_.size() * 64 + key_bytes_;
}

}  // namespace nudge
