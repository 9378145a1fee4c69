"""Bugs to be planted into copies of the engine's sources: each must be found by `compare`.

Used by `planted` and by CMakeLists.txt:
  mutations.py --list                     NAME FILE, one a line
  mutations.py NAME SOURCE OUTPUT         writes the source with the bug in it; an error when its place is not found exactly once
"""
import sys

ARM = "engine/core/arm.cpp"
AGGREGATE = "engine/core/aggregate.cpp"
COLUMNS = "engine/core/columns.cpp"
COMPARE = "engine/core/compare.cpp"
ENGINE = "engine/core/engine.cpp"
EVALUATE = "engine/core/evaluate.cpp"
FIRE = "engine/core/fire.cpp"
GOAL = "engine/core/goal.cpp"
JUDGE = "engine/core/judge.cpp"
LEAVE = "engine/core/leave.cpp"
POLICY = "engine/core/policy.cpp"
DESK_POLICY = "engine/core/desk_policy.cpp"
CUSTOMER_CODEC = "engine/model/customer_codec.cpp"
RUNS = "engine/core/runs.cpp"
WRITE = "engine/core/write.cpp"
LEAF = "engine/core/leaf.cpp"
SEQUENCE = "engine/core/sequence.cpp"
STEPS = "engine/core/steps.cpp"
CUSTOMER = "engine/model/customer.cpp"
CROSSING = "engine/core/crossing.cpp"
ROSTER = "engine/core/roster.cpp"
WORK = "engine/core/work.cpp"
WORK_COMMANDS = "engine/core/work_commands.cpp"
WORKTIME = "engine/core/worktime.cpp"
LEADS = "engine/core/leads.cpp"
DEALS = "engine/core/opportunities.cpp"
FUNNEL = "engine/core/funnel.cpp"

# name: (file, what stands there, what is put in its place)
MUTATIONS = {
    "window-includes-its-start": (AGGREGATE, "case Window::Kind::within: range.lo = rows.upper_bound(now_ - w.a)",
                                  "case Window::Kind::within: range.lo = rows.lower_bound(now_ - w.a)"),
    "window-one-millisecond-short": (AGGREGATE, "case Window::Kind::within: range.lo = rows.upper_bound(now_ - w.a)",
                                     "case Window::Kind::within: range.lo = rows.upper_bound(now_ - w.a + 1)"),
    "earlier-window-excludes-its-end": (AGGREGATE, "range.hi = rows.upper_bound(now_ - w.b)", "range.hi = rows.lower_bound(now_ - w.b)"),
    "row-leaves-late": (AGGREGATE, "row_time + w.a : kNever", "row_time + w.a + 1 : kNever"),
    "month-starts-on-the-second": (AGGREGATE, "static_cast<std::uint8_t>((month - 1) % 12 + 1), 1}", "static_cast<std::uint8_t>((month - 1) % 12 + 1), 2}"),
    "week-starts-on-sunday": (AGGREGATE, "today - (iso_weekday(today) - 1)", "today - iso_weekday(today) % 7"),
    "quarters-shifted": (AGGREGATE, "(ymd.month - 1) / 3 * 3 + 1", "(ymd.month + 1) / 3 * 3 - 1"),
    "trigger-counts-itself": (AGGREGATE, "rows.position(trigger_.rows->time(trigger_.row), trigger_.rows->id(trigger_.row))",
                              "rows.position(trigger_.rows->time(trigger_.row), trigger_.rows->id(trigger_.row)) + 1"),
    "empty-average-is-zero": (AGGREGATE, "if (!matched.empty()) { q = sum_of(a, *rows, matched, true); q.until = found.until; }",
                              "q.view = ValueView::of_integer(0); if (!matched.empty()) { q = sum_of(a, *rows, matched, true); q.until = found.until; }"),
    "count-one-too-few": (AGGREGATE, "return ++n == k; });", "return ++n == k + 1; });"),
    "sum-reached-too-late": (AGGREGATE, ">= wanted; });", "> wanted; });"),
    "leaf-window-includes-its-start": (LEAF, "slot.rows->upper_bound(now_ - leaf.length)", "slot.rows->lower_bound(now_ - leaf.length)"),
    "leaf-count-one-too-few": (LEAF, "if (++count == leaf.wanted) return reached(row);", "if (++count == leaf.wanted + 1) return reached(row);"),
    "leaf-sum-reached-too-late": (LEAF, "if ((sum += v.i) >= leaf.wanted) return reached(row);", "if ((sum += v.i) > leaf.wanted) return reached(row);"),
    "leaf-row-leaves-late": (LEAF, "rows.time(row) + leaf.length}", "rows.time(row) + leaf.length + 1}"),
    "leaf-average-of-all-but-strict": (LEAF, "if (left == right) return {!leaf.strict, until};", "if (left == right) return {leaf.strict, until};"),
    "column-sum-one-row-late": (COLUMNS, "past - sums_.begin()) - 1;", "past - sums_.begin());"),
    "column-extreme-of-the-other-end": (COLUMNS, "found = greatest ? std::max(found, v) : std::min(found, v);", "found = std::max(found, v);"),
    "distinct-counts-what-has-left": (LEAF, "return place == to || place < from ? missed", "return place == to ? missed"),
    "crossing-misses-what-is-just-reached": (CROSSING, "return value < cut.at; });", "return value <= cut.at; });"),
    "membership-outlives-its-attribute": (JUDGE, "remember(member.root, false);", "(void)member;"),
    "missing-is-small": (COMPARE, "if (left.view.missing()) return {false, left.until};",
                         "if (left.view.missing()) return {node.op == Op::less_than || node.op == Op::at_most, left.until};"),
    "between-excludes-its-end": (COMPARE, "order_to(node.literals[1]) <= 0", "order_to(node.literals[1]) < 0"),
    "leap-day-on-the-first-of-march": (COMPARE, "std::min(origin.day, days_in_month(year, origin.month))", "origin.day"),
    "right-side-not-folded": (COMPARE, "if (right != nullptr && node.ignore_case) {", "if (right == nullptr && node.ignore_case) {"),
    "late-event-ignored": (ENGINE, "if (input.time > now) return;", "if (input.time != now) return;"),
    "event-ahead-fires-at-once": (ENGINE, "if (input.time > now) return;", ""),
    "import-fires": (ENGINE, "judge.judge(now, true);", "judge.judge(now, false);"),
    "conflict-taken-for-duplicate": (ENGINE, "kept && same_content(*kept, input) ?", "kept ?"),
    "equal-value-is-a-change": (ENGINE, "if (same) continue;", ""),
    "duplicate-fires-again": (ENGINE, "const std::optional<Input> kept =", "stored = true; note(judge, input, now); const std::optional<Input> kept ="),
    "boundary-judged-with-what-comes-later": (ENGINE, "if (due >= now) return;", "if (due + 1 >= now) return;"),
    "all-holds-for-the-longest": (EVALUATE, "earliest = std::min(earliest, v.until);", "earliest = earliest == kNever ? v.until : std::max(earliest, v.until);"),
    "tag-outlives-its-end": (EVALUATE, "last->expires <= now_", "last->expires < now_"),
    "has-been-one-late": (EVALUATE, "return now_ >= due ?", "return now_ > due ?"),
    "days-rounded": (EVALUATE, "age >= 0 ? age / kDay :", "age >= 0 ? (age + kDay / 2) / kDay :"),
    "customers-zone-ignored": (EVALUATE, "zone_ = it->second;", ""),
    "highest-band-open-below": (EVALUATE, "if (q.numerator >= s.bands[i].from.units) found = i;", "if (q.numerator > s.bands[i].from.units) found = i;"),
    "once-per-one-too-long": (FIRE, "now - it->at < rule.limits.once_per", "now - it->at <= rule.limits.once_per"),
    "only-if-not-asked": (STEPS, "if (next.only_if != kNone && ", "if (false && next.only_if != kNone && "),
    "timeout-one-late": (STEPS, "now + next.timeout, std::min", "now + next.timeout + 1, std::min"),
    "until-met-at-its-end-is-a-timeout": (STEPS, "if (!verdict.truth && over && step.stop_on_timeout)", "if (over && step.stop_on_timeout)"),
    "until-not-woken-by-time": (STEPS, "std::min(again, verdict.until), now);", "again, now);"),
    "until-not-woken-by-input": (STEPS, "if (!everything_ && touched_waits_.empty()) return;", "if (!everything_) return;"),
    "exit-ignored": (STEPS, "const Verdict verdict = evaluator.truth(rule.exit);", "Verdict verdict = evaluator.truth(rule.exit); verdict.truth = false;"),
    "exit-goes-on": (STEPS, "return verdict.truth;", "return false;"),
    "exit-asked-at-the-firing": (STEPS, "(now > started || next.waits()) &&", ""),
    "else-taken-for-then": (STEPS, "if (!evaluator.truth(next.condition).truth) {", "if (evaluator.truth(next.condition).truth) {"),
    "then-runs-into-else": (STEPS, "case Step::Kind::jump: step = next.target; continue;", "case Step::Kind::jump: break;"),
    "stop-goes-on": (STEPS, "decide(rule, cause, now, false, Held::stopped, step, {}); return;",
                     "decide(rule, cause, now, false, Held::stopped, step, {}); break;"),
    "goal-does-not-stop": (GOAL, "if (!goal.stop || goal.event != row.type", "if (goal.stop || goal.event != row.type"),
    "goal-stops-for-ever": (GOAL, "row.time <= run.started || row.time - run.started > goal.within)", "row.time <= run.started)"),
    "step-known-by-its-number": (RUNS, "if (says(other) != says(mark)) continue;", "if (says(other) != says(mark) && i != step) continue;"),
    "rule-later-than-its-segment-seeds": (ENGINE, "judge.enter_existing(r, std::max(rule.activated, state.clock));", ""),
    "too-old-one-late": (JUDGE, "now - candidate.happened >= rule.max_age", "now - candidate.happened > rule.max_age"),
    "timer-one-late": (JUDGE, "verdict.until <= now ? now + 1 : verdict.until", "verdict.until == kNever ? kNever : verdict.until + 1"),
    "hold-not-ended-by-leaving": (JUDGE, "run.rule == id && run.step == kHoldStep", "run.rule == id && run.step == kHoldStep && false"),
    "seeding-fires": (JUDGE, "flip(index, true, t, true);", "flip(index, true, t, false);"),
    "silence-includes-its-last-instant": (SEQUENCE, "t <= c.time || t > end", "t <= c.time || t >= end"),
    "gap-may-be-the-whole-length": (SEQUENCE, "c.time - before.time >= step.within", "c.time - before.time > step.within"),
    "hours-include-their-end": (SEQUENCE, "wall.of_day >= h.from && wall.of_day < h.to", "wall.of_day >= h.from && wall.of_day <= h.to"),
    "date-ignores-its-offset": (ARM, "return v.i + trigger.offset;", "return v.i;"),
    "date-in-the-past-fires": (ARM, "if (due == kNever || due <= now) return;", "if (due == kNever) return;"),
    "date-does-not-move": (ARM, "erase_if(state_->runs, waits);", ""),
    "segment-not-touched-by-attribute": (JUDGE, "for (const auto s : plan_->segments_by_attribute[attribute]) force(s);", "{}"),
    "tags-touch-nothing": (JUDGE, "for (const auto s : plan_->segments_by_tag) force(s);", ""),
    "write-is-there-at-once": (WRITE, "TimeMs taken = now;", "TimeMs taken = now - 1;"),
    "second-addition-lost": (WRITE, "taken = state.attributes.time(i);", "taken = now;"),
    "addition-forgets-what-is-there": (WRITE, "if (current.missing()) return add;", "return add;"),
    "tag-expires-one-early": (WRITE, "made.input.time + write.expires", "made.input.time + write.expires - 1"),
    "steps-do-not-wait-for-the-write": (STEPS, "done > now && step + 1 < rule.steps.size()", "done > now && step + 1 > rule.steps.size()"),
    "chain-cut-one-late": (JUDGE, "if (depth_ > limits::kChainDepth) {", "if (depth_ > limits::kChainDepth + 1) {"),
    "duplicate-counted-twice": (CUSTOMER, "if (ids.may_have(input.id) && has_id(input)) return false;",
                                "if (input.kind != InputKind::event && ids.may_have(input.id) && has_id(input)) return false;"),
    # policy-…: to be found by the comparison of policies with their reference (tests/unit/core_policy_test.cpp), not by `compare`.
    "policy-cap-one-too-many": (POLICY, "if (counted.size() < policy.at_most) return {};", "if (counted.size() <= policy.at_most) return {};"),
    "policy-cap-window-includes-its-start": (POLICY, "TimeMs start = now - policy.per, next = kNever;", "TimeMs start = now - policy.per - 1, next = kNever;"),
    "policy-cap-forgets-its-unit-start": (POLICY, "    start -= 1;\n", ""),
    "policy-cap-frees-the-newest-first": (POLICY, "next = counted[counted.size() - policy.at_most] + policy.per;", "next = counted.back() + policy.per;"),
    "policy-contact-not-kept": ("engine/core/fire.cpp", "  keep_contact(*plan_, *state_, subject_of(out), now);\n", ""),
    "policy-contacts-lost-at-restart": (CUSTOMER_CODEC, "  if (contacts.empty()) return;\n", "  return;\n"),
    "policy-deferred-goes-on": (LEAVE, "begin_wait(rule, cause, started, step, verdict.until, again, now, since);", "{}"),
    "policy-waits-one-too-long": (LEAVE, "begin_wait(rule, cause, started, step, verdict.until, again, now, since);",
                                   "begin_wait(rule, cause, started, step, verdict.until + 1, again, now, since);"),
    "policy-opening-includes-its-end": (POLICY, "if (to <= now || to <= from) continue;", "if (to < now || to <= from) continue;"),
    "policy-hours-over-midnight-lost": (POLICY, "zone.local(now).date - 1;", "zone.local(now).date;"),
    "policy-inhibits-too-long": (POLICY, "if (c.at <= now - policy.within ||", "if (c.at < now - policy.within ||"),
    "policy-inhibits-itself": (POLICY, "c.rule == subject.rule_id || c.action == subject.action) continue;", "c.action == subject.action) continue;"),
    "policy-caps-asked-while-waiting": (POLICY, "if (waits.kind != PolicyVerdict::Kind::allow) return bounded", "if (waits.kind != PolicyVerdict::Kind::allow && kind == Policy::Kind::cap) return bounded"),
    "policy-holiday-worked": ("engine/plan/policy.cpp", "if (holiday != nullptr) return false;", ""),
    "policy-brake-one-late": (DESK_POLICY, "history.count <= measure * policy.times) return false;", "history.count <= measure * policy.times + 1) return false;"),
    "policy-brake-forgets-a-release": (DESK_POLICY, "    busiest = std::max(busiest, history.count);\n  }\n  return true;", "  }\n  return true;"),
    # Who gets which task, and what becomes of it: found by `work_compare`.
    "work-capacity-one-more": (ROSTER, "} else if (room(member) < bid.units) {", "} else if (room(member) + 1 < bid.units) {"),
    "work-day-one-more": (ROSTER, "had + bid.units > per_day_of(member)) {", "had + bid.units > per_day_of(member) + 1) {"),
    "work-turns-from-the-start": (ROSTER, "start = static_cast<std::size_t>(it - members.begin()) + 1;", "start = static_cast<std::size_t>(it - members.begin()) + 2;"),
    "work-weight-never-paid": (ROSTER, "if (best != nullptr) credit[best->id] -= total;", "if (best != nullptr) credit[best->id] -= 1;"),
    "work-most-loaded": (ROSTER, "load(member->id) < load(best->id) ||", "load(member->id) > load(best->id) ||"),
    "work-refused-is-asked-again": (ROSTER, "std::ranges::find(*bid.refused, member.id) != bid.refused->end()", "false"),
    "work-load-stays": (ROSTER, "it->second -= units;", "it->second -= units - 1;"),
    "work-absence-ends-a-day-early": (WORKTIME, "today > absence.to) continue;", "today >= absence.to) continue;"),
    "work-hours-one-millisecond-short": (WORKTIME, "if (end - start < left) {", "if (end - start <= left) {"),
    "work-rung-late": (WORK, "kNever : after_work(plan, hours, due, ladder[i].after);", "kNever : after_work(plan, hours, due, ladder[i].after) + 1;"),
    "work-mandatory-waits": (WORK, "-(a.terms.rank * 2 + (a.mandatory ? 1 : 0))", "-(a.terms.rank * 2)"),
    "work-declined-keeps-the-turn": (WORK_COMMANDS, """  const std::string who = task.action.owner;
  task.refused.push_back(who);""", """  const std::string who = task.action.owner;"""),
    "work-called-back-one-late": (WORK_COMMANDS, "task.action.due = at + kCallBackGrace;", "task.action.due = at + kCallBackGrace + kMinute;"),
    "work-called-back-keeps-its-deadline": (WORK_COMMANDS, "  task.overdue = false;\n  set_clocks(plan, task, now);", "  task.overdue = false;"),
    "work-one-try-too-many": (WORK_COMMANDS, "task.tries < disposition->tries_most)", "task.tries <= disposition->tries_most)"),
    "work-sticky-for-ever": (ROSTER, "(entry.within == 0 || bid.last_owned > bid.at - entry.within)", "true"),
    "work-withdraws-of-all-rules": (WORK, "if (!rules.empty() && std::ranges::find(rules, task.action.rule) == rules.end()) continue;", ""),
    "work-merged-is-not-found": (WORK, "    of_customer_.emplace(known.customer, id);\n", ""),
    # Who has which lead: found by `leads_compare`.
    "leads-claims-are-never-of-yesterday": (LEADS, "const TimeMs day = day_of(plan, now); claims.day != day", "const TimeMs day = day_of(plan, now); claims.day == kAlways"),
    "leads-follow-up-does-not-wait": (LEADS, "std::max(lead.since, lead.followed_at) + pool->recycle_after", "lead.since + pool->recycle_after"),
    "leads-older-word-wins": (LEADS, "if (signal.at < lead.since || ", "if (false || "),
    "leads-merged-away-is-lost": (LEADS, "if (fresh || reach(gone.state) > reach(before.state)) {", "if (reach(gone.state) > reach(before.state)) {"),
    # Where each opportunity stands: found by `deals_compare`.
    "deals-alarm-once-for-ever": (DEALS, """  deal.stalled = false;
  tell(plan, deal, "moved""", """  tell(plan, deal, "moved"""),
    "deals-late-follow-up-turns-back": (DEALS, "signal.at <= deal.active_at || ", ""),
    "deals-new-terms-in-the-past": (DEALS, "    arm(plan, deal, now);\n", ""),
    "deals-back-is-never-there": (DEALS, "std::max(deal.furthest, static_cast<std::uint32_t>(place))", "static_cast<std::uint32_t>(place)"),
    "deals-merged-hears-nothing": (DEALS, "    of_customer_[deal.customer].insert(id);\n", ""),
    "deals-done-is-no-follow-up": (DEALS, "    deal.active_at = std::max(deal.active_at, now);\n", ""),
    "deals-forecast-of-the-next-stage": (FUNNEL, "funnel.stages[place].percent : 0", "funnel.stages[place == 0 ? 0 : place - 1].percent : 0"),
    "deals-skipped-was-not-reached": (FUNNEL, "deal.furthest >= i ? 1U", "deal.furthest == i ? 1U"),
}


def main(args):
    if args == ["--list"]:
        for name, (file, _, _) in MUTATIONS.items():
            print(name, file)
        return 0
    name, source, output = args
    file, old, new = MUTATIONS[name]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        print(f"{file}: the place for the planted bug {name} is there {text.count(old)} times, not once; look for: {old}", file=sys.stderr)
        return 1
    with open(output, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
