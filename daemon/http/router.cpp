#include "daemon/http/router.h"

#include <algorithm>
#include <span>
#include <utility>

#include "daemon/http/uri.h"

namespace nudge::http {
namespace {

constexpr std::size_t kSegmentsMax = 32;

constexpr std::uint32_t bit(Method method) { return 1U << static_cast<unsigned>(method); }

std::size_t index(Method method) { return static_cast<std::size_t>(method); }

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

using RoutesByMethod = std::array<const Route*, kMethods>;

struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
  std::unique_ptr<Node> parameter;
  RoutesByMethod here{};
  RoutesByMethod rest{};  // "/{name...}" below this node
};

struct Router::Search {
  Method method;
  std::span<const std::string_view> segments;
  const Route* route = nullptr;
  std::uint32_t allowed = 0;
  std::array<std::uint8_t, kSegmentsMax> taken{};  // segments that became parameters
  std::size_t taken_count = 0;
  bool rest = false;  // the last parameter takes all that remains

  bool accept(const RoutesByMethod& routes) {
    for (std::size_t i = 0; i < kMethods; ++i)
      if (routes[i] != nullptr) allowed |= 1U << i;
    if (routes[index(Method::get)] != nullptr) allowed |= bit(Method::head);
    route = routes[index(method)];
    if (route == nullptr && method == Method::head) route = routes[index(Method::get)];
    return route != nullptr;
  }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

Result<void> Router::add(Method method, std::string_view pattern, Handler handler, RouteOptions options) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid, "route " + std::string(to_string(method)) + " " + std::string(pattern) + ": " + std::string(why));
  };
  if (!pattern.starts_with('/')) return bad("a pattern starts with '/'");
  if (!handler) return bad("it has no handler");
  Route route{method, std::string(pattern), {}, std::move(handler), options};
  Node* node = root_.get();
  RoutesByMethod* place = nullptr;
  std::size_t depth = 0;
  for (std::string_view left = pattern.substr(1); place == nullptr;) {
    const std::string_view segment = left.substr(0, left.find('/'));
    const bool last = segment.size() == left.size();
    left.remove_prefix(last ? segment.size() : segment.size() + 1);
    if (++depth > kSegmentsMax) return bad("it has more than 32 segments");
    if (segment.empty() && !last) return bad("it has an empty segment");  // "/a/" is another path than "/a"
    if (segment.starts_with('{')) {
      if (!segment.ends_with('}')) return bad("a parameter is a whole segment, as in /{id}");
      std::string_view name = segment.substr(1, segment.size() - 2);
      const bool rest = name.ends_with("...");
      if (rest) name.remove_suffix(3);
      if (!is_name(name)) return bad("a parameter's name has letters, digits and '_'");
      if (std::ranges::find(route.names, name) != route.names.end()) return bad("two parameters have the same name");
      route.names.emplace_back(name);
      if (rest) {
        if (!last) return bad("only the last segment may be {name...}");
        place = &node->rest;
        break;
      }
      if (!node->parameter) node->parameter = std::make_unique<Node>();
      node = node->parameter.get();
    } else {
      auto it = std::ranges::find(node->literals, segment, [](const auto& entry) -> std::string_view { return entry.first; });
      if (it == node->literals.end()) it = node->literals.insert(it, {std::string(segment), std::make_unique<Node>()});
      node = it->second.get();
    }
    if (last) place = &node->here;
  }
  if ((*place)[index(method)] != nullptr) return bad("there is such a route already");
  routes_.push_back(std::move(route));
  (*place)[index(method)] = &routes_.back();
  return {};
}

bool Router::find(const Node& node, std::size_t depth, Search& search) {
  if (depth == search.segments.size()) return search.accept(node.here);
  const std::string_view segment = search.segments[depth];
  for (const auto& [text, next] : node.literals)
    if (text == segment && find(*next, depth + 1, search)) return true;
  if (segment.empty()) return false;  // no parameter is empty
  search.taken[search.taken_count++] = static_cast<std::uint8_t>(depth);
  if (node.parameter && find(*node.parameter, depth + 1, search)) return true;
  if (search.accept(node.rest)) {
    search.rest = true;
    return true;
  }
  --search.taken_count;
  return false;
}

Router::Match Router::match(Method method, std::string_view path, Request& request) const {
  request.path.assign(path);
  request.params.clear();
  if (!path.starts_with('/')) return {Found::bad_path, nullptr, 0};
  std::array<std::string_view, kSegmentsMax> segments;
  std::array<std::string, kSegmentsMax>* decoded = nullptr;
  std::unique_ptr<std::array<std::string, kSegmentsMax>> storage;  // only for paths with escapes
  if (path.find('%') != std::string_view::npos) {
    if (!percent_decode(path, false, request.path)) return {Found::bad_path, nullptr, 0};
    storage = std::make_unique<std::array<std::string, kSegmentsMax>>();
    decoded = storage.get();
  }
  std::size_t count = 0;
  for (std::string_view left = path.substr(1);;) {
    std::string_view segment = left.substr(0, left.find('/'));
    const bool last = segment.size() == left.size();
    left.remove_prefix(last ? segment.size() : segment.size() + 1);
    if (count == kSegmentsMax) return {Found::no_path, nullptr, 0};
    if (decoded != nullptr) {
      if (!percent_decode(segment, false, (*decoded)[count])) return {Found::bad_path, nullptr, 0};
      segment = (*decoded)[count];
    }
    if (segment == "." || segment == "..") return {Found::bad_path, nullptr, 0};
    segments[count++] = segment;
    if (last) break;
  }
  Search search{method, std::span(segments).first(count)};
  if (!find(*root_, 0, search)) return {search.allowed != 0 ? Found::no_method : Found::no_path, nullptr, search.allowed};
  for (std::size_t i = 0; i < search.taken_count; ++i) {
    auto& value = request.params.emplace_back(search.route->names[i], segments[search.taken[i]]).second;
    if (search.rest && i + 1 == search.taken_count)
      for (std::size_t s = search.taken[i] + 1U; s < count; ++s) value.append("/").append(segments[s]);
  }
  return {Found::yes, search.route, search.allowed};
}

std::string allow_value(std::uint32_t allowed) {
  std::string out;
  for (std::size_t i = 0; i < kMethods; ++i) {
    if ((allowed >> i & 1U) == 0) continue;
    if (!out.empty()) out += ", ";
    out += to_string(static_cast<Method>(i));
  }
  return out;
}

}  // namespace nudge::http
