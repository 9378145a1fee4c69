#include "tests/simulation/reference/simulator.h"

#include <algorithm>

#include "tests/simulation/reference/boundaries.h"

namespace nudge::reference {

namespace {

std::string edge_text(std::uint32_t segment, bool entered, bool silent) {
  return std::string(entered ? "enters" : "leaves") + " segment-" + std::to_string(segment) + (silent ? " silently" : "");
}

std::string key_text(const Value& key) {
  return key.missing() ? "" : to_json(key.view()) + "#" + std::to_string(static_cast<int>(key.kind));
}

}  // namespace

std::string cause_text(Trigger::Kind kind, const std::string& row) {
  switch (kind) {
    case Trigger::Kind::event: return "event " + row;
    case Trigger::Kind::enters: return "enters";
    case Trigger::Kind::leaves: return "leaves";
    case Trigger::Kind::schedule: return "schedule";
    default: return "change";
  }
}

bool same_inputs(const Input& a, const Input& b) {
  if (a.kind != b.kind || a.time != b.time || a.id != b.id) return false;
  switch (a.kind) {
    case InputKind::event: return a.type == b.type && a.fields == b.fields;
    case InputKind::tag: return a.tag == b.tag && a.tag_removed == b.tag_removed && a.tag_expires == b.tag_expires;
    case InputKind::attributes: return a.attributes == b.attributes;
  }
  return false;
}

const Input* Simulator::find(const std::string& id) const {
  for (const Input& input : facts_) {
    if (input.id == id) return &input;
  }
  return nullptr;
}

const Rule* Simulator::rule_named(const std::string& name) const {
  for (const Rule& rule : all_->rules) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

bool Simulator::holds(const ConditionRef& condition, const Cause& cause, TimeMs now, const Input* row) const {
  if (!condition) return true;
  Moment at;
  at.now = now;
  at.horizon = now;
  if (cause.kind == Trigger::Kind::event) at.trigger = find(cause.row);
  if (!cause.key.missing()) at.key = &cause.key;
  return Oracle(*all_, facts_).truth(condition, at, row);
}

void Simulator::judge(TimeMs now, const std::vector<std::string>& new_rows, const std::vector<Change>& changes, bool silent) {
  const Oracle oracle(*all_, facts_);
  Moment at;
  at.now = now;
  at.horizon = now;
  std::vector<std::pair<std::uint32_t, bool>> flipped;
  for (std::uint32_t s = 0; s < all_->segments.size(); ++s) {
    const bool truth = oracle.truth(all_->segments[s], at);
    if (truth == members_.contains(s)) continue;
    if (truth)
      members_.insert(s);
    else
      members_.erase(s);
    say(now, edge_text(s, truth, silent));
    if (!silent) flipped.emplace_back(s, truth);
    if (truth) continue;
    std::erase_if(waits_, [&](const Wait& w) {
      const Rule* rule = rule_named(w.rule);
      return w.holding && rule != nullptr && rule->trigger == Trigger::Kind::enters && rule->segment == s;
    });
  }
  if (!silent) stop_at_goals(now, new_rows);
  if (!silent) {
    std::vector<const Rule*> order;
    for (const Rule& rule : all_->rules) order.push_back(&rule);
    std::ranges::sort(
        order, [](const Rule* a, const Rule* b) { return a->priority != b->priority ? a->priority > b->priority : a->name < b->name; });
    for (const Rule* rule : order) {
      for (Candidate& c : candidates(*rule, now, new_rows, changes, flipped)) consider(*rule, std::move(c), now);
    }
  }
  run_clock_rules(now);
  run_due(now);
  judged_ = now;
  new_depth_ = depth_ = 0;
}

// The instant that a date rule is for, as things stand at `now`; of a schedule the first one after now.
TimeMs Simulator::clock_instant(const Rule& rule, TimeMs now) const {
  Moment at;
  at.now = at.horizon = now;
  const Oracle oracle(*all_, facts_);
  if (rule.trigger == Trigger::Kind::date) {
    const Value v = oracle.attribute(rule.attribute, at);
    if (v.missing()) return kNever;
    if (v.kind == Kind::timestamp && rule.time_of_day == 0) return v.bits + rule.offset;
    const Zone zone = oracle.zone(at);
    DateDays day = v.kind == Kind::date ? static_cast<DateDays>(v.bits) : zone.local(v.bits).date;
    DurationMs rest = rule.offset;
    for (; rest <= -kDay; rest += kDay) --day;
    for (; rest >= kDay; rest -= kDay) ++day;
    return zone.at(day, rule.time_of_day) + rest;
  }
  const Zone zone = rule.zone == "customer" ? oracle.zone(at) : Zone::find(rule.zone.empty() ? all_->zone : rule.zone).value();
  TimeMs best = kNever;
  const DateDays today = zone.local(now).date;
  for (DateDays day = today - 1; day < today + 800 && (best == kNever || day < today + 3); ++day) {
    if (rule.day_of_month != 0 && ymd_of(day).day != rule.day_of_month) continue;
    if (rule.weekday != 0 && iso_weekday(day) != rule.weekday) continue;
    for (int hour = 0; hour < 24; ++hour) {
      if (!rule.hours.empty() && std::ranges::find(rule.hours, hour) == rule.hours.end()) continue;
      for (const int minute : rule.minutes) {
        const TimeMs t = zone.at(day, hour * kHour + minute * kMinute);
        if (t > now) best = std::min(best, t);
      }
    }
  }
  return best;
}

void Simulator::run_clock_rules(TimeMs now) {
  for (const Rule& rule : all_->rules) {
    const bool date = rule.trigger == Trigger::Kind::date;
    if (!date && rule.trigger != Trigger::Kind::schedule) continue;
    const TimeMs next = clock_instant(rule, now);
    const auto waiting = set_.find(rule.name);
    const bool due = waiting != set_.end() && waiting->second == now && (!date || next == now);
    set_.erase(rule.name);
    if (next != kNever && next > now) set_[rule.name] = next;
    if (!due || rule.state == RuleState::draft || rule.state == RuleState::paused) continue;
    Cause cause;
    cause.kind = rule.trigger;
    cause.at = now;
    depth_ = 0;
    if (holds(rule.condition, cause, now)) fire(rule, cause, now);
  }
}

std::vector<Simulator::Candidate> Simulator::candidates(const Rule& rule, TimeMs now, const std::vector<std::string>& new_rows,
                                                        const std::vector<Change>& changes,
                                                        const std::vector<std::pair<std::uint32_t, bool>>& flipped) const {
  std::vector<Candidate> result;
  const auto listed = [](const std::vector<Value>& values, const Value& v) {
    return values.empty() || std::ranges::any_of(values, [&](const Value& each) { return equal(each, v); });
  };
  Candidate c;
  c.cause.kind = rule.trigger;
  c.cause.at = now;
  switch (rule.trigger) {
    case Trigger::Kind::event:
      for (const std::string& id : new_rows) {
        const Input* row = find(id);
        if (row->type != rule.event) continue;
        c.cause.row = id;
        c.happened = c.row_time = row->time;
        result.push_back(c);
      }
      std::ranges::sort(result, [](const Candidate& a, const Candidate& b) {
        return a.row_time != b.row_time ? a.row_time < b.row_time : a.cause.row < b.cause.row;
      });
      break;
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves:
      c.happened = now;
      for (const auto& [segment, entered] : flipped) {
        if (segment == rule.segment && entered == (rule.trigger == Trigger::Kind::enters)) result.push_back(c);
      }
      break;
    case Trigger::Kind::attribute_changes:
      for (const Change& change : changes) {
        if (change.attribute != rule.attribute || !listed(rule.to, change.to) || !listed(rule.from, change.from)) continue;
        c.happened = change.since;
        result.push_back(c);
      }
      break;
    default: break;
  }
  return result;
}

void Simulator::consider(const Rule& rule, Candidate c, TimeMs now) {
  if (rule.state == RuleState::draft || rule.state == RuleState::paused) return;
  const bool ages = rule.trigger == Trigger::Kind::event || rule.trigger == Trigger::Kind::attribute_changes;
  if (ages && now - c.happened >= rule.max_age) return;
  if (rule.trigger == Trigger::Kind::event) {
    const Input* row = find(c.cause.row);
    if (rule.same != kNoField) {
      c.cause.key = rule.same < row->fields.size() ? row->fields[rule.same] : Value();
      if (c.cause.key.missing()) return;
    }
    if (rule.where && !holds(rule.where, c.cause, now, row)) return;
  }
  if (!holds(rule.condition, c.cause, now)) return;
  depth_ = new_depth_;
  if (rule.trigger == Trigger::Kind::event) depth_ = depths_.contains(c.cause.row) ? depths_[c.cause.row] : 0;
  if (depth_ > 16) {
    say(now, "held loop: " + rule.name + " by " + cause_text(c.cause.kind, c.cause.row));
    return;
  }
  if (rule.trigger == Trigger::Kind::enters && rule.hold_for > 0) {
    waits_.push_back({rule.name, 0, true, now + rule.hold_for, c.cause, now});
    return;
  }
  fire(rule, c.cause, now);
}

void Simulator::fire(const Rule& rule, const Cause& cause, TimeMs now) {
  const std::string what = rule.name + " by " + cause_text(cause.kind, cause.row);
  if (rule.rollout == 0) {
    say(now, "held rollout: " + what);
    return;
  }
  if (rule.once_per > 0 || rule.once_ever) {
    const std::string key = rule.name + "\n" + key_text(cause.key);
    const auto last = fired_.find(key);
    if (last != fired_.end() && (rule.once_ever || now - last->second < rule.once_per)) {
      say(now, "held once_per: " + what);
      return;
    }
    fired_[key] = now;
  }
  if (rule.holdout == 100) {
    say(now, "held holdout: " + what);
    return;
  }
  if (rule.state == RuleState::shadow) {
    say(now, "held shadow: " + what);
    return;
  }
  say(now, "fires: " + what);
  std::vector<const Rule::Act*> all;
  for (const Rule::Act& act : rule.steps) all.push_back(&act);
  run_steps(rule, cause, now, std::move(all), false, now);
}

TimeMs Simulator::write(const Rule& rule, const Cause& cause, const Rule::Act& act, std::size_t step, TimeMs now) {
  using Kind = Rule::Writing::Kind;
  const Rule::Writing& w = act.writing;
  if (w.kind == Kind::none) return now;
  Input fact;
  fact.time = now + 1;
  const bool tag = w.kind == Kind::tag || w.kind == Kind::untag;
  const bool emit = w.kind == Kind::emit;
  // What rules wrote about the same thing, dated ahead: one after the other.
  for (const Input& other : facts_) {
    if (!depths_.contains(other.id) || other.time <= now) continue;
    const bool same = tag    ? other.kind == InputKind::tag && other.tag == w.tag
                      : emit ? false
                             : other.kind == InputKind::attributes && other.attributes.front().attribute == w.attribute;
    if (same) fact.time = std::max(fact.time, other.time + 1);
  }
  fact.kind = emit ? InputKind::event : tag ? InputKind::tag : InputKind::attributes;
  if (emit) {
    fact.type = w.event;
    fact.fields = w.fields;
  } else if (tag) {
    fact.tag = w.tag;
    fact.tag_removed = w.kind == Kind::untag;
    if (w.expires > 0) fact.tag_expires = fact.time + w.expires;
  } else {
    Value value = w.value;
    if (w.kind == Kind::add) {
      Moment at;
      at.now = at.horizon = fact.time;
      const Value current = Oracle(*all_, facts_).attribute(w.attribute, at);
      if (!current.missing()) value = Value::of_integer(current.bits + value.bits);
    }
    fact.attributes.push_back({w.attribute, w.kind == Kind::clear ? Value() : value});
  }
  const std::uint32_t depth = depth_ + 1;
  fact.id = name_fact(rule.name, cause, cause.kind == Trigger::Kind::event ? find(cause.row) : nullptr, step) + "." + std::to_string(depth);
  const TimeMs done = fact.time;
  depths_[fact.id] = depth;
  facts_.push_back(std::move(fact));
  wrote_ = true;
  return done;
}

std::vector<Simulator::Change> Simulator::changes_at(TimeMs now, const std::vector<Input>& facts_before, TimeMs before,
                                                     const std::set<AttributeId>& touched) const {
  std::vector<Change> result;
  if (touched.empty()) return result;
  Moment then, at;
  then.now = then.horizon = before;
  at.now = at.horizon = now;
  const Oracle old(*all_, facts_before);
  const Oracle current(*all_, facts_);
  for (const AttributeId attribute : touched) {
    Change change;
    change.attribute = attribute;
    change.from = old.attribute(attribute, then);
    change.to = current.attribute(attribute, at);
    if (equal(change.from, change.to)) continue;
    Value previous;
    for (const auto& [time, value] : current.story(attribute, at)) {
      if (!equal(previous, value)) change.since = time;
      previous = value;
    }
    result.push_back(change);
  }
  return result;
}

// What was dated ahead and whose time has now come, with every boundary at this instant.
void Simulator::judge_arrivals(TimeMs now) {
  std::vector<std::string> rows;
  std::set<AttributeId> touched;
  for (const Input& input : facts_) {
    if (input.time <= judged_ || input.time > now) continue;
    if (depths_.contains(input.id)) new_depth_ = std::max(new_depth_, depths_[input.id]);
    if (input.kind == InputKind::event) rows.push_back(input.id);
    for (const AttributeUpdate& update : input.attributes) touched.insert(update.attribute);
  }
  judge(now, rows, changes_at(now, facts_, now - 1, touched), false);
}

void Simulator::advance(TimeMs now) {
  if (!known_) return;
  std::vector<TimeMs> instants = boundaries(*all_, facts_, judged_, now);
  std::size_t i = 0;
  for (;;) {
    TimeMs next = now;
    if (wrote_) {  // new facts, new instants
      instants = boundaries(*all_, facts_, judged_, now);
      i = 0;
      wrote_ = false;
    }
    while (i < instants.size() && instants[i] <= judged_) ++i;
    if (i < instants.size()) next = std::min(next, instants[i]);
    for (const Wait& wait : waits_) next = std::min({next, wait.due, wait.look});
    for (const auto& [rule, t] : set_) next = std::min(next, t);
    if (next >= now) break;
    judge_arrivals(next);
  }
  judged_ = std::max(judged_, now - 1);
}

std::vector<Receipt> Simulator::step(const std::vector<Input>& inputs, TimeMs now) {
  advance(now);
  std::vector<Receipt> receipts(inputs.size(), Receipt::stored);
  const bool any_import = std::ranges::any_of(inputs, &Input::import);
  bool judged_now = false;
  if (any_import && known_) {  // what is due now is not history
    judge_arrivals(now);
    judged_now = true;
  }
  for (const bool import : {true, false}) {
    const std::vector<Input> before = facts_;
    std::vector<std::string> rows;
    std::set<AttributeId> touched;
    bool stored = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].import != import) continue;
      if (const Input* kept = find(inputs[i].id)) {
        receipts[i] = same_inputs(*kept, inputs[i]) ? Receipt::duplicate : Receipt::conflict;
        continue;
      }
      stored = true;
      facts_.push_back(inputs[i]);
      if (inputs[i].time > now) continue;
      if (inputs[i].kind == InputKind::event) rows.push_back(inputs[i].id);
      for (const AttributeUpdate& update : inputs[i].attributes) touched.insert(update.attribute);
    }
    if (!stored) continue;
    known_ = true;
    if (import) {
      judge(now, {}, {}, true);
      judged_now = true;
      continue;
    }
    if (!judged_now) {
      for (const Input& input : before) {
        if (input.time != now) continue;  // dated ahead until now
        if (depths_.contains(input.id)) new_depth_ = std::max(new_depth_, depths_[input.id]);
        if (input.kind == InputKind::event) rows.push_back(input.id);
        for (const AttributeUpdate& update : input.attributes) touched.insert(update.attribute);
      }
    }
    judge(now, rows, changes_at(now, before, judged_now ? now : now - 1, touched), false);
  }
  return receipts;
}

void Simulator::reload(const Definitions* all, const std::vector<bool>& fresh, const std::set<std::string>& fresh_rules, TimeMs now) {
  advance(now);
  const Definitions& old = *all_;
  all_ = all;
  std::erase_if(members_, [&](std::uint32_t s) { return s >= fresh.size() || fresh[s]; });
  if (!known_) return;
  move_waits(old, now);
  std::erase_if(set_, [&](const auto& entry) { return fresh_rules.contains(entry.first) || rule_named(entry.first) == nullptr; });
  for (const Rule& rule : all_->rules) {
    if (!fresh_rules.contains(rule.name) || (rule.trigger != Trigger::Kind::date && rule.trigger != Trigger::Kind::schedule)) continue;
    const TimeMs next = clock_instant(rule, now);
    if (next != kNever && next > now) set_[rule.name] = next;
  }
  Moment at;
  at.now = at.horizon = now;
  const Oracle oracle(*all_, facts_);
  for (const Rule& rule : all_->rules) {  // switched on later than its segment
    if (!fresh_rules.contains(rule.name) || !rule.existing_fire || rule.trigger != Trigger::Kind::enters || fresh[rule.segment]) continue;
    if (!members_.contains(rule.segment) || !oracle.truth(all_->segments[rule.segment], at)) continue;
    Candidate c;
    c.cause.kind = Trigger::Kind::enters;
    c.cause.at = c.happened = now;
    consider(rule, std::move(c), now);
  }
  for (std::uint32_t s = 0; s < fresh.size(); ++s) {
    if (!fresh[s]) continue;
    const bool truth = oracle.truth(all_->segments[s], at);
    // A firing that waits goes on waiting while its segment, as it is defined now, still holds the customer; `existing: fire` starts anew.
    std::erase_if(waits_, [&](const Wait& w) {
      const Rule* rule = rule_named(w.rule);
      return w.holding && rule != nullptr && rule->trigger == Trigger::Kind::enters && rule->segment == s &&
             (!truth || rule->existing_fire);
    });
    if (!truth) continue;
    members_.insert(s);
    say(now, edge_text(s, true, true));
    for (const Rule& rule : all_->rules) {
      if (!rule.existing_fire || rule.trigger != Trigger::Kind::enters || rule.segment != s) continue;
      Candidate c;
      c.cause.kind = Trigger::Kind::enters;
      c.cause.at = c.happened = now;
      consider(rule, std::move(c), now);
    }
  }
}

}  // namespace nudge::reference
