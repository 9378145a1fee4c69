#include "daemon/runtime/payload.h"

#include <boost/json.hpp>

namespace nudge::daemon {

std::string member_text(std::string_view json, std::string_view name) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  if (error || !value.is_object()) return {};
  const boost::json::value* member = value.get_object().if_contains(boost::json::string_view(name.data(), name.size()));
  if (member == nullptr || member->is_null()) return {};
  if (member->is_string()) return std::string(member->get_string().data(), member->get_string().size());
  return boost::json::serialize(*member);
}

}  // namespace nudge::daemon
