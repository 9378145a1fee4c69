#include "daemon/http/auth.h"

#include <algorithm>
#include <utility>

#include "daemon/http/uri.h"

namespace nudge::http {

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return difference == 0;
}

std::function<std::optional<Response>(const Request&)> bearer_gate(Secret token, std::vector<std::string> open_paths) {
  return [token = std::move(token), open_paths = std::move(open_paths)](const Request& request) -> std::optional<Response> {
    const auto open = [&](const std::string& path) {
      return path.ends_with('/') ? request.path.starts_with(path) : request.path == path;
    };
    if (token.empty() || std::ranges::any_of(open_paths, open)) return std::nullopt;
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view given = request.header("Authorization");
    const bool bearer = given.size() > kScheme.size() && equal_ignoring_case(given.substr(0, kScheme.size()), kScheme);
    if (bearer && equal_in_constant_time(given.substr(kScheme.size()), token.reveal())) return std::nullopt;
    Response refusal = problem(401, "http.unauthorized", "this needs 'Authorization: Bearer TOKEN' with the token of http.token");
    refusal.headers.emplace_back("WWW-Authenticate", "Bearer");
    return refusal;
  };
}

}  // namespace nudge::http
