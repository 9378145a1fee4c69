// GET /v1/customers/{id}, /v1/explain, /v1/preview: what is known of a customer, and why a rule did or did not fire.
#include <algorithm>

#include "daemon/app/api.h"
#include "daemon/app/faded.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/tasks.h"
#include "engine/core/explain.h"
#include "engine/core/judge.h"
#include "engine/core/preview.h"
#include "engine/core/runs.h"

namespace nudge::daemon {
namespace {

struct Recent {
  TimeMs time;
  std::string id;
  std::string json;
};

void write_event(Json& json, const Catalog& catalog, EventTypeId type, const Rows& rows, std::size_t row, const Personal* hidden) {
  const EventTypeDef& def = catalog.events[type];
  json.begin_object().field("id", rows.id(row)).field_time("time", rows.time(row)).field("event", def.name).key("data").begin_object();
  for (std::size_t f = 0; f < def.fields.size(); ++f) {
    const auto field = static_cast<FieldId>(f);
    if (!rows.has_field(row, field)) continue;
    const ValueView value = rows.field(row, field, kind_of(def.fields[f].type));
    json.field_raw(def.fields[f].name, shown_json(def.fields[f], value, hidden));
  }
  json.end_object().end_object();
}

// The newest `limit` rows of all types at or before `now`.
std::string recent_events(const CustomerState& state, const Catalog& catalog, std::size_t limit, const Personal* hidden) {
  std::vector<Recent> all;
  for (const auto& [type, rows] : state.events) {
    const std::size_t n = std::min(limit, rows.size());
    for (std::size_t row = rows.size() - n; row < rows.size(); ++row) {
      Json json;
      write_event(json, catalog, type, rows, row, hidden);
      all.push_back({rows.time(row), std::string(rows.id(row)), json.take()});
    }
  }
  std::ranges::sort(all, [](const Recent& a, const Recent& b) { return a.time != b.time ? a.time > b.time : a.id > b.id; });
  if (all.size() > limit) all.resize(limit);
  Json json;
  json.begin_array();
  for (const Recent& r : all) json.raw(r.json);
  json.end_array();
  return json.take();
}

void write_traits(Json& json, Shard& shard, const CustomerState& state, TimeMs now, const Personal* hidden) {
  const Plan& plan = shard.plan();
  json.key("traits").begin_object();
  for (const Trait& trait : plan.traits) {
    const std::string value = to_json(shard.engine().value(plan, state, trait.expr, now).view());
    json.field_raw(trait.name, hidden != nullptr ? hidden->hide_json(value) : value);
  }
  json.end_object();
}

// All that the customer's state says; on the shard's thread. `hidden`: what is not to be shown; null: nothing.
void write_state(Json& json, Shard& shard, const CustomerState& state, TimeMs now, std::size_t events, const Personal* hidden) {
  const Plan& plan = shard.plan();
  const Catalog& catalog = *plan.catalog;
  json.field("customer", state.id).field_time("as_of", now).field_time("clock", state.clock);
  json.key("aliases").begin_array();
  for (const std::string& alias : state.aliases) json.value(alias);
  json.end_array();
  write_attributes(json, state, catalog, now, hidden);
  write_tags(json, state, now);
  json.key("segments").begin_array();
  for (const Segment& segment : plan.segments) {
    if (!shard.engine().holds(plan, state, segment.node, now)) continue;
    TimeMs since = kNever;
    for (const Membership& m : state.members) {
      if (m.root == segment.root) since = m.since;
    }
    json.begin_object().field("name", segment.name).field_time("since", since).end_object();
  }
  json.end_array();
  write_traits(json, shard, state, now, hidden);
  std::size_t rows = 0;
  for (const auto& [type, list] : state.events) rows += list.size();
  json.field("events_stored", rows).field_raw("events", recent_events(state, catalog, events, hidden));
  json.key("waiting_steps").begin_array();
  for (const Run& run : state.runs) {
    if (waits_for_goal(run)) continue;
    const auto rule = plan.rule_of_id.find(run.rule);
    json.begin_object()
        .field("rule", rule == plan.rule_of_id.end() ? "" : plan.rules[rule->second].name)
        .field("what", describe_run(plan, run));
    if (between_steps(run)) json.field("step", run.step);
    json.field_time("due", run.waits_until())
        .field_time("started", run.started)
        .end_object();
  }
  json.end_array().field_time("next_due", Engine::next_due(state));
}

// The newest twenty over all names of a customer, each asked by itself.
template <class T, class Number, class Ask>
Result<std::vector<T>> newest_of(const std::vector<std::string>& names, Number number, Ask ask) {
  ListQuery query;
  query.limit = 20;
  std::vector<T> all;
  for (const std::string& name : names) {
    NUDGE_ASSIGN(std::vector<T> some, ask(name, query));
    std::ranges::move(some, std::back_inserter(all));
  }
  if (names.size() > 1) std::ranges::sort(all, std::greater<>(), number);
  if (all.size() > query.limit) all.erase(all.begin() + static_cast<std::ptrdiff_t>(query.limit), all.end());
  return all;
}

// What `request` may not see of a customer; null: nothing is hidden. On the shard's thread.
std::shared_ptr<const Personal> hidden_of(bool full, Shard& shard, const CustomerState& state) {
  return full ? nullptr : std::make_shared<const Personal>(Personal::of(state, *shard.plan().catalog));
}

http::Response unknown_customer(std::string_view id) {
  return http::problem(404, "unknown_customer", "customer `" + std::string(id) + "` was never heard of");
}

}  // namespace

void Api::customer(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string id(request.param("id"));
  const Result<std::uint64_t> events = number_param(request, "events", 20, 0, 10'000);
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!events) return shared->send(error_response(events.error()));
  if (!at) return shared->send(error_response(at.error()));
  const bool full = sees_personal(request);
  runtime_.ask_customer(id, [this, shared, id, full, events = *events, at = *at](Shard& shard, const CustomerState* state) {
    if (state == nullptr) return shared->send(unknown_customer(id));
    auto json = std::make_shared<Json>();
    json->begin_object();
    const std::shared_ptr<const Personal> hidden = hidden_of(full, shard, *state);
    write_state(*json, shard, *state, at.value_or(std::max(shard.now(), state->clock)), events, hidden.get());
    if (at) {
      Reading reading;
      for (const Segment& segment : shard.plan().segments) reading.conditions.push_back(segment.node);
      for (const Trait& trait : shard.plan().traits) reading.values.push_back(trait.expr);
      write_faded(*json, faded(shard.plan(), reading, *at, *shard.plan().catalog, shard.now()));
    }
    std::vector<std::string> names{state->id};  // what was decided while the customer had another name stays under that
    names.insert(names.end(), state->aliases.begin(), state->aliases.end());
    const bool posted = workers_.post([this, shared, names, json, hidden] {
      const TimeMs now = runtime_.now();
      Result<std::vector<Decision>> decisions =
          newest_of<Decision>(names, [](const Decision& d) { return d.number; }, [&](const std::string& name, const ListQuery& query) {
            return decisions_of(runtime_.store(), name, query);
          });
      Result<std::vector<ActionRecord>> actions = newest_of<ActionRecord>(
          names, [](const ActionRecord& a) { return a.number; },
          [&](const std::string& name, const ListQuery& query) {
            return actions_of(runtime_.store(), name, query, [](const ActionRecord&) { return true; });
          });
      if (!decisions) return shared->send(error_response(decisions.error()));
      if (!actions) return shared->send(error_response(actions.error()));
      json->key("decisions").begin_array();
      for (const Decision& d : *decisions) write_decision(*json, d, hidden.get());
      json->end_array().key("actions").begin_array();
      for (const ActionRecord& a : *actions) write_action(*json, a, false, hidden.get());
      json->end_array().key("tasks").begin_array();
      for (const ActionRecord& a : *actions) {
        if (a.action.kind != "call_task") continue;
        if (Result<TaskRecord> task = task_by_id(runtime_.store(), id_bytes(a.action.id)); task) write_task(*json, *task, now, hidden.get());
      }
      json->end_array().end_object();
      shared->send(tagged_without(json_response(std::move(*json)), "as_of"));
    });
    if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
  });
}

// As of an instant that was judged already: under the plan in force then, with the limits as they stood, and with what was decided.
http::Response Api::explain_past(const CustomerState& state, const std::string& rule_name, const std::string& segment_name, TimeMs at,
                                 const Personal* hidden) {
  const Result<std::shared_ptr<const Plan>> then = runtime_.plan_at(at);
  if (!then) return error_response(then.error());
  const std::shared_ptr<const Plan> now = runtime_.plan();
  const auto has = [&](const Plan& p) {
    return rule_name.empty() ? p.find_segment(segment_name) != nullptr : p.find_rule(rule_name) != nullptr;
  };
  const Plan& plan = has(**then) ? **then : *now;
  if (!has(plan)) {
    return error_response(
        {Code::not_found, rule_name.empty() ? "there is no segment `" + segment_name + "`" : "there is no rule `" + rule_name + "`"});
  }
  Json json;
  json.begin_object().field("customer", state.id).field_time("at", at).field("plan", plan.sequence);
  json.field("in_force_then", &plan == then->get());
  Reading reading;
  if (rule_name.empty())
    reading.conditions.push_back(plan.find_segment(segment_name)->node);
  else
    add_reading(plan, *plan.find_rule(rule_name), reading);
  write_faded(json, faded(plan, reading, at, *now->catalog, runtime_.now()));
  std::string inner;
  if (rule_name.empty()) {
    append_json(inner, explain_condition(plan, state, plan.find_segment(segment_name)->node, at));
    if (hidden != nullptr) inner = hidden->hide_json(inner);
    json.field("segment", segment_name).field_raw("explanation", inner).end_object();
    return json_response(std::move(json));
  }
  const Rule& rule = *plan.find_rule(rule_name);
  ListQuery query;
  query.limit = 10'000;
  query.rule = rule_name;
  Result<std::vector<Decision>> decisions = decisions_of(runtime_.store(), state.id, query);
  if (!decisions) return error_response(decisions.error());
  std::erase_if(*decisions, [&](const Decision& d) { return d.at > at; });
  // A firing counts for once_per also when something held its actions back, but not when once_per or the rollout kept it from firing. One
  // at this very instant is what is explained, not what limited it.
  LeanVector<LastFired> fired;
  for (const Decision& d : *decisions) {
    if (d.step != kNone || d.at >= at || d.held == Held::once_per || d.held == Held::rollout) continue;
    const auto same = [&](const LastFired& f) { return f.key == d.cause.key; };
    if (std::ranges::none_of(fired, same)) fired.push_back({rule.id, d.cause.key, d.at});
  }
  const CustomerState past = as_of(plan, state, rule, at, std::move(fired));
  append_json(inner, explain_rule(plan, past, rule, at));
  if (hidden != nullptr) inner = hidden->hide_json(inner);
  json.field("rule", rule_name).field_raw("explanation", inner).key("decided").begin_array();
  if (decisions->size() > 5) decisions->resize(5);
  for (const Decision& d : *decisions) write_decision(json, d, hidden);
  json.end_array().end_object();
  return json_response(std::move(json));
}

void Api::explain(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string id(request.query_param("customer").value_or(""));
  const std::string rule_name(request.query_param("rule").value_or(""));
  const std::string segment_name(request.query_param("segment").value_or(""));
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!at) return shared->send(error_response(at.error()));
  if (id.empty() || rule_name.empty() == segment_name.empty()) {
    return shared->send(
        error_response({Code::invalid, "give `customer` and either `rule` or `segment`: /v1/explain?customer=c1&rule=dormant-return"}));
  }
  runtime_.ask_customer(id, [this, shared, id, rule_name, segment_name, full = sees_personal(request), at = *at](
                                Shard& shard, const CustomerState* state) {
    if (state == nullptr) return shared->send(unknown_customer(id));
    const std::shared_ptr<const Personal> hidden = hidden_of(full, shard, *state);
    if (at && *at <= state->clock) {
      // The past: the rules, firings and decisions of then are to be read.
      auto copy = std::make_shared<CustomerState>(*state);
      const bool posted = workers_.post(
          [this, shared, copy, rule_name, segment_name, hidden, at = *at] { shared->send(explain_past(*copy, rule_name, segment_name, at, hidden.get())); });
      if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
      return;
    }
    const Plan& plan = shard.plan();
    const TimeMs now = at.value_or(std::max(shard.now(), state->clock));
    Json json;
    json.begin_object().field("customer", state->id).field_time("at", now);
    std::string inner;
    Reading reading;
    if (!rule_name.empty()) {
      const Rule* rule = plan.find_rule(rule_name);
      if (rule == nullptr) return shared->send(error_response({Code::not_found, "there is no rule `" + rule_name + "`"}));
      append_json(inner, explain_rule(plan, *state, *rule, now));
      if (hidden != nullptr) inner = hidden->hide_json(inner);
      json.field("rule", rule_name).field_raw("explanation", inner);
      add_reading(plan, *rule, reading);
    } else {
      const Segment* segment = plan.find_segment(segment_name);
      if (segment == nullptr) return shared->send(error_response({Code::not_found, "there is no segment `" + segment_name + "`"}));
      append_json(inner, explain_condition(plan, *state, segment->node, now));
      if (hidden != nullptr) inner = hidden->hide_json(inner);
      json.field("segment", segment_name).field_raw("explanation", inner);
      reading.conditions.push_back(segment->node);
    }
    if (at) write_faded(json, faded(plan, reading, now, *plan.catalog, shard.now()));
    json.end_object();
    shared->send(json_response(std::move(json)));
  });
}

// The rule's messages as they would go out to this customer, by the rules in force.
namespace {

// What stops it behind the customer's own policies: nobody who takes it, the suppression list, test mode, stop-all.
void ask_delivery(Runtime& runtime, const std::vector<ConnectorFigures>& connectors, Preview& preview, TimeMs now) {
  for (PreviewStep& step : preview.steps) {
    if (!step.judged || !step.error.empty() || step.action.channel == "task") continue;
    const ConnectorFigures* taker = nullptr;
    for (const ConnectorFigures& c : connectors) {
      if (!step.connector.empty() ? c.name == step.connector : c.kind == step.channel || (c.kind == "smtp" && step.channel == "email")) {
        taker = &c;
        break;
      }
      if (step.connector.empty() && c.fallback && step.kind != "enrich") taker = &c;
    }
    if (taker == nullptr)
      step.stops.push_back({"dead", "no connector " + (step.connector.empty() ? "for `" + step.channel : "`" + step.connector) + "` is configured"});
    else
      step.connector = taker->name;
    const GateVerdict gate = runtime.gate().ask(step.action, now);
    const bool told = std::ranges::any_of(step.stops, [&](const PreviewStop& s) { return s.words == gate.words; });
    if (gate.kind == GateVerdict::Kind::wait) step.stops.push_back({"waits", gate.words});
    if (gate.kind == GateVerdict::Kind::hold && !told) step.stops.push_back({"held", gate.words});
    if (!gate.send_to.empty()) step.stops.push_back({"elsewhere", "test mode: it goes to " + gate.send_to + " instead"});
  }
}

}  // namespace

void Api::preview(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string id(request.query_param("customer").value_or(""));
  const std::string rule_name(request.query_param("rule").value_or(""));
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!at) return shared->send(error_response(at.error()));
  if (id.empty() || rule_name.empty())
    return shared->send(error_response({Code::invalid, "give `customer` and `rule`: /v1/preview?customer=c1&rule=dormant-return"}));
  auto connectors = runtime_.figures().connectors;
  runtime_.ask_customer(id, [this, shared, id, rule_name, full = sees_personal(request), at = *at, connectors = std::move(connectors)](
                                Shard& shard, const CustomerState* state) {
    if (state == nullptr) return shared->send(unknown_customer(id));
    const Rule* rule = shard.plan().find_rule(rule_name);
    if (rule == nullptr) return shared->send(error_response({Code::not_found, "there is no rule `" + rule_name + "`; see /v1/rules"}));
    const TimeMs now = at.value_or(std::max(shard.now(), state->clock));
    auto preview = std::make_shared<Preview>(preview_rule(shard.plan(), *state, *rule, now));
    // The desk belongs to the committer: a copy of it is asked there.
    const auto plan = runtime_.plan();
    auto hidden = hidden_of(full, shard, *state);
    Reading reading;
    add_reading(shard.plan(), *rule, reading);
    std::vector<Faded> not_whole;
    if (at) not_whole = faded(shard.plan(), reading, now, *shard.plan().catalog, shard.now());
    runtime_.tasks().look(
        [this, plan, preview, now, connectors](const Desk& desk, TimeMs) {
          std::string bytes;
          desk.encode(bytes);
          if (Result<Desk> copy = Desk::decode(bytes)) ask_desk(*plan, *copy, *preview);
          ask_delivery(runtime_, connectors, *preview, now);
        },
        [shared, preview, id, rule_name, version = rule->version, hidden = std::move(hidden),
         not_whole = std::move(not_whole)](const Error* failure) {
          if (failure != nullptr) return shared->send(error_response(*failure));
          std::string inner;
          append_json(inner, *preview);
          if (hidden) inner = hidden->hide_json(inner);
          Json json;
          json.begin_object().field("customer", id).field("rule", rule_name).field("version", version).field_raw("preview", inner);
          write_faded(json, not_whole);
          json.end_object();
          shared->send(json_response(std::move(json)));
        });
  });
}

Result<void> Api::install_customers(http::HttpServer& server) {
  NUDGE_TRY(server.route(http::Method::get, "/v1/customers", on_worker([this](const http::Request& r) { return customers(r); })));
  NUDGE_TRY(
      server.route(http::Method::get, "/v1/customers/{id}", [this](http::Request& r, http::Responder to) { customer(r, std::move(to)); }));
  NUDGE_TRY(server.route(http::Method::get, "/v1/preview", [this](http::Request& r, http::Responder to) { preview(r, std::move(to)); }));
  return server.route(http::Method::get, "/v1/explain", [this](http::Request& r, http::Responder to) { explain(r, std::move(to)); });
}

}  // namespace nudge::daemon
