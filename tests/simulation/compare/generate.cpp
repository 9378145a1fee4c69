// Makes a case from a seed. Each seed switches some features off (swarm testing), draws its lengths of time from a pool of its own, and
// places events so that they meet the ends of windows, each other and the calendar's edges more often than chance would have it.
#include <algorithm>
#include <random>
#include <set>

#include "tests/simulation/compare/case.h"

namespace nudge::reference {

namespace {

enum class Feature : std::uint8_t {
  windows,
  from_to,
  since,
  fixed,
  filters,
  aggregates,
  traits,
  scores,
  segments,
  tags,
  sequences,
  calendar,
  changed,
  has_been,
  dates,
  anniversaries,
  days_since,
  lists,
  texts,
  right_sides,
  zones,
  late,
  future,
  duplicates,
  conflicts,
  imports,
  same,
  steps,
  writes,
  limits,
  attribute_rules,
  edge_rules,
  hold,
  clock_rules,
  reload,
  restart,
  nasty_numbers,
  negatives,
  removals,
  before_trigger,
  count
};

struct Context {
  bool row = false;            // inside `where`
  EventTypeId event = 0;       // row, trigger: of which type
  bool trigger = false;        // a rule with an event trigger
  std::uint32_t segments = 0;  // how many segments may be referred to
};

using Op = nudge::Op;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15ULL + 1) {
    result_.seed = seed;
    for (bool& f : on_) f = !chance(35);
    on_[static_cast<std::size_t>(Feature::negatives)] = chance(40);
    scale_ = static_cast<int>(below(4));
    static constexpr DurationMs kPools[4][6] = {{1, 2, 5, 10, 50, 100},
                                                {kMinute, 10 * kMinute, kHour / 2, kHour, 2 * kHour, kDay},
                                                {kHour, 12 * kHour, kDay, 2 * kDay, 3 * kDay, kWeek},
                                                {kDay, kWeek, 30 * kDay, 60 * kDay, 90 * kDay, 365 * kDay}};
    for (int i = 0; i < 4; ++i) {
      DurationMs d = kPools[scale_][below(6)];
      if (chance(15)) d += static_cast<DurationMs>(below(3)) - 1;
      lengths_.push_back(std::max<DurationMs>(d, 1));
    }
    static constexpr DurationMs kSpans[4] = {150, 2 * kDay, 20 * kDay, 500 * kDay};
    span_ = kSpans[scale_];
    static const char* const kBases[] = {"2024-03-31T01:00:00Z" /* Berlin springs forward */,
                                         "2024-10-27T01:00:00Z" /* and back */,
                                         "2018-11-04T03:00:00Z" /* Sao Paulo has no midnight */,
                                         "2018-02-18T02:00:00Z" /* and two of them */,
                                         "2010-11-07T02:31:00Z" /* St John's: midnight comes twice */,
                                         "2011-12-30T10:00:00Z" /* Apia skips a day */,
                                         "2024-02-28T16:00:00Z" /* a leap day in Shanghai */,
                                         "2023-02-28T00:00:00Z",
                                         "2025-12-31T23:00:00Z",
                                         "2026-02-01T01:00:00Z",
                                         "2024-04-06T15:00:00Z" /* Lord Howe: half an hour */};
    base_ = parse_timestamp(kBases[below(std::size(kBases))]).value();
    start_ = base_ - static_cast<DurationMs>(below(static_cast<std::uint64_t>(span_)));
    times_.push_back(base_);
    static const char* const kZones[] = {"UTC",          "Europe/Berlin", "America/Sao_Paulo",   "America/St_Johns",
                                         "Pacific/Apia", "Asia/Shanghai", "Australia/Lord_Howe", "America/New_York"};
    for (int i = 0; i < 2; ++i) zones_.push_back(kZones[below(std::size(kZones))]);
  }

  Case run() {
    Definitions& d = result_.first;
    d.zone = on(Feature::zones) ? zones_[0] : "UTC";
    if (on(Feature::traits))
      for (std::uint64_t i = below(3); i > 0; --i) d.traits.push_back(trait());
    if (on(Feature::scores)) d.scores.push_back(score());
    const std::uint64_t segments = 1 + below(3);
    for (std::uint32_t i = 0; i < segments; ++i) {
      Context context;
      context.segments = i;
      d.segments.push_back(condition(2, context));
    }
    for (std::uint64_t i = 1 + below(3); i > 0; --i) d.rules.push_back(rule(d.rules.size()));
    history();
    result_.second = d;
    change_plan(result_.second);
    return std::move(result_);
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  bool on(Feature f) const { return on_[static_cast<std::size_t>(f)]; }
  template <class T>
  const T& pick(const std::vector<T>& v) {
    return v[below(v.size())];
  }
  DurationMs length() { return pick(lengths_); }
  Definitions& all() { return result_.first; }

  // ---- values

  // An instant that others may meet, exactly or by a millisecond.
  TimeMs instant() {
    TimeMs t = chance(60) ? pick(times_) : start_ + static_cast<TimeMs>(below(static_cast<std::uint64_t>(span_)));
    if (chance(50)) t += chance(50) ? length() : -length();
    if (chance(20)) t += static_cast<TimeMs>(below(3)) - 1;
    if (chance(10)) {
      const Zone zone = Zone::find(pick(zones_)).value();
      t = zone.start_of(zone.local(t).date + static_cast<DateDays>(below(2)));
    }
    return t;
  }
  DateDays date() {
    static const std::vector<DateDays> kSpecial = {days_of({2020, 2, 29}), days_of({2024, 2, 29}), days_of({2011, 12, 30}),
                                                   days_of({2023, 12, 31})};
    if (chance(25)) return pick(kSpecial);
    // Near the end of February leap days are what matters.
    const Ymd start = ymd_of(static_cast<DateDays>(base_ / kDay));
    if (start.month == 2 && start.day == 28 && chance(40)) return kSpecial[below(2)];
    return Zone::find(pick(zones_)).value().local(instant()).date + static_cast<DateDays>(below(3)) - 1 - (chance(30) ? 365 : 0);
  }
  Value value(Type type) {
    static const std::vector<std::string> kTexts = {"gold", "Gold", "silver", "go", "old", "", "straße", "STRASSE", "王芳"};
    switch (type) {
      case Type::boolean: return Value::of_boolean(chance(50));
      case Type::integer: return Value::of_integer(static_cast<std::int64_t>(below(7)) - (on(Feature::negatives) ? 2 : 0));
      case Type::decimal: {
        static const std::vector<std::int64_t> kUnits = {0, 500000, 1000000, 1500000, -250000, 2000000, 100000001, 1};
        const std::int64_t units = pick(kUnits);
        return Value::of_decimal(Decimal{units < 0 && !on(Feature::negatives) ? -units : units});
      }
      case Type::number: {
        static const std::vector<double> kTame = {0.0, 0.5, 1.0, 1.5, -2.0, 3.0, -0.0};
        static const std::vector<double> kNasty = {0.1, 0.2, 0.3, 1e300, -1e300, 5e-324, 0.30000000000000004, -0.0};
        return Value::of_number(on(Feature::nasty_numbers) && chance(60) ? pick(kNasty) : pick(kTame));
      }
      case Type::text:
      case Type::phone: return Value::of_text(pick(kTexts));
      case Type::date: return Value::of_date(date());
      case Type::timestamp: return Value::of_timestamp(instant());
      case Type::list: {
        static const std::vector<std::string> kItems = {"a", "b", "A", "音乐"};
        std::vector<std::string> items;
        for (const std::string& item : kItems)
          if (chance(40)) items.push_back(item);
        return Value::of_list(items);
      }
      case Type::object: break;
    }
    return {};
  }

  // ---- operands

  static OperandRef make(Operand o) { return std::make_shared<const Operand>(std::move(o)); }
  static ConditionRef make(Condition c) { return std::make_shared<const Condition>(std::move(c)); }

  Type usable(Type type) const {
    if (type == Type::list && !on(Feature::lists)) return Type::integer;
    if ((type == Type::date || type == Type::timestamp) && !on(Feature::dates)) return Type::integer;
    if (type == Type::text && !on(Feature::texts)) return Type::integer;
    return type;
  }
  // An attribute or field of one of the types that this seed uses.
  std::uint32_t leaf(const std::vector<LeafDef>& leaves, std::uint32_t first) {
    for (;;) {
      const auto i = first + static_cast<std::uint32_t>(below(leaves.size() - first));
      if (usable(leaves[i].type) == leaves[i].type) return i;
    }
  }
  OperandRef attribute() {
    Operand o;
    o.kind = Operand::Kind::attribute;
    o.ref = leaf(catalog_->attributes, 1);
    o.type = catalog_->attributes[o.ref].type;
    return make(o);
  }
  OperandRef field(EventTypeId event, Operand::Kind kind) {
    Operand o;
    o.kind = kind;
    o.event = event;
    o.ref = leaf(catalog_->events[event].fields, 0);
    o.type = catalog_->events[event].fields[o.ref].type;
    if (on(Feature::dates) && chance(10)) {
      o.ref = kTimeField;
      o.type = Type::timestamp;
    }
    return make(o);
  }
  Window window() {
    Window w;
    const std::uint64_t which = below(10);
    if (which < 5 && on(Feature::windows)) {
      w.kind = Window::Kind::within;
      w.a = length();
    } else if (which < 6 && on(Feature::from_to)) {
      w.kind = Window::Kind::from_to;
      w.a = length();
      w.b = chance(20) ? 0 : length();
      if (w.a < w.b) std::swap(w.a, w.b);
      if (w.a == w.b) w.a += length();
    } else if (which < 7 && on(Feature::since) && scale_ > 0) {
      w.kind = Window::Kind::since;
      w.unit = static_cast<Window::Unit>(below(5));
      w.tenant_zone = chance(20);
    } else if (which < 8 && on(Feature::fixed)) {
      w.kind = Window::Kind::fixed;
      w.tenant_zone = chance(20);
      for (Window::Bound* b : {&w.lo, &w.hi}) {
        b->set = chance(70);
        b->is_date = chance(40);
        if (b->set) b->at = b->is_date ? date() : instant();
      }
      if (w.lo.set && w.hi.set && w.lo.is_date == w.hi.is_date && w.lo.at > w.hi.at) std::swap(w.lo.at, w.hi.at);
    }
    return w;
  }
  OperandRef query(const Context& context) {
    using Fn = Aggregate::Fn;
    Operand o;
    o.kind = Operand::Kind::query;
    Query& q = o.query;
    q.event = static_cast<EventTypeId>(below(3));
    q.window = window();
    q.before_trigger = context.trigger && on(Feature::before_trigger) && chance(50);
    if (on(Feature::filters) && chance(35)) {
      Context row;
      row.row = true;
      row.event = q.event;
      q.where = condition(1, row);
    }
    o.type = Type::integer;
    if (on(Feature::aggregates) && chance(60)) {
      q.fn = chance(20) ? Fn::sum : chance(20) ? Fn::average : chance(20) ? Fn::distinct : static_cast<Fn>(1 + below(7));
      for (;;) {
        const OperandRef f = field(q.event, Operand::Kind::field);
        const bool numeric = is_numeric(kind_of(f->type));
        const bool fits = q.fn == Fn::sum || q.fn == Fn::average ? numeric
                          : q.fn == Fn::min || q.fn == Fn::max   ? numeric || f->type == Type::date || f->type == Type::timestamp
                          : q.fn == Fn::distinct                 ? f->type != Type::list
                                                                 : true;
        if (!fits) continue;
        q.field = static_cast<FieldId>(f->ref);
        o.type = q.fn == Fn::distinct ? Type::integer : q.fn == Fn::average && f->type == Type::integer ? Type::decimal : f->type;
        break;
      }
    }
    return make(o);
  }
  OperandRef with_same(const OperandRef& operand) {
    Operand o = *operand;
    o.query.same = same_field();
    return make(o);
  }
  FieldId same_field() {
    static const std::vector<FieldId> kFields = {0, 1, 2, 3, 6};
    return pick(kFields);
  }
  OperandRef days_since(OperandRef of) {
    Operand o;
    o.kind = Operand::Kind::days_since;
    o.type = Type::integer;
    o.child = std::move(of);
    return make(o);
  }
  OperandRef trait() {
    Context none;
    OperandRef o = query(none);
    if (on(Feature::same) && chance(25)) o = with_same(o);
    if ((o->type == Type::date || o->type == Type::timestamp) && on(Feature::days_since) && chance(60)) return days_since(o);
    return o;
  }
  OperandRef trait_reference(std::size_t i) {
    Operand o;
    o.kind = Operand::Kind::trait;
    o.ref = static_cast<std::uint32_t>(i);
    o.type = all().traits[i]->type;
    return make(o);
  }
  bool is_days(const OperandRef& o) {
    return o->kind == Operand::Kind::days_since || (o->kind == Operand::Kind::trait && is_days(all().traits[o->ref]));
  }

  Definitions::Score score() {
    Definitions::Score s;
    Context none;
    for (std::uint64_t i = 1 + below(3); i > 0; --i) {
      Definitions::Points p;
      p.add = Decimal{static_cast<std::int64_t>(1 + below(4)) * 5000000};
      if (chance(20)) p.add.units = -p.add.units;
      std::vector<OperandRef> traits;
      for (std::size_t t = 0; t < all().traits.size(); ++t) {
        const Operand& o = *all().traits[t];
        const bool average = o.kind == Operand::Kind::query && o.query.fn == Aggregate::Fn::average;
        const bool open = is_days(all().traits[t]) && scale_ > 2;
        // What a number or an average times a factor gives is rounded; here all is exact.
        if ((o.type == Type::integer || o.type == Type::decimal) && !average && !open) traits.push_back(trait_reference(t));
      }
      if (!traits.empty() && chance(60)) {
        p.trait = pick(traits);
        p.has_at_most = chance(40);
        p.at_most = Decimal{10000000};
      } else {
        p.condition = condition(1, none);
      }
      s.points.push_back(std::move(p));
    }
    s.bands = {Decimal{0}, Decimal{10000000}, Decimal{25000000}};
    return s;
  }

  // ---- conditions

  ConditionRef condition(int depth, const Context& context) {
    Condition c;
    if (depth > 0 && chance(55)) {
      c.kind = chance(45) ? Condition::Kind::all : chance(60) ? Condition::Kind::any : Condition::Kind::negate;
      const std::uint64_t n = c.kind == Condition::Kind::negate ? 1 : 1 + below(3);
      for (std::uint64_t i = 0; i < n; ++i) c.children.push_back(condition(depth - 1, context));
      if (chance(3) && c.kind != Condition::Kind::negate)
        c.children.push_back(make(Condition{.kind = Condition::Kind::constant, .truth = chance(50)}));
      return make(std::move(c));
    }
    if (context.row) {
      OperandRef left = field(context.event, Operand::Kind::field);
      return compare(std::move(left), context);
    }
    for (;;) {
      if (auto made = leaf_condition(static_cast<int>(below(16)), context)) return made;
    }
  }

  ConditionRef leaf_condition(int which, const Context& context) {
    Condition c;
    switch (which) {
      case 0:
      case 1:
      case 2: return compare(attribute(), context);
      case 3:
      case 4:
      case 5:
      case 6: {
        OperandRef q = query(context);
        if (on(Feature::same) && chance(25)) q = with_same(q);
        if ((q->type == Type::date || q->type == Type::timestamp) && on(Feature::days_since) && chance(40)) q = days_since(q);
        return compare(q, context);
      }
      case 7:
        if (!on(Feature::segments) || context.segments == 0) return nullptr;
        c.kind = Condition::Kind::segment;
        c.ref = static_cast<std::uint32_t>(below(context.segments));
        break;
      case 8:
        if (all().traits.empty()) return nullptr;
        return compare(trait_reference(below(all().traits.size())), context);
      case 9: {
        if (all().scores.empty()) return nullptr;
        if (chance(50)) {
          Operand o;
          o.kind = Operand::Kind::score;
          o.type = Type::decimal;
          c.kind = Condition::Kind::compare;
          c.left = make(o);
          c.op = chance(50) ? Op::at_least : Op::less_than;
          c.literals = {Value::of_decimal(Decimal{static_cast<std::int64_t>(below(5)) * 5000000})};
          break;
        }
        c.kind = Condition::Kind::band;
        c.band = static_cast<std::uint32_t>(below(3));
        break;
      }
      case 10:
        if (!on(Feature::tags)) return nullptr;
        c.kind = Condition::Kind::tag;
        c.text = chance(50) ? "vip" : "hot";
        break;
      case 11: return on(Feature::sequences) ? sequence() : nullptr;
      case 12: return on(Feature::calendar) && scale_ > 0 && scale_ < 3 ? calendar() : nullptr;
      case 13: return on(Feature::changed) ? changed() : nullptr;
      case 14: return on(Feature::has_been) ? has_been() : nullptr;
      case 15:
        if (!context.trigger) return nullptr;
        return compare(field(context.event, Operand::Kind::trigger_field), context);
      default: return nullptr;
    }
    return make(std::move(c));
  }

  ConditionRef compare(OperandRef left, const Context& context) {
    Condition c;
    c.kind = Condition::Kind::compare;
    c.left = left;
    if (chance(8)) {
      c.op = Op::exists;
      c.literals = {Value::of_boolean(true)};
      return make(std::move(c));
    }
    if (on(Feature::right_sides) && chance(20) && right_side(c, left, context)) return make(std::move(c));
    switch (left->type) {
      case Type::integer:
      case Type::decimal:
      case Type::number: numeric(c, left); break;
      case Type::boolean:
        c.op = chance(50) ? Op::equals : Op::not_equals;
        c.literals = {value(Type::boolean)};
        break;
      case Type::text:
      case Type::phone: text(c); break;
      case Type::date:
      case Type::timestamp:
        if (on(Feature::days_since) && left->kind == Operand::Kind::attribute && chance(25)) return compare(days_since(left), context);
        times(c);
        break;
      case Type::list:
        if (chance(30)) {
          Operand size;
          size.kind = Operand::Kind::size;
          size.type = Type::integer;
          size.child = left;
          return compare(make(size), context);
        }
        c.op = chance(40) ? Op::has : chance(50) ? Op::has_any : Op::has_all;
        c.ignore_case = chance(30);
        c.literals = {Value::of_text("a")};
        if (c.op != Op::has && chance(60)) c.literals.push_back(Value::of_text("音乐"));
        break;
      case Type::object: break;
    }
    return make(std::move(c));
  }

  void numeric(Condition& c, const OperandRef& left) {
    static const std::vector<Op> kOps = {Op::equals,    Op::not_equals, Op::in,       Op::not_in,   Op::greater_than, Op::at_least,
                                         Op::less_than, Op::at_most,    Op::at_least, Op::at_least, Op::less_than,    Op::between};
    c.op = pick(kOps);
    const auto literal = [&] {
      if (left->type == Type::integer && chance(15)) return value(Type::decimal);
      return value(left->type);
    };
    c.literals.push_back(literal());
    if (c.op == Op::between || c.op == Op::in || c.op == Op::not_in) c.literals.push_back(literal());
    if (c.op == Op::between && compare_numeric(c.literals[0].view(), c.literals[1].view()) > 0) std::swap(c.literals[0], c.literals[1]);
  }
  void text(Condition& c) {
    static const std::vector<Op> kOps = {Op::equals,       Op::not_equals,  Op::in,        Op::not_in, Op::contains,
                                         Op::not_contains, Op::starts_with, Op::ends_with, Op::matches};
    static const std::vector<std::string> kPatterns = {"^go", "old$", "ol", "^GO", "STRASSE$", "芳$"};
    c.op = pick(kOps);
    c.ignore_case = chance(35);
    if (c.op == Op::matches) {
      c.text = pick(kPatterns);
      return;
    }
    c.literals.push_back(value(Type::text));
    if (c.op == Op::in || c.op == Op::not_in) c.literals.push_back(value(Type::text));
  }
  void times(Condition& c) {
    static const std::vector<Op> kOps = {Op::before,     Op::after,   Op::between, Op::within,
                                         Op::older_than, Op::in_next, Op::within,  Op::older_than};
    static const std::vector<Op> kYearly = {Op::anniversary_in_next, Op::anniversary_today};
    const Type type = chance(50) ? Type::date : Type::timestamp;
    if (on(Feature::anniversaries) && scale_ > 0 && chance(35)) {
      c.op = pick(kYearly);
      if (c.op == Op::anniversary_in_next) c.duration = length();
      return;
    }
    c.op = pick(kOps);
    switch (c.op) {
      case Op::within:
      case Op::older_than:
      case Op::in_next: c.duration = length(); return;
      case Op::between:
        c.literals = {value(type), value(type)};
        if (c.literals[0].bits > c.literals[1].bits) std::swap(c.literals[0], c.literals[1]);
        return;
      default: c.literals = {value(type)};
    }
  }

  bool right_side(Condition& c, const OperandRef& left, const Context& context) {
    std::vector<OperandRef> sides;
    if (context.row) {
      for (int i = 0; i < 4; ++i) sides.push_back(field(context.event, Operand::Kind::field));
    } else {
      for (int i = 0; i < 4; ++i) sides.push_back(attribute());
      for (std::size_t i = 0; i < all().traits.size(); ++i) sides.push_back(trait_reference(i));
    }
    const auto family = [](Type t) {
      return is_numeric(kind_of(t)) ? 1 : t == Type::date || t == Type::timestamp ? 2 : t == Type::text ? 3 : t == Type::boolean ? 4 : 5;
    };
    for (const OperandRef& right : sides) {
      if (family(right->type) != family(left->type)) continue;
      const bool number = left->type == Type::number || right->type == Type::number;
      if (number && on(Feature::nasty_numbers)) continue;
      if ((is_days(left) || is_days(right)) && scale_ > 2) continue;
      static const std::vector<Op> kNumeric = {Op::equals, Op::not_equals, Op::greater_than, Op::at_least, Op::less_than, Op::at_most};
      static const std::vector<Op> kTexts = {Op::equals, Op::not_equals, Op::contains, Op::starts_with, Op::ends_with, Op::not_contains};
      switch (family(left->type)) {
        case 1:
          c.op = pick(kNumeric);
          if (chance(50)) {
            static const std::vector<std::int64_t> kFactors = {500000, 2000000, -1000000, 0, 100000};
            c.times = Decimal{kFactors[below(number ? 3 : 5)]};
          }
          break;
        case 2: c.op = chance(50) ? Op::before : Op::after; break;
        case 3:
          c.op = pick(kTexts);
          c.ignore_case = chance(35);
          break;
        case 4: c.op = chance(50) ? Op::equals : Op::not_equals; break;
        default: continue;
      }
      c.right = right;
      return true;
    }
    return false;
  }

  ConditionRef sequence() {
    Condition c;
    c.kind = Condition::Kind::sequence;
    const bool same = on(Feature::same) && chance(35);
    const FieldId field = same_field();
    const std::uint64_t n = 2 + below(2);
    for (std::uint64_t i = 0; i < n; ++i) {
      Step s;
      s.event = static_cast<EventTypeId>(below(3));
      if (on(Feature::filters) && chance(25)) {
        Context row;
        row.row = true;
        row.event = s.event;
        s.where = condition(0, row);
      }
      s.absent = i > 0 && chance(40);
      if (s.absent)
        s.lasting = length();
      else if (i > 0 && chance(70))
        s.within = length();
      if (same) s.same = field;
      c.steps.push_back(std::move(s));
    }
    if (on(Feature::windows) && chance(40)) {
      c.window.kind = Window::Kind::within;
      c.window.a = length() * (chance(50) ? 2 : 1);
    }
    return make(std::move(c));
  }

  ConditionRef calendar() {
    Condition c;
    c.kind = Condition::Kind::calendar;
    c.calendar.weekdays = chance(50) ? 0x7f : static_cast<std::uint8_t>(1 + below(127));
    static const std::vector<DurationMs> kHours = {0,         kHour,     90 * kMinute, 2 * kHour,  150 * kMinute,
                                                   3 * kHour, 9 * kHour, 18 * kHour,   22 * kHour, 23 * kHour + 1};
    if (chance(80)) {
      Calendar::Hours h{pick(kHours), pick(kHours)};
      if (h.from == h.to) h.to += kMinute;
      if (h.to == 0) h.to = kDay;
      c.calendar.hours.push_back(h);
    }
    if (chance(30)) {
      const DateDays d = date();
      c.calendar.dates.push_back({d, d + static_cast<DateDays>(below(10))});
    }
    c.calendar.tenant_zone = chance(20);
    return make(std::move(c));
  }

  ConditionRef changed() {
    Condition c;
    c.kind = Condition::Kind::changed;
    c.ref = leaf(catalog_->attributes, 1);
    const Type type = catalog_->attributes[c.ref].type;
    if (on(Feature::windows) && chance(70)) {
      c.window.kind = Window::Kind::within;
      c.window.a = length();
    }
    if (chance(40)) c.literals = {value(type)};
    if (chance(30)) c.from_literals = {value(type)};
    return make(std::move(c));
  }

  ConditionRef has_been() {
    static const std::vector<std::uint32_t> kAttributes = {1, 2, 3, 5, 9};
    Condition inner;
    inner.kind = Condition::Kind::compare;
    Operand o;
    o.ref = pick(kAttributes);
    o.type = catalog_->attributes[o.ref].type;
    inner.left = make(o);
    if (o.type == Type::text)
      text(inner);
    else if (o.type == Type::boolean) {
      inner.op = Op::equals;
      inner.literals = {value(Type::boolean)};
    } else {
      numeric(inner, inner.left);
    }
    Condition c;
    c.kind = Condition::Kind::has_been;
    c.ref = o.ref;
    c.duration = length();
    c.children = {make(std::move(inner))};
    return make(std::move(c));
  }

  // ---- rules

  Rule rule(std::size_t i) {
    Rule r;
    r.name = "rule-" + std::to_string(i);
    r.priority = static_cast<std::int32_t>(below(3)) * 10;
    if (chance(10)) r.state = chance(50) ? RuleState::shadow : RuleState::paused;
    Context context;
    context.segments = static_cast<std::uint32_t>(all().segments.size());
    const std::uint64_t which = below(12);
    if (which >= 10 && on(Feature::clock_rules)) {
      clock_rule(r);
    } else if (which < 4 && on(Feature::edge_rules)) {
      r.trigger = chance(65) ? Trigger::Kind::enters : Trigger::Kind::leaves;
      r.segment = static_cast<std::uint32_t>(below(all().segments.size()));
      if (r.trigger == Trigger::Kind::enters) {
        if (on(Feature::hold) && chance(40)) r.hold_for = length();
        r.existing_fire = chance(30);
      }
    } else if (which < 6 && on(Feature::attribute_rules)) {
      r.trigger = Trigger::Kind::attribute_changes;
      r.attribute = static_cast<AttributeId>(leaf(catalog_->attributes, 1));
      const Type type = catalog_->attributes[r.attribute].type;
      if (chance(30)) r.to = {value(type)};
      if (chance(20)) r.from = {value(type)};
    } else {
      r.event = static_cast<EventTypeId>(below(3));
      context.trigger = true;
      context.event = r.event;
      if (on(Feature::filters) && chance(35)) {
        Context row;
        row.row = true;
        row.event = r.event;
        r.where = condition(1, row);
      }
      if (on(Feature::same) && chance(30)) r.same = same_field();
    }
    if (chance(60)) r.condition = condition(1, context);
    r.steps.push_back({});
    if (on(Feature::steps)) {
      for (std::uint64_t n = below(4); n > 0; --n) r.steps.push_back(act(context, 2));
      if (chance(30)) r.exit = condition(1, context);
      if (chance(25)) {
        r.goal = static_cast<EventTypeId>(below(3));
        r.goal_within = length();
        r.goal_stop = chance(80);
        if (on(Feature::filters) && chance(30)) {
          Context row;
          row.row = true;
          row.event = r.goal;
          r.goal_where = condition(1, row);
        }
      }
    }
    if (on(Feature::limits)) {
      if (chance(40))
        r.once_per = length();
      else if (chance(10))
        r.once_ever = true;
      if (chance(6)) r.rollout = 0;
      if (chance(6)) r.holdout = 100;
    }
    if (chance(50)) r.max_age = length();
    if (on(Feature::writes) && chance(60)) writings(r);
    return r;
  }

  // Rules that write and fire by time alone, or that wait, do so once: what feeds itself with a delay would never come to an end. Those that
  // wait write in their outer steps only.
  void writings(Rule& r) {
    if (r.trigger == Trigger::Kind::date || r.trigger == Trigger::Kind::schedule) return;
    const bool at_once = r.trigger == Trigger::Kind::event || r.trigger == Trigger::Kind::attribute_changes;
    const bool waits = r.steps.size() > 1 && chance(45);
    if (!at_once || waits) r.once_ever = true;
    if (waits) {
      for (Rule::Act& act : r.steps) {
        if (act.kind == Rule::Act::Kind::act && chance(70)) act.writing = writing();
      }
      return;
    }
    r.hold_for = 0;
    r.exit = nullptr;
    r.goal = kNoEventType;
    std::erase_if(r.steps, [](const Rule::Act& act) { return act.kind != Rule::Act::Kind::act; });
    for (Rule::Act& act : r.steps) {
      act.after = 0;
      if (chance(75)) act.writing = writing();
    }
  }

  Rule::Writing writing() {
    using Kind = Rule::Writing::Kind;
    Rule::Writing w;
    w.attribute = static_cast<AttributeId>(leaf(catalog_->attributes, 1));
    const Type type = catalog_->attributes[w.attribute].type;
    switch (below(6)) {
      case 0:
      case 1:
        w.kind = type == Type::integer && chance(60) ? Kind::add : chance(85) ? Kind::set : Kind::clear;
        if (w.kind != Kind::clear) w.value = value(type);
        break;
      case 2:
        w.kind = chance(60) ? Kind::tag : Kind::untag;
        w.tag = chance(50) ? "vip" : "hot";
        if (w.kind == Kind::tag && chance(50)) w.expires = length();
        break;
      case 3:
        w.kind = Kind::add;
        for (AttributeId i = 1; i < catalog_->attributes.size(); ++i) {
          if (catalog_->attributes[i].type == Type::integer) w.attribute = i;
        }
        w.value = Value::of_integer(1);
        break;
      default:
        w.kind = Kind::emit;
        w.event = static_cast<EventTypeId>(below(3));
        for (const LeafDef& field : catalog_->events[w.event].fields) w.fields.push_back(chance(50) ? value(field.type) : Value());
    }
    return w;
  }

  Rule::Act act(const Context& context, int depth) {
    Rule::Act a;
    const std::uint64_t which = below(100);
    if (which < 55) {
      if (chance(70)) a.after = length();
      if (chance(50)) a.only_if = condition(1, context);
    } else if (which < 62) {
      a.kind = Rule::Act::Kind::wait;
      a.after = length();
    } else if (which < 85) {
      a.kind = Rule::Act::Kind::until;
      a.condition = condition(1, context);
      a.timeout = length();
      a.stop_on_timeout = chance(30);
    } else if (which < 97 && depth > 0) {
      a.kind = Rule::Act::Kind::branch;
      a.condition = condition(1, context);
      for (std::uint64_t n = 1 + below(2); n > 0; --n) a.then.push_back(act(context, depth - 1));
      if (chance(60))
        for (std::uint64_t n = 1 + below(2); n > 0; --n) a.otherwise.push_back(act(context, depth - 1));
    } else if (which >= 97) {
      a.kind = Rule::Act::Kind::stop;
    }
    return a;
  }

  // What is edited in a rule whose customers are in the middle: a step more, one less, another one.
  void change_steps(Rule& r) {
    Context context;
    if (r.trigger == Trigger::Kind::event) {
      context.trigger = true;
      context.event = r.event;
    }
    const auto at = r.steps.begin() + static_cast<std::ptrdiff_t>(below(r.steps.size()));
    const std::uint64_t which = below(3);
    if (which == 0)
      r.steps.insert(at, act(context, 1));
    else if (which == 1 && r.steps.size() > 1)
      r.steps.erase(at);
    else
      *at = act(context, 1);
  }

  void clock_rule(Rule& r) {
    if (chance(50)) {
      r.trigger = Trigger::Kind::date;
      r.attribute = chance(50) ? 6 : 7;  // born, seen
      if (chance(60)) r.offset = chance(50) ? length() : -length();
      if (chance(60)) r.time_of_day = static_cast<DurationMs>(below(24)) * kHour + (chance(50) ? kHour / 2 : 0);
      return;
    }
    r.trigger = Trigger::Kind::schedule;
    r.minutes = chance(50) ? std::vector<int>{0} : chance(50) ? std::vector<int>{30} : std::vector<int>{0, 30};
    if (scale_ == 3 || chance(70)) {
      const int hour = static_cast<int>(below(5));
      r.hours = chance(30) ? std::vector<int>{hour, 9} : std::vector<int>{hour};
    }
    if (chance(20))
      r.day_of_month = static_cast<int>(1 + below(31));
    else if (chance(25))
      r.weekday = static_cast<int>(1 + below(7));
    r.zone = chance(40) ? "customer" : chance(50) ? zones_[0] : "";
  }

  // What the second definitions change: some segments, and which rules there are.
  void change_plan(Definitions& d) {
    Context context;
    for (std::uint32_t i = 0; i < d.segments.size(); ++i) {
      context.segments = i;
      if (chance(40)) d.segments[i] = condition(2, context);
    }
    if (chance(30)) d.segments.push_back(condition(1, context));
    if (chance(25) && d.rules.size() > 1) d.rules.erase(d.rules.begin() + static_cast<std::ptrdiff_t>(below(d.rules.size())));
    if (chance(15)) d.rules[below(d.rules.size())].state = RuleState::paused;
    if (on(Feature::steps) && chance(50)) {
      Rule& edited = d.rules[below(d.rules.size())];
      const auto writes = [](const Rule::Act& act) { return act.writing.kind != Rule::Writing::Kind::none; };
      if (std::ranges::none_of(edited.steps, writes)) change_steps(edited);
    }
    if (chance(30)) {
      Rule more = rule(7);
      d.rules.push_back(std::move(more));
    }
  }

  // ---- history

  Input input(TimeMs now) {
    Input in;
    in.customer = "customer";
    do {
      in.id.clear();
      static const char kDigits[] = "0123456789abcdef";
      for (int i = 0; i < 4; ++i) in.id += kDigits[below(16)];
    } while (!ids_.insert(in.id).second);
    in.time = now;
    if (on(Feature::late) && chance(40)) {
      TimeMs t = chance(50) ? now - length() + static_cast<TimeMs>(below(3)) - 1 : instant();
      in.time = std::min(t, now);
    } else if (on(Feature::future) && chance(15)) {
      const DurationMs ahead = std::min<DurationMs>(5 * kMinute, chance(50) ? length() : static_cast<DurationMs>(1 + below(200)));
      in.time = now + ahead;
    }
    const std::uint64_t which = below(10);
    if (which < 6) {
      in.type = static_cast<EventTypeId>(below(3));
      for (const LeafDef& def : catalog_->events[in.type].fields) in.fields.push_back(chance(60) ? value(def.type) : Value());
    } else if (which < 9 || !on(Feature::tags)) {
      in.kind = InputKind::attributes;
      std::set<AttributeId> used;
      for (std::uint64_t n = 1 + below(2); n > 0; --n) {
        AttributeUpdate u;
        u.attribute = static_cast<AttributeId>(on(Feature::zones) && chance(15) ? 0 : 1 + below(catalog_->attributes.size() - 1));
        if (!used.insert(u.attribute).second) continue;
        if (u.attribute == kZoneAttribute)
          u.value = Value::of_text(chance(90) ? pick(zones_) : "Mars/Base");
        else
          u.value = value(catalog_->attributes[u.attribute].type);
        if (on(Feature::removals) && chance(15)) u.value = Value();
        in.attributes.push_back(std::move(u));
      }
    } else {
      in.kind = InputKind::tag;
      in.tag = chance(50) ? "vip" : "hot";
      in.tag_removed = chance(30);
      if (!in.tag_removed && chance(50)) in.tag_expires = in.time + length();
    }
    if (on(Feature::imports) && in.time <= now && chance(12)) in.import = true;
    times_.push_back(in.time);
    return in;
  }

  // Something that came before, once more; perhaps with other content.
  std::optional<Input> again() {
    if (sent_.empty()) return std::nullopt;
    Input in = pick(sent_);
    if (!on(Feature::conflicts) || chance(50)) return in;
    if (chance(50)) {
      in.time -= 1;
    } else if (in.kind == InputKind::event) {
      in.fields[1] = in.fields[1].missing() ? Value::of_integer(9) : Value();
    } else if (in.kind == InputKind::tag) {
      in.tag_removed = !in.tag_removed;
    } else {
      in.attributes[0].value = in.attributes[0].value.missing() ? value(catalog_->attributes[in.attributes[0].attribute].type) : Value();
    }
    return in;
  }

  TimeMs next_clock(TimeMs clock) {
    for (int tries = 0; tries < 6; ++tries) {
      TimeMs t = chance(60) ? pick(times_) + length() : clock + 1 + static_cast<TimeMs>(below(static_cast<std::uint64_t>(span_ / 6 + 1)));
      if (chance(20)) t += static_cast<TimeMs>(below(3)) - 1;
      if (t > clock && t < clock + span_ / 3 + 10) return t;
    }
    return clock + 1 + static_cast<TimeMs>(below(5));
  }

  // Many rows of one type at once, most of them late: enough for a column of several blocks, into which later rows come in the middle.
  void crowd(Happen& h) {
    const auto type = static_cast<EventTypeId>(below(3));
    for (std::uint64_t k = 80 + below(80); k > 0; --k) {
      Input in = input(h.now);
      in.kind = InputKind::event;
      in.attributes.clear();
      in.tag.clear();
      in.tag_removed = false;
      in.tag_expires = Input().tag_expires;
      in.type = type;
      in.time = h.now - static_cast<TimeMs>(below(static_cast<std::uint64_t>(2 * length() + 2)));
      in.fields.clear();
      for (const LeafDef& def : catalog_->events[type].fields) in.fields.push_back(chance(80) ? value(def.type) : Value());
      in.import = false;
      h.inputs.push_back(in);
      sent_.push_back(std::move(in));
    }
    // The clock's next instants come from all times: not from so many of these.
    times_.resize(std::min<std::size_t>(times_.size(), 12));
  }

  void history() {
    const bool crowded = result_.seed % 16 == 6 || result_.seed % 16 == 13;  // with columns from the first row on, and from the 128th on
    TimeMs clock = start_;
    const std::uint64_t n = 4 + below(chance(10) ? 40 : 14);
    const std::uint64_t reload_at = on(Feature::reload) && chance(50) ? 1 + below(n) : n + 1;
    const std::uint64_t back_at = chance(40) ? reload_at + 1 + below(n) : n + 1;  // to the first definitions
    for (std::uint64_t i = 0; i < n; ++i) {
      Happen h;
      h.now = clock = next_clock(clock);
      if (i == reload_at || i == back_at) {
        h.kind = Happen::Kind::reload;
      } else if (i > 0 && on(Feature::restart) && chance(8)) {
        h.kind = Happen::Kind::restart;
      } else if (i > 0 && chance(15)) {
        h.kind = Happen::Kind::advance;
      } else {
        if (crowded && i == 1) crowd(h);
        for (std::uint64_t k = 1 + (chance(35) ? 1 + below(3) : 0); k > 0; --k) {
          if (on(Feature::duplicates) && chance(12)) {
            if (auto in = again()) {
              h.inputs.push_back(std::move(*in));
              continue;
            }
          }
          h.inputs.push_back(input(h.now));
          sent_.push_back(h.inputs.back());
        }
      }
      result_.history.push_back(std::move(h));
    }
    Happen end;
    end.kind = Happen::Kind::advance;
    end.now = clock + span_ / 2 + 10 * length();
    if (end.now > clock + 2 * span_ + 10) end.now = clock + 2 * span_ + 10;
    result_.history.push_back(std::move(end));
  }

  std::mt19937_64 random_;
  std::shared_ptr<const Catalog> catalog_ = test_catalog();
  Case result_;
  bool on_[static_cast<std::size_t>(Feature::count)] = {};
  int scale_ = 0;
  std::vector<DurationMs> lengths_;
  DurationMs span_ = 0;
  TimeMs base_ = 0, start_ = 0;
  std::vector<TimeMs> times_;
  std::vector<std::string> zones_;
  std::vector<Input> sent_;
  std::set<std::string> ids_;
};

}  // namespace

Case generate(std::uint64_t seed) { return Generator(seed).run(); }

}  // namespace nudge::reference
