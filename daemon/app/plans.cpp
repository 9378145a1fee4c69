#include "daemon/app/plans.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "daemon/app/api.h"
#include "daemon/http/etag.h"
#include "engine/core/runs.h"
#include "engine/simulate/plan_diff.h"

namespace nudge::daemon {
namespace {

std::string version_state(std::uint64_t version) { return "v" + std::to_string(version); }

// What switching over means for the customers there are.
struct Impact {
  struct SegmentCount {
    std::uint64_t now = 0, then = 0, enter = 0, leave = 0;
  };
  struct RuleCount {
    std::uint64_t fired = 0, held = 0, actions = 0;
    std::map<RunFate, std::uint64_t> runs;
  };
  std::uint64_t customers = 0;
  std::map<std::string, SegmentCount> segments;
  std::map<std::string, RuleCount> rules;

  void add(const Impact& other) {
    customers += other.customers;
    for (const auto& [name, s] : other.segments) {
      SegmentCount& mine = segments[name];
      mine.now += s.now;
      mine.then += s.then;
      mine.enter += s.enter;
      mine.leave += s.leave;
    }
    for (const auto& [name, r] : other.rules) {
      RuleCount& mine = rules[name];
      mine.fired += r.fired;
      mine.held += r.held;
      mine.actions += r.actions;
      for (const auto& [fate, n] : r.runs) mine.runs[fate] += n;
    }
  }
};

// Looks at one customer after the other; one per thread. The desk is shared: at_most speaks of all customers.
class Counting {
 public:
  Counting(const Plan& now, const Plan& then, const std::vector<std::string>& segments, Desk& desk, std::mutex& mutex)
      : now_(now), then_(then), segments_(segments), desk_(desk), mutex_(mutex) {}

  void customer(CustomerState& state, TimeMs at) {
    ++impact.customers;
    for (const std::string& name : segments_) {
      const Segment *old = now_.find_segment(name), *fresh = then_.find_segment(name);
      const bool before = old != nullptr && old_engine_.holds(now_, state, old->node, at);
      const bool after = fresh != nullptr && new_engine_.holds(then_, state, fresh->node, at);
      Impact::SegmentCount& count = impact.segments[name];
      count.now += before ? 1 : 0;
      count.then += after ? 1 : 0;
      count.enter += !before && after ? 1 : 0;
      count.leave += before && !after ? 1 : 0;
    }
    // What is due by now happens with or without the change.
    Effects effects;
    old_engine_.advance(now_, state, at, effects);
    for (const RunChange& run : runs_under(now_, state, then_)) ++impact.rules[run.rule].runs[run.fate];
    effects.clear();
    new_engine_.reconcile(then_, state, effects);
    if (effects.decisions.empty() && effects.actions.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      desk_.settle(then_, effects);
    }
    for (const Decision& d : effects.decisions) {
      Impact::RuleCount& count = impact.rules[d.rule];
      ++(d.fired ? count.fired : count.held);
    }
    for (const ActionOut& a : effects.actions) ++impact.rules[a.rule].actions;
  }

  Impact impact;

 private:
  const Plan &now_, &then_;
  const std::vector<std::string>& segments_;
  Desk& desk_;
  std::mutex& mutex_;
  Engine old_engine_, new_engine_;
};

void write_items(Json& json, const PlanDiff& diff) {
  json.key("items").begin_array();
  for (const PlanDiff::Item& item : diff.items) {
    json.begin_object()
        .field("kind", item.kind)
        .field("name", item.name)
        .field("change", change_name(item.change))
        .field("state", item.state);
    json.key("parts").begin_array();
    for (const PlanDiff::Part& part : item.parts) {
      json.begin_object().field("part", part.part).field("was", part.was).field("now", part.now).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void write_impact(Json& json, const Impact& impact) {
  json.field("customers", impact.customers).key("segments").begin_array();
  for (const auto& [name, s] : impact.segments) {
    json.begin_object().field("name", name).field("members_now", s.now).field("members_then", s.then);
    json.field("enter", s.enter).field("leave", s.leave).end_object();
  }
  json.end_array();
  std::uint64_t fired = 0, held = 0, actions = 0;
  json.key("rules").begin_array();
  for (const auto& [name, r] : impact.rules) {
    fired += r.fired;
    held += r.held;
    actions += r.actions;
    json.begin_object()
        .field("name", name)
        .field("fires_at_once", r.fired)
        .field("held_at_once", r.held)
        .field("actions_at_once", r.actions);
    json.key("runs").begin_object();
    for (const RunFate fate : {RunFate::kept, RunFate::edited, RunFate::moved, RunFate::ended, RunFate::gone}) {
      const auto it = r.runs.find(fate);
      json.field(run_fate_name(fate), it == r.runs.end() ? 0 : it->second);
    }
    json.end_object().end_object();
  }
  json.end_array().field("fires_at_once", fired).field("held_at_once", held).field("actions_at_once", actions);
}

http::Response text_response(std::string text) {
  http::Response response;
  response.body = std::move(text);
  response.body.push_back('\n');
  return response;
}

std::uint64_t number_of(const std::string& id) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), n);
  return error == std::errc() && end == id.data() + id.size() ? n : 0;
}

Result<Desk> stored_desk(const Store& store) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::meta, kMetaDesk));
  return bytes ? Desk::decode(*bytes) : Desk();
}

}  // namespace

http::Response Plans::make(DraftRequest draft) {
  const std::shared_ptr<const Plan> now = runtime_.plan();
  CompiledPlan compiled = compile_plan(draft.sources, now->catalog.get());
  if (compiled.plan == nullptr || !compiled.error.empty()) return refused_response(compiled.diagnostics, compiled.error);
  const Result<std::shared_ptr<const Plan>> then = runtime_.preview(*compiled.plan);
  if (!then) return error_response(then.error());
  const PlanDiff diff = diff_plans(now.get(), **then);
  std::vector<std::string> segments;
  for (const PlanDiff::Item& item : diff.items) {
    if (item.kind == "segment") segments.push_back(item.name);
  }
  Impact impact;
  if (now->digest != (*then)->digest) {
    Result<Desk> desk = stored_desk(runtime_.store());
    if (!desk) return error_response(desk.error());
    std::mutex mutex;
    std::vector<std::unique_ptr<Counting>> workers;
    for (unsigned i = 0; i < threads_; ++i) workers.push_back(std::make_unique<Counting>(*now, **then, segments, *desk, mutex));
    const TimeMs at = runtime_.now();
    const Result<void> read = runtime_.read_states(
        *(*then)->catalog, threads_, [&](unsigned thread, CustomerState& state) { workers[thread]->customer(state, at); }, {});
    if (!read) return error_response(read.error());
    for (const auto& worker : workers) impact.add(worker->impact);
  }
  const std::lock_guard lock(mutex_);
  Kept kept;
  kept.base = now->sequence;
  kept.note = draft.note;
  for (const auto& [name, r] : impact.rules) kept.actions += r.actions;
  Json json;
  json.begin_object().field("id", std::to_string(++last_)).field("base", kept.base).field_time("at", runtime_.now());
  json.field("changed", !diff.items.empty() || now->digest != (*then)->digest).field("warnings", compiled.diagnostics.warnings());
  write_items(json, diff);
  write_impact(json, impact);
  json.end_object();
  kept.sources = std::move(draft.sources);
  kept.json = json.take();
  http::Response response = text_response(kept.json);
  plans_.emplace(last_, std::move(kept));
  while (plans_.size() > kKept) plans_.erase(plans_.begin());
  return response;
}

http::Response Plans::show(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto it = plans_.find(number_of(id));
  if (it == plans_.end()) return error_response({Code::not_found, "there is no plan `" + id + "` (any more); make it again"});
  return text_response(it->second.json);
}

std::string state_of(const Plan& plan) { return version_state(plan.sequence); }

http::Response Plans::apply(const std::string& id, const ApplyRequest& request) {
  Kept kept;
  {
    const std::lock_guard lock(mutex_);
    const auto it = plans_.find(number_of(id));
    if (it == plans_.end()) return error_response({Code::not_found, "there is no plan `" + id + "` (any more); make it again"});
    kept = it->second;
  }
  const auto changed = [](const std::string& why) { return http::problem(412, "http.changed", why); };
  if (!request.only_if.empty() && !http::state_listed(request.only_if, version_state(kept.base)))
    return changed("this plan was made against version " + std::to_string(kept.base) + ", and that is none of If-Match; look again");
  if (!request.yes && kept.actions > request.max_actions) {
    return http::problem(409, "needs_yes",
                         "applying this would set off " + std::to_string(kept.actions) + " actions at once, and at most " +
                             std::to_string(request.max_actions) + " are allowed without a yes; say so with `yes`, or raise `max_actions`");
  }
  PlanNote note = kept.note;
  note.author = request.author;
  note.comment = request.comment;
  const Result<PlanChange> change = runtime_.activate(kept.sources, note, kept.base);
  if (!change) {
    if (change.error().code == Code::conflict && !request.only_if.empty()) return changed(change.error().message);
    if (change.error().code == Code::conflict) return http::problem(409, "moved", change.error().message);
    return error_response(change.error());
  }
  if (!change->accepted()) return refused_response(change->diagnostics, change->error);
  {
    const std::lock_guard lock(mutex_);
    plans_.erase(number_of(id));
  }
  Json json;
  json.begin_object().field("changed", change->changed).field("plan", change->sequence).field("warnings", change->diagnostics.warnings());
  json.end_object();
  return json_response(std::move(json));
}

}  // namespace nudge::daemon
