// The end of a page of a list: where the next one begins.
#pragma once

#include <string>

#include "daemon/app/api.h"

namespace nudge::daemon {

// Closes the list that is open, and the object around it; an empty `next`: that was all.
inline http::Response end_page(Json&& json, const std::string& next) {
  json.end_array().key("next");
  if (next.empty())
    json.raw("null");
  else
    json.value(next);
  json.end_object();
  return json_response(std::move(json));
}

}  // namespace nudge::daemon
