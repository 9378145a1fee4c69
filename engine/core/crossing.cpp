#include "engine/core/crossing.h"

#include <algorithm>

#include "engine/core/evaluate.h"

namespace nudge {
namespace {

bool is_extreme(const Leaf& leaf) { return leaf.fn == Leaf::Fn::beyond || leaf.fn == Leaf::Fn::extreme; }

}  // namespace

void Crossings::Totals::take(std::uint32_t row, std::int64_t value) {
  least = rows == 0 ? value : std::min(least, value);
  most = rows == 0 ? value : std::max(most, value);
  sum += value;
  oldest = row;
  ++rows;
}

void Crossings::add(const Leaf& leaf, std::uint32_t segment) {
  const bool counts = leaf.fn == Leaf::Fn::count || leaf.fn == Leaf::Fn::distinct;
  if (counts && leaf.wanted <= 0) return;  // settled, whatever comes in
  const bool distinct = leaf.fn == Leaf::Fn::distinct;
  auto lane = std::ranges::find_if(lanes_, [&](const Lane& l) { return l.field == leaf.field && l.distinct == distinct; });
  if (lane == lanes_.end()) lane = lanes_.insert(lanes_.end(), {leaf.field, distinct, {}});
  const bool greatest = (leaf.fn == Leaf::Fn::beyond) == leaf.upward;
  auto family = std::ranges::find_if(lane->families, [&](const Family& f) {
    return f.leaf.fn == leaf.fn && f.leaf.length == leaf.length && (!is_extreme(leaf) || f.greatest == greatest);
  });
  if (family == lane->families.end()) {
    family = lane->families.emplace(family);
    family->leaf = leaf;
    family->greatest = greatest;
  }
  Cut cut;
  cut.at = leaf.wanted;
  if (leaf.fn == Leaf::Fn::average) {
    cut.at = leaf.units;
    cut.past = leaf.upward == leaf.strict;
  } else if (leaf.fn == Leaf::Fn::extreme) {
    cut.at += greatest ? 1 : -1;  // what no longer keeps to the bound
  }
  if (is_extreme(leaf) && !greatest) cut.at = -cut.at;
  family->added.emplace_back(cut, segment);
}

void Crossings::finish() {
  for (Lane& lane : lanes_) {
    std::ranges::sort(lane.families, {}, [](const Family& f) { return f.leaf.length; });
    for (Family& f : lane.families) {
      std::ranges::sort(f.added);
      for (const auto& [cut, segment] : f.added) {
        if (f.cuts.empty() || f.cuts.back() < cut) {
          f.cuts.push_back(cut);
          f.cuts.back().first = static_cast<std::uint32_t>(f.segments.size());
        }
        f.segments.push_back(segment);
        f.cuts.back().last = static_cast<std::uint32_t>(f.segments.size());
      }
      f.added = {};
    }
  }
}

void Crossings::some(const Family& family, std::size_t from, std::size_t to, Bits& touched) {
  if (from >= to) return;
  for (std::uint32_t i = family.cuts[from].first; i < family.cuts[to - 1].last; ++i) touched.set(family.segments[i]);
}

void Crossings::all(const Family& family, Bits& touched) { some(family, 0, family.cuts.size(), touched); }

// What is reached after and was not before.
void Crossings::between(const Family& family, Int128 before, Int128 after, Bits& touched) {
  if (before == after) return;
  const auto from = std::ranges::upper_bound(family.cuts, before, {}, &Cut::at);
  const auto to = std::upper_bound(from, family.cuts.end(), after, [](Int128 value, const Cut& cut) { return value < cut.at; });
  some(family, static_cast<std::size_t>(from - family.cuts.begin()), static_cast<std::size_t>(to - family.cuts.begin()), touched);
}

void Crossings::crossed(const Family& family, const Totals& before, const Totals& after, Bits& touched) {
  if (before.rows == after.rows) return;
  switch (family.leaf.fn) {
    case Leaf::Fn::count: return between(family, before.rows, after.rows, touched);
    case Leaf::Fn::distinct: return between(family, before.values, after.values, touched);
    case Leaf::Fn::sum: return between(family, before.sum, after.sum, touched);
    case Leaf::Fn::average: {
      // It changes when the oldest row leaves: a new row that leaves earlier moves that instant.
      if (before.rows == 0 || before.oldest != after.oldest) return all(family, touched);
      const Int128 scale = family.leaf.kind == Kind::integer ? Decimal::kScale : 1;
      const auto reached = [&](const Totals& t) {
        const auto end = std::ranges::partition_point(family.cuts, [&](const Cut& cut) {
          const Int128 right = cut.at * t.rows;
          return t.sum * scale > right || (t.sum * scale == right && !cut.past);
        });
        return static_cast<std::size_t>(end - family.cuts.begin());
      };
      const auto [from, to] = std::minmax({reached(before), reached(after)});
      return some(family, from, to, touched);
    }
    case Leaf::Fn::beyond:
    case Leaf::Fn::extreme: {
      // Without rows there is no extreme, and nothing is waited for.
      if (before.rows == 0 && family.leaf.fn == Leaf::Fn::extreme) return all(family, touched);
      const Int128 lowest = -(Int128{1} << 126);
      return between(family, before.rows == 0 ? lowest : before.end(family.greatest), after.end(family.greatest), touched);
    }
    case Leaf::Fn::none: return;
  }
}

// Goes once from the newest row back over the windows of a lane, from the shortest to the longest.
class Crossings::Walk {
 public:
  Walk(Evaluator& evaluator, const Rows& rows, const Lane& lane, Scratch& scratch, Bits& touched)
      : evaluator_(evaluator), rows_(rows), lane_(lane), scratch_(scratch), fresh_(scratch.fresh), left_(fresh_.size()), touched_(touched) {}

  void run() {
    for (const Family& f : lane_.families) {
      const Evaluator::Slot& slot = evaluator_.slot_of_leaf(f.leaf);
      const std::span<const std::uint32_t> inside(std::ranges::lower_bound(fresh_, static_cast<std::uint32_t>(slot.lo)), fresh_.end());
      if (inside.empty()) continue;
      const bool counts = f.leaf.fn == Leaf::Fn::count || f.leaf.fn == Leaf::Fn::distinct;
      const std::size_t size = slot.hi - slot.lo;
      if (counts && f.cuts.front().at > static_cast<Int128>(size)) continue;
      if (f.leaf.fn == Leaf::Fn::count && f.leaf.filters == 0) {
        between(f, size - inside.size(), size, touched_);
      } else if (f.leaf.fn == Leaf::Fn::sum && rows_.may_be_negative(f.leaf.field)) {
        all(f, touched_);
      } else if (const Column* column = evaluator_.column_of(f.leaf, slot)) {
        by_column(f, *column, slot, inside);
      } else {
        if (scan(f, slot)) crossed(f, before_, after_, touched_);
      }
    }
  }

 private:
  // Takes in the window's rows. False when nothing can be crossed, whatever the rest of them is.
  bool scan(const Family& f, const Evaluator::Slot& slot) {
    if (!begun_) {
      begun_ = true;
      next_ = slot.hi;
      if (lane_.distinct) {
        const std::size_t longest = slot.hi - evaluator_.slot_of_leaf(lane_.families.back().leaf).lo;
        if (!alone()) scratch_.before.reset(longest);
        scratch_.after.reset(longest);
      }
    }
    while (next_ > slot.lo) {
      if (settled(f)) return false;
      const std::size_t row = --next_;
      if (!evaluator_.passes(f.leaf, rows_, row)) continue;
      while (left_ > 0 && fresh_[left_ - 1] > row) --left_;
      take(f.leaf, static_cast<std::uint32_t>(row), left_ > 0 && fresh_[left_ - 1] == row);
    }
    return true;
  }

  bool alone() const { return fresh_.size() == 1; }

  // Whether the rows that were there before, as far as they are taken in, reach as far as anything can be crossed: the older ones only add.
  bool settled(const Family& f) const {
    switch (f.leaf.fn) {
      case Leaf::Fn::count: return before_.rows >= f.cuts.back().at;
      case Leaf::Fn::sum: return before_.sum >= f.cuts.back().at;
      case Leaf::Fn::distinct: return again_ || before_.values >= f.cuts.back().at;
      case Leaf::Fn::beyond:
      case Leaf::Fn::extreme: {
        if (before_.rows == 0) return false;
        const Int128 end = before_.end(f.greatest);
        const bool all_new_taken = left_ == 0 || after_.rows - before_.rows == static_cast<std::int64_t>(fresh_.size());
        return end >= f.cuts.back().at || (all_new_taken && end >= after_.end(f.greatest));
      }
      default: return false;
    }
  }

  void take(const Leaf& leaf, std::uint32_t row, bool fresh) {
    const ValueView value = lane_.field == kNoField ? ValueView() : rows_.field(row, lane_.field, leaf.kind);
    after_.take(row, value.i);
    if (!fresh) before_.take(row, value.i);
    if (!lane_.distinct) return;
    scratch_.after.add(value, row);
    after_.values = static_cast<std::int64_t>(scratch_.after.count());
    if (alone()) {
      if (fresh) taken_ = true;
      else again_ = again_ || ValueSet::same(value, rows_.field(fresh_.front(), lane_.field, leaf.kind));
      before_.values = after_.values - (taken_ && !again_ ? 1 : 0);
    } else {
      if (!fresh) scratch_.before.add(value, row);
      before_.values = static_cast<std::int64_t>(scratch_.before.count());
    }
  }

  void by_column(const Family& f, const Column& column, const Evaluator::Slot& slot, std::span<const std::uint32_t> inside) {
    const auto [from, to] = column.span(slot.lo, slot.hi);
    if (is_extreme(f.leaf)) return extreme_by_column(f, column, from, to, inside);
    if (f.leaf.fn == Leaf::Fn::distinct) return distinct_by_column(f, column, from, to, inside);
    Totals before, after;
    after.rows = static_cast<std::int64_t>(to - from);
    before.rows = after.rows - static_cast<std::int64_t>(inside.size());
    if (f.leaf.fn != Leaf::Fn::count) {
      after.sum = before.sum = column.sum(from, to);
      for (const std::uint32_t row : inside) before.sum -= rows_.field(row, f.leaf.field, f.leaf.kind).i;
      after.oldest = static_cast<std::uint32_t>(column.row(from));
      before.oldest = inside.front() == after.oldest ? kNone : after.oldest;
    }
    crossed(f, before, after, touched_);
  }

  // Calls use(from, to) for each stretch of places without new rows; stops when it says false.
  template <class F>
  static void stretches(const Column& column, std::size_t from, std::size_t to, std::span<const std::uint32_t> inside, F&& use) {
    for (std::size_t i = inside.size(); i-- > 0;) {
      const std::size_t place = column.span(inside[i], inside[i] + 1).first;
      if (place + 1 < to && !use(place + 1, to)) return;
      to = place;
    }
    if (from < to) use(from, to);
  }

  void extreme_by_column(const Family& f, const Column& column, std::size_t from, std::size_t to, std::span<const std::uint32_t> inside) {
    if (to - from == inside.size() && f.leaf.fn == Leaf::Fn::extreme) return all(f, touched_);
    const auto at = [&](std::int64_t value) { return f.greatest ? Int128{value} : -Int128{value}; };
    Int128 best = at(rows_.field(inside.front(), f.leaf.field, f.leaf.kind).i);
    for (const std::uint32_t row : inside) best = std::max(best, at(rows_.field(row, f.leaf.field, f.leaf.kind).i));
    const auto end = std::ranges::upper_bound(f.cuts, best, {}, &Cut::at);
    if (end == f.cuts.begin()) return;
    // Most often some other row reaches as far as the new ones: then nothing is crossed.
    const Int128 farthest = std::prev(end)->at;
    const auto bound = static_cast<std::int64_t>(f.greatest ? farthest : -farthest);
    bool reached = false;
    stretches(column, from, to, inside, [&](std::size_t lo, std::size_t hi) {
      reached = column.newest_beyond(lo, hi, f.greatest, bound) != hi;
      return !reached;
    });
    if (reached) return;
    Int128 before = -(Int128{1} << 126);
    stretches(column, from, to, inside, [&](std::size_t lo, std::size_t hi) {
      before = std::max(before, at(column.extreme(lo, hi, f.greatest)));
      return true;
    });
    between(f, before, best, touched_);
  }

  void distinct_by_column(const Family& f, const Column& column, std::size_t from, std::size_t to,
                          std::span<const std::uint32_t> inside) {
    // Several new rows, or one that is not the newest: told only by looking at each value.
    if (inside.size() > 1 || to != column.size() || column.row(to - 1) != inside.front()) return all(f, touched_);
    const std::size_t earlier = column.earlier_with_value(to - 1);
    if (earlier != column.size() && earlier >= from) return;
    const auto values = static_cast<Int128>(column.values_from(from));
    between(f, values - 1, values, touched_);
  }

  Evaluator& evaluator_;
  const Rows& rows_;
  const Lane& lane_;
  Scratch& scratch_;
  std::span<const std::uint32_t> fresh_;
  std::size_t left_;  // of fresh_, that are not taken in yet
  Bits& touched_;
  bool begun_ = false;
  std::size_t next_ = 0;  // the rows from here on are taken in
  Totals before_, after_;
  // Of distinct values, with one new row: it is taken in; a row that was there before has its value.
  bool taken_ = false, again_ = false;
};

void Crossings::visit(Evaluator& evaluator, const Rows& rows, std::span<const std::uint32_t> fresh, Scratch& scratch, Bits& touched) const {
  for (const Lane& lane : lanes_) {
    scratch.fresh.clear();
    for (const std::uint32_t row : fresh)
      if (lane.field == kNoField || rows.has_field(row, lane.field)) scratch.fresh.push_back(row);
    if (!scratch.fresh.empty()) Walk(evaluator, rows, lane, scratch, touched).run();
  }
}

}  // namespace nudge
