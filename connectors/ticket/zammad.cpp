// Zammad. It has no idempotency key: our ticket carries the action id in an attribute of its own, and a second attempt looks first.
#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/ticket/ticket.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

class Zammad final : public TicketSystem {
 public:
  Zammad(TicketTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        authorization_("Token token=" + config.secret("zammad_token", transport_.host)),
        group_(config.text("group")),
        customer_(config.text("customer")),
        attribute_(config.text("id_attribute")) {}

  Outcome open(const sdk::Request& request, const Ticket& ticket) override {
    if (auto found = found_before(request)) return *std::move(found);
    HttpRequest post = transport_.request(request, "POST", "/api/v1/tickets");
    post.headers = {{"Authorization", authorization_}, {"Content-Type", "application/json"}};
    post.body = boost::json::serialize(body(request, ticket));
    const HttpReply reply = http_.send(post);
    Outcome outcome = outcome_of(reply);
    if (outcome.status != sdk::Status::accepted) return outcome;
    const auto answer = json_object(reply.body);
    if (answer) outcome.provider_ref = member_text(*answer, "id");
    if (outcome.provider_ref.empty()) return Outcome::unknown("2xx, but the answer holds no ticket id", reply.status);
    // An attribute that Zammad does not know is dropped in silence; then nobody could recognise a repeat.
    if (member_text(*answer, attribute_) != request.action_id)
      outcome.detail = "opened, but Zammad did not keep the attribute " + attribute_ + ": make it, or a repeat opens a second ticket";
    return outcome;
  }

  Outcome find(const sdk::Request& request) override {
    HttpRequest get = transport_.request(
        request, "GET",
        "/api/v1/tickets/search?expand=true&limit=10&query=" + percent_encode(attribute_ + ":\"" + std::string(request.action_id) + "\""));
    get.headers = {{"Authorization", authorization_}};
    const HttpReply reply = http_.send(get);
    boost::json::error_code error;
    const boost::json::value answer = boost::json::parse(reply.body, error);
    if (reply.transport != HttpReply::Transport::answered || reply.status != 200 || error || !answer.is_array())
      return Outcome::unknown("the look-up failed: " + outcome_of(reply).detail, reply.status);
    // The search finds what is like it, too.
    for (const auto& item : answer.get_array())
      if (const auto* one = item.if_object(); one != nullptr && member_text(*one, attribute_) == request.action_id)
        return Outcome::accepted(member_text(*one, "id"), "an earlier attempt had opened it", 200);
    return Outcome::retry("it is not there", 0, 200);
  }

 private:
  boost::json::object body(const sdk::Request& request, const Ticket& ticket) const {
    const int priority = ticket.priority == "low" ? 1 : ticket.priority == "normal" ? 2 : 3;
    boost::json::object out{
        {"title", ticket.subject},
        {"group", group_},
        // "guess:" makes the person when Zammad does not know the address.
        {"customer_id", "guess:" + (ticket.requester_email.empty() ? customer_ : ticket.requester_email)},
        {"priority_id", priority},
        {"article",
         {{"subject", ticket.subject}, {"body", ticket.body}, {"type", "note"}, {"internal", true}, {"content_type", "text/plain"}}}};
    out[attribute_] = boost::json::string(request.action_id.data(), request.action_id.size());
    std::string tags = "nudge";
    for (const std::string& tag : ticket.tags) tags += "," + tag;
    if (!ticket.type.empty()) tags += "," + ticket.type;
    out["tags"] = tags;
    if (!ticket.due.empty()) {
      out["state"] = "pending reminder";
      out["pending_time"] = ticket.due;
    }
    return out;
  }

  TicketTransport transport_;
  std::string authorization_, group_, customer_, attribute_;
  HttpClient http_;
};

}  // namespace

std::unique_ptr<TicketSystem> make_zammad(const TicketTransport& transport, const sdk::Config& config) {
  return std::make_unique<Zammad>(transport, config);
}

}  // namespace nudge::connectors
