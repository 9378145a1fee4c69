// Jira Cloud v3. It has no idempotency key: our issue carries a label with the action id, and a second attempt looks first.
#include <cctype>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/ticket/ticket.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

class Jira final : public TicketSystem {
 public:
  Jira(TicketTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        authorization_("Basic " + base64(config.text("jira_email") + ":" + config.secret("jira_token", transport_.host))),
        project_(config.text("project")),
        issue_type_(config.text("issue_type")) {}

  Outcome open(const sdk::Request& request, const Ticket& ticket) override {
    if (auto found = found_before(request)) return *std::move(found);
    HttpRequest post = transport_.request(request, "POST", "/rest/api/3/issue");
    post.headers = headers();
    post.body = boost::json::serialize(boost::json::object{{"fields", fields(request, ticket)}});
    const HttpReply reply = http_.send(post);
    Outcome outcome = outcome_of(reply);
    if (outcome.status != sdk::Status::accepted) return outcome;
    const auto answer = json_object(reply.body);
    if (answer) outcome.provider_ref = member_text(*answer, "key");
    if (outcome.provider_ref.empty()) return Outcome::unknown("2xx, but the answer holds no issue key", reply.status);
    return outcome;
  }

  Outcome find(const sdk::Request& request) override {
    HttpRequest post = transport_.request(request, "POST", "/rest/api/3/search/jql");
    post.headers = headers();
    post.repeatable = true;
    post.body = boost::json::serialize(boost::json::object{
        {"jql", "labels = \"" + jira_label(request.action_id) + "\""}, {"maxResults", 1}, {"fields", boost::json::array{"key"}}});
    const HttpReply reply = http_.send(post);
    const auto answer = json_object(reply.body);
    const auto* issues = answer ? answer->if_contains("issues") : nullptr;
    if (reply.transport != HttpReply::Transport::answered || reply.status != 200 || issues == nullptr || !issues->is_array())
      return Outcome::unknown("the look-up failed: " + outcome_of(reply).detail, reply.status);
    if (issues->get_array().empty() || !issues->get_array()[0].is_object()) return Outcome::retry("it is not there", 0, 200);
    return Outcome::accepted(member_text(issues->get_array()[0].get_object(), "key"), "an earlier attempt had opened it", 200);
  }

 private:
  std::vector<std::pair<std::string, std::string>> headers() const {
    return {{"Authorization", authorization_}, {"Content-Type", "application/json"}, {"Accept", "application/json"}};
  }

  boost::json::object fields(const sdk::Request& request, const Ticket& ticket) const {
    std::string body = ticket.body;
    if (!ticket.requester_name.empty() || !ticket.requester_email.empty())
      body += "\nCustomer: " + ticket.requester_name + (ticket.requester_email.empty() ? "" : " <" + ticket.requester_email + ">");
    const char* priority = ticket.priority == "urgent" ? "Highest"
                           : ticket.priority == "high" ? "High"
                           : ticket.priority == "low"  ? "Low"
                                                       : "Medium";
    boost::json::array labels{"nudge", boost::json::string(jira_label(request.action_id))};
    for (std::string tag : ticket.tags) {
      for (char& c : tag)
        if (c == ' ') c = '-';  // a label holds no space
      labels.emplace_back(tag);
    }
    boost::json::object out{{"project", {{"key", project_}}},   {"issuetype", {{"name", ticket.type.empty() ? issue_type_ : ticket.type}}},
                            {"summary", ticket.subject},        {"description", atlassian_document(body)},
                            {"priority", {{"name", priority}}}, {"labels", labels}};
    if (ticket.due.size() >= 10) out["duedate"] = ticket.due.substr(0, 10);
    return out;
  }

  TicketTransport transport_;
  std::string authorization_, project_, issue_type_;
  HttpClient http_;
};

}  // namespace

std::string jira_label(std::string_view action_id) {
  std::string out = "nudge-";
  for (const char c : action_id)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-') out += c;
  return out;
}

boost::json::object atlassian_document(std::string_view text) {
  boost::json::array paragraphs;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    boost::json::object paragraph{{"type", "paragraph"}};
    if (!line.empty())  // empty text nodes are refused
      paragraph["content"] =
          boost::json::array{boost::json::object{{"type", "text"}, {"text", boost::json::string(line.data(), line.size())}}};
    paragraphs.emplace_back(std::move(paragraph));
    begin = end + 1;
  }
  return {{"type", "doc"}, {"version", 1}, {"content", std::move(paragraphs)}};
}

std::unique_ptr<TicketSystem> make_jira(const TicketTransport& transport, const sdk::Config& config) {
  return std::make_unique<Jira>(transport, config);
}

}  // namespace nudge::connectors
