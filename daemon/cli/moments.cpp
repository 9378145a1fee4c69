#include "daemon/cli/moments.h"

#include <ctime>

#include "daemon/cli/terminal.h"
#include "daemon/cli/words.h"

namespace nudge::cli {

TimeMs instant_of(const Json& json) {
  const auto at = parse_timestamp(json.text);
  return json.kind == Json::Kind::text && at ? *at : kAlways;
}

std::string moment(TimeMs at) {
  if (at == kAlways) return {};
  const std::time_t seconds = static_cast<std::time_t>(at / kSecond);
  std::tm local{};
  localtime_r(&seconds, &local);
  char buffer[40];
  std::strftime(buffer, sizeof buffer, local.tm_sec == 0 ? "%Y-%m-%d %H:%M" : "%Y-%m-%d %H:%M:%S", &local);
  return buffer;
}

std::string moment(const Json& json) { return moment(instant_of(json)); }

std::string ago(TimeMs at, TimeMs now, bool word) {
  if (at == kAlways) return say("never");
  const DurationMs d = now > at ? now - at : 0;
  std::string text = d < kMinute     ? counted(d / kSecond, "second")
                     : d < 2 * kHour ? counted(d / kMinute, "minute")
                     : d < 2 * kDay  ? counted(d / kHour, "hour")
                                     : counted(d / kDay, "day");
  return word ? say("{1} ago", {text}) : text;
}

}  // namespace nudge::cli
