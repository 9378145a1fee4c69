// A connector in 50 lines: pages a salesperson through an HTTP gateway. See docs/connectors.md.
#include <stdexcept>

#include "connectors/http/http_client.h"
#include "connectors/http/payload.h"
#include "connectors/sdk/config.h"

namespace sdk = nudge::sdk;
using nudge::connectors::HttpClient;
using nudge::connectors::HttpRequest;
using nudge::connectors::Payload;

namespace {

// One table: it checks configurations, fills in defaults and prints the JSON Schema.
const sdk::Fields& fields() {
  static const sdk::Fields kFields = {
      {.name = "url", .type = sdk::FieldType::url, .help = "the gateway's address", .required = true},
      {.name = "token", .type = sdk::FieldType::secret, .help = "the gateway's token", .required = true},
  };
  return kFields;
}

class Pager final : public sdk::Connector {
 public:
  static std::string_view description() {
    static const std::string kText = sdk::describe_json("pager", "1.0", {"pager"}, "key", "retry", fields());
    return kText;
  }
  static std::vector<std::string> validate(std::string_view config) { return sdk::Config(config, fields()).problems(); }
  static std::unique_ptr<Pager> create(const sdk::Host& host, std::string_view json) {
    const sdk::Config config(json, fields());
    config.throw_if_bad();
    return std::make_unique<Pager>(config.text("url"), config.secret("token", host));
  }
  Pager(std::string url, const std::string& token) : url_(std::move(url)), authorization_("Bearer " + token) {}

  // Called from several threads at once. Say what you know: accepted, retry, refused, unknown or bad_config.
  sdk::Outcome deliver(const sdk::Request& request) override {
    HttpRequest post{.url = url_, .body = boost::json::serialize(boost::json::object{{"text", Payload(request.payload).text("text")}})};
    post.headers = {{"Authorization", authorization_}, {"Idempotency-Key", std::string(request.action_id)}};
    return nudge::connectors::outcome_of(http_.send(post));
  }

 private:
  std::string url_, authorization_;
  HttpClient http_;
};

}  // namespace

NUDGE_CONNECTOR(Pager)
