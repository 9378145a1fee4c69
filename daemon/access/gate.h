// The check before each request's body is read: who asks, whether that role may, whether it comes from our own pages, and how often.
//
// Thread-safety: check() from any thread; it does not wait. Ownership: refers to the accounts, which must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/access/accounts.h"
#include "daemon/access/limits.h"
#include "daemon/access/roles.h"
#include "daemon/http/message.h"

namespace nudge::access {

struct GateOptions {
  bool tls = false;                      // cookies have the __Host- name
  std::int64_t requests_per_second = 0;  // by token, person or address; 0: no limit
  std::function<std::int64_t()> steady_ms;
};

class Gate {
 public:
  Gate(Accounts& accounts, std::span<const RouteAccess> table, GateOptions options);

  // Sets request.actor and request.roles, or answers the refusal. A route that has no row in the table is for admins.
  std::optional<http::Response> check(http::Request& request);

  // The name of the session cookie.
  std::string_view cookie_name() const { return options_.tls ? "__Host-nudge" : "nudge_session"; }
  // What the cookie of that name holds; empty without one.
  std::string_view cookie(const http::Request& request) const;

 private:
  std::optional<http::Response> identify(const http::Request& request, Identity& who);
  std::optional<http::Response> check_origin(const http::Request& request, const Identity& who) const;

  Accounts& accounts_;
  const std::span<const RouteAccess> table_;
  const GateOptions options_;
  RateLimit rate_;
};

// The row of the table; null when there is none. HEAD goes by the row of GET.
const RouteAccess* find_route(std::span<const RouteAccess> table, http::Method method, std::string_view pattern);
// The token of "Bearer TOKEN", or of "Basic base64(TOKEN:)" as analytics libraries send their write key; empty when there is none.
std::string token_of(std::string_view authorization);

}  // namespace nudge::access
