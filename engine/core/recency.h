// The values of a column by when they came last: the k-th of them from the newest back, in the logarithm of the column's length. What
// `distinct` asks: how many values a window has, and which row of them must leave first.
//
// Places are those of a Column: added at the end, cut off at the end. Not thread-safe; owned by its column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace nudge {

class Recency {
 public:
  // The next place, with its value. Equal values have equal keys.
  void add(const std::string& key);
  // Forgets this place and those after it.
  void cut(std::size_t place);
  std::size_t size() const { return values_.size(); }
  // The place at which the value lies that came last as the k-th from the newest back (1: the newest place); size() when there are fewer.
  std::size_t nth_newest(std::size_t k) const;
  // How many values lie at this place or after it.
  std::size_t values_from(std::size_t place) const;
  // Where the value of this place lay last before it; size() when it did not.
  std::size_t earlier(std::size_t place) const { return earlier_[place] == kNowhere ? size() : earlier_[place]; }
  std::size_t memory_bytes() const;

 private:
  static constexpr std::uint32_t kNowhere = 0xffffffff;
  void mark(std::size_t place, std::int32_t change);

  std::unordered_map<std::string, std::uint32_t> numbers_;  // of values; kept when a value is cut off
  std::size_t key_bytes_ = 0;
  std::vector<std::uint32_t> newest_;   // by number: the place where the value lies last, kNowhere when it was cut off
  std::vector<std::uint32_t> values_;   // by place: the number of its value
  std::vector<std::uint32_t> earlier_;  // by place: where the value lay last before; kNowhere
  std::vector<std::int32_t> tree_;      // Fenwick tree over places that are the newest of their value
  std::size_t distinct_ = 0;
};

}  // namespace nudge
