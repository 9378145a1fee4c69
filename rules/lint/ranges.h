// Sets of numbers as ranges that do not touch: what a comparison, or several at once, leave of a value. Exact: integers, decimals and
// binary numbers are compared as the numbers they are. Instants, days and ages are whole numbers here.
//
// Plain values; safe to copy between threads.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/value.h"

namespace nudge::lint {

class Ranges {
 public:
  struct End {
    bool infinite = true;
    bool open = false;  // the end itself is left out
    ValueView at;       // a number
  };
  struct Range {
    End low, high;
  };

  static Ranges everything();
  static Ranges nothing() { return {}; }
  static Ranges at_least(const ValueView& v) { return above(v, false); }
  static Ranges greater_than(const ValueView& v) { return above(v, true); }
  static Ranges at_most(const ValueView& v) { return below(v, false); }
  static Ranges less_than(const ValueView& v) { return below(v, true); }
  // Both ends included.
  static Ranges between(const ValueView& low, const ValueView& high);
  // [low, high) of whole numbers.
  static Ranges whole_from(std::int64_t low) { return at_least(ValueView::of_integer(low)); }
  static Ranges whole_below(std::int64_t high) { return less_than(ValueView::of_integer(high)); }
  static Ranges half_open(std::int64_t low, std::int64_t high) { return whole_from(low).intersect(whole_below(high)); }
  static Ranges points(std::vector<ValueView> values);

  bool empty() const { return ranges_.empty(); }
  bool is_everything() const { return ranges_.size() == 1 && ranges_[0].low.infinite && ranges_[0].high.infinite; }
  Ranges complement() const;
  Ranges intersect(const Ranges& other) const;
  // The whole numbers of it, each range closed at whole numbers. Ends beyond 64 bits count as endless.
  Ranges whole() const;
  const std::vector<Range>& parts() const { return ranges_; }  // ascending

  // Of whole numbers only: the least and the greatest; the fallback when there is none, or the set is empty.
  std::int64_t lowest(std::int64_t fallback) const;
  std::int64_t highest(std::int64_t fallback) const;

 private:
  static Ranges above(const ValueView& v, bool open);
  static Ranges below(const ValueView& v, bool open);
  std::vector<Range> ranges_;
};

}  // namespace nudge::lint
