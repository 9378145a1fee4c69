// GET /v1/rules, /v1/segments and what lies below them.
#include <set>

#include "daemon/app/api.h"
#include "daemon/app/faded.h"

namespace nudge::daemon {
namespace {

std::string trigger_text(const Plan& plan, const Trigger& trigger) {
  switch (trigger.kind) {
    case Trigger::Kind::event: return "event " + plan.catalog->events[trigger.event].name;
    case Trigger::Kind::enters: return "enters " + plan.segments[trigger.segment].name;
    case Trigger::Kind::leaves: return "leaves " + plan.segments[trigger.segment].name;
    case Trigger::Kind::attribute_changes: return "attribute_changes " + plan.catalog->attributes[trigger.attribute].name;
    case Trigger::Kind::schedule: return "schedule " + trigger.cron;
    case Trigger::Kind::date: return "date " + plan.catalog->attributes[trigger.attribute].name;
  }
  return "";
}

void write_rule(Json& json, const Plan& plan, const Rule& rule, const StatsDelta& stats) {
  json.begin_object()
      .field("name", rule.name)
      .field("description", rule.description)
      .field("category", category_name(rule.category))
      .field("state", rule_state_name(rule.state))
      .field("version", rule.version)
      .field("priority", rule.priority)
      .field("trigger", trigger_text(plan, rule.trigger))
      .field("file", rule.file)
      .field("line", rule.line)
      .field_time("active_since", rule.activated);
  json.key("members");
  const bool of_segment = rule.trigger.kind == Trigger::Kind::enters || rule.trigger.kind == Trigger::Kind::leaves;
  const auto root = of_segment ? stats.roots.find(plan.segments[rule.trigger.segment].root) : stats.roots.end();
  if (!of_segment)
    json.raw("null");
  else
    json.value(root == stats.roots.end() ? std::int64_t{0} : root->second.members);
  static const RuleStats kNothing;
  const auto found = stats.rules.find(rule.id);
  const RuleStats& r = found == stats.rules.end() ? kNothing : found->second;
  json.field("fired", r.fired).field_time("last_fired", r.last_fired).field("held", r.held_total()).key("held_by").begin_object();
  for (std::size_t i = 0; i < kHeldReasons; ++i) {
    if (r.held[i] != 0) json.field(held_text(static_cast<Held>(i)), r.held[i]);
  }
  json.end_object();
  json.field("actions_held", r.dropped_total()).key("actions_held_by").begin_object();
  for (std::size_t i = 0; i < kHeldReasons; ++i) {
    if (r.dropped[i] != 0) json.field(held_name(static_cast<Held>(i)), r.dropped[i]);
  }
  json.end_object();
  if (rule.goal.event == kNoEventType) {
    json.key("goal").raw("null");
  } else {
    json.key("goal")
        .begin_object()
        .field("event", plan.catalog->events[rule.goal.event].name)
        .field("within", format_duration(rule.goal.within))
        .field("converted", r.converted)
        .field_raw("value", format_decimal(Decimal{r.converted_value}))
        .field("holdout_fired", r.held[static_cast<std::size_t>(Held::holdout)])
        .field("holdout_converted", r.holdout_converted)
        .field_raw("holdout_value", format_decimal(Decimal{r.holdout_value}))
        .end_object();
  }
  json.field("actions", r.actions)
      .field("accepted", r.accepted)
      .field("failed", r.failed)
      .field("last_error", r.last_error)
      .field_time("last_error_at", r.last_error_at)
      .end_object();
}

void write_segment(Json& json, const Segment& segment, const StatsDelta& stats) {
  static const RootStats kNothing;
  const auto found = stats.roots.find(segment.root);
  const RootStats& r = found == stats.roots.end() ? kNothing : found->second;
  json.begin_object()
      .field("name", segment.name)
      .field("description", segment.description)
      .field("file", segment.file)
      .field("line", segment.line)
      .field_time("active_since", segment.activated)
      .field("members", r.members)
      .field("entered", r.entered)
      .field("left", r.left)
      .end_object();
}

}  // namespace

http::Response Api::rules() const {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const StatsDelta stats = runtime_.stats();
  Json json;
  json.begin_object().field("plan", plan->sequence).key("rules").begin_array();
  for (const Rule& rule : plan->rules) write_rule(json, *plan, rule, stats);
  json.end_array().end_object();
  return of_state(json_response(std::move(json)), state_of(*plan));
}

http::Response Api::rule(const http::Request& request) const {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Rule* rule = plan->find_rule(request.param("name"));
  if (rule == nullptr)
    return error_response({Code::not_found, "there is no rule `" + std::string(request.param("name")) + "`; see /v1/rules"});
  Json json;
  write_rule(json, *plan, *rule, runtime_.stats());
  return of_state(json_response(std::move(json)), state_of(*plan));
}

// With `at`: the members of each by evaluation at that instant, in one walk over all customers.
void Api::segments(http::Request& request, http::Responder responder) {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!at) return responder.send(error_response(at.error()));
  const std::string prefix(request.query_param("prefix").value_or(""));
  struct Counts {
    std::vector<const Segment*> segments;
    std::vector<std::atomic<std::uint64_t>> members;
    std::atomic<std::uint64_t> customers{0};
  };
  auto counts = std::make_shared<Counts>();
  for (const Segment& segment : plan->segments) {
    if (segment.name.starts_with(prefix)) counts->segments.push_back(&segment);
  }
  if (!at->has_value()) {
    const StatsDelta stats = runtime_.stats();
    Json json;
    json.begin_object().field("plan", plan->sequence).key("segments").begin_array();
    for (const Segment* segment : counts->segments) write_segment(json, *segment, stats);
    json.end_array().end_object();
    return responder.send(of_state(json_response(std::move(json)), state_of(*plan)));
  }
  Reading reading;
  for (const Segment* segment : counts->segments) reading.conditions.push_back(segment->node);
  const std::vector<Faded> not_whole = faded(*plan, reading, **at, *plan->catalog, runtime_.now());
  counts->members = std::vector<std::atomic<std::uint64_t>>(counts->segments.size());
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  runtime_.scan_customers(
      [plan, counts, at = **at](Shard& shard, const CustomerState& state) {
        ++counts->customers;
        for (std::size_t i = 0; i < counts->segments.size(); ++i) {
          if (shard.engine().holds(*plan, state, counts->segments[i]->node, at)) ++counts->members[i];
        }
      },
      [shared, plan, counts, not_whole, at = **at](Result<void> walked) {
        if (!walked) return shared->send(error_response(walked.error()));
        Json json;
        json.begin_object().field("plan", plan->sequence).field_time("at", at).field("customers", counts->customers.load());
        write_faded(json, not_whole);
        json.key("segments").begin_array();
        for (std::size_t i = 0; i < counts->segments.size(); ++i)
          json.begin_object().field("name", counts->segments[i]->name).field("members", counts->members[i].load()).end_object();
        json.end_array().end_object();
        shared->send(json_response(std::move(json)));
      });
}

// Members by evaluation at an instant, over all customers, slot by slot.
void Api::segment(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string name(request.param("name"));
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!at) return shared->send(error_response(at.error()));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Segment* segment = plan->find_segment(name);
  if (segment == nullptr) return shared->send(error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"}));
  if (!at->has_value()) {
    Json json;
    write_segment(json, *segment, runtime_.stats());
    return shared->send(of_state(json_response(std::move(json)), state_of(*plan)));
  }
  struct Count {
    std::atomic<std::uint64_t> members{0}, customers{0};
  };
  auto count = std::make_shared<Count>();
  runtime_.scan_customers(
      [plan, segment, count, at = **at](Shard& shard, const CustomerState& state) {
        ++count->customers;
        if (shard.engine().holds(*plan, state, segment->node, at)) ++count->members;
      },
      [shared, name, count, at = **at, description = segment->description,
       not_whole = faded(*plan, {{segment->node}, {}, {}}, **at, *plan->catalog, runtime_.now())](Result<void> walked) {
        if (!walked) return shared->send(error_response(walked.error()));
        Json json;
        json.begin_object()
            .field("name", name)
            .field("description", description)
            .field_time("at", at)
            .field("members", count->members.load())
            .field("customers", count->customers.load());
        write_faded(json, not_whole);
        json.end_object();
        shared->send(json_response(std::move(json)));
      });
}

namespace {

http::Response members_page(const std::string& name, TimeMs at, std::uint64_t total, const auto& ids, std::size_t limit,
                            const std::vector<Faded>& not_whole = {}) {
  Json json;
  json.begin_object().field("name", name).field_time("at", at).field("total", total);
  write_faded(json, not_whole);
  json.key("members").begin_array();
  for (const std::string& id : ids) json.value(id);
  json.end_array().key("next");
  if (ids.size() == limit)
    json.value(*ids.rbegin());
  else
    json.raw("null");
  json.end_object();
  return tagged_without(json_response(std::move(json)), "at");
}

}  // namespace

// Now: from memory, as the search for customers does it. Then, or with more customers than fit there: every customer is judged anew.
void Api::members(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string name(request.param("name"));
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  const Result<std::uint64_t> limit = number_param(request, "limit", 1000, 1, 1'000'000);
  if (!at) return shared->send(error_response(at.error()));
  if (!limit) return shared->send(error_response(limit.error()));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Segment* segment = plan->find_segment(name);
  if (segment == nullptr) return shared->send(error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"}));
  const std::string after(request.query_param("after").value_or(""));
  if (at->has_value()) return members_at(shared, plan, *segment, **at, after, *limit);
  const bool posted = workers_.post([this, shared, plan, segment, after, limit = *limit] {
    const TimeMs now = runtime_.now();
    const Result<CustomerIndex::Found> found = index_.find({.segment = segment->root, .after = after, .limit = limit});
    if (found) return shared->send(members_page(segment->name, now, found->total, found->ids, limit));
    if (found.error().code != Code::unavailable) return shared->send(error_response(found.error()));
    members_at(shared, plan, *segment, now, after, limit);
  });
  if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
}

void Api::members_at(const Shared& to, const std::shared_ptr<const Plan>& plan, const Segment& segment, TimeMs at, const std::string& after, std::size_t limit) {
  struct Found {
    std::mutex mutex;
    std::set<std::string> ids;  // the smallest `limit` after `after`
    std::uint64_t total = 0;
  };
  auto found = std::make_shared<Found>();
  // Who asks about the present is answered as of a moment ago, which is not the past yet.
  const TimeMs present = runtime_.now();
  std::vector<Faded> not_whole;
  if (at + kSecond < present) not_whole = faded(*plan, {{segment.node}, {}, {}}, at, *plan->catalog, present);
  runtime_.scan_customers(
      [plan, &segment, found, at, after, limit](Shard& shard, const CustomerState& state) {
        if (!shard.engine().holds(*plan, state, segment.node, at)) return;
        const std::lock_guard lock(found->mutex);
        ++found->total;
        if (state.id <= after || (found->ids.size() >= limit && state.id > *found->ids.rbegin())) return;
        found->ids.insert(state.id);
        if (found->ids.size() > limit) found->ids.erase(std::prev(found->ids.end()));
      },
      [to, plan, &segment, found, at, limit, not_whole = std::move(not_whole)](Result<void> walked) {
        to->send(walked ? members_page(segment.name, at, found->total, found->ids, limit, not_whole) : error_response(walked.error()));
      });
}

Result<void> Api::install_rules(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/rules", [this](http::Request&, http::Responder to) { to.send(rules()); }));
  NUDGE_TRY(server.route(Method::get, "/v1/rules/{name}", [this](http::Request& r, http::Responder to) { to.send(rule(r)); }));
  NUDGE_TRY(server.route(Method::get, "/v1/segments", [this](http::Request& r, http::Responder to) { segments(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::get, "/v1/segments/{name}", [this](http::Request& r, http::Responder to) { segment(r, std::move(to)); }));
  return server.route(Method::get, "/v1/segments/{name}/members",
                      [this](http::Request& r, http::Responder to) { members(r, std::move(to)); });
}

}  // namespace nudge::daemon
