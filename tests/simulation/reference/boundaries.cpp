#include "tests/simulation/reference/boundaries.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <set>

namespace nudge::reference {

namespace {

// What the definitions speak of.
struct Vocabulary {
  std::set<DurationMs> lengths;  // added to and taken from every time
  std::set<std::int64_t> days;   // days_since compared with written numbers
  bool open_days = false;        // days_since compared with something that moves
  bool calendar_days = false;    // anything that follows the calendar
  bool anniversaries = false;
  std::set<DurationMs> anniversary_lengths;
  std::set<DurationMs> hours;
  std::set<TimeMs> instants;  // written out
  std::set<DateDays> dates;   // written out
};

class Reader {
 public:
  explicit Reader(const Definitions& all) : all_(all) {
    for (const ConditionRef& s : all.segments) read(s);
    for (const OperandRef& t : all.traits) read(t, true);
    for (const Definitions::Score& score : all.scores) {
      for (const Definitions::Points& p : score.points) {
        if (p.condition) read(p.condition);
        if (p.trait) read(p.trait, true);
      }
    }
    for (const Rule& rule : all.rules) {
      read(rule.where);
      read(rule.condition);
      read(rule.exit);
      read(rule.steps);
    }
  }
  Vocabulary out;

 private:
  void read(const std::vector<Rule::Act>& acts) {
    for (const Rule::Act& act : acts) {
      read(act.only_if);
      read(act.condition);
      read(act.then);
      read(act.otherwise);
    }
  }
  void read(const Window& w) {
    switch (w.kind) {
      case Window::Kind::ever: break;
      case Window::Kind::within: out.lengths.insert(w.a); break;
      case Window::Kind::from_to:
        out.lengths.insert(w.a);
        out.lengths.insert(w.b);
        break;
      case Window::Kind::since: out.calendar_days = true; break;
      case Window::Kind::fixed:
        for (const Window::Bound& b : {w.lo, w.hi}) {
          if (!b.set) continue;
          if (b.is_date) {
            out.dates.insert(static_cast<DateDays>(b.at));
            out.dates.insert(static_cast<DateDays>(b.at + 1));
          } else {
            out.instants.insert(b.at);
          }
        }
    }
  }
  void read(const Value& v) {
    if (v.kind == Kind::timestamp) out.instants.insert(v.bits);
    if (v.kind == Kind::date) {
      out.dates.insert(static_cast<DateDays>(v.bits));
      out.dates.insert(static_cast<DateDays>(v.bits + 1));
    }
  }
  void read(const OperandRef& operand, bool open) {
    if (!operand) return;
    const Operand& o = *operand;
    if (o.kind == Operand::Kind::query) {
      read(o.query.window);
      read(o.query.where);
    }
    if (o.kind == Operand::Kind::days_since && open) out.open_days = true;
    if (o.kind == Operand::Kind::trait && open) read(all_.traits[o.ref], true);
    read(o.child, false);
  }
  bool is_days(const OperandRef& operand) const {
    if (!operand) return false;
    if (operand->kind == Operand::Kind::trait) return is_days(all_.traits[operand->ref]);
    return operand->kind == Operand::Kind::days_since;
  }
  void read(const ConditionRef& condition) {
    if (!condition) return;
    const Condition& c = *condition;
    for (const ConditionRef& child : c.children) read(child);
    read(c.left, static_cast<bool>(c.right));
    read(c.right, true);
    if (is_days(c.left) && !c.right) {
      for (const Value& v : c.literals) {
        const double d =
            v.kind == Kind::number ? std::bit_cast<double>(v.bits) : static_cast<double>(v.bits) / (v.kind == Kind::decimal ? 1e6 : 1.0);
        for (const double k : {std::floor(d), std::floor(d) + 1}) out.days.insert(static_cast<std::int64_t>(k));
      }
    }
    for (const Value& v : c.literals) read(v);
    read(c.window);
    if (c.kind == Condition::Kind::calendar) {
      out.calendar_days = true;
      for (const Calendar::Hours& h : c.calendar.hours) {
        out.hours.insert(h.from);
        out.hours.insert(h.to);
      }
    }
    if (c.op == Op::anniversary_today || c.op == Op::anniversary_in_next) {
      out.anniversaries = true;
      out.anniversary_lengths.insert(c.duration);
    } else if (c.duration > 0) {
      out.lengths.insert(c.duration);
    }
    for (const Step& step : c.steps) {
      if (step.absent) out.lengths.insert(step.lasting);
      read(step.where);
    }
  }
  const Definitions& all_;
};

class Finder {
 public:
  Finder(const Definitions& all, const std::vector<Input>& facts, TimeMs after, TimeMs before)
      : vocabulary_(Reader(all).out), after_(after), before_(before) {
    zones_.push_back(Zone::find(all.zone).value());
    for (const Input& input : facts) {
      times_.insert(input.time);
      if (input.kind == InputKind::tag && input.tag_expires != kNever) times_.insert(input.tag_expires);
      for (const Value& v : input.fields) take(v);
      for (const AttributeUpdate& update : input.attributes) {
        take(update.value);
        if (update.attribute != kZoneAttribute || update.value.kind != Kind::text) continue;
        if (const auto zone = Zone::find(update.value.bytes)) zones_.push_back(*zone);
      }
    }
    for (const TimeMs t : vocabulary_.instants) times_.insert(t);
    for (const DateDays d : vocabulary_.dates) take(Value::of_date(d));
  }

  std::vector<TimeMs> run() {
    for (const Zone& zone : zones_) {
      for (const DateDays d : dates_) times_.insert(zone.start_of(d));
    }
    for (const TimeMs t : times_) {
      add(t);
      for (const DurationMs d : vocabulary_.lengths) {
        add(t + d);
        add(t - d);
      }
      for (const std::int64_t k : vocabulary_.days) add(t + k * kDay);
      if (vocabulary_.open_days) {
        for (std::int64_t k = (after_ - t) / kDay - 1; t + k * kDay < before_; ++k) add(t + k * kDay);
      }
    }
    for (const Zone& zone : zones_) calendar(zone);
    std::vector<TimeMs> result;
    for (const TimeMs t : found_) {
      if (t > after_ && t < before_) result.push_back(t);
    }
    return result;
  }

 private:
  void take(const Value& v) {
    if (v.kind == Kind::timestamp) times_.insert(v.bits);
    if (v.kind == Kind::date) {
      dates_.insert(static_cast<DateDays>(v.bits));
      originals_.insert(static_cast<DateDays>(v.bits));
    }
  }
  void add(TimeMs t) {
    if (t <= after_ - 2 || t >= before_ + 2) return;
    for (const TimeMs each : {t - 1, t, t + 1}) found_.insert(each);
  }
  void calendar(const Zone& zone) {
    if (vocabulary_.calendar_days || vocabulary_.anniversaries) {
      for (TimeMs t = zone.next_transition(after_); t < before_; t = zone.next_transition(t)) add(t);
    }
    const DateDays first = zone.local(after_).date - 1;
    const DateDays last = zone.local(before_).date + 1;
    if (vocabulary_.calendar_days) {
      for (DateDays d = first; d <= last; ++d) {
        add(zone.start_of(d));
        for (const DurationMs h : vocabulary_.hours) {
          // Also where a clock change may have put the same wall time a second time.
          for (const DurationMs shift : {-kHour, -kHour / 2, DurationMs{0}, kHour / 2, kHour}) add(zone.at(d, h) + shift);
        }
      }
    }
    if (!vocabulary_.anniversaries) return;
    std::set<std::pair<DateDays, DurationMs>> origins;
    for (const DateDays d : originals_) origins.insert({d, -1});
    for (const TimeMs t : times_) {
      const LocalTime wall = zone.local(t);
      origins.insert({wall.date, wall.of_day});
    }
    for (const auto& [date, of_day] : origins) {
      const Ymd origin = ymd_of(date);
      for (std::int32_t year = ymd_of(first).year - 1; year <= ymd_of(last).year + 12; ++year) {
        Ymd ymd{year, origin.month, origin.day};
        if (ymd.month == 2 && ymd.day == 29 && !is_leap(year)) ymd.day = 28;
        const DateDays day = days_of(ymd);
        const TimeMs t = of_day < 0 ? zone.start_of(day) : zone.at(day, of_day);
        add(t);
        add(zone.start_of(day));
        add(zone.start_of(day + 1));
        for (const DurationMs d : vocabulary_.anniversary_lengths) add(t - d);
      }
    }
  }

  Vocabulary vocabulary_;
  TimeMs after_, before_;
  std::vector<Zone> zones_;
  std::set<TimeMs> times_;
  std::set<DateDays> dates_;
  std::set<DateDays> originals_;
  std::set<TimeMs> found_;
};

}  // namespace

std::vector<TimeMs> boundaries(const Definitions& all, const std::vector<Input>& facts, TimeMs after, TimeMs before) {
  return Finder(all, facts, after, before).run();
}

}  // namespace nudge::reference
