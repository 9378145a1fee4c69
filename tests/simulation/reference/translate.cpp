#include "engine/base/regex.h"
#include "engine/base/text.h"
#include "tests/simulation/reference/condition.h"

namespace nudge::reference {

std::shared_ptr<const Catalog> test_catalog() {
  static const std::shared_ptr<const Catalog> kept = [] {
    auto catalog = std::make_shared<Catalog>();
    const auto leaf = [](const char* name, Type type) {
      LeafDef def;
      def.name = name;
      def.type = type;
      return def;
    };
    catalog->attributes = {leaf("timezone", Type::text), leaf("tier", Type::text),      leaf("level", Type::integer),
                           leaf("spend", Type::decimal), leaf("ratio", Type::number),   leaf("active", Type::boolean),
                           leaf("born", Type::date),     leaf("seen", Type::timestamp), leaf("interests", Type::list),
                           leaf("nick", Type::text)};
    for (const char* name : {"alpha", "beta", "gamma"}) {
      EventTypeDef def;
      def.name = name;
      def.fields = {leaf("name", Type::text),     leaf("qty", Type::integer), leaf("amount", Type::decimal), leaf("weight", Type::number),
                    leaf("due", Type::timestamp), leaf("day", Type::date),    leaf("flag", Type::boolean),   leaf("tags", Type::list)};
      catalog->events.push_back(std::move(def));
    }
    catalog->index();
    return catalog;
  }();
  return kept;
}

namespace {

class Translator {
 public:
  explicit Translator(const Definitions& all) : all_(all), builder_(test_catalog()) {}

  std::unique_ptr<Plan> run() {
    Plan& plan = builder_.plan();
    plan.zone = Zone::find(all_.zone).value();
    plan.zone_attribute = kZoneAttribute;
    for (std::size_t i = 0; i < all_.traits.size(); ++i) {
      Trait trait;
      trait.name = "trait-" + std::to_string(i);
      trait.expr = value(all_.traits[i]);
      plan.traits.push_back(std::move(trait));
    }
    for (std::size_t i = 0; i < all_.scores.size(); ++i) add_score(i);
    for (std::size_t i = 0; i < all_.segments.size(); ++i) {
      Segment segment;
      segment.name = "segment-" + std::to_string(i);
      segment.node = node(all_.segments[i]);
      plan.segments.push_back(std::move(segment));
    }
    for (const Rule& rule : all_.rules) add_rule(rule);
    return builder_.finish();
  }

 private:
  void add_score(std::size_t i) {
    nudge::Score score;
    score.name = "score-" + std::to_string(i);
    for (const Definitions::Points& points : all_.scores[i].points) {
      nudge::Score::Points out;
      if (points.condition) out.condition = node(points.condition);
      if (points.trait) out.trait = value(points.trait);
      out.add = points.add;
      out.has_at_most = points.has_at_most;
      out.at_most = points.at_most;
      score.points.push_back(out);
    }
    for (std::size_t b = 0; b < all_.scores[i].bands.size(); ++b)
      score.bands.push_back({"band-" + std::to_string(b), all_.scores[i].bands[b]});
    builder_.plan().scores.push_back(std::move(score));
  }

  void add_rule(const Rule& rule) {
    nudge::Rule out;
    out.name = rule.name;
    out.priority = rule.priority;
    out.state = rule.state;
    out.trigger.kind = rule.trigger;
    if (rule.trigger == Trigger::Kind::event) {
      out.trigger.event = rule.event;
      if (rule.where) out.trigger.where = node(rule.where);
      out.trigger.same = rule.same;
    } else if (rule.trigger == Trigger::Kind::attribute_changes) {
      out.trigger.attribute = rule.attribute;
      out.trigger.to = rule.to;
      out.trigger.from = rule.from;
    } else if (rule.trigger == Trigger::Kind::date) {
      out.trigger.attribute = rule.attribute;
      out.trigger.offset = rule.offset;
      out.trigger.time_of_day = rule.time_of_day;
    } else if (rule.trigger == Trigger::Kind::schedule) {
      out.trigger.cron = cron_of(rule);
      out.trigger.zone = rule.zone;
    } else {
      out.trigger.segment = rule.segment;
      out.trigger.hold_for = rule.hold_for;
    }
    if (rule.condition) out.condition = node(rule.condition);
    add_steps(rule.steps, out.steps);
    if (rule.exit) out.exit = node(rule.exit);
    if (rule.goal != kNoEventType) {
      out.goal.event = rule.goal;
      if (rule.goal_where) out.goal.where = node(rule.goal_where);
      out.goal.within = rule.goal_within;
      out.goal.stop = rule.goal_stop;
    }
    out.limits.once_per = rule.once_per;
    out.limits.once_ever = rule.once_ever;
    out.rollout_percent = rule.rollout;
    out.holdout_percent = rule.holdout;
    out.existing_fire = rule.existing_fire;
    out.max_age = rule.max_age;
    builder_.plan().rules.push_back(std::move(out));
  }

  static Write write(const Rule::Writing& w) {
    using From = Rule::Writing::Kind;
    Write out;
    WriteValue value;
    value.target = w.attribute;
    value.value = w.value;
    switch (w.kind) {
      case From::none: return out;
      case From::clear: value.source = WriteValue::Source::clear; [[fallthrough]];
      case From::set:
      case From::add:
        out.kind = Write::Kind::attributes;
        if (w.kind == From::add) value.op = WriteValue::Op::add;
        out.values.push_back(value);
        break;
      case From::tag:
      case From::untag:
        out.kind = w.kind == From::tag ? Write::Kind::add_tag : Write::Kind::remove_tag;
        out.tag = w.tag;
        out.expires = w.expires;
        break;
      case From::emit:
        out.kind = Write::Kind::event;
        out.event = w.event;
        for (std::size_t i = 0; i < w.fields.size(); ++i) {
          if (w.fields[i].missing()) continue;
          value.target = static_cast<std::uint16_t>(i);
          value.value = w.fields[i];
          out.values.push_back(value);
        }
    }
    return out;
  }

  void add_steps(const std::vector<Rule::Act>& acts, std::vector<nudge::Step>& program) {
    for (const Rule::Act& act : acts) {
      nudge::Step step;
      step.after = act.after;
      step.timeout = act.timeout;
      step.stop_on_timeout = act.stop_on_timeout;
      if (act.only_if) step.only_if = node(act.only_if);
      if (act.condition) step.condition = node(act.condition);
      switch (act.kind) {
        case Rule::Act::Kind::act:
          step.action.kind = "note";
          step.action.channel = "note";
          step.action.write = write(act.writing);
          break;
        case Rule::Act::Kind::wait: step.kind = nudge::Step::Kind::wait; break;
        case Rule::Act::Kind::until: step.kind = nudge::Step::Kind::until; break;
        case Rule::Act::Kind::branch: step.kind = nudge::Step::Kind::branch; break;
        case Rule::Act::Kind::stop: step.kind = nudge::Step::Kind::stop; break;
      }
      program.push_back(std::move(step));
      if (act.kind != Rule::Act::Kind::branch) continue;
      const std::size_t branch = program.size() - 1;
      add_steps(act.then, program);
      if (!act.otherwise.empty()) {
        program.emplace_back();
        program.back().kind = nudge::Step::Kind::jump;
      }
      program[branch].target = static_cast<std::uint32_t>(program.size());
      add_steps(act.otherwise, program);
      if (!act.otherwise.empty()) program[program[branch].target - 1].target = static_cast<std::uint32_t>(program.size());
    }
  }

  NodeId filter(const ConditionRef& where) { return where ? node(where) : kNone; }

  ExprId value(const OperandRef& operand) {
    const Operand& o = *operand;
    switch (o.kind) {
      case Operand::Kind::attribute: return builder_.attribute(static_cast<AttributeId>(o.ref));
      case Operand::Kind::field: return builder_.field(o.event, static_cast<FieldId>(o.ref));
      case Operand::Kind::trigger_field: return builder_.trigger_field(o.event, static_cast<FieldId>(o.ref));
      case Operand::Kind::query: {
        Aggregate a;
        a.event = o.query.event;
        a.filter = filter(o.query.where);
        a.window = o.query.window;
        a.before_trigger = o.query.before_trigger;
        a.fn = o.query.fn;
        a.field = o.query.field;
        a.same = o.query.same;
        return builder_.aggregate(builder_.add(a));
      }
      case Operand::Kind::days_since:
      case Operand::Kind::size:
      case Operand::Kind::trait:
      case Operand::Kind::score: break;
    }
    Expr expr;
    expr.type = o.type;
    if (o.kind == Operand::Kind::trait) {
      expr.kind = Expr::Kind::trait;
      expr.ref = o.ref;
      expr.child = builder_.plan().traits[o.ref].expr;
    } else if (o.kind == Operand::Kind::score) {
      expr.kind = Expr::Kind::score;
      expr.ref = o.ref;
    } else {
      expr.kind = o.kind == Operand::Kind::size ? Expr::Kind::size : Expr::Kind::days_since;
      expr.child = value(o.child);
    }
    return builder_.add(std::move(expr));
  }

  std::vector<NodeId> nodes(const std::vector<ConditionRef>& children) {
    std::vector<NodeId> ids;
    for (const ConditionRef& child : children) ids.push_back(node(child));
    return ids;
  }

  NodeId node(const ConditionRef& condition) {
    const Condition& c = *condition;
    Node out;
    switch (c.kind) {
      case Condition::Kind::constant: return builder_.constant(c.truth);
      case Condition::Kind::all: return builder_.all(nodes(c.children));
      case Condition::Kind::any: return builder_.any(nodes(c.children));
      case Condition::Kind::negate: return builder_.negate(node(c.children[0]));
      case Condition::Kind::compare: return compare(c);
      case Condition::Kind::tag:
        out.kind = Node::Kind::tag;
        out.text = c.text;
        break;
      case Condition::Kind::segment:
        out.kind = Node::Kind::segment;
        out.ref = c.ref;
        out.children = {builder_.plan().segments[c.ref].node};
        break;
      case Condition::Kind::sequence:
        out.kind = Node::Kind::sequence;
        out.ref = sequence(c);
        break;
      case Condition::Kind::calendar:
        out.kind = Node::Kind::calendar;
        out.ref = builder_.add(c.calendar);
        break;
      case Condition::Kind::changed:
        out.kind = Node::Kind::changed;
        out.ref = c.ref;
        out.window = c.window;
        out.literals = c.literals;
        out.from_literals = c.from_literals;
        break;
      case Condition::Kind::has_been:
        out.kind = Node::Kind::has_been;
        out.ref = c.ref;
        out.children = {node(c.children[0])};
        out.duration = c.duration;
        break;
      case Condition::Kind::band:
        out.kind = Node::Kind::band;
        out.ref = c.ref;
        out.band = c.band;
        break;
    }
    return builder_.add(std::move(out));
  }

  NodeId compare(const Condition& c) {
    Node out;
    out.kind = Node::Kind::compare;
    out.op = c.op;
    out.ignore_case = c.ignore_case;
    out.left = value(c.left);
    if (c.right) out.right = value(c.right);
    out.times = c.times;
    out.duration = c.duration;
    if (c.op == Op::matches) {
      out.text = c.text;
      out.regex = Regex::compile(c.text, c.ignore_case).value();
    } else {
      out.literals = c.literals;
      if (c.ignore_case) {
        for (Value& v : out.literals) {
          if (v.kind == Kind::text) v = Value::of_text(fold_case(v.bytes));
        }
      }
    }
    return builder_.add(std::move(out));
  }

  std::uint32_t sequence(const Condition& c) {
    Sequence out;
    out.window = c.window;
    for (const Step& step : c.steps) {
      SequenceStep s;
      s.event = step.event;
      s.filter = filter(step.where);
      s.absent = step.absent;
      s.within = step.within;
      s.lasting = step.lasting;
      s.same = step.same;
      out.steps.push_back(s);
    }
    return builder_.add(std::move(out));
  }

  const Definitions& all_;
  PlanBuilder builder_;
};

}  // namespace

std::unique_ptr<Plan> translate(const Definitions& all) { return Translator(all).run(); }

}  // namespace nudge::reference
