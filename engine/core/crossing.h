// Which segments can new rows flip, of those that ask for thresholds over the rows of one filter? Only those whose threshold lies between what
// an aggregate was without the new rows and what it is with them: so a row costs as much with ten thousand thresholds as with ten.
//
// One running value per distinct aggregate would do the same, but takes more memory than all of a customer's rows (docs/performance.md).
// Both values are worked out when rows come in, from the rows themselves or from columns, once for all thresholds of the same aggregate.
//
// A threshold that is not crossed keeps its truth, and the instant that a segment waits for stays a lower bound (Verdict::until) although the
// new rows may have moved it on. Where they may have brought it nearer, the segments are visited too: an average whose oldest row is
// another one, an aggregate that had no rows, sums of values that may be negative.
//
// Built once per plan; refers to the leaves' filters. Scratch is kept by the caller, so that one index serves one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/bits.h"
#include "engine/core/leaf.h"
#include "engine/core/value_set.h"

namespace nudge {

class Evaluator;

class Crossings {
 public:
  struct Scratch {
    std::vector<std::uint32_t> fresh;
    ValueSet before, after;
  };

  // A segment asks for this threshold. All leaves of one object are over the same event type and filter.
  void add(const Leaf& leaf, std::uint32_t segment);
  // After the last add.
  void finish();
  bool empty() const { return lanes_.empty(); }

  // Adds the segments whose answer `fresh` may flip: ascending places of rows that pass the filter, are new at the evaluator's instant and not
  // later than it.
  void visit(Evaluator& evaluator, const Rows& rows, std::span<const std::uint32_t> fresh, Scratch& scratch, Bits& touched) const;

 private:
  // A value at which the truth of some thresholds turns.
  struct Cut {
    Int128 at = 0;
    bool past = false;               // average: only beyond `at`
    std::uint32_t first = 0, last = 0;  // in `segments`
    friend bool operator<(const Cut& a, const Cut& b) { return a.at != b.at ? a.at < b.at : a.past < b.past; }
  };
  // The thresholds over one aggregate and window.
  struct Family {
    Leaf leaf;              // any of them
    bool greatest = false;  // of beyond and extreme: of which value
    std::vector<Cut> cuts;  // ascending
    std::vector<std::uint32_t> segments;
    std::vector<std::pair<Cut, std::uint32_t>> added;  // before finish
  };
  // The families over one field, by length of window.
  struct Lane {
    FieldId field = kNoField;
    bool distinct = false;
    std::vector<Family> families;
  };
  // Of the rows of a window, newest back to its start.
  struct Totals {
    std::int64_t rows = 0;
    std::uint32_t oldest = 0;
    Int128 sum = 0;
    std::int64_t least = 0, most = 0;
    std::int64_t values = 0;  // distinct
    void take(std::uint32_t row, std::int64_t value);
    // An extreme. The least is negated, so that all are crossed upward.
    Int128 end(bool greatest) const { return greatest ? Int128{most} : -Int128{least}; }
  };
  class Walk;

  static void all(const Family& family, Bits& touched);
  static void some(const Family& family, std::size_t from, std::size_t to, Bits& touched);
  static void between(const Family& family, Int128 before, Int128 after, Bits& touched);
  static void crossed(const Family& family, const Totals& before, const Totals& after, Bits& touched);

  std::vector<Lane> lanes_;
};

}  // namespace nudge
