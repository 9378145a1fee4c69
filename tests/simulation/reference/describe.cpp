#include "engine/base/text.h"
#include "tests/simulation/reference/condition.h"

namespace nudge::reference {

namespace {

class Writer {
 public:
  explicit Writer(const Definitions& all) : all_(all), catalog_(*test_catalog()) {}
  std::string out;

  // One step without those inside of it.
  void act(const Rule::Act& a) {
    static constexpr const char* kKinds[] = {"act", "wait", "until", "if", "stop"};
    out += kKinds[static_cast<int>(a.kind)];
    if (a.after > 0) out += " after " + format_duration(a.after);
    if (a.only_if) {
      out += " only_if ";
      condition(a.only_if);
    }
    if (a.condition) {
      out += " ";
      condition(a.condition);
    }
    static constexpr const char* kWritings[] = {"", " sets ", " clears ", " adds to ", " tags ", " untags ", " emits "};
    out += kWritings[static_cast<int>(a.writing.kind)];
    using Writing = Rule::Writing::Kind;
    if (a.writing.kind == Writing::set || a.writing.kind == Writing::clear || a.writing.kind == Writing::add)
      out += catalog_.attributes[a.writing.attribute].name + " " + to_json(a.writing.value.view());
    if (a.writing.kind == Writing::tag || a.writing.kind == Writing::untag)
      out += a.writing.tag + " for " + format_duration(a.writing.expires);
    if (a.writing.kind == Writing::emit) {
      out += catalog_.events[a.writing.event].name;
      values(a.writing.fields);
    }
    if (a.timeout > 0) out += " timeout " + format_duration(a.timeout) + (a.stop_on_timeout ? " stop" : "");
  }
  void acts(const std::vector<Rule::Act>& list) {
    for (const Rule::Act& a : list) {
      out += "; ";
      act(a);
      if (!a.then.empty()) {
        out += " then (";
        acts(a.then);
        out += ")";
      }
      if (!a.otherwise.empty()) {
        out += " else (";
        acts(a.otherwise);
        out += ")";
      }
    }
  }

  void condition(const ConditionRef& ref) {
    if (!ref) {
      out += "always";
      return;
    }
    const Condition& c = *ref;
    switch (c.kind) {
      case Condition::Kind::constant: out += c.truth ? "true" : "false"; return;
      case Condition::Kind::all:
      case Condition::Kind::any:
        out += c.kind == Condition::Kind::all ? "all[" : "any[";
        for (const ConditionRef& child : c.children) {
          condition(child);
          out += "; ";
        }
        out += "]";
        return;
      case Condition::Kind::negate:
        out += "not ";
        condition(c.children[0]);
        return;
      case Condition::Kind::segment:
        out += "segment-" + std::to_string(c.ref) + "{";
        condition(all_.segments[c.ref]);
        out += "}";
        return;
      case Condition::Kind::tag: out += "tag " + c.text; return;
      case Condition::Kind::band:
        out += "score-" + std::to_string(c.ref) + " band " + std::to_string(c.band);
        score(c.ref);
        return;
      case Condition::Kind::changed:
        out += "changed " + catalog_.attributes[c.ref].name;
        if (!c.literals.empty()) {
          out += " to";
          values(c.literals);
        }
        if (!c.from_literals.empty()) {
          out += " from";
          values(c.from_literals);
        }
        window(c.window);
        return;
      case Condition::Kind::has_been:
        out += "has_been(";
        condition(c.children[0]);
        out += " for " + format_duration(c.duration) + ")";
        return;
      case Condition::Kind::calendar: calendar(c.calendar); return;
      case Condition::Kind::sequence:
        out += "sequence[";
        for (const Step& step : c.steps) {
          out += step.absent ? "no " : "";
          out += catalog_.events[step.event].name;
          if (step.where) {
            out += " where ";
            condition(step.where);
          }
          if (step.within != kNever) out += " within " + format_duration(step.within);
          if (step.absent) out += " for " + format_duration(step.lasting);
          if (step.same != kNoField) out += " same " + field(step.event, step.same);
          out += "; ";
        }
        out += "]";
        window(c.window);
        return;
      case Condition::Kind::compare: break;
    }
    operand(c.left);
    out += " " + std::string(op_name(c.op));
    if (c.ignore_case) out += "(ignore_case)";
    if (c.op == Op::matches) out += " /" + c.text + "/";
    if (c.right) {
      out += " ";
      operand(c.right);
    }
    if (c.times.units != Decimal::kScale) out += " * " + format_decimal(c.times);
    if (!c.literals.empty()) values(c.literals);
    if (c.duration != 0) out += " " + format_duration(c.duration);
  }

  void operand(const OperandRef& ref) {
    const Operand& o = *ref;
    switch (o.kind) {
      case Operand::Kind::attribute: out += catalog_.attributes[o.ref].name; return;
      case Operand::Kind::field: out += "." + field(o.event, static_cast<FieldId>(o.ref)); return;
      case Operand::Kind::trigger_field: out += "trigger." + field(o.event, static_cast<FieldId>(o.ref)); return;
      case Operand::Kind::days_since:
        out += "days_since(";
        operand(o.child);
        out += ")";
        return;
      case Operand::Kind::size:
        out += "size(";
        operand(o.child);
        out += ")";
        return;
      case Operand::Kind::trait:
        out += "trait-" + std::to_string(o.ref) + "{";
        operand(all_.traits[o.ref]);
        out += "}";
        return;
      case Operand::Kind::score:
        out += "score-" + std::to_string(o.ref);
        score(o.ref);
        return;
      case Operand::Kind::query: break;
    }
    static constexpr const char* kFns[] = {"count", "sum", "average", "min", "max", "distinct", "first", "last"};
    const Query& q = o.query;
    out += std::string(kFns[static_cast<int>(q.fn)]) + "(" + catalog_.events[q.event].name;
    if (q.field != kNoField) out += "." + field(q.event, q.field);
    window(q.window);
    if (q.before_trigger) out += " before trigger";
    if (q.same != kNoField) out += " same " + field(q.event, q.same);
    if (q.where) {
      out += " where ";
      condition(q.where);
    }
    out += ")";
  }

  void values(const std::vector<Value>& list) {
    out += " (";
    for (const Value& v : list) out += (v.kind == Kind::decimal ? "d" : "") + to_json(v.view()) + " ";
    out += ")";
  }

 private:
  std::string field(EventTypeId event, FieldId id) const { return id == kTimeField ? "timestamp" : catalog_.events[event].fields[id].name; }
  void score(std::uint32_t index) {
    out += "{";
    for (const Definitions::Points& p : all_.scores[index].points) {
      if (p.condition)
        condition(p.condition);
      else
        operand(p.trait);
      out += " add " + format_decimal(p.add);
      if (p.has_at_most) out += " at_most " + format_decimal(p.at_most);
      out += "; ";
    }
    out += "bands";
    for (const Decimal b : all_.scores[index].bands) out += " " + format_decimal(b);
    out += "}";
  }
  void window(const Window& w) {
    static constexpr const char* kUnits[] = {"day", "week", "month", "quarter", "year"};
    const auto bound = [](const Window::Bound& b) {
      return !b.set ? std::string("-") : b.is_date ? format_date(static_cast<DateDays>(b.at)) : std::to_string(b.at);
    };
    switch (w.kind) {
      case Window::Kind::ever: return;
      case Window::Kind::within: out += " within " + std::to_string(w.a) + "ms"; break;
      case Window::Kind::from_to: out += " from " + std::to_string(w.a) + "ms to " + std::to_string(w.b) + "ms"; break;
      case Window::Kind::since: out += std::string(" since ") + kUnits[static_cast<int>(w.unit)]; break;
      case Window::Kind::fixed: out += " fixed " + bound(w.lo) + ".." + bound(w.hi); break;
    }
    if (w.tenant_zone) out += " (company)";
  }
  void calendar(const Calendar& c) {
    out += "calendar weekdays " + std::to_string(c.weekdays);
    for (const Calendar::Hours& h : c.hours) out += " hours " + format_duration(h.from) + ".." + format_duration(h.to);
    for (const Calendar::Range& r : c.dates) out += " dates " + format_date(r.from) + ".." + format_date(r.to);
    if (c.tenant_zone) out += " (company)";
  }
  const Definitions& all_;
  const Catalog& catalog_;
};

}  // namespace

std::string describe(const Definitions& all, const ConditionRef& condition) {
  Writer w(all);
  w.condition(condition);
  return w.out;
}

std::string describe(const Definitions& all, const OperandRef& operand) {
  Writer w(all);
  w.operand(operand);
  return w.out;
}

std::string cron_of(const Rule& rule) {
  const auto list = [](const std::vector<int>& values) {
    std::string out;
    for (const int v : values) out += (out.empty() ? "" : ",") + std::to_string(v);
    return out.empty() ? "*" : out;
  };
  const auto one = [](int v) { return v == 0 ? std::string("*") : std::to_string(v); };
  return list(rule.minutes) + " " + list(rule.hours) + " " + one(rule.day_of_month) + " * " + one(rule.weekday);
}

std::string describe(const Definitions& all, const Rule& r) {
  const Catalog& catalog = *test_catalog();
  Writer w(all);
  w.out = r.name + " (" + std::string(rule_state_name(r.state)) + ", priority " + std::to_string(r.priority) + "): when ";
  switch (r.trigger) {
    case Trigger::Kind::event:
      w.out += "event " + catalog.events[r.event].name;
      if (r.same != kNoField) w.out += " same " + catalog.events[r.event].fields[r.same].name;
      if (r.where) {
        w.out += " where ";
        w.condition(r.where);
      }
      break;
    case Trigger::Kind::enters:
      w.out += "enters segment-" + std::to_string(r.segment);
      if (r.hold_for > 0) w.out += " for " + format_duration(r.hold_for);
      break;
    case Trigger::Kind::leaves: w.out += "leaves segment-" + std::to_string(r.segment); break;
    case Trigger::Kind::date:
      w.out += "date " + catalog.attributes[r.attribute].name + " offset " + std::to_string(r.offset) + "ms at " +
               format_duration(r.time_of_day);
      break;
    case Trigger::Kind::schedule: w.out += "schedule " + cron_of(r) + " zone " + r.zone; break;
    default:
      w.out += "changes " + catalog.attributes[r.attribute].name;
      if (!r.to.empty()) {
        w.out += " to";
        w.values(r.to);
      }
      if (!r.from.empty()) {
        w.out += " from";
        w.values(r.from);
      }
  }
  if (r.condition) {
    w.out += " if ";
    w.condition(r.condition);
  }
  w.acts(r.steps);
  if (r.exit) {
    w.out += "; exit ";
    w.condition(r.exit);
  }
  if (r.goal != kNoEventType) {
    w.out += "; goal " + catalog.events[r.goal].name + " within " + format_duration(r.goal_within) + (r.goal_stop ? "" : " goes on");
    if (r.goal_where) {
      w.out += " where ";
      w.condition(r.goal_where);
    }
  }
  if (r.once_per > 0) w.out += "; once_per " + format_duration(r.once_per);
  if (r.once_ever) w.out += "; once";
  if (r.rollout != 100) w.out += "; rollout " + std::to_string(r.rollout);
  if (r.holdout != 0) w.out += "; holdout " + std::to_string(r.holdout);
  if (r.existing_fire) w.out += "; existing: fire";
  w.out += "; max_age " + format_duration(r.max_age);
  return w.out;
}

std::string describe(const Definitions& all, const Rule::Act& act) {
  Writer w(all);
  w.act(act);
  return w.out;
}

std::string describe(const Input& input) {
  const Catalog& catalog = *test_catalog();
  std::string out = input.id + " at " + std::to_string(input.time) + (input.import ? " import" : "") + " ";
  switch (input.kind) {
    case InputKind::event:
      out += catalog.events[input.type].name;
      for (std::size_t f = 0; f < input.fields.size(); ++f) {
        if (!input.fields[f].missing()) out += " " + catalog.events[input.type].fields[f].name + "=" + to_json(input.fields[f].view());
      }
      break;
    case InputKind::attributes:
      out += "set";
      for (const AttributeUpdate& u : input.attributes) out += " " + catalog.attributes[u.attribute].name + "=" + to_json(u.value.view());
      break;
    case InputKind::tag:
      out += (input.tag_removed ? "untag " : "tag ") + input.tag;
      if (input.tag_expires != kNever) out += " expires " + std::to_string(input.tag_expires);
      break;
  }
  return out;
}

}  // namespace nudge::reference
