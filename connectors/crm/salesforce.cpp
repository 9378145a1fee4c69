// Salesforce: a Task for each of ours, by an upsert on a field of its own (an External ID, unique), so that a repeat finds it again.
// Access tokens come from the client credentials flow; one that has run out is got anew, once for each push.
#include <algorithm>
#include <map>
#include <mutex>

#include "connectors/crm/crm.h"
#include "connectors/http/digest.h"
#include "connectors/http/payload.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::int64_t kLimitPauseMs = 15 * 60'000;  // the day's or the hour's calls are used up, and nobody says until when
constexpr std::size_t kDescriptionBytesMax = 32'000;

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  return out;
}

// The errorCode of an answer, which is a list of errors; of the token's, which is one, `error`.
std::string error_code(std::string_view body) {
  boost::json::error_code bad;
  const boost::json::value answer = boost::json::parse({body.data(), body.size()}, bad);
  if (bad) return {};
  const boost::json::object* one = answer.if_object();
  if (const auto* list = answer.if_array(); list != nullptr && !list->empty()) one = list->front().if_object();
  if (one == nullptr) return {};
  const std::string code = member_text(*one, "errorCode");
  return code.empty() ? member_text(*one, "error") : code;
}

void cut_utf8(std::string& text, std::size_t most) {
  if (text.size() <= most) return;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
}

class Salesforce final : public CrmSystem {
 public:
  Salesforce(const HttpSetup& setup, const sdk::Host& host, const sdk::Config& config)
      : setup_(setup),
        url_(config.text("url")),
        client_id_(config.text("client_id")),
        client_secret_(config.secret("client_secret", host)),
        version_(config.text("api_version")),
        id_field_(config.text("id_field")),
        customer_field_(config.text("customer_field")),
        plain_allowed_(config.flag("allow_http")) {
    while (url_.ends_with('/')) url_.pop_back();
    for (auto& [member, user] : config.headers("owners", host)) owners_[member] = user;
    statuses_ = {{"open", "Not Started"}, {"offered", "Not Started"}, {"accepted", "In Progress"},
                 {"done", "Completed"},   {"cancelled", "Deferred"},  {"expired", "Deferred"}};
    for (auto& [state, status] : config.headers("statuses", host)) {
      if (!statuses_.contains(state)) throw std::invalid_argument("statuses: there is no state " + state);
      statuses_[state] = status;
    }
    read_offset(config.text("utc_offset"), offset_minutes_);
  }

  Outcome push(const sdk::Request& request, const CrmTask& task) override {
    const std::string body = boost::json::serialize(fields(task));
    for (bool again : {true, false}) {
      Access access;
      if (std::optional<Outcome> failed = get_access(request, access)) return *std::move(failed);
      HttpRequest patch = setup_.request(
          request, "PATCH",
          access.url + "/services/data/" + version_ + "/sobjects/Task/" + percent_encode(id_field_) + "/" + percent_encode(task.id));
      patch.headers = {{"Authorization", "Bearer " + access.token},
                       {"Content-Type", "application/json"},
                       {"X-Request-Id", std::string(request.action_id)}};
      patch.repeatable = true;  // the same record says the same again
      patch.body = body;
      const HttpReply reply = http_.send(patch);
      const bool expired = reply.transport == HttpReply::Transport::answered && reply.status == 401;
      if (!expired) return judge(reply, task);
      forget(access.token);
      if (!again) return Outcome::bad_config("Salesforce refuses the access it has just given: " + excerpt(reply.body), 401);
    }
    return Outcome::retry("no access");  // never reached
  }

 private:
  struct Access {
    std::string token, url;
  };

  Outcome judge(const HttpReply& reply, const CrmTask& task) const {
    Outcome outcome = outcome_of(reply);
    if (reply.transport != HttpReply::Transport::answered) return outcome;
    const std::string code = error_code(reply.body);
    if (outcome.status == sdk::Status::accepted) {
      const auto answer = json_object(reply.body);
      if (reply.status != 204 && !answer)
        return Outcome::unknown("HTTP " + std::to_string(reply.status) + ", but no answer of Salesforce's", reply.status);
      outcome.provider_ref = answer ? member_text(*answer, "id") : std::string();
      if (outcome.provider_ref.empty()) outcome.provider_ref = task.id;
      return outcome;
    }
    const std::string detail = "Salesforce " + (code.empty() ? "HTTP " + std::to_string(reply.status) : code) + ": " + excerpt(reply.body);
    if (reply.status == 300)
      return Outcome::refused("more than one task has this " + id_field_ + ": make the field unique, and remove the doubles", 300);
    if (code == "REQUEST_LIMIT_EXCEEDED") return Outcome::retry(detail, std::max(reply.retry_after_ms, kLimitPauseMs), reply.status);
    if (code == "UNABLE_TO_LOCK_ROW" || code == "SERVER_UNAVAILABLE") return Outcome::retry(detail, reply.retry_after_ms, reply.status);
    if (reply.status == 403) return Outcome::bad_config(detail, 403);
    if (outcome.status == sdk::Status::not_sent && !outcome.retryable) return Outcome::refused(detail, reply.status);
    return outcome;
  }

  // Nothing: `out` has it. Whatever goes wrong here, no task was sent.
  std::optional<Outcome> get_access(const sdk::Request& request, Access& out) {
    const std::lock_guard lock(mutex_);
    if (!access_.token.empty()) {
      out = access_;
      return std::nullopt;
    }
    HttpRequest post = setup_.request(request, "POST", url_ + "/services/oauth2/token");
    post.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    post.body = form({{"grant_type", "client_credentials"}, {"client_id", client_id_}, {"client_secret", client_secret_}});
    const HttpReply reply = http_.send(post);
    if (reply.transport != HttpReply::Transport::answered) return Outcome::retry("no access token: " + reply.error);
    // The body holds the token when all is well, and is shown only when it isn't.
    if (reply.status >= 400 && reply.status < 500 && reply.status != 429 && reply.status != 408)
      return Outcome::bad_config("no access token: Salesforce says " + error_code(reply.body) + " (HTTP " + std::to_string(reply.status) +
                                     "); check client_id, client_secret and that the flow is switched on",
                                 reply.status);
    if (reply.status != 200)
      return Outcome::retry("no access token: HTTP " + std::to_string(reply.status), reply.retry_after_ms, reply.status);
    const auto answer = json_object(reply.body);
    Access got;
    if (answer) got = {member_text(*answer, "access_token"), member_text(*answer, "instance_url")};
    while (got.url.ends_with('/')) got.url.pop_back();
    const bool safe = got.url.starts_with("https://") || (plain_allowed_ && is_plain_http(got.url));
    if (got.token.empty() || has_control(got.token) || !safe) return Outcome::retry("no access token: the answer holds none", 0, 500);
    out = access_ = got;
    return std::nullopt;
  }

  // Unless somebody has got a newer one meanwhile.
  void forget(const std::string& token) {
    const std::lock_guard lock(mutex_);
    if (access_.token == token) access_ = {};
  }

  boost::json::object fields(const CrmTask& task) const {
    std::string text = task.text;
    const auto owner = owners_.find(task.owner);
    if (!task.owner.empty() && owner == owners_.end())
      text = "For " + (task.owner_name.empty() ? task.owner : task.owner_name) + (text.empty() ? "" : "\n\n" + text);
    cut_utf8(text, kDescriptionBytesMax);
    boost::json::object out{{"Subject", task.subject},
                            {"Description", text},
                            {"Priority", task.priority == "low"      ? "Low"
                                         : task.priority == "normal" ? "Normal"
                                                                     : "High"},
                            {"Status", statuses_.at(task.state)}};
    if (const std::string day = day_of(task.due, offset_minutes_); !day.empty()) out["ActivityDate"] = day;
    if (owner != owners_.end()) out["OwnerId"] = owner->second;
    if (!customer_field_.empty()) out[customer_field_] = task.customer;
    return out;
  }

  HttpSetup setup_;
  std::string url_, client_id_, client_secret_, version_, id_field_, customer_field_;
  bool plain_allowed_;
  std::int64_t offset_minutes_ = 0;
  std::map<std::string, std::string, std::less<>> owners_, statuses_;
  HttpClient http_;
  std::mutex mutex_;
  Access access_;  // guarded by mutex_, as is the call that gets it: a hundred pushes ask once
};

}  // namespace

sdk::Fields salesforce_fields() {
  return {{.name = "client_id", .help = "the consumer key of the connected app", .required = true},
          {.name = "client_secret", .type = FieldType::secret, .help = "its consumer secret", .required = true},
          {.name = "api_version", .help = "of the REST interface", .default_json = "\"v60.0\""},
          {.name = "id_field",
           .help = "the field of Task (Text, External ID, unique) that keeps the id of our task; make it in Salesforce first",
           .default_json = "\"Nudge_Id__c\""},
          {.name = "customer_field", .help = "a text field of Task that is to have our customer's id"}};
}

std::unique_ptr<CrmSystem> make_salesforce(const HttpSetup& setup, const sdk::Host& host, const sdk::Config& config) {
  return std::make_unique<Salesforce>(setup, host, config);
}

}  // namespace nudge::connectors
