// GET /v1/rules/{name}/parts and /v1/segments/{name}/parts: how many customers each part of a condition holds for.
#include <mutex>

#include "daemon/app/api.h"
#include "daemon/app/faded.h"
#include "engine/core/parts.h"

namespace nudge::daemon {
namespace {

struct Counting {
  Counting(std::shared_ptr<const Plan> plan_in, const Rule* rule_in, const Segment* segment_in)
      : plan(std::move(plan_in)), rule(rule_in), segment(segment_in) {}
  PartCounter fresh() const { return rule != nullptr ? PartCounter(*plan, *rule) : PartCounter(*plan, *segment); }
  // The one of a shard, which alone uses it.
  PartCounter& of(std::uint32_t shard) {
    const std::lock_guard lock(mutex);
    auto& counter = counters[shard];
    if (!counter) counter = std::make_unique<PartCounter>(fresh());
    return *counter;
  }
  const std::shared_ptr<const Plan> plan;
  const Rule* const rule;
  const Segment* const segment;
  std::mutex mutex;
  std::map<std::uint32_t, std::unique_ptr<PartCounter>> counters;
};

// The parts at `at` and below it, as they follow each other.
std::size_t write_part(Json& json, const std::vector<PartCount>& parts, std::size_t at) {
  const PartCount& part = parts[at];
  json.begin_object().field("text", part.text).field("holds", part.holds).key("so_far");
  if (part.joined)
    json.value(part.so_far);
  else
    json.raw("null");
  json.key("parts").begin_array();
  std::size_t next = at + 1;
  while (next < parts.size() && parts[next].depth > part.depth) next = write_part(json, parts, next);
  json.end_array().end_object();
  return next;
}

http::Response answer(const Counting& counting, TimeMs at, TimeMs present) {
  PartCounter sum = counting.fresh();
  for (const auto& [shard, counter] : counting.counters) sum.add(*counter);
  Json json;
  json.begin_object()
      .field("name", counting.rule != nullptr ? counting.rule->name : counting.segment->name)
      .field("plan", counting.plan->sequence)
      .field_time("at", at)
      .field("customers", sum.customers())
      .field("holds", sum.holds());
  Reading reading;
  if (counting.rule != nullptr)
    reading.conditions.push_back(counting.rule->condition);
  else
    reading.conditions.push_back(counting.segment->node);
  write_faded(json, faded(*counting.plan, reading, at, *counting.plan->catalog, present));
  json.key("parts").begin_array();
  for (std::size_t next = 0; next < sum.parts().size();) next = write_part(json, sum.parts(), next);
  json.end_array().end_object();
  return json_response(std::move(json));
}

}  // namespace

// In one walk over all customers, slot by slot between what comes in.
void Api::count_parts(http::Request& request, http::Responder responder, bool of_rule) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string name(request.param("name"));
  const Result<std::optional<TimeMs>> at = time_param(request, "at");
  if (!at) return shared->send(error_response(at.error()));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Rule* rule = of_rule ? plan->find_rule(name) : nullptr;
  const Segment* segment = of_rule ? nullptr : plan->find_segment(name);
  if (of_rule && rule == nullptr) return shared->send(error_response({Code::not_found, "there is no rule `" + name + "`; see /v1/rules"}));
  if (!of_rule && segment == nullptr)
    return shared->send(error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"}));
  auto counting = std::make_shared<Counting>(plan, rule, segment);
  const TimeMs present = runtime_.now(), now = at->value_or(present);
  runtime_.scan_customers([counting, now](Shard& shard, const CustomerState& state) { counting->of(shard.index()).count(state, now); },
                          [shared, counting, now, present](Result<void> walked) {
                            shared->send(walked ? answer(*counting, now, present) : error_response(walked.error()));
                          });
}

Result<void> Api::install_parts(http::HttpServer& server) {
  NUDGE_TRY(server.route(http::Method::get, "/v1/rules/{name}/parts",
                         [this](http::Request& r, http::Responder to) { count_parts(r, std::move(to), true); }));
  return server.route(http::Method::get, "/v1/segments/{name}/parts",
                      [this](http::Request& r, http::Responder to) { count_parts(r, std::move(to), false); });
}

}  // namespace nudge::daemon
