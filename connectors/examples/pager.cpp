// A connector in 50 lines: pages a salesperson through an HTTP gateway. See docs/connectors.md.
#include "connectors/http/http_setup.h"
#include "connectors/http/payload.h"
#include "connectors/sdk/configured.h"

namespace sdk = nudge::sdk;
using nudge::connectors::HttpClient;
using nudge::connectors::HttpRequest;
using nudge::connectors::Payload;
using nudge::connectors::with_http_fields;

namespace {

class Pager final : public sdk::Configured<Pager> {
 public:
  // Who it is, and one table that checks configurations, fills in defaults and prints the JSON Schema.
  static const sdk::Manifest& manifest() {
    static const sdk::Manifest kManifest = {
        .kind = "pager",
        .version = "1.0",
        .channels = {"pager"},
        .idempotency = "key",
        .default_on_unknown = "retry",
        .fields = with_http_fields({{.name = "url", .type = sdk::FieldType::url, .help = "the gateway's address", .required = true},
                                    {.name = "token", .type = sdk::FieldType::secret, .help = "the gateway's token", .required = true}},
                                   "10000")};
    return kManifest;
  }
  Pager(const sdk::Host& host, const sdk::Config& config)
      : setup_(host, config), url_(config.text("url")), authorization_("Bearer " + config.secret("token", host)) {}

  // Called from several threads at once. Say what you know: accepted, retry, refused, unknown or bad_config.
  sdk::Outcome deliver(const sdk::Request& request) override {
    HttpRequest post =
        setup_.post_json(request, url_, boost::json::serialize(boost::json::object{{"text", Payload(request.payload).text("text")}}));
    post.headers.emplace_back("Authorization", authorization_);
    post.headers.emplace_back("Idempotency-Key", std::string(request.action_id));
    return nudge::connectors::outcome_of(http_.send(post));
  }

 private:
  nudge::connectors::HttpSetup setup_;
  std::string url_, authorization_;
  HttpClient http_;
};

}  // namespace

NUDGE_CONNECTOR(Pager)
