// /v1/backtests: a draft of rules tried on the past.
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
  options.to = std::min(options.to, runtime_.now());
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
  return server.route(Method::del, "/v1/backtests/{id}", [this](http::Request& r, http::Responder to) {
    const std::string id(r.param("id"));
    to.send(backtests_.cancel(id) ? text_response("{\"status\":\"cancelled\"}") : no_backtest(id));
  });
}

}  // namespace nudge::daemon
