// One-click unsubscribe (RFC 8058): the link of a mail shows a page with a button, and a POST on it does it, without a login and as often
// as one likes. A GET changes nothing: scanners follow links.
#include "daemon/app/api.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

http::Response page(int status, std::string_view title, std::string_view body) {
  http::Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
      "<title>" +
      std::string(title) + "</title><body><h1>" + std::string(title) + "</h1>" + std::string(body) + "</body></html>\n";
  return response;
}

http::Response not_ours() {
  return page(404, "This link is not valid", "<p>It was cut off, or is too old. Please use the link of a newer mail.</p>");
}

void set_text(const EventTypeDef& type, Input& input, std::string_view name, std::string_view value) {
  const FieldId field = type.find(name);
  if (field != kNoField && type.fields[field].type == Type::text) input.fields[field] = Value::of_text(value);
}

}  // namespace

void Api::unsubscribe(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<UnsubscribeWish> wish = runtime_.options().delivery.unsubscribe.read(request.param("token"));
  if (!wish) return to->send(not_ours());
  runtime_.ask_customer(wish->customer, [this, to, wish = *wish](Shard& shard, const CustomerState* state) {
    const auto done = [to] { to->send(page(200, "You are unsubscribed", "<p>You will get no more of these mails.</p>")); };
    if (state == nullptr) return to->send(not_ours());
    ActionOut probe;
    probe.channel = wish.channel;
    probe.purpose = wish.purpose == purpose_name(Purpose::service) ? Purpose::service : Purpose::marketing;
    const TimeMs now = std::max(shard.now(), state->clock);
    // Said before and still so: nothing to add.
    if (shard.engine().policies(shard.plan(), *state, probe, now).held == Held::opted_out) return done();
    const Catalog& catalog = *shard.plan().catalog;
    Input input;
    input.kind = InputKind::event;
    input.customer = wish.customer;
    input.type = catalog.find_event("message_unsubscribed");
    if (input.type == kNoEventType) return to->send(page(503, "Please try again later", ""));
    input.time = now;
    input.id = "nudge:unsubscribed:" + wish.channel + ":" + wish.purpose + ":" + std::to_string(now);
    const EventTypeDef& type = catalog.events[input.type];
    input.fields.resize(type.fields.size());
    set_text(type, input, "channel", wish.channel);
    set_text(type, input, "purpose", wish.purpose);
    set_text(type, input, "source", "one_click");
    // Answered once it is on disk.
    runtime_.post_event(std::move(input), [done](CommitContext& c, Receipt) { c.after.push_back(done); });
  });
}

http::Response Api::unsubscribe_page(const http::Request& request) {
  if (!runtime_.options().delivery.unsubscribe.read(request.param("token"))) return not_ours();
  return page(200, "Unsubscribe", "<form method=\"post\"><p>You will get no more of these mails.</p><button>Unsubscribe</button></form>");
}

Result<void> Api::install_unsubscribe(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/u/{token}", on_worker([this](const http::Request& r) { return unsubscribe_page(r); })));
  return server.route(Method::post, "/u/{token}", [this](http::Request& r, http::Responder to) { unsubscribe(r, std::move(to)); });
}

}  // namespace nudge::daemon
