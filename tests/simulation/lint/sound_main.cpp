// lint_sound [--seeds N] [--from SEED] [--decided N]
// What `check` says of conditions, against the slow reference: a condition said never to hold must not hold at any instant of a random
// history, one said always to hold must hold at each. Conditions of random rules are put beside changed copies of themselves, so that
// contradictions are common. Exits with 1 and the condition when the lint is wrong, with 2 when fewer conditions were decided than asked
// for.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <set>

#include "rules/lint/solver.h"
#include "tests/simulation/compare/case.h"
#include "tests/simulation/reference/boundaries.h"
#include "tests/simulation/reference/oracle.h"

using namespace nudge;
using namespace nudge::reference;

namespace {

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15ULL + 7), one_(generate(seed)) {}

  const Case& one() const { return one_; }

  // The case's definitions with many more conditions as segments.
  reference::Definitions conditions() {
    reference::Definitions all = one_.first;
    for (const ConditionRef& c : all.segments) collect(c);
    for (const reference::Rule& rule : all.rules) {
      if (rule.condition) collect(rule.condition);
      for (const auto& act : rule.steps)
        if (act.only_if) collect(act.only_if);
    }
    for (const auto& score : all.scores) {
      for (const auto& points : score.points)
        if (points.condition) collect(points.condition);
    }
    if (all.scores.size() > 0) scores(all);
    std::vector<ConditionRef> made = leaves_;
    for (int i = 0; i < 150 && !leaves_.empty(); ++i) {
      const ConditionRef a = pick(leaves_);
      const ConditionRef b = chance(80) ? changed(a) : pick(leaves_);
      made.push_back(b);
      std::vector<ConditionRef> both = {chance(30) ? negate(a) : a, chance(40) ? negate(b) : b};
      if (chance(40)) both.push_back(chance(50) ? changed(a) : pick(leaves_));
      if (chance(20)) both[0] = group(Condition::Kind::any, {both[0], changed(a)});
      made.push_back(group(chance(60) ? Condition::Kind::all : Condition::Kind::any, both));
      if (chance(20)) made.push_back(group(Condition::Kind::all, {made.back(), negate(changed(b))}));
    }
    all.segments.insert(all.segments.end(), made.begin(), made.end());
    return all;
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

 private:
  template <class T>
  const T& pick(const std::vector<T>& v) {
    return v[below(v.size())];
  }
  static ConditionRef make(Condition c) { return std::make_shared<const Condition>(std::move(c)); }
  static ConditionRef negate(ConditionRef c) { return group(Condition::Kind::negate, {std::move(c)}); }
  static ConditionRef group(Condition::Kind kind, std::vector<ConditionRef> children) {
    Condition c;
    c.kind = kind;
    c.children = std::move(children);
    return make(std::move(c));
  }

  void collect(const ConditionRef& c) {
    using Kind = Condition::Kind;
    if (c->kind == Kind::all || c->kind == Kind::any || c->kind == Kind::negate) {
      for (const ConditionRef& child : c->children) collect(child);
      return;
    }
    leaves_.push_back(c);
    for (const Value& v : c->literals) values_.push_back(v);
    if (c->duration > 0) lengths_.push_back(c->duration);
    if (c->window.a > 0) lengths_.push_back(c->window.a);
    if (c->kind == Kind::has_been) collect(c->children[0]);
    for (const OperandRef& side : {c->left, c->right}) {
      if (side != nullptr && side->kind == Operand::Kind::query) {
        queries_.push_back(side->query);
        if (side->query.where) filters_.emplace_back(side->query.event, side->query.where);
      }
    }
  }

  void scores(const reference::Definitions& all) {
    for (std::uint32_t band = 0; band < all.scores[0].bands.size(); ++band) {
      Condition c;
      c.kind = Condition::Kind::band;
      c.band = band;
      leaves_.push_back(make(c));
      Condition compare;
      compare.kind = Condition::Kind::compare;
      Operand o;
      o.kind = Operand::Kind::score;
      o.type = Type::decimal;
      compare.left = std::make_shared<const Operand>(o);
      compare.op = chance(50) ? Op::at_least : Op::less_than;
      compare.literals = {Value::of_decimal(all.scores[0].bands[band])};
      leaves_.push_back(make(compare));
    }
  }

  // The same question with another operator, value, window or filter.
  ConditionRef changed(const ConditionRef& old) {
    Condition c = *old;
    if (c.kind != Condition::Kind::compare) {
      if (c.duration > 0 && !lengths_.empty()) c.duration = pick(lengths_);
      if (c.kind == Condition::Kind::calendar) c.calendar.weekdays = static_cast<std::uint8_t>(1 + below(127));
      if (c.kind == Condition::Kind::has_been && chance(50)) return changed(c.children[0]);
      return make(std::move(c));
    }
    if (c.left->kind == Operand::Kind::query && chance(60)) c.left = other_query(*c.left);
    if (chance(25)) {
      c.op = Op::exists;
      c.literals = {Value::of_boolean(true)};
      c.right = nullptr;
      return make(std::move(c));
    }
    const Type type = c.left->type;
    if (c.right != nullptr) {
      static const std::vector<Op> kNumbers = {Op::equals, Op::not_equals, Op::greater_than, Op::at_least, Op::less_than, Op::at_most};
      if (is_numeric(kind_of(type))) c.op = pick(kNumbers);
      if (type == Type::date || type == Type::timestamp) c.op = chance(50) ? Op::before : Op::after;
      return make(std::move(c));
    }
    if (is_numeric(kind_of(type))) {
      numeric(c);
    } else if (type == Type::date || type == Type::timestamp) {
      times(c);
    } else if (type == Type::text) {
      static const std::vector<Op> kOps = {Op::equals,   Op::not_equals,   Op::in,          Op::not_in,
                                           Op::contains, Op::not_contains, Op::starts_with, Op::ends_with};
      static const std::vector<std::string> kTexts = {"gold", "Gold", "silver", "go", "old", "strasse", "王芳"};
      c.op = pick(kOps);
      c.text.clear();
      c.ignore_case = chance(30);
      c.literals = {Value::of_text(c.ignore_case ? "gold" : pick(kTexts))};
      if (c.op == Op::in && chance(50)) c.literals.push_back(Value::of_text(c.ignore_case ? "old" : pick(kTexts)));
    } else if (type == Type::boolean) {
      c.op = chance(50) ? Op::equals : Op::not_equals;
      c.literals = {Value::of_boolean(chance(50))};
    } else if (type == Type::list) {
      static const std::vector<Op> kOps = {Op::has, Op::has_any, Op::has_all};
      static const std::vector<std::string> kItems = {"a", "b", "音乐"};
      c.op = pick(kOps);
      c.literals = {Value::of_text(pick(kItems))};
      if (c.op != Op::has) c.literals.push_back(Value::of_text(pick(kItems)));
    }
    return make(std::move(c));
  }

  void numeric(Condition& c) {
    static const std::vector<Op> kOps = {Op::equals,   Op::not_equals, Op::in,      Op::not_in, Op::greater_than,
                                         Op::at_least, Op::less_than,  Op::at_most, Op::between};
    c.op = pick(kOps);
    const auto number = [&] {
      return chance(70) ? Value::of_integer(static_cast<std::int64_t>(below(5)) - 1)
                        : Value::of_decimal(Decimal{static_cast<std::int64_t>(below(8)) * 250000});
    };
    c.literals = {number()};
    if (c.op == Op::in || c.op == Op::not_in) c.literals.push_back(number());
    if (c.op != Op::between) return;
    c.literals.push_back(number());
    if (compare_numeric(c.literals[0].view(), c.literals[1].view()) > 0) std::swap(c.literals[0], c.literals[1]);
  }

  void times(Condition& c) {
    static const std::vector<Op> kOps = {Op::within, Op::older_than, Op::in_next, Op::before, Op::after, Op::between};
    c.op = pick(kOps);
    std::vector<Value> known;
    for (const Value& v : values_)
      if (v.kind == Kind::date || v.kind == Kind::timestamp) known.push_back(v);
    if (known.empty() || c.op == Op::within || c.op == Op::older_than || c.op == Op::in_next) {
      if (known.empty() && c.duration == 0) c.op = Op::older_than;
      if (c.op == Op::before || c.op == Op::after || c.op == Op::between) c.op = Op::within;
      c.duration = lengths_.empty() ? kDay : pick(lengths_);
      c.literals.clear();
      return;
    }
    const auto near = [&](Value v) {
      v.bits += (static_cast<std::int64_t>(below(5)) - 2) * (v.kind == Kind::date || chance(30) ? 1 : kDay);
      return v;
    };
    const Value first = near(pick(known));
    c.literals = {first};
    if (c.op != Op::between) return;
    Value second = first;
    second.bits += static_cast<std::int64_t>(below(3)) * (first.kind == Kind::date ? 1 : kDay);
    if (second.kind == Kind::timestamp) second.bits += 1;
    c.literals.push_back(second);
  }

  OperandRef other_query(const Operand& old) {
    Operand o = old;
    Query& q = o.query;
    const std::uint64_t which = below(5);
    if (which == 0 || queries_.empty()) {
      q.window = {};
      if (chance(60)) {
        q.window.kind = Window::Kind::within;
        q.window.a = lengths_.empty() ? kDay : pick(lengths_);
      }
    } else if (which == 1) {
      q.window = pick(queries_).window;
    } else if (which == 2) {
      if (q.where != nullptr) q.where = nullptr;
      for (const auto& [event, where] : filters_)
        if (event == q.event && q.where == nullptr && chance(50)) q.where = where;
    } else if (which == 3) {
      q.before_trigger = !q.before_trigger;
    } else {
      q.fn = chance(50) ? Aggregate::Fn::count : chance(50) ? Aggregate::Fn::last : Aggregate::Fn::first;
      q.field = q.fn == Aggregate::Fn::count ? kNoField : kTimeField;
      o.type = q.fn == Aggregate::Fn::count ? Type::integer : Type::timestamp;
    }
    if (chance(85)) q.same = kNoField;
    return std::make_shared<const Operand>(std::move(o));
  }

  std::mt19937_64 random_;
  Case one_;
  std::vector<ConditionRef> leaves_;
  std::vector<Value> values_;
  std::vector<DurationMs> lengths_;
  std::vector<Query> queries_;
  std::vector<std::pair<EventTypeId, ConditionRef>> filters_;
};

struct Totals {
  std::uint64_t conditions = 0, never = 0, always = 0, questions = 0, held = 0;
};

// False, and told, when the lint is wrong about a condition.
bool check(std::uint64_t seed, Totals& totals) {
  Maker maker(seed);
  const reference::Definitions all = maker.conditions();
  const std::unique_ptr<Plan> plan = translate(all);
  std::vector<Input> facts;
  std::set<std::string> ids;
  for (const Happen& h : maker.one().history) {
    for (const Input& in : h.inputs)
      if (ids.insert(in.id).second) facts.push_back(in);
  }
  TimeMs first = kNever, last = 0;
  for (const Input& in : facts) first = std::min(first, in.time), last = std::max(last, in.time);
  if (facts.empty()) return true;
  std::vector<TimeMs> instants = boundaries(all, facts, first - kDay, last + 3 * kDay);
  while (instants.size() > 60) {
    instants[maker.below(instants.size())] = instants.back();
    instants.pop_back();
  }
  const Oracle oracle(all, facts);
  lint::Solver solver(*plan);
  for (std::size_t i = 0; i < all.segments.size(); ++i) {
    ++totals.conditions;
    const lint::Verdict verdict = solver.verdict(plan->segments[i].node);
    if (verdict == lint::Verdict::open) continue;
    ++(verdict == lint::Verdict::never ? totals.never : totals.always);
    for (const TimeMs now : instants) {
      Moment at;
      at.now = now;
      const Input& trigger = facts[maker.below(facts.size())];
      if (trigger.kind == InputKind::event && trigger.time <= now && maker.chance(50)) at.trigger = &trigger;
      ++totals.questions;
      if (oracle.truth(all.segments[i], at) == (verdict == lint::Verdict::always)) continue;
      std::printf("seed %llu: said to hold %s, and does%s at %s:\n%s\n", static_cast<unsigned long long>(seed),
                  verdict == lint::Verdict::never ? "never" : "always", verdict == lint::Verdict::never ? "" : " not",
                  format_timestamp(now).c_str(), describe(all, all.segments[i]).c_str());
      for (const Input& in : facts) std::printf("  %s\n", describe(in).c_str());
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seeds = 300, from = 1, decided = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::uint64_t n = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seeds") == 0) seeds = n;
    if (std::strcmp(argv[i], "--from") == 0) from = n;
    if (std::strcmp(argv[i], "--decided") == 0) decided = n;
  }
  Totals totals;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    if (!check(seed, totals)) return 1;
  }
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf("%llu seeds, %llu conditions: %llu never, %llu always; %llu questions to the reference\n", n(seeds), n(totals.conditions),
              n(totals.never), n(totals.always), n(totals.questions));
  if (totals.never >= decided && totals.always >= decided) return 0;
  std::printf("that is too little: at least %llu of each were asked for\n", n(decided));
  return 2;
}
