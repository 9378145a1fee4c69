#include "connectors/ticket/ticket.h"

#include <algorithm>
#include <array>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"

namespace nudge::connectors {

using sdk::Field;
using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::int64_t kSettleMs = 60'000;  // how long a ticket that a search doesn't show may still turn up

sdk::Fields make_fields() {
  sdk::Fields fields = {
      {.name = "provider", .help = "which system", .required = true, .one_of = {"generic_http", "zendesk", "jira", "zammad"}},
      {.name = "url", .type = FieldType::url, .help = "the system's address, e.g. https://company.zendesk.com", .required = true},
  };
  add_fields_of(fields, "generic_http",
                {{.name = "headers", .type = FieldType::header_map, .help = "headers of each request, e.g. Authorization by reference"},
                 {.name = "lookup_url", .type = FieldType::url, .help = "GET address with {id} in it: 200 = there, 404 = not there"}});
  add_fields_of(fields, "zendesk",
                {{.name = "zendesk_email", .help = "the agent's e-mail address", .required = true},
                 {.name = "zendesk_token", .type = FieldType::secret, .help = "the API token", .required = true}});
  add_fields_of(fields, "jira",
                {{.name = "jira_email", .help = "the account's e-mail address", .required = true},
                 {.name = "jira_token", .type = FieldType::secret, .help = "the API token", .required = true},
                 {.name = "project", .help = "the project's key, e.g. SFA", .required = true},
                 {.name = "issue_type", .help = "the issue type of a ticket that names none", .default_json = "\"Task\""}});
  add_fields_of(fields, "zammad",
                {{.name = "zammad_token", .type = FieldType::secret, .help = "the access token, with ticket.agent", .required = true},
                 {.name = "group", .help = "the group that gets the tickets", .required = true},
                 {.name = "customer", .help = "whose ticket it is when it names no requester: an e-mail address", .required = true},
                 {.name = "id_attribute",
                  .help = "the ticket attribute (type Text) that keeps the action id, so that a repeat is found; make it in Zammad's "
                          "admin, under Objects",
                  .default_json = "\"nudge_id\""}});
  fields.push_back({.name = "callback_secret",
                    .type = FieldType::secret,
                    .help = "zendesk, zammad: the secret by which the webhook that reports changes of tickets is signed"});
  fields.push_back(callback_key_field());
  return with_http_fields(std::move(fields), "15000");
}

}  // namespace

std::string read_ticket(std::string_view json, Ticket& ticket) {
  const Payload payload(json);
  for (const char c : payload.text("subject")) ticket.subject += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (ticket.subject.find_first_not_of(' ') == std::string::npos) return "the ticket has no subject";
  std::size_t characters = 0;
  for (std::size_t at = 0; at < ticket.subject.size(); ++at)
    if ((static_cast<unsigned char>(ticket.subject[at]) & 0xc0) != 0x80 && ++characters > 255) ticket.subject.resize(at);
  ticket.body = payload.text("body");
  if (ticket.body.empty()) ticket.body = ticket.subject;
  if (const std::string priority = payload.text("priority"); !priority.empty()) ticket.priority = priority;
  constexpr std::array<std::string_view, 4> kPriorities{"low", "normal", "high", "urgent"};
  if (std::find(kPriorities.begin(), kPriorities.end(), ticket.priority) == kPriorities.end())
    return "the priority must be low, normal, high or urgent";
  ticket.type = payload.text("type");
  ticket.due = payload.text("due");
  if (const auto* requester = payload.find("requester"); requester != nullptr && requester->is_object()) {
    ticket.requester_name = member_text(requester->get_object(), "name");
    ticket.requester_email = member_text(requester->get_object(), "email");
    if (has_control(ticket.requester_email)) return "the requester's e-mail address holds a control character";
  }
  if (const auto* tags = payload.find("tags"); tags != nullptr && tags->is_array())
    for (const auto& tag : tags->get_array())
      if (tag.is_string()) ticket.tags.emplace_back(tag.get_string());
  return {};
}

const sdk::Manifest& TicketConnector::manifest() {
  static const sdk::Manifest kManifest = {.kind = "ticket",
                                          .version = "1.0",
                                          .channels = {"ticket"},
                                          .idempotency = "query",
                                          .default_on_unknown = "verify",
                                          .fields = make_fields(),
                                          .receives = true};
  return kManifest;
}

void TicketConnector::check(sdk::Config& config) {
  const std::string provider = config.text("provider");
  const bool signs = provider == "zendesk" || provider == "zammad";
  if (config.has(signs ? "callback_key" : "callback_secret"))
    config.problem(std::string(signs ? "callback_key: " : "callback_secret: ") + provider +
                   (signs ? " signs its webhooks; give callback_secret instead" : " signs nothing; give callback_key instead"));
  if (const std::string lookup = config.text("lookup_url"); !lookup.empty() && lookup.find("{id}") == std::string::npos)
    config.problem("lookup_url: must hold {id}, where the action id goes");
}

TicketConnector::TicketConnector(const sdk::Host& host, const sdk::Config& config)
    : host_(host),
      provider_(config.text("provider")),
      callback_secret_(config.secret("callback_secret", host)),
      callback_key_(config.secret("callback_key", host)),
      id_attribute_(config.text("id_attribute")) {
  TicketTransport transport{{host, config}, config.text("url")};
  const std::string provider = config.text("provider");
  if (provider != "generic_http")
    while (transport.url.ends_with('/')) transport.url.pop_back();
  system_ = provider == "zendesk"  ? make_zendesk(transport, config)
            : provider == "jira"   ? make_jira(transport, config)
            : provider == "zammad" ? make_zammad(transport, config)
                                   : make_generic_ticket(transport, config);
}

Outcome TicketConnector::deliver(const sdk::Request& request) {
  Ticket ticket;
  if (std::string problem = read_ticket(request.payload, ticket); !problem.empty()) return Outcome::refused(problem);
  return system_->open(request, ticket);
}

Outcome TicketConnector::query(const sdk::Request& request) {
  Outcome outcome = system_->find(request);
  if (outcome.status == sdk::Status::not_sent && host_.now_ms() - request.created_ms < kSettleMs)
    return Outcome::unknown("it is not shown yet; a search may lag behind by a minute", outcome.http_status);
  return outcome;
}

// --- any system that takes JSON over HTTP ---

namespace {

class GenericTicket final : public TicketSystem {
 public:
  GenericTicket(TicketTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)), headers_(config.headers("headers", transport_.host)), lookup_url_(config.text("lookup_url")) {}

  Outcome open(const sdk::Request& request, const Ticket& ticket) override {
    if (!lookup_url_.empty())
      if (auto found = found_before(request)) return *std::move(found);
    HttpRequest post = transport_.request(request, "POST", "");
    post.headers = headers_;
    post.headers.emplace_back("Content-Type", "application/json");
    post.headers.emplace_back("Idempotency-Key", std::string(request.action_id));
    const auto sv = [](std::string_view s) { return boost::json::string(s.data(), s.size()); };
    boost::json::object body{{"id", sv(request.action_id)},
                             {"customer_id", sv(request.customer_id)},
                             {"subject", ticket.subject},
                             {"body", ticket.body},
                             {"priority", ticket.priority}};
    if (!ticket.type.empty()) body["type"] = ticket.type;
    if (!ticket.due.empty()) body["due"] = ticket.due;
    if (!ticket.requester_email.empty() || !ticket.requester_name.empty())
      body["requester"] = {{"name", ticket.requester_name}, {"email", ticket.requester_email}};
    if (!ticket.tags.empty()) body["tags"] = boost::json::value_from(ticket.tags);
    post.body = boost::json::serialize(body);
    return with_reference(http_.send(post));
  }

  Outcome find(const sdk::Request& request) override {
    if (lookup_url_.empty()) return Outcome::unknown("this system can't be asked: lookup_url is not configured");
    HttpRequest get = transport_.request(request, "GET", "");
    get.url = lookup_url_;
    get.url.replace(get.url.find("{id}"), 4, percent_encode(request.action_id));
    get.headers = headers_;
    const HttpReply reply = http_.send(get);
    if (reply.transport == HttpReply::Transport::answered && reply.status == 404) return Outcome::retry("it is not there", 0, 404);
    if (reply.transport == HttpReply::Transport::answered && reply.status == 200) return with_reference(reply);
    return Outcome::unknown("the look-up failed: " + outcome_of(reply).detail, reply.status);
  }

 private:
  static Outcome with_reference(const HttpReply& reply) {
    Outcome outcome = outcome_of(reply);
    if (outcome.status == sdk::Status::accepted)
      if (const auto answer = json_object(reply.body))
        for (const char* name : {"id", "key", "number"})
          if (outcome.provider_ref.empty()) outcome.provider_ref = member_text(*answer, name);
    return outcome;
  }

  TicketTransport transport_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string lookup_url_;
  HttpClient http_;
};

}  // namespace

std::unique_ptr<TicketSystem> make_generic_ticket(const TicketTransport& transport, const sdk::Config& config) {
  return std::make_unique<GenericTicket>(transport, config);
}

}  // namespace nudge::connectors
