// Follow-up records: what people write down about a customer and what came of a call. Each is an event of the customer like any other.
#include <atomic>

#include "daemon/app/api.h"
#include "daemon/app/viewer.h"
#include "daemon/runtime/tasks.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kWordBytes = 128;
constexpr DurationMs kAhead = 5 * kMinute;  // as intake allows

// Unlike any other of this life and of earlier ones.
std::string fresh_id(std::string_view customer, TimeMs now) {
  static std::atomic<std::uint64_t> made{0};
  return "nudge:note:" + to_hex(hash128(std::string(customer) + "\n" + std::to_string(now) + "\n" + std::to_string(++made)));
}

}  // namespace

void Api::note(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const auto refuse = [&](Error error) { to->send(error_response(error)); };
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Catalog& catalog = *plan->catalog;
  Input input;
  input.kind = InputKind::event;
  input.type = catalog.find_event("follow_up");
  if (input.type == kNoEventType) return refuse({Code::unavailable, "the catalog in force is of an earlier nudge; reload the rules first"});
  const EventTypeDef& definition = catalog.events[input.type];
  input.customer = request.param("id");
  if (input.customer.empty() || input.customer.size() > limits::kCustomerIdBytes || !is_utf8(input.customer) || input.customer.contains('\0'))
    return refuse({Code::invalid, "a customer's id is text of at most " + std::to_string(limits::kCustomerIdBytes) + " bytes"});
  const std::string text = body_text(request, "text"), result = body_text(request, "result");
  std::string kind = body_text(request, "kind");
  if (kind.empty()) kind = "note";
  if (text.empty() && result.empty())
    return refuse({Code::invalid, "say what there is to note: {\"kind\": \"call\", \"result\": \"no answer\", \"text\": \"…\"}"});
  if (text.size() > limits::kTextBytes) return refuse({Code::invalid, "`text` is longer than " + std::to_string(limits::kTextBytes) + " bytes"});
  const Viewer viewer = viewer_of(request, *plan);
  const std::string by = viewer.person.empty() ? author_of(request, body_text(request, "by")) : viewer.person;
  input.fields.resize(definition.fields.size());
  for (const auto& [field, value] : std::initializer_list<std::pair<std::string_view, std::string>>{
           {"by", by}, {"kind", kind}, {"text", text}, {"result", result}, {"opportunity", body_text(request, "opportunity")}}) {
    if (field != "text" && value.size() > kWordBytes)
      return refuse({Code::invalid, "`" + std::string(field) + "` is longer than " + std::to_string(kWordBytes) + " bytes; the long words belong into `text`"});
    if (!is_utf8(value)) return refuse({Code::invalid, "`" + std::string(field) + "` is no valid UTF-8"});
    const FieldId id = definition.find(field);
    if (!value.empty() && id != kNoField && kind_of(definition.fields[id].type) == Kind::text) input.fields[id] = Value::of_text(value);
  }
  const TimeMs now = runtime_.now();
  input.time = now;
  if (const std::string at = body_text(request, "at"); !at.empty()) {
    const Result<TimeMs> time = parse_timestamp(at);
    if (!time) return refuse({Code::invalid, "`at`: " + time.error().message});
    if (*time > now + kAhead) return refuse({Code::invalid, "`at` lies in the future; a note is about what was"});
    input.time = *time;
  }
  input.id = body_text(request, "id");
  if (input.id.size() > limits::kEventIdBytes) return refuse({Code::invalid, "`id` is longer than " + std::to_string(limits::kEventIdBytes) + " bytes"});
  if (input.id.empty()) {
    input.id = fresh_id(input.customer, now);
    input.generated_id = true;
  }
  const std::string id = input.id;
  const TimeMs at = input.time;
  runtime_.tasks().record(std::move(input), [to, id, at, by](Receipt receipt) {
    if (receipt == Receipt::conflict)
      return to->send(error_response({Code::conflict, "there is a note with the id " + id + " that says something else; the first is kept"}));
    Json json;
    json.begin_object().field("status", receipt == Receipt::duplicate ? "duplicate" : "stored").field("id", id).field_time("at", at).field("by", by).end_object();
    to->send(json_response(std::move(json)));
  });
}

Result<void> Api::install_notes(http::HttpServer& server) {
  return server.route(http::Method::post, "/v1/customers/{id}/notes", [this](http::Request& r, http::Responder to) { note(r, std::move(to)); });
}

}  // namespace nudge::daemon
