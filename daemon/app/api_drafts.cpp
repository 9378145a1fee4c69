// /v1/backtests, /v1/plans, /v1/versions: a draft of rules tried on the past, compared with what is in force, and put into force.
#include <boost/json.hpp>
#include <charconv>

#include "daemon/app/api.h"
#include "daemon/app/draft_request.h"

namespace nudge::daemon {
namespace {

http::Response no_backtest(std::string_view id) {
  return error_response({Code::not_found, "there is no backtest `" + std::string(id) + "` (any more); see /v1/backtests"});
}

http::Response text_response(std::string text, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = std::move(text);
  response.body.push_back('\n');
  return response;
}

}  // namespace

http::Response Api::start_backtest(const http::Request& request) {
  Result<PlanSources> in_force = runtime_.plan_sources(0);
  if (!in_force) return error_response(in_force.error());
  in_force->connectors = connector_names();
  const Result<DraftRequest> draft = read_draft_request(request.body, std::move(*in_force));
  if (!draft) return error_response(draft.error());
  BacktestOptions options;
  for (const auto& [text, place, name] : {std::tuple(&draft->from, &options.from, "from"), std::tuple(&draft->to, &options.to, "to")}) {
    if (text->empty())
      return error_response({Code::invalid, std::string("`") + name + "` is missing: an instant such as 2026-02-01T00:00:00Z"});
    const Result<TimeMs> at = parse_timestamp(*text);
    if (!at) return error_response({Code::invalid, std::string("`") + name + "`: " + at.error().message});
    *place = *at;
  }
  options.now = runtime_.now();
  options.to = std::min(options.to, options.now);
  const std::shared_ptr<const Plan> live = runtime_.plan();
  const CompiledPlan compiled = compile_plan(draft->sources, live->catalog.get());
  if (compiled.plan == nullptr) return refused_response(compiled.diagnostics, compiled.error);
  Result<BacktestSetup> setup = prepare_backtest(*compiled.plan, live.get(), draft->only, options);
  if (!setup) return error_response(setup.error());
  const Result<std::string> id = backtests_.start(*std::move(setup), compiled.plan->catalog);
  if (!id) return error_response(id.error());
  http::Response response = text_response(*backtests_.show(*id, false), 202);
  response.headers.emplace_back("Location", "/v1/backtests/" + *id);
  return response;
}

http::Response Api::make_plan(const http::Request& request) {
  // A rollback is a plan whose files are those of an earlier version.
  if (request.query_param("rollback")) {
    if (!request.body.empty())
      return error_response({Code::invalid, "a rollback is made of the files of that version: send no body, or no `rollback`"});
    const Result<std::uint64_t> sequence = number_param(request, "rollback", 0, 1, ~std::uint64_t{0});
    if (!sequence) return error_response(sequence.error());
    Result<PlanSources> sources = runtime_.plan_sources(*sequence);
    if (!sources) return error_response(sources.error());
    DraftRequest draft;
    draft.sources = *std::move(sources);
    draft.sources.connectors = connector_names();
    draft.note.origin = PlanOrigin::rollback;
    draft.note.rolled_back_to = *sequence;
    return plans_.make(std::move(draft));
  }
  Result<PlanSources> in_force = runtime_.plan_sources(0);
  if (!in_force) return error_response(in_force.error());
  in_force->connectors = connector_names();
  Result<DraftRequest> draft = read_draft_request(request.body, *std::move(in_force));
  if (!draft) return error_response(draft.error());
  return plans_.make(*std::move(draft));
}

std::vector<std::string> Api::connector_names() const {
  std::vector<std::string> names;
  for (const ConnectorSetup& connector : runtime_.options().delivery.connectors) names.push_back(connector.spec.name);
  return names;
}

http::Response Api::apply_plan(const http::Request& request) {
  namespace bj = boost::json;
  ApplyRequest apply;
  if (!request.body.empty()) {
    boost::system::error_code error;
    const bj::value json = bj::parse(request.body, error);
    if (error || !json.is_object()) return error_response({Code::invalid, "the body must be a JSON object"});
    for (const auto& member : json.get_object()) {
      const std::string key(member.key().data(), member.key().size());
      const bj::value& v = member.value();
      const auto text = [&] { return std::string(v.get_string().data(), v.get_string().size()); };
      if (key == "yes" && v.is_bool())
        apply.yes = v.get_bool();
      else if (key == "max_actions" && v.is_int64() && v.get_int64() >= 0)
        apply.max_actions = static_cast<std::uint64_t>(v.get_int64());
      else if (key == "author" && v.is_string())
        apply.author = text();
      else if (key == "comment" && v.is_string())
        apply.comment = text();
      else
        return error_response({Code::invalid, "`" + key + "` is not known here, or has a value of the wrong type"});
    }
  }
  apply.author = author_of(request, apply.author);
  apply.only_if = request.header("If-Match");
  return plans_.apply(std::string(request.param("id")), apply);
}

namespace {

void write_version(Json& json, const PlanVersion& v, std::uint64_t in_force) {
  json.begin_object().field("version", v.sequence).field_time("at", v.at).field("in_force", v.sequence == in_force);
  json.field("origin", plan_origin_name(v.note.origin)).field("author", v.note.author).field("comment", v.note.comment);
  json.key("rolled_back_to");
  if (v.note.rolled_back_to == 0)
    json.raw("null");
  else
    json.value(v.note.rolled_back_to);
  json.field("rules", v.rules).field("segments", v.segments).field("digest", v.digest).end_object();
}

}  // namespace

http::Response Api::versions(const http::Request&) {
  const Result<std::vector<PlanVersion>> all = runtime_.versions();
  if (!all) return error_response(all.error());
  const std::uint64_t in_force = runtime_.plan()->sequence;
  Json json;
  json.begin_object().field("in_force", in_force).key("versions").begin_array();
  for (auto it = all->rbegin(); it != all->rend(); ++it) write_version(json, *it, in_force);
  json.end_array().end_object();
  return of_state(json_response(std::move(json)), "v" + std::to_string(in_force));
}

http::Response Api::version(const http::Request& request) {
  const std::string text(request.param("version"));
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sequence);
  if (error != std::errc() || end != text.data() + text.size() || sequence == 0)
    return error_response({Code::invalid, "`" + text + "` is no version: a number, as /v1/versions lists them"});
  const Result<PlanSources> sources = runtime_.plan_sources(sequence);
  if (!sources) return error_response(sources.error());
  Json json;
  json.begin_object().field("version", sequence).field("timezone", sources->timezone);
  for (const auto& [name, files] : {std::pair("catalog", &sources->catalog), std::pair("rules", &sources->rules)}) {
    json.key(name).begin_array();
    for (const lang::Source& file : *files) json.begin_object().field("name", file.name).field("text", file.text).end_object();
    json.end_array();
  }
  json.end_object();
  return of_state(json_response(std::move(json)), "v" + std::to_string(sequence));
}

Result<void> Api::install_drafts(http::HttpServer& server) {
  using http::Method;
  http::RouteOptions large;
  large.body_bytes_max = lang::kSourceBytesMax;
  NUDGE_TRY(server.route(Method::post, "/v1/backtests", on_worker([this](const http::Request& r) { return start_backtest(r); }), large));
  NUDGE_TRY(server.route(Method::get, "/v1/backtests",
                         [this](http::Request&, http::Responder to) { to.send(text_response(backtests_.list())); }));
  NUDGE_TRY(server.route(Method::get, "/v1/backtests/{id}", [this](http::Request& r, http::Responder to) {
    const std::string id(r.param("id"));
    const std::optional<std::string> shown = backtests_.show(id, true);
    to.send(shown ? text_response(*shown) : no_backtest(id));
  }));
  http::RouteOptions slow = large;
  slow.handler_timeout = std::chrono::hours(1);
  NUDGE_TRY(server.route(Method::post, "/v1/plans", on_worker([this](const http::Request& r) { return make_plan(r); }), slow));
  NUDGE_TRY(server.route(Method::get, "/v1/plans/{id}",
                         [this](http::Request& r, http::Responder to) { to.send(plans_.show(std::string(r.param("id")))); }));
  NUDGE_TRY(server.route(Method::post, "/v1/plans/{id}/apply", on_worker([this](const http::Request& r) { return apply_plan(r); }), slow));
  NUDGE_TRY(server.route(Method::get, "/v1/versions", on_worker([this](const http::Request& r) { return versions(r); })));
  NUDGE_TRY(server.route(Method::get, "/v1/versions/{version}", on_worker([this](const http::Request& r) { return version(r); })));
  return server.route(Method::del, "/v1/backtests/{id}", [this](http::Request& r, http::Responder to) {
    const std::string id(r.param("id"));
    to.send(backtests_.cancel(id) ? text_response("{\"status\":\"cancelled\"}") : no_backtest(id));
  });
}

}  // namespace nudge::daemon
