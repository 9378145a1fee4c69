// Runs a case through the engine and through the reference, and compares whatever can be seen.
#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <set>

#include "engine/core/engine.h"
#include "engine/core/evaluate.h"
#include "engine/core/explain.h"
#include "engine/core/judge.h"
#include "engine/plan/registry.h"
#include "tests/simulation/compare/case.h"
#include "tests/simulation/reference/boundaries.h"
#include "tests/simulation/reference/simulator.h"

namespace nudge::reference {

void Counts::add(const Counts& o) {
  receipts += o.receipts;
  happenings += o.happenings;
  memberships += o.memberships;
  answers += o.answers;
  values += o.values;
  untils += o.untils;
  restarts += o.restarts;
  reloads += o.reloads;
}

namespace {

std::string at_text(TimeMs t) { return std::to_string(t) + " (" + format_timestamp(t) + ")"; }

class Run {
 public:
  Run(const Case& one, Counts& counts) : case_(one), counts_(counts), simulator_(&one.first), all_(&one.first), random_(one.seed) {
    engine_.use_columns_from(columns_from());
  }

  std::optional<std::string> go() {
    plan_ = translate(case_.first);
    registry_.bind(*plan_, case_.history.empty() ? 0 : case_.history.front().now);
    state_.id = "customer";
    simulator_.rank = [this](const std::string& rule) {
      const nudge::Rule* found = plan_->find_rule(rule);
      return found == nullptr ? kNone : found->id;
    };
    simulator_.name_fact = [this](const std::string& rule, const Simulator::Cause& cause, const Input* row, std::size_t step) {
      Cause made;
      made.at = cause.at;
      switch (cause.kind) {
        case Trigger::Kind::event: made.kind = Cause::Kind::event; break;
        case Trigger::Kind::enters: made.kind = Cause::Kind::enters; break;
        case Trigger::Kind::leaves: made.kind = Cause::Kind::leaves; break;
        case Trigger::Kind::schedule: made.kind = Cause::Kind::schedule; break;
        default: made.kind = Cause::Kind::attribute;
      }
      if (row != nullptr) {
        made.type = row->type;
        made.row_time = row->time;
        made.row_id = row->id;
      }
      if (!cause.key.missing()) {
        Writer writer(made.key);
        encode_value(writer, cause.key.view());
      }
      return "~" + to_hex(action_id(*plan_->find_rule(rule), state_.id, made, static_cast<std::uint32_t>(step)));
    };
    for (const Happen& happen : case_.history) {
      if (auto wrong = apply(happen)) return wrong;
      if (auto wrong = look(happen.now)) return wrong;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> apply(const Happen& happen) {
    Effects effects;
    switch (happen.kind) {
      case Happen::Kind::arrive: {
        std::vector<Receipt> receipts;
        engine_.step(*plan_, state_, happen.inputs, happen.now, receipts, effects);
        const std::vector<Receipt> expected = simulator_.step(happen.inputs, happen.now);
        counts_.receipts += expected.size();
        if (receipts != expected) return "receipts differ at " + at_text(happen.now);
        break;
      }
      case Happen::Kind::advance:
        engine_.advance(*plan_, state_, happen.now, effects);
        simulator_.advance(happen.now);
        break;
      case Happen::Kind::restart: return restart();
      case Happen::Kind::reload: return reload(happen.now);
    }
    return check(effects, happen.now);
  }

  std::optional<std::string> restart() {
    std::string bytes, again;
    encode_customer(bytes, state_, *plan_->catalog);
    Result<CustomerState> decoded = decode_customer(bytes, *plan_->catalog);
    if (!decoded) return "the state cannot be decoded: " + decoded.error().message;
    encode_customer(again, *decoded, *plan_->catalog);
    if (bytes != again) return std::string("the decoded state encodes to other bytes");
    state_ = std::move(*decoded);
    engine_ = Engine();
    std::string kept;
    registry_.encode(kept);
    Result<Registry> registry = Registry::decode(kept);
    if (!registry) return "the registry cannot be decoded: " + registry.error().message;
    registry_ = std::move(*registry);
    ++counts_.restarts;
    return std::nullopt;
  }

  std::optional<std::string> reload(TimeMs now) {
    Effects effects;
    engine_.advance(*plan_, state_, now, effects);
    simulator_.advance(now);
    if (auto wrong = check(effects, now)) return wrong;
    const Definitions* old = all_;
    all_ = old == &case_.first ? &case_.second : &case_.first;
    std::unique_ptr<Plan> plan = translate(*all_);
    registry_.bind(*plan, now);
    std::vector<bool> fresh;
    for (std::size_t i = 0; i < plan->segments.size(); ++i) {
      fresh.push_back(plan->segments[i].since_plan == plan->sequence);
      const bool same =
          i < old->segments.size() && describe(*old, old->segments[i]) == describe(*all_, all_->segments[i]) && old->zone == all_->zone;
      if (same && fresh.back()) return "segment-" + std::to_string(i) + " did not change but counts as new after the reload";
    }
    plan_ = std::move(plan);
    std::set<std::string> fresh_rules;
    for (const nudge::Rule& rule : plan_->rules) {
      if (rule.activated == now) fresh_rules.insert(rule.name);
    }
    simulator_.reload(all_, fresh, fresh_rules, now);
    ++counts_.reloads;
    if (below(2) == 0) return std::nullopt;  // the state meets the new plan when it is next touched
    effects.clear();
    engine_.reconcile(*plan_, state_, effects);
    return check(effects, now);
  }

  // What the engine did, in the reference's words.
  std::vector<Happening> told(const Effects& effects) {
    std::vector<Happening> result;
    for (const Edge& edge : effects.edges) {
      const auto it = plan_->segment_of_root.find(edge.root);
      const std::string name = it == plan_->segment_of_root.end() ? "?" : plan_->segments[it->second].name;
      result.push_back({edge.at, std::string(edge.entered ? "enters " : "leaves ") + name + (edge.silent ? " silently" : "")});
    }
    const auto cause = [](const Cause& c) {
      switch (c.kind) {
        case Cause::Kind::event: return cause_text(Trigger::Kind::event, c.row_id);
        case Cause::Kind::enters: return cause_text(Trigger::Kind::enters, "");
        case Cause::Kind::leaves: return cause_text(Trigger::Kind::leaves, "");
        case Cause::Kind::schedule: return cause_text(Trigger::Kind::schedule, "");
        default: return cause_text(Trigger::Kind::attribute_changes, "");
      }
    };
    for (const Decision& d : effects.decisions) {
      const std::string by = " by " + cause(d.cause);
      if (d.held == Held::rule_gone)
        result.push_back({d.at, "held rule_gone:" + by});
      else if (d.step != kNone)
        result.push_back(
            {d.at, std::string("held ") + std::string(held_name(d.held)) + ": " + d.rule + " step " + std::to_string(d.step) + by});
      else
        result.push_back({d.at, (d.fired ? "fires: " : std::string("held ") + std::string(held_name(d.held)) + ": ") + d.rule + by});
    }
    for (const ActionOut& a : effects.actions) {
      result.push_back({a.at, "acts: " + a.rule + " step " + std::to_string(a.step) + " by " + cause(a.cause)});
    }
    return result;
  }

  std::optional<std::string> check(const Effects& effects, TimeMs now) {
    for (const ActionOut& a : effects.actions) {
      if (!action_ids_.insert(a.id).second) return "an action id came twice: " + a.rule + " at " + at_text(a.at);
    }
    std::vector<Happening> got = told(effects);
    std::vector<Happening> expected = std::move(simulator_.happenings);
    simulator_.happenings.clear();
    std::ranges::sort(got);
    std::ranges::sort(expected);
    counts_.happenings += expected.size();
    if (got != expected) {
      std::string text = "up to " + at_text(now) + " different things happened (- reference, + engine):\n";
      for (const Happening& h : expected) {
        if (std::ranges::count(got, h) < std::ranges::count(expected, h)) text += "  - " + at_text(h.at) + " " + h.what + "\n";
      }
      for (const Happening& h : got) {
        if (std::ranges::count(got, h) > std::ranges::count(expected, h)) text += "  + " + at_text(h.at) + " " + h.what + "\n";
      }
      return text;
    }
    if (auto wrong = check_facts(now + kDay)) return wrong;
    for (std::uint32_t s = 0; s < plan_->segments.size(); ++s) {
      ++counts_.memberships;
      if (state_.is_member(plan_->segments[s].root) != simulator_.members().contains(s)) {
        return "membership of segment-" + std::to_string(s) + " differs at " + at_text(now);
      }
    }
    return std::nullopt;
  }

  // What is known of the customer, with what rules wrote that is still to come.
  std::optional<std::string> check_facts(TimeMs t) {
    if (!state_.known()) return std::nullopt;
    const Oracle oracle(*all_, simulator_.facts());
    Moment at;
    at.now = t;
    for (AttributeId a = 0; a < plan_->catalog->attributes.size(); ++a) {
      TimeMs until = kNever;
      const Value got(state_.attributes.at(a, t, until));
      const Value expected = oracle.attribute(a, at);
      ++counts_.values;
      if (got == expected) continue;
      return "the attribute " + plan_->catalog->attributes[a].name + " differs at " + at_text(t) + ": " + to_text(expected.view()) +
             " in the reference, " + to_text(got.view()) + " in the engine";
    }
    std::size_t rows = 0, tags = 0, expected_rows = 0, expected_tags = 0;
    for (const auto& [type, of_type] : state_.events) rows += of_type.size();
    for (const TagUpdate& tag : state_.tags) tags += tag.time <= t && tag.expires > t ? 1U : 0U;
    for (const Input& fact : simulator_.facts()) {
      if (fact.kind == InputKind::event) ++expected_rows;
      if (fact.kind == InputKind::tag && fact.time <= t && fact.tag_expires > t) ++expected_tags;
    }
    if (rows != expected_rows) return "the engine has " + std::to_string(rows) + " rows, the reference " + std::to_string(expected_rows);
    if (tags != expected_tags) return "the tags differ at " + at_text(t);
    return std::nullopt;
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  // Asks both sides at instants of all sorts: past, present and future.
  std::optional<std::string> look(TimeMs now) {
    if (!state_.known()) return std::nullopt;
    const TimeMs first = case_.history.front().now;
    const TimeMs span = std::max<TimeMs>(case_.history.back().now - first, 10);
    const std::vector<TimeMs> instants = boundaries(*all_, simulator_.facts(), first - span / 2, case_.history.back().now + span);
    std::vector<TimeMs> moments = {now};
    for (int i = 0; i < 3 && !instants.empty(); ++i) moments.push_back(instants[below(instants.size())]);
    const Oracle oracle(*all_, simulator_.facts());
    Evaluator evaluator;
    evaluator.use_columns_from(columns_from());
    for (const TimeMs t : moments) {
      Moment at;
      at.now = t;
      for (std::size_t i = 0; i < all_->segments.size(); ++i) {
        if (auto wrong = ask(oracle, evaluator, plan_->segments[i].node, all_->segments[i], "segment-" + std::to_string(i), at, instants))
          return wrong;
      }
      for (const Rule& rule : all_->rules) {
        if (!rule.condition) continue;
        const NodeId node = plan_->find_rule(rule.name)->condition;
        if (auto wrong = ask(oracle, evaluator, node, rule.condition, "the condition of " + rule.name, at, instants)) return wrong;
      }
      for (std::size_t i = 0; i < all_->traits.size(); ++i) {
        const Known expected = oracle.value(all_->traits[i], at);
        const Value got = engine_.value(*plan_, state_, plan_->traits[i].expr, t);
        ++counts_.values;
        if (!same(expected, got))
          return "trait-" + std::to_string(i) + " at " + at_text(t) + ": engine " + to_text(got.view()) + ", reference " + text(expected);
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> ask(const Oracle& oracle, Evaluator& evaluator, NodeId node, const ConditionRef& condition,
                                 const std::string& what, const Moment& at, const std::vector<TimeMs>& instants) {
    const bool expected = oracle.truth(condition, at);
    ++counts_.answers;
    if (engine_.holds(*plan_, state_, node, at.now) != expected) {
      return what + " is " + (expected ? "true" : "false") + " at " + at_text(at.now) + "; the engine says otherwise";
    }
    evaluator.begin(*plan_, state_, at.now);
    const Verdict verdict = evaluator.truth(node);
    if (below(8) == 0) {
      ++counts_.answers;
      if (explain_condition(*plan_, state_, node, at.now).truth != expected)
        return what + ": the explanation at " + at_text(at.now) + " says otherwise";
    }
    if (verdict.truth != expected) return what + ": the verdict at " + at_text(at.now) + " is wrong";
    if (verdict.until <= at.now)
      return what + ": the verdict at " + at_text(at.now) + " holds until " + at_text(verdict.until) + ", which is not later";
    const auto from = std::ranges::upper_bound(instants, at.now) - instants.begin();
    const auto to = std::ranges::lower_bound(instants, verdict.until) - instants.begin();
    for (int i = 0; i < 4 && from < to; ++i) {
      const auto pick = i == 0 ? to - 1 : from + static_cast<std::ptrdiff_t>(below(static_cast<std::uint64_t>(to - from)));
      Moment later;
      later.now = instants[static_cast<std::size_t>(pick)];
      later.horizon = at.now;
      ++counts_.untils;
      if (oracle.truth(condition, later) != expected) {
        return what + ": the verdict at " + at_text(at.now) + " is to hold until " + at_text(verdict.until) + ", but changes by " +
               at_text(later.now);
      }
    }
    return std::nullopt;
  }

  static bool same(const Known& expected, const Value& got) {
    if (expected.missing() || got.missing()) return expected.missing() == got.missing();
    if (!expected.numeric) return expected.value == got;
    if (got.kind != Kind::integer && got.kind != Kind::number && got.kind != Kind::decimal) return false;
    if (got.kind != Kind::number) return fraction_of(got) == expected.number;
    const double d = std::bit_cast<double>(got.bits);
    const double e = expected.number.convert_to<double>();
    return d == e || std::abs(d - e) <= 1e-12 * std::max(std::abs(d), std::abs(e));
  }
  static std::string text(const Known& k) { return k.missing() ? "missing" : k.numeric ? k.number.str() : to_text(k.value.view()); }

  const Case& case_;
  Counts& counts_;
  Simulator simulator_;
  const Definitions* all_;
  // Histories are short: every other seed uses columns from the first row on.
  std::size_t columns_from() const { return case_.seed % 2 == 0 ? 1 : 128; }
  Engine engine_;
  Registry registry_;
  std::unique_ptr<Plan> plan_;
  CustomerState state_;
  std::set<Hash128> action_ids_;
  std::mt19937_64 random_;
};

}  // namespace

std::optional<std::string> run(const Case& one, Counts& counts) { return Run(one, counts).go(); }

}  // namespace nudge::reference
