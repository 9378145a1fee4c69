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

std::string with_recipient(std::string_view json, std::string_view to) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  if (error || !value.is_object()) value = boost::json::object();
  value.get_object()["to"] = boost::json::string_view(to.data(), to.size());
  return boost::json::serialize(value);
}

std::string with_unsubscribe(std::string_view json, std::string_view url) {
  if (!member_text(json, "unsubscribe_url").empty()) return std::string(json);
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  if (error || !value.is_object()) return std::string(json);
  value.get_object()["unsubscribe_url"] = boost::json::string_view(url.data(), url.size());
  return boost::json::serialize(value);
}

}  // namespace nudge::daemon
