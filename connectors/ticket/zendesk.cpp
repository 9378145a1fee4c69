// Zendesk: creation with Idempotency-Key (kept for 2 hours there); after that a look-up by external_id comes first.
#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/ticket/ticket.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::int64_t kKeyKeptMs = 2 * 3600 * 1000 - 600'000;  // two hours, less ten minutes for clocks and pauses

class Zendesk final : public TicketSystem {
 public:
  Zendesk(TicketTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        authorization_("Basic " + base64(config.text("zendesk_email") + "/token:" + config.secret("zendesk_token", transport_.host))) {}

  Outcome open(const sdk::Request& request, const Ticket& ticket) override {
    // Nobody tells here when the first attempt was; it can't have been before the action was made.
    if (transport_.host.now_ms() - request.created_ms > kKeyKeptMs)
      if (auto found = found_before(request)) return *std::move(found);
    HttpRequest post = transport_.request(request, "POST", "/api/v2/tickets.json");
    post.headers = {
        {"Authorization", authorization_}, {"Content-Type", "application/json"}, {"Idempotency-Key", std::string(request.action_id)}};
    post.body = boost::json::serialize(boost::json::object{{"ticket", body(request, ticket)}});
    post.repeatable = true;
    const HttpReply reply = http_.send(post);
    Outcome outcome = outcome_of(reply);
    if (reply.transport != HttpReply::Transport::answered) return outcome;
    if (reply.status == 409) return Outcome::retry(outcome.detail, reply.retry_after_ms, 409);  // the same key is in flight
    const auto answer = json_object(reply.body);
    if (outcome.status == sdk::Status::accepted) {
      const auto* made = answer ? answer->if_contains("ticket") : nullptr;
      if (made == nullptr || !made->is_object()) return Outcome::unknown("2xx, but the answer holds no ticket", reply.status);
      outcome.provider_ref = member_text(made->get_object(), "id");
      if (reply.header("x-idempotency-lookup") == "hit") outcome.detail = "an earlier attempt had opened it";
    }
    return outcome;
  }

  Outcome find(const sdk::Request& request) override {
    HttpRequest get = transport_.request(request, "GET", "/api/v2/tickets.json?external_id=" + percent_encode(request.action_id));
    get.headers = {{"Authorization", authorization_}};
    const HttpReply reply = http_.send(get);
    const auto answer = json_object(reply.body);
    const auto* list = answer ? answer->if_contains("tickets") : nullptr;
    if (reply.transport != HttpReply::Transport::answered || reply.status != 200 || list == nullptr || !list->is_array())
      return Outcome::unknown("the look-up failed: " + outcome_of(reply).detail, reply.status);
    for (const auto& item : list->get_array())
      if (const auto* one = item.if_object(); one != nullptr && member_text(*one, "external_id") == request.action_id)
        return Outcome::accepted(member_text(*one, "id"), "an earlier attempt had opened it", 200);
    return Outcome::retry("it is not there", 0, 200);
  }

 private:
  static boost::json::object body(const sdk::Request& request, const Ticket& ticket) {
    boost::json::object out{{"subject", ticket.subject},
                            {"comment", {{"body", ticket.body}, {"public", false}}},
                            {"priority", ticket.priority},
                            {"external_id", boost::json::string(request.action_id.data(), request.action_id.size())}};
    boost::json::array tags{"nudge"};
    for (const std::string& tag : ticket.tags) tags.emplace_back(tag);
    out["tags"] = tags;
    // Only the type "task" has a due time; a type of the company's own is a tag.
    const bool known = ticket.type == "problem" || ticket.type == "incident" || ticket.type == "question" || ticket.type == "task";
    if (!ticket.due.empty()) {
      out["type"] = "task";
      out["due_at"] = ticket.due;
    } else if (known) {
      out["type"] = ticket.type;
    }
    if (!ticket.type.empty() && !known) out["tags"].as_array().emplace_back(ticket.type);
    if (!ticket.requester_email.empty())
      out["requester"] = {{"name", ticket.requester_name.empty() ? ticket.requester_email : ticket.requester_name},
                          {"email", ticket.requester_email}};
    return out;
  }

  TicketTransport transport_;
  std::string authorization_;
  HttpClient http_;
};

}  // namespace

std::unique_ptr<TicketSystem> make_zendesk(const TicketTransport& transport, const sdk::Config& config) {
  return std::make_unique<Zendesk>(transport, config);
}

}  // namespace nudge::connectors
