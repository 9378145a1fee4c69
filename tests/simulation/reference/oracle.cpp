#include "tests/simulation/reference/oracle.h"

#include <algorithm>
#include <bit>
#include <map>

#include "engine/base/text.h"

namespace nudge::reference {

namespace {

Known known(Value v) {
  Known k;
  k.numeric = v.kind == Kind::integer || v.kind == Kind::number || v.kind == Kind::decimal;
  if (k.numeric) k.number = fraction_of(v);
  k.value = std::move(v);
  return k;
}

Known number(Fraction f) {
  Known k;
  k.numeric = true;
  k.value.kind = Kind::decimal;  // of no importance: `number` says what it is
  k.number = std::move(f);
  return k;
}

DateDays start_of_unit(Window::Unit unit, DateDays today) {
  Ymd d = ymd_of(today);
  switch (unit) {
    case Window::Unit::day: return today;
    case Window::Unit::week:
      while (iso_weekday(today) != 1) --today;
      return today;
    case Window::Unit::month: d.day = 1; return days_of(d);
    case Window::Unit::quarter:
      while (d.month != 1 && d.month != 4 && d.month != 7 && d.month != 10) --d.month;
      d.day = 1;
      return days_of(d);
    case Window::Unit::year: return days_of({d.year, 1, 1});
  }
  return today;
}

Value field_of(const Input& row, FieldId field) {
  if (field == kTimeField) return Value::of_timestamp(row.time);
  return field < row.fields.size() ? row.fields[field] : Value();
}

}  // namespace

Fraction fraction_of(const Value& v) {
  if (v.kind == Kind::number) return Fraction(std::bit_cast<double>(v.bits));
  if (v.kind == Kind::decimal) return Fraction(v.bits, 1000000);
  return Fraction(v.bits);
}

bool equal(const Value& a, const Value& b) {
  const auto numeric = [](const Value& v) { return v.kind == Kind::integer || v.kind == Kind::number || v.kind == Kind::decimal; };
  if (numeric(a) && numeric(b)) return fraction_of(a) == fraction_of(b);
  return a == b;
}

bool row_before(const Input& a, const Input& b) { return a.time != b.time ? a.time < b.time : a.id < b.id; }

Oracle::Oracle(const Definitions& all, const std::vector<Input>& facts) : all_(all), facts_(facts), tenant_(Zone::find(all.zone).value()) {
  rows_.resize(test_catalog()->events.size());
  for (const Input& input : facts_) {
    if (input.kind == InputKind::event) rows_[input.type].push_back(&input);
  }
  for (auto& of_type : rows_) std::ranges::sort(of_type, [](const Input* a, const Input* b) { return row_before(*a, *b); });
}

std::vector<std::pair<TimeMs, Value>> Oracle::story(AttributeId attribute, const Moment& at) const {
  std::map<TimeMs, std::pair<std::string, Value>> last;
  for (const Input& input : facts_) {
    if (input.kind != InputKind::attributes || input.time > at.now || input.time > at.horizon) continue;
    for (const AttributeUpdate& update : input.attributes) {
      if (update.attribute != attribute) continue;
      const auto [it, fresh] = last.try_emplace(input.time, input.id, update.value);
      if (!fresh && it->second.first < input.id) it->second = {input.id, update.value};
    }
  }
  std::vector<std::pair<TimeMs, Value>> result;
  for (auto& [time, entry] : last) result.emplace_back(time, std::move(entry.second));
  return result;
}

Value Oracle::attribute(AttributeId attribute, const Moment& at) const {
  const Input* best = nullptr;
  Value value;
  for (const Input& input : facts_) {
    if (input.kind != InputKind::attributes || input.time > at.now || input.time > at.horizon) continue;
    for (const AttributeUpdate& update : input.attributes) {
      if (update.attribute != attribute || (best != nullptr && row_before(input, *best))) continue;
      best = &input;
      value = update.value;
    }
  }
  return value;
}

Zone Oracle::zone(const Moment& at) const {
  const Value name = attribute(kZoneAttribute, at);
  if (name.kind != Kind::text) return tenant_;
  return Zone::find(name.bytes).value_or(tenant_);
}

TimeMs Oracle::instant(const Value& v, const Moment& at) const {
  return v.kind == Kind::date ? zone(at).start_of(static_cast<DateDays>(v.bits)) : v.bits;
}

bool Oracle::in_window(const Window& w, TimeMs t, const Moment& at) const {
  if (t > at.now) return false;
  const auto z = [&] { return w.tenant_zone ? tenant_ : zone(at); };
  switch (w.kind) {
    case Window::Kind::ever: return true;
    case Window::Kind::within: return t > at.now - w.a;
    case Window::Kind::from_to: return t > at.now - w.a && t <= at.now - w.b;
    case Window::Kind::since: return t >= z().start_of(start_of_unit(w.unit, z().local(at.now).date));
    case Window::Kind::fixed: {
      if (w.lo.set && w.lo.is_date && t < z().start_of(static_cast<DateDays>(w.lo.at))) return false;
      if (w.lo.set && !w.lo.is_date && t < w.lo.at) return false;
      if (w.hi.set && w.hi.is_date && t >= z().start_of(static_cast<DateDays>(w.hi.at) + 1)) return false;
      if (w.hi.set && !w.hi.is_date && t >= w.hi.at) return false;
      return true;
    }
  }
  return false;
}

std::vector<const Input*> Oracle::rows(const Query& q, const Moment& at) const {
  std::vector<const Input*> result;
  for (const Input* row : rows_[q.event]) {
    if (row->time > at.now || row->time > at.horizon) continue;
    if (q.before_trigger && at.trigger != nullptr && !row_before(*row, *at.trigger)) continue;
    if (q.field != kNoField && field_of(*row, q.field).missing()) continue;
    if (q.same != kNoField && at.key != nullptr) {
      const Value v = field_of(*row, q.same);
      if (v.missing() || !equal(v, *at.key)) continue;
    }
    if (!in_window(q.window, row->time, at)) continue;
    if (q.where && !truth(q.where, at, row)) continue;
    result.push_back(row);
  }
  return result;
}

Known Oracle::compute(const Query& q, const Moment& at) const {
  using Fn = Aggregate::Fn;
  const std::vector<const Input*> counted = rows(q, at);
  switch (q.fn) {
    case Fn::count: return number(Fraction(counted.size()));
    case Fn::sum:
    case Fn::average: {
      Fraction sum = 0;
      for (const Input* row : counted) sum += fraction_of(field_of(*row, q.field));
      if (q.fn == Fn::sum) return number(sum);
      return counted.empty() ? Known() : number(sum / Fraction(counted.size()));
    }
    case Fn::min:
    case Fn::max: {
      Known best;
      for (const Input* row : counted) {
        Known v = known(field_of(*row, q.field));
        const bool less = !best.missing() && (v.numeric ? v.number < best.number : v.value.bits < best.value.bits);
        const bool more = !best.missing() && (v.numeric ? v.number > best.number : v.value.bits > best.value.bits);
        if (best.missing() || (q.fn == Fn::min ? less : more)) best = std::move(v);
      }
      return best;
    }
    case Fn::distinct: {
      std::vector<Value> seen;
      for (const Input* row : counted) {
        const Value v = field_of(*row, q.field);
        if (std::ranges::none_of(seen, [&](const Value& s) { return equal(s, v); })) seen.push_back(v);
      }
      return number(Fraction(seen.size()));
    }
    case Fn::first: return counted.empty() ? Known() : known(field_of(*counted.front(), q.field));
    case Fn::last: return counted.empty() ? Known() : known(field_of(*counted.back(), q.field));
  }
  return {};
}

Known Oracle::value(const OperandRef& operand, const Moment& at, const Input* row) const {
  const Operand& o = *operand;
  switch (o.kind) {
    case Operand::Kind::attribute: return known(attribute(static_cast<AttributeId>(o.ref), at));
    case Operand::Kind::field: return row == nullptr ? Known() : known(field_of(*row, static_cast<FieldId>(o.ref)));
    case Operand::Kind::trigger_field:
      return at.trigger == nullptr || at.trigger->type != o.event ? Known() : known(field_of(*at.trigger, static_cast<FieldId>(o.ref)));
    case Operand::Kind::query: return compute(o.query, at);
    case Operand::Kind::trait: return value(all_.traits[o.ref], at, row);
    case Operand::Kind::score: return number(score(o.ref, at));
    case Operand::Kind::size: {
      const Known list = value(o.child, at, row);
      return list.missing() ? Known() : number(Fraction(unpack_list(list.value.bytes).size()));
    }
    case Operand::Kind::days_since: {
      const Known when = value(o.child, at, row);
      if (when.missing()) return {};
      const DurationMs age = at.now - instant(when.value, at);
      std::int64_t days = age / kDay;
      while (days * kDay > age) --days;
      return number(Fraction(days));
    }
  }
  return {};
}

Fraction Oracle::score(std::uint32_t index, const Moment& at) const {
  Fraction sum = 0;
  for (const Definitions::Points& points : all_.scores[index].points) {
    const Fraction add(points.add.units, 1000000);
    if (points.condition) {
      if (truth(points.condition, at)) sum += add;
      continue;
    }
    const Known v = value(points.trait, at);
    if (v.missing()) continue;
    Fraction added = v.number * add;
    if (points.has_at_most) added = std::min(added, Fraction(points.at_most.units, 1000000));
    sum += added;
  }
  return sum;
}

bool Oracle::truth(const ConditionRef& condition, const Moment& at, const Input* row) const {
  const Condition& c = *condition;
  switch (c.kind) {
    case Condition::Kind::constant: return c.truth;
    case Condition::Kind::all:
      for (const ConditionRef& child : c.children) {
        if (!truth(child, at, row)) return false;
      }
      return true;
    case Condition::Kind::any:
      for (const ConditionRef& child : c.children) {
        if (truth(child, at, row)) return true;
      }
      return false;
    case Condition::Kind::negate: return !truth(c.children[0], at, row);
    case Condition::Kind::segment: return truth(all_.segments[c.ref], at, row);
    case Condition::Kind::tag: return tagged(c.text, at);
    case Condition::Kind::sequence: return sequence(c, at);
    case Condition::Kind::calendar: return calendar(c.calendar, at);
    case Condition::Kind::changed: return changed(c, at);
    case Condition::Kind::has_been: return has_been(c, at);
    case Condition::Kind::band: {
      const Fraction sum = score(c.ref, at);
      const std::vector<Decimal>& bands = all_.scores[c.ref].bands;
      const bool from = sum >= Fraction(bands[c.band].units, 1000000);
      const bool above = c.band + 1 < bands.size() && sum >= Fraction(bands[c.band + 1].units, 1000000);
      return from && !above;
    }
    case Condition::Kind::compare: {
      const Operand* left = c.left.get();
      while (left->kind == Operand::Kind::trait) left = all_.traits[left->ref].get();
      const bool per_value = left->kind == Operand::Kind::query && left->query.same != kNoField && at.key == nullptr && row == nullptr;
      if (!per_value) return compare(c, value(c.left, at, row), at, row);
      // Per value without a key: it holds when it holds for the rows of one value that is there.
      for (const Input* each : rows_[left->query.event]) {
        if (each->time > at.now || each->time > at.horizon) continue;
        const Value key = field_of(*each, left->query.same);
        if (key.missing()) continue;
        Moment one = at;
        one.key = &key;
        if (compare(c, value(c.left, one, row), one, row)) return true;
      }
      return false;
    }
  }
  return false;
}

bool Oracle::compare(const Condition& c, const Known& left, const Moment& at, const Input* row) const {
  if (c.op == Op::exists) return !left.missing();
  Known right;
  if (c.right) right = value(c.right, at, row);
  if (left.missing() || (c.right && right.missing())) return false;
  if (left.numeric) {
    std::vector<Fraction> sides;
    if (c.right) sides.push_back(right.number * Fraction(c.times.units, 1000000));
    for (const Value& v : c.literals) sides.push_back(fraction_of(v));
    const bool found = std::ranges::find(sides, left.number) != sides.end();
    switch (c.op) {
      case Op::equals:
      case Op::in: return found;
      case Op::not_equals:
      case Op::not_in: return !found;
      case Op::greater_than: return left.number > sides[0];
      case Op::at_least: return left.number >= sides[0];
      case Op::less_than: return left.number < sides[0];
      case Op::at_most: return left.number <= sides[0];
      case Op::between: return left.number >= sides[0] && left.number <= sides[1];
      default: return false;
    }
  }
  switch (left.value.kind) {
    case Kind::date:
    case Kind::timestamp: return compare_times(c, left.value, c.right ? &right.value : nullptr, at);
    case Kind::boolean: return (left.value == (c.right ? right.value : c.literals[0])) == (c.op == Op::equals);
    default: break;
  }
  const auto folded = [&](std::string_view s) { return c.ignore_case ? fold_case(s) : std::string(s); };
  std::vector<std::string> sides;
  if (c.right) sides.push_back(folded(right.value.bytes));
  for (const Value& v : c.literals) sides.push_back(folded(v.bytes));
  if (left.value.kind == Kind::list) {
    std::vector<std::string> items;
    for (const std::string_view item : unpack_list(left.value.bytes)) items.push_back(folded(item));
    const auto has = [&](const std::string& s) { return std::ranges::find(items, s) != items.end(); };
    return c.op == Op::has_all ? std::ranges::all_of(sides, has) : std::ranges::any_of(sides, has);
  }
  const std::string text = folded(left.value.bytes);
  const bool found = std::ranges::find(sides, text) != sides.end();
  switch (c.op) {
    case Op::equals:
    case Op::in: return found;
    case Op::not_equals:
    case Op::not_in: return !found;
    case Op::contains: return text.find(sides[0]) != std::string::npos;
    case Op::not_contains: return text.find(sides[0]) == std::string::npos;
    case Op::starts_with: return text.starts_with(sides[0]);
    case Op::ends_with: return text.ends_with(sides[0]);
    case Op::matches: {  // only ^prefix, suffix$ and plain patterns are made
      std::string pattern = folded(c.text);
      if (pattern.starts_with('^')) return text.starts_with(pattern.substr(1));
      if (pattern.ends_with('$')) return text.ends_with(pattern.substr(0, pattern.size() - 1));
      return text.find(pattern) != std::string::npos;
    }
    default: return false;
  }
}

bool Oracle::compare_times(const Condition& c, const Value& left, const Value* right, const Moment& at) const {
  const TimeMs t = instant(left, at);
  const auto side = [&](std::size_t i) { return instant(right != nullptr ? *right : c.literals[i], at); };
  switch (c.op) {
    case Op::within: return at.now - c.duration < t && t <= at.now;
    case Op::older_than: return t <= at.now - c.duration;
    case Op::in_next: return at.now < t && t <= at.now + c.duration;
    case Op::anniversary_in_next:
    case Op::anniversary_today: return anniversary(c, left, at);
    case Op::before: return t < side(0);
    case Op::after: return t > side(0);
    case Op::equals: return t == side(0);
    case Op::not_equals: return t != side(0);
    case Op::between: {
      // A fixed range: an end that is a date means that whole day, an end that is an instant is excluded.
      const Value& hi = c.literals[1];
      const TimeMs end = hi.kind == Kind::date ? zone(at).start_of(static_cast<DateDays>(hi.bits) + 1) : hi.bits;
      return t >= side(0) && t < end;
    }
    default: return false;
  }
}

bool Oracle::anniversary(const Condition& c, const Value& left, const Moment& at) const {
  const Zone z = zone(at);
  const bool is_date = left.kind == Kind::date;
  const LocalTime wall = is_date ? LocalTime{static_cast<DateDays>(left.bits), 0, 0} : z.local(left.bits);
  const Ymd origin = ymd_of(wall.date);
  const DateDays today = z.local(at.now).date;
  for (std::int32_t year = origin.year + 1; year <= std::max(origin.year, ymd_of(today).year) + 2; ++year) {
    Ymd ymd{year, origin.month, origin.day};
    if (ymd.month == 2 && ymd.day == 29 && !is_leap(year)) ymd.day = 28;
    const DateDays day = days_of(ymd);
    if (c.op == Op::anniversary_today) {
      if (day == today) return true;
      continue;
    }
    const TimeMs t = is_date ? z.start_of(day) : z.at(day, wall.of_day);
    if (at.now < t) return t <= at.now + c.duration;  // the next one
  }
  return false;
}

bool Oracle::calendar(const Calendar& c, const Moment& at) const {
  const LocalTime wall = (c.tenant_zone ? tenant_ : zone(at)).local(at.now);
  const auto day_fits = [&](DateDays day) {
    if ((c.weekdays & (1U << (iso_weekday(day) - 1))) == 0) return false;
    if (c.dates.empty()) return true;
    for (const Calendar::Range& r : c.dates) {
      if (r.from <= day && day <= r.to) return true;
    }
    return false;
  };
  if (c.hours.empty()) return day_fits(wall.date);
  for (const Calendar::Hours& h : c.hours) {
    if (h.from < h.to) {
      if (h.from <= wall.of_day && wall.of_day < h.to && day_fits(wall.date)) return true;
    } else {
      if (h.from <= wall.of_day && day_fits(wall.date)) return true;
      if (wall.of_day < h.to && day_fits(wall.date - 1)) return true;
    }
  }
  return false;
}

bool Oracle::tagged(const std::string& tag, const Moment& at) const {
  const Input* last = nullptr;
  for (const Input& input : facts_) {
    if (input.kind != InputKind::tag || input.tag != tag || input.time > at.now || input.time > at.horizon) continue;
    if (last == nullptr || row_before(*last, input)) last = &input;
  }
  return last != nullptr && !last->tag_removed && at.now < last->tag_expires;
}

bool Oracle::changed(const Condition& c, const Moment& at) const {
  const auto listed = [](const std::vector<Value>& values, const Value& v) {
    return values.empty() || std::ranges::any_of(values, [&](const Value& each) { return equal(each, v); });
  };
  Value previous;
  for (const auto& [time, value] : story(static_cast<AttributeId>(c.ref), at)) {
    const bool change = !equal(previous, value);
    if (change && listed(c.literals, value) && listed(c.from_literals, previous) && in_window(c.window, time, at)) return true;
    previous = value;
  }
  return false;
}

bool Oracle::has_been(const Condition& c, const Moment& at) const {
  bool holds = false;
  TimeMs since = 0;
  for (const auto& [time, value] : story(static_cast<AttributeId>(c.ref), at)) {
    const bool now_holds = compare(*c.children[0], known(value), at, nullptr);
    if (now_holds && !holds) since = time;
    holds = now_holds;
  }
  return holds && at.now >= since + c.duration;
}

bool Oracle::sequence(const Condition& c, const Moment& at) const { return follow(c, 0, nullptr, kAlways, nullptr, at); }

// Tries every row for every step.
bool Oracle::follow(const Condition& c, std::size_t i, const Input* previous, TimeMs not_before, const Value* same,
                    const Moment& at) const {
  if (i == c.steps.size()) return true;
  const Step& step = c.steps[i];
  Query query;
  query.event = step.event;
  query.where = step.where;
  Moment plain = at;
  plain.key = nullptr;
  if (step.absent) {
    const TimeMs end = previous->time + step.lasting;
    if (at.now < end) return false;
    for (const Input* row : rows(query, plain)) {
      if (row->time <= previous->time || row->time > end) continue;
      if (same == nullptr) return false;
      const Value v = field_of(*row, step.same);
      if (!v.missing() && equal(v, *same)) return false;
    }
    return follow(c, i + 1, previous, std::max(not_before, end), same, at);
  }
  query.window = c.window;
  for (const Input* row : rows(query, plain)) {
    if (previous != nullptr && !row_before(*previous, *row)) continue;
    if (previous != nullptr && step.within != kNever && row->time - previous->time >= step.within) continue;
    if (row->time <= not_before) continue;
    Value v;
    if (step.same != kNoField) {
      v = field_of(*row, step.same);
      if (v.missing() || (same != nullptr && !equal(v, *same))) continue;
    }
    if (follow(c, i + 1, row, kAlways, step.same != kNoField ? &v : same, at)) return true;
  }
  return false;
}

}  // namespace nudge::reference
