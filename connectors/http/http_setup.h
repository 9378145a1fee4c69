// What every connector that speaks HTTP has in its configuration: time limits and certificate authorities. One table, so that all of them
// spell it alike. Header-only; immutable after construction, so thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "connectors/http/http_client.h"
#include "connectors/sdk/config.h"

namespace nudge::connectors {

// The fields of its own that a connector has, and behind them the common ones. The times are defaults, as JSON.
inline sdk::Fields with_http_fields(sdk::Fields own, std::string_view timeout_ms, std::string_view connect_timeout_ms = "5000") {
  own.push_back({.name = "timeout_ms",
                 .type = sdk::FieldType::integer,
                 .help = "for the whole attempt",
                 .default_json = timeout_ms,
                 .min = 100,
                 .max = 300'000});
  own.push_back({.name = "connect_timeout_ms",
                 .type = sdk::FieldType::integer,
                 .help = "for name, connection and TLS",
                 .default_json = connect_timeout_ms,
                 .min = 100,
                 .max = 60'000});
  own.push_back({.name = "ca_file", .help = "certificate authorities (PEM) to trust instead of the system's"});
  return own;
}

// `allow_http`, for connectors whose URL must be https otherwise; to be checked with check_https().
inline sdk::Field allow_http_field() {
  return {.name = "allow_http", .type = sdk::FieldType::boolean, .help = "allow http:// without TLS", .default_json = "false"};
}
inline bool is_plain_http(std::string_view url) { return url.starts_with("http://"); }
inline void check_https(sdk::Config& config, std::string_view name = "url") {
  if (is_plain_http(config.text(name)) && !config.flag("allow_http"))
    config.problem(std::string(name) + ": is not https; use https:// or set allow_http: true");
}

// A field that belongs to one provider of a connector with several.
inline void add_fields_of(sdk::Fields& fields, std::string_view provider, sdk::Fields more) {
  for (sdk::Field& field : more) {
    field.when = "provider";
    field.is = provider;
    fields.push_back(std::move(field));
  }
}

// The common fields, read.
struct HttpSetup {
  sdk::Host host;
  std::int64_t timeout_ms, connect_timeout_ms;
  std::string ca_file;

  HttpSetup(const sdk::Host& services, const sdk::Config& config)
      : host(services),
        timeout_ms(config.integer("timeout_ms")),
        connect_timeout_ms(config.integer("connect_timeout_ms")),
        ca_file(config.text("ca_file")) {}

  // A request with these limits, cut to the action's deadline. A GET is repeatable.
  HttpRequest request(const sdk::Request& action, std::string method, std::string url) const {
    HttpRequest http;
    http.repeatable = method == "GET";
    http.method = std::move(method);
    http.url = std::move(url);
    http.ca_file = ca_file;
    http.connect_timeout_ms = connect_timeout_ms;
    http.total_timeout_ms = attempt_ms(timeout_ms, action.deadline_ms, host.now_ms());
    return http;
  }
  // The same for a JSON body.
  HttpRequest post_json(const sdk::Request& action, std::string url, std::string body) const {
    HttpRequest http = request(action, "POST", std::move(url));
    http.headers.emplace_back("Content-Type", "application/json");
    http.body = std::move(body);
    return http;
  }
};

}  // namespace nudge::connectors
