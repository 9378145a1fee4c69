#include "daemon/http/etag.h"

#include <algorithm>

#include "daemon/http/uri.h"
#include "engine/base/hash.h"

namespace nudge::http {
namespace {

// The next quoted tag of a list, with its quotes; empty when there is none (any more), or what comes is no tag.
std::string_view next_tag(std::string_view& list) {
  const std::size_t start = list.find_first_not_of(" \t,");
  if (start == std::string_view::npos) return {};
  list.remove_prefix(start);
  if (list.starts_with("W/")) list.remove_prefix(2);
  const std::size_t end = list.starts_with('"') ? list.find('"', 1) : std::string_view::npos;
  if (end == std::string_view::npos) return {};
  const std::string_view tag = list.substr(0, end + 1);
  list.remove_prefix(end + 1);
  return tag;
}

bool is_any(std::string_view list) {
  const std::size_t first = list.find_first_not_of(" \t");
  return first != std::string_view::npos && list.substr(first, list.find_last_not_of(" \t") - first + 1) == "*";
}

std::string tag_of(const Response& response) {
  std::string tag = "\"";
  if (!response.state.empty()) tag.append(response.state).append(".");
  return tag.append(to_hex(hash128(response.body))).append("\"");
}

}  // namespace

bool etag_listed(std::string_view list, std::string_view tag) {
  if (is_any(list)) return true;
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  for (std::string_view one = next_tag(list); !one.empty(); one = next_tag(list))
    if (one == tag) return true;
  return false;
}

bool state_listed(std::string_view list, std::string_view state) {
  if (is_any(list)) return true;
  for (std::string_view one = next_tag(list); !one.empty(); one = next_tag(list)) {
    const std::size_t dot = one.rfind('.');
    if (dot != std::string_view::npos && one.substr(1, dot - 1) == state) return true;
  }
  return false;
}

void settle_conditional(const Request& request, Response& response) {
  if ((request.method != Method::get && request.method != Method::head) || response.status != 200) return;
  const auto own = std::ranges::find_if(response.headers, [](const auto& header) { return equal_ignoring_case(header.first, "ETag"); });
  std::string tag;
  if (own != response.headers.end()) {
    tag = own->second;
  } else if (response.content_type == "application/json") {
    tag = tag_of(response);
    response.headers.emplace_back("ETag", tag);
  } else {
    return;
  }
  if (const std::string_view wanted = request.header("If-Match"); !wanted.empty() && !etag_listed(wanted, tag)) {
    response = problem(412, "http.changed", "this is not as it was: its ETag is none of If-Match");
  } else if (const std::string_view known = request.header("If-None-Match"); !known.empty() && etag_listed(known, tag)) {
    response.status = 304;
    response.body.clear();
  }
}

}  // namespace nudge::http
