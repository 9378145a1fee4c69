// What was set aside: list it, look at it, put it through again, or give it up.
#include <charconv>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kReplayedAtOnce = 1000;

Result<std::uint64_t> number_of(const http::Request& request) {
  const std::string_view text = request.param("number");
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return fail(Code::invalid, "a quarantine record is named by its number");
  return n;
}

// One replay after the other; answers when the last is through.
struct Replay {
  std::vector<std::uint64_t> numbers;
  std::size_t at = 0;
  std::uint64_t stored = 0;
  Json problems;
  std::uint64_t still = 0;
  bool more = false;
  std::shared_ptr<http::Responder> to;
};

void replay_next(Runtime& runtime, Workers& workers, const std::shared_ptr<Replay>& replay) {
  if (replay->at == replay->numbers.size()) {
    replay->problems.end_array();
    Json json;
    json.begin_object()
        .field("replayed", replay->stored)
        .field("still_quarantined", replay->still)
        .field("more", replay->more)
        .field_raw("problems", replay->problems.text())
        .end_object();
    return replay->to->send(json_response(std::move(json)));
  }
  const std::uint64_t number = replay->numbers[replay->at++];
  runtime.replay_quarantined(number, [&runtime, &workers, replay, number](Result<Problem> result) {
    if (!result) {
      if (result.error().code != Code::not_found) return replay->to->send(error_response(result.error()));
    } else if (result->set()) {
      ++replay->still;
      if (replay->still <= 100) {
        replay->problems.begin_object()
            .field("number", number)
            .field("code", result->code)
            .field("field", result->field)
            .field("reason", result->reason)
            .end_object();
      }
    } else {
      ++replay->stored;
    }
    if (!workers.post([&runtime, &workers, replay] { replay_next(runtime, workers, replay); })) {
      replay->to->send(error_response({Code::unavailable, "too much is waiting; replay the rest in a moment"}));
    }
  });
}

}  // namespace

void write_quarantined(Json& json, const QuarantineRecord& r, const Catalog* catalog) {
  json.begin_object()
      .field("number", r.number)
      .field_time("at", r.at)
      .field("code", r.code)
      .field("field", r.field)
      .field("reason", r.reason)
      .field("import", r.import);
  if (!r.customer.empty()) json.field("customer", r.customer);
  // Bytes that are no UTF-8 can't stand in JSON; they are shown as hexadecimal digits.
  if (is_utf8(r.raw)) {
    json.field("raw", catalog != nullptr ? hide_members(r.raw, *catalog) : r.raw);
  } else if (catalog != nullptr && any_personal(*catalog)) {
    json.field("raw", "(not shown: it is no text, so what is personal in it can't be told; ask with personal=full)");
  } else {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string hex;
    for (const char c : r.raw) {
      hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
      hex.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
    json.field("raw_hex", hex);
  }
  json.end_object();
}

http::Response Api::quarantine(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  const Result<std::uint64_t> after = number_param(request, request.query_param("cursor") ? "cursor" : "after", 0, 0, UINT64_MAX - 1);
  if (!limit) return error_response(limit.error());
  if (!after) return error_response(after.error());
  const Result<std::vector<QuarantineRecord>> list =
      quarantine_list(runtime_.store(), *limit, *after, request.query_param("code").value_or(""));
  if (!list) return error_response(list.error());
  const StatsDelta stats = runtime_.stats();
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  Json json;
  json.begin_object().field("open", stats.quarantine_open()).key("records").begin_array();
  for (const QuarantineRecord& r : *list) write_quarantined(json, r, sees_personal(request) ? nullptr : plan->catalog.get());
  json.end_array().key("next");
  if (list->size() == *limit)
    json.value(list->back().number);
  else
    json.raw("null");
  json.end_object();
  return json_response(std::move(json));
}

void Api::replay_one(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const Result<std::uint64_t> number = number_of(request);
  if (!number) return shared->send(error_response(number.error()));
  runtime_.replay_quarantined(*number, [shared](Result<Problem> result) {
    if (!result) return shared->send(error_response(result.error()));
    Json json;
    if (result->set()) {
      json.begin_object()
          .field("type", "about:blank")
          .field("title", "Unprocessable Content")
          .field("status", 422)
          .field("code", result->code)
          .field("field", result->field)
          .field("detail", result->reason + ". It stays in quarantine")
          .end_object();
      http::Response response = json_response(std::move(json), 422);
      response.content_type = "application/problem+json";
      return shared->send(std::move(response));
    }
    json.begin_object().field("status", "replayed").end_object();
    shared->send(json_response(std::move(json)));
  });
}

// The records with ?code=…, or all, a thousand at most at a time; `more` says whether there is a rest (continue with ?after=).
void Api::replay_many(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const Result<std::uint64_t> after = number_param(request, "after", 0, 0, UINT64_MAX - 1);
  if (!after) return shared->send(error_response(after.error()));
  const std::string code(request.query_param("code").value_or(""));
  const bool posted = workers_.post([this, shared, code, after = *after] {
    Result<std::vector<QuarantineRecord>> list = quarantine_list(runtime_.store(), kReplayedAtOnce, after, code);
    if (!list) return shared->send(error_response(list.error()));
    auto replay = std::make_shared<Replay>();
    for (const QuarantineRecord& r : *list) replay->numbers.push_back(r.number);
    replay->more = list->size() == kReplayedAtOnce;
    replay->problems.begin_array();
    replay->to = shared;
    replay_next(runtime_, workers_, replay);
  });
  if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
}

void Api::discard(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const Result<std::uint64_t> number = number_of(request);
  if (!number) return shared->send(error_response(number.error()));
  const std::string reason = body_text(request, "reason");
  if (reason.empty()) return shared->send(error_response({Code::invalid, "say why: {\"reason\": \"…\"}"}));
  runtime_.discard_quarantined(*number, reason, [shared](Result<void> result) {
    if (!result) return shared->send(error_response(result.error()));
    Json json;
    json.begin_object().field("status", "discarded").end_object();
    shared->send(json_response(std::move(json)));
  });
}

Result<void> Api::install_quarantine(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/quarantine", on_worker([this](const http::Request& r) { return quarantine(r); })));
  NUDGE_TRY(server.route(Method::get, "/v1/quarantine/{number}", on_worker([this](const http::Request& r) {
                           const Result<std::uint64_t> number = number_of(r);
                           if (!number) return error_response(number.error());
                           const Result<QuarantineRecord> record = quarantine_record(runtime_.store(), *number);
                           if (!record) return error_response(record.error());
                           Json json;
                           write_quarantined(json, *record, sees_personal(r) ? nullptr : runtime_.plan()->catalog.get());
                           return json_response(std::move(json));
                         })));
  NUDGE_TRY(
      server.route(Method::post, "/v1/quarantine/replay", [this](http::Request& r, http::Responder to) { replay_many(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::post, "/v1/quarantine/{number}/replay",
                         [this](http::Request& r, http::Responder to) { replay_one(r, std::move(to)); }));
  return server.route(Method::post, "/v1/quarantine/{number}/discard",
                      [this](http::Request& r, http::Responder to) { discard(r, std::move(to)); });
}

}  // namespace nudge::daemon
