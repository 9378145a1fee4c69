#include "rules/testing/run_tests.h"

#include <algorithm>

#include "engine/simulate/world.h"
#include "rules/testing/coverage.h"
#include "rules/testing/match.h"
#include "rules/testing/read_expect.h"

namespace nudge::testing {
namespace {

constexpr std::size_t kShownMax = 8;  // lines of context below a failure

/// How far the record had grown at some moment.
struct Mark {
  std::size_t edges = 0, decisions = 0, actions = 0, held = 0, receipts = 0;
};

class Run {
 public:
  Run(const TestCase& test, const PlanSource& plans, Coverage* coverage)
      : test_(test), plans_(plans), world_(test.start - 2), drafts_(test.inactive) {
    if (coverage != nullptr) coverage->watch(world_);
    result_.name = test.name;
    if (test.where.document != nullptr) result_.file = test.where.document->name();
    result_.line = test.where.mark.line;
  }

  TestResult go() {
    load();
    world_.move_to(test_.start - 1);
    for (const Input& customer : test_.customers) world_.submit(customer);
    world_.move_to(test_.start);
    since_ = mark();
    bool expecting = false;
    for (const TimelineStep& step : test_.timeline) {
      const bool expects = step.kind == TimelineStep::Kind::expect;
      if (expecting && !expects) since_ = mark();
      expecting = expects;
      if (expects) {
        world_.settle_writes();
        for (const Expectation& e : step.expectations) check(e);
      } else {
        take(step);
      }
    }
    return std::move(result_);
  }

 private:
  void load() { world_.load(plans_(drafts_)); }

  Mark mark() const {
    const WorldRecord& r = world_.record();
    return {r.edges.size(), r.decisions.size(), r.actions.size(), r.held.size(), r.receipts.size()};
  }

  void take(const TimelineStep& step) {
    world_.move_to(step.at);
    switch (step.kind) {
      case TimelineStep::Kind::input: world_.submit(step.input); break;
      case TimelineStep::Kind::activate:
        world_.settle();
        std::erase(drafts_, step.rule.text);
        load();
        break;
      case TimelineStep::Kind::reload:
        world_.settle();
        load();
        break;
      case TimelineStep::Kind::task:
        world_.settle();
        if (const Result<void> done = world_.work(step.customer.text, step.rule.text, step.command); !done)
          fail(step.where, done.error().message);
        break;
      case TimelineStep::Kind::approval:
        world_.settle();
        if (const Result<void> done = world_.answer_approval(step.customer.text, step.rule.text, step.answer); !done)
          fail(step.where, done.error().message);
        break;
      case TimelineStep::Kind::deal:
        world_.settle();
        if (const Result<void> done = world_.deal(step.deal); !done) fail(step.where, done.error().message);
        break;
      case TimelineStep::Kind::lead:
        world_.settle();
        if (const Result<void> done = world_.lead(step.lead); !done) fail(step.where, done.error().message);
        break;
      case TimelineStep::Kind::delivery:
        world_.settle();
        if (!step.result.empty()) return answer(step);
        if (!world_.report_delivery(step.customer.text, step.rule.text, step.outcome, step.note, step.text)) {
          fail(step.where, "there is no message of the rule `" + std::string(step.rule.text) + "` for " + std::string(step.customer.text));
        }
        break;
      case TimelineStep::Kind::move:
      case TimelineStep::Kind::expect: break;
    }
  }

  void answer(const TimelineStep& step) {
    std::string problem;
    const bool fits = world_.answer(step.customer.text, step.rule.text, step.result, problem);
    if (step.outcome == "accepted" && !fits) fail(step.where, problem);
    if (step.outcome == "failed" && fits) fail(step.where, "the answer fits the catalog, so it is accepted; or leave `result` out");
  }

  void fail(const Where& where, std::string message) {
    Failure failure = at(where);
    failure.note = std::move(message);
    result_.failures.push_back(std::move(failure));
  }

  static Failure at(const Where& where) {
    Failure failure;
    if (where.document != nullptr) failure.file = where.document->name();
    failure.line = where.mark.line;
    return failure;
  }

  void differ(const Expectation& e, std::string_view what, const std::string& expected, const std::string& got,
              const std::string& context = {}) {
    Failure failure = at(e.where);
    failure.subject = subject(e);
    failure.differences.push_back({std::string(what), expected, got});
    failure.context = lines_of(context);
    result_.failures.push_back(std::move(failure));
  }

  static std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      if (!line.empty()) lines.emplace_back(line);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
  }

  void count(const Expectation& e, std::string_view what, const std::optional<std::int64_t>& expected, std::size_t got,
             const std::string& context = {}) {
    if (expected && *expected != static_cast<std::int64_t>(got)) differ(e, what, std::to_string(*expected), std::to_string(got), context);
  }

  static std::string subject(const Expectation& e) {
    std::string out;
    if (e.rule) out += "rule " + std::string(e.rule.text) + ", ";
    if (e.customer) out += "customer " + std::string(e.customer.text) + ", ";
    if (e.segment) out += "segment " + std::string(e.segment.text) + ", ";
    if (!out.empty()) out.resize(out.size() - 2);
    return out;
  }

  static bool concerns(const Expectation& e, std::string_view rule, std::string_view customer) {
    return (!e.rule || e.rule.text == rule) && (!e.customer || e.customer.text == customer);
  }

  std::string decisions_shown(const Expectation& e) const {
    std::string out;
    std::size_t shown = 0;
    for (std::size_t i = since_.decisions; i < world_.record().decisions.size(); ++i) {
      const Decision& d = world_.record().decisions[i];
      if (!concerns(e, d.rule, d.customer)) continue;
      if (shown++ == kShownMax) return out + "  …\n";
      out += "  " + format_timestamp(d.at) + " " + d.rule + " " + d.customer +
             (d.fired                    ? " fired"
              : d.held == Held::deferred ? " deferred until " + format_timestamp(d.deferred_until)
                                         : " held: " + std::string(held_word(d.held)));
      if (d.step != kNone) out += ", step " + std::to_string(d.step + 1);
      if (!d.detail.empty()) out += " (" + d.detail + ")";
      out += "\n";
    }
    if (out.empty()) return "  no decision was made";
    out.pop_back();
    return out;
  }

  void check(const Expectation& e) {
    ++result_.expectations;
    check_decisions(e);
    check_actions(e);
    check_segment(e);
    check_customer(e);
    if (e.open_tasks) {
      count(e, "open tasks", e.open_tasks, static_cast<std::size_t>(std::ranges::count_if(world_.tasks(), [&](const Task& t) {
              return is_open(t.state) && concerns(e, t.action.rule, t.action.customer);
            })));
    }
    check_tasks(e);
    check_approvals(e);
    check_lead(e);
    check_deals(e);
    const auto receipts = [&](Receipt kind) {
      const auto& all = world_.record().receipts;
      return static_cast<std::size_t>(std::count_if(
          all.begin() + static_cast<std::ptrdiff_t>(since_.receipts), all.end(),
          [&](const WorldRecord::InputReceipt& r) { return r.receipt == kind && (!e.customer || e.customer.text == r.customer); }));
    };
    if (e.duplicates) count(e, "duplicates", e.duplicates, receipts(Receipt::duplicate));
    if (e.conflicts) count(e, "conflicts", e.conflicts, receipts(Receipt::conflict));
  }

  void check_decisions(const Expectation& e) {
    std::size_t fired = 0, held = 0, acted = 0;
    std::vector<TimeMs> deferred;
    std::vector<std::size_t> by_reason(64);
    for (std::size_t i = since_.decisions; i < world_.record().decisions.size(); ++i) {
      const Decision& d = world_.record().decisions[i];
      if (!concerns(e, d.rule, d.customer)) continue;
      if (d.fired && d.step == kNone) ++fired;
      if (d.held == Held::deferred) {
        deferred.push_back(d.deferred_until);
      } else if (!d.fired) {
        ++held;
        ++by_reason[static_cast<std::size_t>(d.held) % by_reason.size()];
      }
    }
    for (std::size_t i = since_.actions; i < world_.record().actions.size(); ++i) {
      if (concerns(e, world_.record().actions[i].rule, world_.record().actions[i].customer)) ++acted;
    }
    // What the desk holds back has a decision that fired; what the engine holds back has its own.
    for (std::size_t i = since_.held; i < world_.record().held.size(); ++i) {
      const HeldAction& h = world_.record().held[i];
      const bool by_desk = h.held == Held::budget || h.held == Held::braked || h.held == Held::silenced;
      if (!by_desk || !concerns(e, h.action.rule, h.action.customer)) continue;
      ++held;
      ++by_reason[static_cast<std::size_t>(h.held) % by_reason.size()];
    }
    const std::string context = decisions_shown(e);
    count(e, "deferred", e.deferred, deferred.size(), context);
    if (e.deferred_until && *e.deferred_until != deferred) {
      const auto text = [](const std::vector<TimeMs>& instants) {
        std::string out;
        for (const TimeMs t : instants) out += (out.empty() ? "" : ", ") + format_timestamp(t);
        return "[" + out + "]";
      };
      differ(e, "deferred", text(*e.deferred_until), text(deferred), context);
    }
    count(e, "fired", e.fired, fired, context);
    count(e, "held back", e.held, held, context);
    for (const auto& [reason, expected] : e.held_by) {
      count(e, "held back by " + std::string(held_word(reason)), expected, by_reason[static_cast<std::size_t>(reason) % by_reason.size()],
            context);
    }
    if (e.nothing && fired + held + acted + deferred.size() != 0)
      differ(e, "what happened", "nothing", std::to_string(fired) + " fired, " + std::to_string(held) + " held back", context);
  }

  std::string_view template_of(const ActionOut& action) const {
    const Rule* rule = world_.plan().find_rule(action.rule);
    if (rule == nullptr || action.step >= rule->steps.size()) return {};
    return rule->steps[action.step].action.template_name;
  }

  void check_actions(const Expectation& e) {
    if (!e.actions) return;
    std::vector<const ActionOut*> actual;
    for (std::size_t i = since_.actions; i < world_.record().actions.size(); ++i) {
      const ActionOut& action = world_.record().actions[i];
      if (concerns(e, action.rule, action.customer)) actual.push_back(&action);
    }
    const auto expected = e.actions.node->items;
    if (expected.size() != actual.size()) {
      Failure failure = at(e.where);
      failure.subject = subject(e);
      failure.differences.push_back({"actions", std::to_string(expected.size()), std::to_string(actual.size())});
      for (std::size_t i = 0; i < std::min(std::max(expected.size(), actual.size()), kShownMax); ++i) {
        failure.differences.push_back({"action " + std::to_string(i + 1), i < expected.size() ? describe_expected(*expected[i]) : "nothing",
                                       i < actual.size() ? describe_action(*actual[i]) : "nothing"});
      }
      failure.context = lines_of(decisions_shown(e));
      result_.failures.push_back(std::move(failure));
      return;
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      std::vector<Difference> wrong = differences(*expected[i], *actual[i], template_of(*actual[i]));
      if (wrong.empty()) continue;
      Failure failure = at({e.where.document, expected[i]->mark});
      failure.subject = subject(e) + (subject(e).empty() ? "" : ", ") + "action " + std::to_string(i + 1);
      failure.differences = std::move(wrong);
      failure.context = {"the action: " + describe_action(*actual[i])};
      result_.failures.push_back(std::move(failure));
    }
  }

  void check_tasks(const Expectation& e) {
    if (!e.tasks) return;
    std::vector<const Task*> actual;
    for (const Task& task : world_.tasks()) {
      if (concerns(e, task.action.rule, task.action.customer)) actual.push_back(&task);
    }
    check_each(e, *e.tasks.node, actual, "task", task_differences, describe_task);
  }

  void check_approvals(const Expectation& e) {
    if (!e.approvals) return;
    std::vector<const Request*> actual;
    for (const Request& request : world_.approvals()) {
      if (concerns(e, request.action.rule, request.action.customer)) actual.push_back(&request);
    }
    check_each(e, *e.approvals.node, actual, "approval", approval_differences, describe_approval);
  }

  template <class T, class Compare, class Describe>
  void check_each(const Expectation& e, const doc::Node& list, const std::vector<const T*>& actual, const std::string& what, Compare compare,
                  Describe describe) {
    std::string all;
    for (const T* one : actual) all += (all.empty() ? "" : "\n") + describe(*one);
    if (list.items.size() != actual.size()) return differ(e, what + "s", std::to_string(list.items.size()), std::to_string(actual.size()), all);
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      std::vector<Difference> wrong = compare(*list.items[i], *actual[i]);
      if (wrong.empty()) continue;
      Failure failure = at({e.where.document, list.items[i]->mark});
      failure.subject = subject(e) + (subject(e).empty() ? "" : ", ") + what + " " + std::to_string(i + 1);
      failure.differences = std::move(wrong);
      failure.context = {"the " + what + ": " + describe(*actual[i])};
      result_.failures.push_back(std::move(failure));
    }
  }

  void check_deals(const Expectation& e) {
    if (!e.opportunities) return;
    std::vector<const Opportunity*> actual;
    for (const auto& [id, deal] : world_.deals()) {
      if (!e.customer || deal.customer == e.customer.text) actual.push_back(&deal);
    }
    std::string all;
    for (const Opportunity* deal : actual) all += (all.empty() ? "" : "\n") + describe_deal(*deal);
    const auto expected = e.opportunities.node->items;
    if (expected.size() != actual.size()) return differ(e, "opportunities", std::to_string(expected.size()), std::to_string(actual.size()), all);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      std::vector<Difference> wrong = deal_differences(*expected[i], *actual[i]);
      if (wrong.empty()) continue;
      Failure failure = at({e.where.document, expected[i]->mark});
      failure.subject = subject(e) + (subject(e).empty() ? "" : ", ") + "opportunity " + actual[i]->id;
      failure.differences = std::move(wrong);
      failure.context = {"the opportunity: " + describe_deal(*actual[i])};
      result_.failures.push_back(std::move(failure));
    }
  }

  void check_lead(const Expectation& e) {
    if (!e.lead) return;
    const Lead* lead = world_.desk().leads().find(e.customer.text);
    if (e.lead.node->is_null() || lead == nullptr) {
      if (e.lead.node->is_null() != (lead == nullptr)) differ(e, "lead", lead == nullptr ? "one" : "none", lead == nullptr ? "none" : describe_lead(*lead));
      return;
    }
    std::vector<Difference> wrong = lead_differences(*e.lead.node, *lead);
    if (wrong.empty()) return;
    Failure failure = at({e.where.document, e.lead.node->mark});
    failure.subject = subject(e) + (subject(e).empty() ? "" : ", ") + "lead";
    failure.differences = std::move(wrong);
    failure.context = {"the lead: " + describe_lead(*lead)};
    result_.failures.push_back(std::move(failure));
  }

  static std::string joined(const std::vector<std::string>& ids) {
    std::string out = "[";
    for (const std::string& id : ids) out += (out.size() > 1 ? ", " : "") + id;
    return out + "]";
  }

  void check_segment(const Expectation& e) {
    if (!e.segment) return;
    const Segment* segment = world_.plan().find_segment(e.segment.text);
    if (segment == nullptr) return;
    const std::vector<std::string> members = world_.members(*segment);
    if (e.members && *e.members != members) differ(e, "members", joined(*e.members), joined(members));
    count(e, "count", e.count, members.size(), "  " + joined(members));
    std::size_t entries = 0, exits = 0;
    for (std::size_t i = since_.edges; i < world_.record().edges.size(); ++i) {
      const WorldRecord::CustomerEdge& edge = world_.record().edges[i];
      if (edge.segment != segment->name || (e.customer && e.customer.text != edge.customer)) continue;
      ++(edge.edge.entered ? entries : exits);
    }
    count(e, "entries", e.entries, entries);
    count(e, "exits", e.exits, exits);
  }

  void check_customer(const Expectation& e) {
    const Plan& plan = world_.plan();
    const auto membership = [&](const std::vector<Name>& names, bool wanted) {
      for (const Name& name : names) {
        const Segment* segment = plan.find_segment(name.text);
        if (segment == nullptr || world_.is_member(e.customer.text, *segment) == wanted) continue;
        differ(e, "segment " + std::string(name.text), wanted ? "to be in it" : "not to be in it", wanted ? "not in it" : "in it");
      }
    };
    membership(e.in, true);
    membership(e.not_in, false);
    for (const auto& [attribute, expected] : e.attributes)
      check_value(e, "attribute " + plan.catalog->attributes[attribute].name, *expected.node, world_.attribute(e.customer.text, attribute));
    for (const std::string& tag : e.tags) {
      if (!world_.has_tag(e.customer.text, tag)) differ(e, "tag " + tag, "to be carried", "not carried");
    }
    for (const std::string& tag : e.no_tags) {
      if (world_.has_tag(e.customer.text, tag)) differ(e, "tag " + tag, "not to be carried", "carried");
    }
    for (const auto& [name, expected] : e.traits) {
      const auto trait = std::ranges::find(plan.traits, name.text, &Trait::name);
      if (trait != plan.traits.end()) check_value(e, "trait " + trait->name, *expected.node, world_.value(e.customer.text, trait->expr));
    }
    for (const auto& [name, expected] : e.scores) {
      check_value(e, "score " + std::string(name.text), *expected.node, score(e, name));
    }
    for (const auto& [name, expected] : e.bands) {
      const Value value = score(e, name);
      const std::string band = band_of(name, value);
      if (band != expected.text)
        differ(e, "band of " + std::string(name.text), expected ? std::string(expected.text) : "none",
               (band.empty() ? "none" : band) + " (" + to_text(value.view()) + ")");
    }
  }

  void check_value(const Expectation& e, const std::string& what, const doc::Node& expected, const Value& got) {
    const bool equal = expected.is_null() ? got.missing() : !got.missing() && equals_json(expected, to_json(got.view()));
    if (!equal) differ(e, what, expected.is_null() ? "(missing)" : std::string(expected.text), to_text(got.view()));
  }

  Value score(const Expectation& e, const Name& name) {
    const auto& scores = world_.plan().scores;
    const auto index = std::ranges::find(scores, name.text, &Score::name) - scores.begin();
    return world_.score(e.customer.text, static_cast<std::uint32_t>(index));
  }

  std::string band_of(const Name& name, const Value& value) const {
    const auto score = std::ranges::find(world_.plan().scores, name.text, &Score::name);
    std::string band;
    for (const Score::Band& b : score->bands) {
      if (!value.missing() && compare_numeric(ValueView::of_decimal(b.from), value.view()) <= 0) band = b.name;
    }
    return band;
  }

  const TestCase& test_;
  const PlanSource& plans_;
  World world_;
  std::vector<std::string> drafts_;
  Mark since_;
  TestResult result_;
};

}  // namespace

std::string Failure::message() const {
  std::string out = subject;
  for (const Difference& d : differences) {
    if (!out.empty()) out += differences.size() == 1 ? ", " : "\n  ";
    out += d.what + ": expected " + d.expected + ", got " + d.got;
  }
  if (!note.empty()) out += (out.empty() ? "" : ": ") + note;
  for (const std::string& one : context) out += "\n  " + one;
  return out;
}

TestResult run_test(const TestCase& test, const PlanSource& plans, Coverage* coverage) { return Run(test, plans, coverage).go(); }

}  // namespace nudge::testing
