// Sequences of rows, and the calendar.
#include <algorithm>
#include <map>

#include "engine/core/evaluate.h"

namespace nudge {

namespace {

// A row that ends a chain of the steps so far.
struct Candidate {
  TimeMs time = 0;  // of the row
  std::string_view id;
  std::string key;   // canonical value of `same`, empty when the sequence has none
  TimeMs from = 0;   // the next present row must be later than this (after an absent step: its end)
  TimeMs start = 0;  // of the chain's first row: when the whole leaves the window
};

std::string key_of(const Rows& rows, std::size_t row, FieldId field, Kind kind) {
  std::string key;
  Writer writer(key);
  encode_value(writer, rows.field(row, field, kind));
  return key;
}

}  // namespace

Verdict Evaluator::sequence(const Sequence& s) {
  std::vector<Candidate> chain;
  TimeMs until = kNever;
  bool first = true;
  for (const SequenceStep& step : s.steps) {
    const Rows* rows = state_->rows(step.event);
    const Kind kind = step.same == kNoField ? Kind::missing : kind_of(plan_->catalog->events[step.event].fields[step.same].type);
    Aggregate all;  // every row of the step's type that its filter lets through, in the whole's window for present steps
    all.event = step.event;
    all.filter = step.filter;
    if (!step.absent) all.window = s.window;
    std::vector<std::uint32_t> matched;
    if (rows != nullptr) {
      const Matched found = collect(all, *rows);
      matched = *found.rows;
      until = std::min(until, found.until);
      release();
    }
    if (step.absent) {
      std::vector<Candidate> kept;
      for (Candidate& c : chain) {
        const TimeMs end = c.time + step.lasting;
        const bool broken = std::ranges::any_of(matched, [&](std::uint32_t row) {
          const TimeMs t = rows->time(row);
          if (t <= c.time || t > end) return false;
          return step.same == kNoField || (rows->has_field(row, step.same) && key_of(*rows, row, step.same, kind) == c.key);
        });
        if (broken) continue;
        if (now_ < end) {
          until = std::min(until, end);
          continue;
        }
        c.from = std::max(c.from, end);
        kept.push_back(std::move(c));
      }
      chain = std::move(kept);
      continue;
    }
    std::vector<Candidate> next;
    for (const std::uint32_t row : matched) {
      if (step.same != kNoField && !rows->has_field(row, step.same)) continue;
      Candidate c{rows->time(row), rows->id(row), step.same == kNoField ? std::string() : key_of(*rows, row, step.same, kind), 0,
                  rows->time(row)};
      c.from = kAlways;
      if (first) {
        next.push_back(std::move(c));
        continue;
      }
      // The chain that leaves the window last is the one worth keeping.
      const Candidate* best = nullptr;
      for (const Candidate& before : chain) {
        const bool later = before.time < c.time || (before.time == c.time && before.id < c.id);
        if (!later || c.time <= before.from || before.key != c.key) continue;
        if (step.within != kNever && c.time - before.time >= step.within) continue;
        if (best == nullptr || before.start > best->start) best = &before;
      }
      if (best == nullptr) continue;
      c.start = best->start;
      next.push_back(std::move(c));
    }
    chain = std::move(next);
    first = false;
  }
  if (chain.empty()) return {false, until};
  TimeMs leaves = kAlways;
  for (const Candidate& c : chain) leaves = std::max(leaves, exit_of(s.window, c.start));
  return {true, std::min(until, leaves)};
}

Verdict Evaluator::calendar(const Calendar& c) {
  const Zone& z = c.tenant_zone ? plan_->zone : zone();
  const LocalTime wall = z.local(now_);
  const auto day_fits = [&](DateDays day) {
    if (((c.weekdays >> (iso_weekday(day) - 1)) & 1U) == 0) return false;
    return c.dates.empty() || std::ranges::any_of(c.dates, [&](const Calendar::Range& r) { return day >= r.from && day <= r.to; });
  };
  bool truth = c.hours.empty() && day_fits(wall.date);
  // Between two clock changes the wall moves on evenly, so the distance to an edge on the wall is the time until then. (The instant at
  // which the wall shows the edge would not do: after a clock was put back it may have shown it before.)
  TimeMs until = std::min(now_ + (kDay - wall.of_day), z.next_transition(now_));
  for (const Calendar::Hours& h : c.hours) {
    const bool over_midnight = h.to <= h.from;
    if (!over_midnight) {
      truth = truth || (wall.of_day >= h.from && wall.of_day < h.to && day_fits(wall.date));
    } else {  // the part after midnight belongs to the day on which the hours start
      truth = truth || (wall.of_day >= h.from && day_fits(wall.date)) || (wall.of_day < h.to && day_fits(wall.date - 1));
    }
    for (const DurationMs edge : {h.from, h.to}) {
      if (edge > wall.of_day) until = std::min(until, now_ + (edge - wall.of_day));
    }
  }
  return {truth, until};
}

}  // namespace nudge
