// Finds the handler of a request by method and path.
//
// Thread-safety: add() from one thread before use; match() from any thread afterwards. A Route lives as long as its Router.
// A request is routed and authorised by the same decoded segments, so no spelling of a path gets around a rule on it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/http_server.h"

namespace nudge::http {

inline constexpr std::size_t kMethods = static_cast<std::size_t>(Method::other) + 1;

struct Route {
  Method method = Method::get;
  std::string pattern;
  std::vector<std::string> names;  // of its parameters, from left to right
  Handler handler;
  RouteOptions options;
};

class Router {
 public:
  Router();
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // See HttpServer::route.
  Result<void> add(Method method, std::string_view pattern, Handler handler, RouteOptions options);

  enum class Found : std::uint8_t { yes, no_path, no_method, bad_path };
  struct Match {
    Found found = Found::no_path;
    const Route* route = nullptr;
    std::uint32_t allowed = 0;  // bit per Method that this path has
  };
  // `path` is the raw path of the request target, without the query. Sets request.path and, when found, request.params.
  Match match(Method method, std::string_view path, Request& request) const;

  const std::deque<Route>& routes() const { return routes_; }

 private:
  struct Node;
  struct Search;
  static bool find(const Node& node, std::size_t depth, Search& search);

  std::deque<Route> routes_;
  std::unique_ptr<Node> root_;
};

// "GET, HEAD, POST" for the Allow header.
std::string allow_value(std::uint32_t allowed);

}  // namespace nudge::http
