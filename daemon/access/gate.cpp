#include "daemon/access/gate.h"

#include <algorithm>

#include "daemon/access/secrets.h"

namespace nudge::access {
namespace {

using http::Method;
using http::Response;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::string base64_decoded(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const int digit = base64_digit(c);
    if (digit < 0) return {};
    bits = bits << 6U | static_cast<unsigned>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> static_cast<unsigned>(count) & 0xffU));
    }
  }
  return out;
}

Response unauthorized() {
  Response refusal = http::problem(401, "http.unauthorized",
                                   "this needs credentials that are good: 'Authorization: Bearer TOKEN' (an admin makes one with `nudge "
                                   "token create`), or a session (POST /v1/session)");
  refusal.headers.emplace_back("WWW-Authenticate", "Bearer");
  return refusal;
}

bool changes_nothing(Method method) { return method == Method::get || method == Method::head; }

std::string list_of(Roles roles) {
  std::string out;
  for (const std::string_view name : role_names(roles | kAdmin)) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

}  // namespace

const RouteAccess* find_route(std::span<const RouteAccess> table, Method method, std::string_view pattern) {
  if (method == Method::head) method = Method::get;
  const auto found = std::ranges::find_if(table, [&](const RouteAccess& row) { return row.method == method && row.pattern == pattern; });
  return found == table.end() ? nullptr : &*found;
}

std::string token_of(std::string_view authorization) {
  if (starts_with_ignoring_case(authorization, "Bearer ")) return std::string(authorization.substr(7));
  if (!starts_with_ignoring_case(authorization, "Basic ")) return {};
  const std::string pair = base64_decoded(authorization.substr(6));
  const std::size_t colon = pair.find(':');
  // A password behind it would be one that nobody checks.
  return colon != std::string::npos && colon + 1 == pair.size() ? pair.substr(0, colon) : std::string();
}

Gate::Gate(Accounts& accounts, std::span<const RouteAccess> table, GateOptions options)
    : accounts_(accounts), table_(table), options_(std::move(options)), rate_(options_.requests_per_second) {}

std::string_view Gate::cookie(const http::Request& request) const {
  std::string_view left = request.header("Cookie");
  while (!left.empty()) {
    std::string_view pair = left.substr(0, left.find(';'));
    left.remove_prefix(std::min(left.size(), pair.size() + 1));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const std::string_view name = cookie_name();
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') return pair.substr(name.size() + 1);
  }
  return {};
}

std::optional<Response> Gate::identify(const http::Request& request, Identity& who) {
  for (const std::string_view name : {"token", "access_token", "api_key", "write_key"})
    if (request.query_param(name) && !accounts_.is_open())
      return http::problem(400, "http.token_in_query",
                           "credentials don't belong into an address, where logs keep them; send them in the header Authorization");
  if (const std::string_view given = request.header("Authorization"); !given.empty()) {
    if (std::optional<Identity> known = accounts_.identify_token(token_of(given))) {
      who = *std::move(known);
      return std::nullopt;
    }
    if (!accounts_.is_open()) return unauthorized();
  } else if (const std::string_view session = cookie(request); !session.empty()) {
    if (std::optional<Identity> known = accounts_.identify_session(session)) {
      who = *std::move(known);
      return std::nullopt;
    }
  }
  if (!accounts_.is_open()) return unauthorized();
  who = {"anybody", kEveryRole, {}};
  return std::nullopt;
}

// Whatever a browser sends along by itself does not count: a change needs what only our own page knows.
std::optional<Response> Gate::check_origin(const http::Request& request, const Identity& who) const {
  if (changes_nothing(request.method)) return std::nullopt;
  const auto refused = [](std::string_view why) { return http::problem(403, "http.cross_site", why); };
  const std::string_view site = request.header("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") return refused("this was sent by the page of another site");
  if (const std::string_view origin = request.header("Origin"); !origin.empty()) {
    // Without the scheme: a proxy may do TLS for us.
    const std::string_view host = request.header("Host"), slashes = "://";
    const std::size_t at = origin.find(slashes);
    const std::string_view named = at == std::string_view::npos ? std::string_view() : origin.substr(at + slashes.size());
    if (named.empty() || named.size() != host.size() || !starts_with_ignoring_case(named, host))
      return refused("this was sent by the page of another site (Origin)");
  }
  if (!who.csrf.empty() && !same_secret(request.header("X-Nudge-CSRF"), who.csrf))
    return refused("a change with a session's cookie needs the header X-Nudge-CSRF with the `csrf` of GET /v1/session");
  return std::nullopt;
}

std::optional<Response> Gate::check(http::Request& request) {
  const RouteAccess* row = find_route(table_, request.method, request.route);
  const Roles wanted = row != nullptr ? row->roles : kAdmin;
  Identity who{"nobody", 0, {}};
  if ((wanted & kAnybody) == 0) {
    if (auto refusal = identify(request, who)) return refusal;
    if ((who.roles & (wanted | kAdmin)) == 0)
      return http::problem(403, "http.forbidden", who.actor + " may not do this; it takes one of these roles: " + list_of(wanted));
  }
  // Tokens in a header are nothing that a browser sends by itself. Without credentials at all it does; links in messages are meant
  // to be followed from anywhere.
  const bool link = (wanted & kAnybody) != 0 && !request.route.starts_with("/v1/");
  const bool own_key = (wanted & kOwnKey) != 0;
  if (!link && !own_key && (!who.csrf.empty() || who.actor == "nobody" || who.actor == "anybody"))
    if (auto refusal = check_origin(request, who)) return refusal;
  const bool named = who.actor != "nobody" && who.actor != "anybody";
  if (const std::int64_t wait = rate_.take(named ? who.actor : std::string(request.peer), options_.steady_ms()); wait > 0) {
    Response busy =
        http::problem(429, "http.rate", "too many requests (http.requests_per_second); nothing was done; try again in a moment");
    busy.headers.emplace_back("Retry-After", std::to_string(wait / 1000 + 1));
    return busy;
  }
  request.actor = std::move(who.actor);
  request.roles = who.roles;
  request.csrf = std::move(who.csrf);
  return std::nullopt;
}

}  // namespace nudge::access
