#include "connectors/host/protocol.h"

#include <algorithm>
#include <boost/json.hpp>

#include "connectors/sdk/raw_json.h"

namespace nudge::connectors {

namespace json = boost::json;

namespace {

json::string_view sv(std::string_view s) { return {s.data(), s.size()}; }

std::string quote(std::string_view text) { return json::serialize(json::string(sv(text))); }

bool is_object(std::string_view text) {
  json::error_code error;
  const json::value value = json::parse(sv(text), error);
  return !error && value.is_object();
}

std::string text_of(const json::object& object, std::string_view key, std::size_t bytes_max) {
  const json::value* value = object.if_contains(sv(key));
  if (value == nullptr || !value->is_string()) return {};
  return clean_text(std::string_view(value->get_string()), bytes_max);
}

std::int64_t integer_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(sv(key));
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  if (value->is_double() && value->get_double() >= 0 && value->get_double() < 9e15) return static_cast<std::int64_t>(value->get_double());
  return 0;
}

bool flag_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(sv(key));
  return value != nullptr && value->is_bool() && value->get_bool();
}

void collect_environment(const json::value& value, std::vector<std::string>& names) {
  if (const auto* object = value.if_object()) {
    if (object->size() == 1 && object->begin()->key() == "env" && object->begin()->value().is_string())
      names.emplace_back(object->begin()->value().get_string());
    for (const auto& member : *object) collect_environment(member.value(), names);
  } else if (const auto* array = value.if_array()) {
    for (const auto& item : *array) collect_environment(item, names);
  }
}

Outcome decode_outcome(const json::object& object, std::string_view line, std::size_t result_bytes_max) {
  Outcome out;
  const std::string status = text_of(object, "status", 64);
  out.detail = text_of(object, "detail", kDetailBytesMax);
  out.provider_ref = text_of(object, "provider_ref", kProviderRefBytesMax);
  out.http_status = static_cast<int>(std::clamp<std::int64_t>(integer_of(object, "http_status"), 0, 999));
  out.retry_after_ms = std::clamp<std::int64_t>(integer_of(object, "retry_after_ms"), 0, kRetryAfterMsMax);
  if (status == "accepted") {
    out.status = OutcomeStatus::accepted;
    // Its bytes, not its value: 12.10 stays 12.10.
    if (object.contains("result")) out.result_json = sdk::raw_member(line, "result");
    if (const std::string problem = object.contains("result") ? result_problem(out.result_json, result_bytes_max) : std::string();
        !problem.empty()) {
      out = Outcome{};
      out.detail = "the connector accepted, but its result " + problem;
    }
  } else if (status == "not_sent") {
    out.status = OutcomeStatus::not_sent;
    out.retryable = flag_of(object, "retryable");
  } else if (status == "bad_config") {
    out.status = OutcomeStatus::bad_config;
  } else if (status != "unknown") {
    out = Outcome{};
    out.detail = "the connector answered with the invalid status \"" + status + "\"";
  }
  return out;
}

}  // namespace

std::string_view to_string(OutcomeStatus status) {
  switch (status) {
    case OutcomeStatus::accepted: return "accepted";
    case OutcomeStatus::not_sent: return "not_sent";
    case OutcomeStatus::unknown: return "unknown";
    case OutcomeStatus::bad_config: return "bad_config";
  }
  return "unknown";
}

std::string encode_request(std::uint64_t id, const DeliverRequest& request, std::int64_t deadline_ms) {
  std::string out = request.receive ? R"({"op":"receive","id":)" : request.query ? R"({"op":"query","id":)" : R"({"op":"deliver","id":)";
  out += std::to_string(id);
  out += ",\"action_id\":" + quote(request.action_id);
  out += ",\"kind\":" + quote(request.kind);
  out += ",\"channel\":" + quote(request.channel);
  out += ",\"attempt\":" + std::to_string(request.attempt);
  out += ",\"customer_id\":" + quote(request.customer_id);
  out += ",\"created_ms\":" + std::to_string(request.created_ms);
  out += ",\"deadline_ms\":" + std::to_string(deadline_ms);
  if (request.query) out += ",\"provider_ref\":" + quote(request.provider_ref);
  out += ",\"payload\":" + one_line(request.payload_json) + "}\n";
  return out;
}

std::string encode_hello(const ConnectorSpec& spec) {
  std::string out = R"({"op":"hello","id":0,"protocol":)" + std::to_string(kProtocolVersion);
  out += ",\"name\":" + quote(spec.name) + ",\"kind\":" + quote(spec.kind);
  out += ",\"max_in_flight\":" + std::to_string(spec.in_flight_max);
  out += ",\"config\":" + one_line(spec.config_json) + "}\n";
  return out;
}

std::string encode_stop(std::uint64_t id) { return R"({"op":"stop","id":)" + std::to_string(id) + "}\n"; }

std::string encode_ping(std::uint64_t id) { return R"({"op":"ping","id":)" + std::to_string(id) + "}\n"; }

std::string request_problem(const DeliverRequest& request) {
  const std::size_t bytes = request.payload_json.size() + request.action_id.size() + request.kind.size() + request.channel.size() +
                            request.customer_id.size() + request.provider_ref.size() + 512;
  if (bytes > kRequestBytesMax) return "the action is over 1 MiB";
  if (request.action_id.empty()) return "the action has no id";
  if (!is_object(request.payload_json)) return "the payload is no JSON object";
  return {};
}

Reply decode_reply(std::string_view line, std::size_t result_bytes_max) {
  Reply reply;
  json::error_code error;
  const json::value value = json::parse(sv(line), error);
  if (error || !value.is_object()) {
    reply.text = "a line that is no JSON object: " + clean_text(line, 80);
    return reply;
  }
  const json::object& object = value.get_object();
  const std::string op = text_of(object, "op", 16);
  if (op == "log") {
    reply.what = Reply::What::log;
    reply.text = text_of(object, "text", kDetailBytesMax);
    const std::string level = text_of(object, "level", 16);
    reply.level = level == "debug" ? 0 : level == "warning" ? 2 : level == "error" ? 3 : 1;
    return reply;
  }
  const std::int64_t id = integer_of(object, "id");
  if (!object.contains("id") || id < 0) {
    reply.text = "a reply without an id: " + clean_text(line, 80);
    return reply;
  }
  reply.id = static_cast<std::uint64_t>(id);
  if (op == "hello") {
    reply.what = Reply::What::hello;
    reply.ok = flag_of(object, "ok");
    reply.pings = flag_of(object, "ping");
    reply.text = reply.ok ? std::string(line) : text_of(object, "detail", kDetailBytesMax);
    if (reply.ok && integer_of(object, "protocol") != kProtocolVersion) {
      reply.ok = false;
      reply.text = "it speaks protocol " + std::to_string(integer_of(object, "protocol")) + ", this nudge speaks protocol " +
                   std::to_string(kProtocolVersion);
    }
    return reply;
  }
  if (op == "pong") {
    reply.what = Reply::What::pong;
    return reply;
  }
  reply.what = Reply::What::outcome;
  reply.outcome = decode_outcome(object, line, result_bytes_max);
  return reply;
}

std::string result_problem(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return "is over " + std::to_string(bytes_max >> 10) + " KiB";
  json::parse_options options;
  options.max_depth = kResultDepthMax;
  json::error_code error;
  const json::value value = json::parse(sv(text), error, {}, options);
  return !error && value.is_object() ? "" : "is no JSON object, or nested too deep";
}

std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == '\n' || c == '\r') c = ' ';
  return out;
}

std::vector<std::string> environment_references(std::string_view config_json) {
  std::vector<std::string> names;
  json::error_code error;
  const json::value value = json::parse(sv(config_json), error);
  if (!error) collect_environment(value, names);
  return names;
}

std::string clean_text(std::string_view text, std::size_t bytes_max) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && out.size() < bytes_max) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      out += lead < 0x20 || lead == 0x7f ? ' ' : text[at];
      ++at;
      continue;
    }
    const std::size_t size = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    bool good = size != 0 && lead < 0xf5 && at + size <= text.size();
    for (std::size_t i = 1; good && i < size; ++i) good = (static_cast<unsigned char>(text[at + i]) & 0xc0) == 0x80;
    if (good && size == 3) {  // overlong forms and surrogates
      const auto second = static_cast<unsigned char>(text[at + 1]);
      good = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f);
    } else if (good && size == 4) {
      const auto second = static_cast<unsigned char>(text[at + 1]);
      good = !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
    }
    if (!good) {
      out += '?';
      ++at;
    } else {
      if (out.size() + size > bytes_max) break;
      out.append(text.substr(at, size));
      at += size;
    }
  }
  return out;
}

}  // namespace nudge::connectors
