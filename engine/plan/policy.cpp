#include "engine/plan/policy.h"

#include <algorithm>
#include <array>

namespace nudge {
namespace {

constexpr std::array<std::string_view, 11> kChannels = {"",        "email",    "sms",  "chat",   "task", "ticket",
                                                        "webhook", "maildrop", "call", "wechat", "push"};

}  // namespace

std::string_view purpose_name(Purpose p) {
  switch (p) {
    case Purpose::marketing: return "marketing";
    case Purpose::service: return "service";
    case Purpose::internal: return "internal";
  }
  return "";
}

std::uint8_t channel_number(std::string_view channel) {
  const auto found = std::ranges::find(kChannels, channel);
  return found == kChannels.end() ? 0 : static_cast<std::uint8_t>(found - kChannels.begin());
}

bool reaches_customer(std::string_view channel) {
  // Not `chat`: a robot speaks to colleagues in a group.
  static constexpr std::array<std::string_view, 6> kReach = {"email", "sms", "maildrop", "call", "wechat", "push"};
  return std::ranges::find(kReach, channel) != kReach.end();
}

bool reaches_customer(std::uint8_t channel) { return channel < kChannels.size() && reaches_customer(kChannels[channel]); }

bool BusinessCalendar::works(DateDays day, std::string_view* why) const {
  const auto find = [&](const std::vector<Day>& days) -> const Day* {
    const auto it = std::ranges::lower_bound(days, day, {}, &Day::date);
    return it != days.end() && it->date == day ? &*it : nullptr;
  };
  const Day* holiday = find(holidays);
  const Day* workday = find(workdays);
  if (why != nullptr) *why = workday != nullptr ? workday->name : holiday != nullptr ? holiday->name : std::string_view();
  if (workday != nullptr) return true;
  if (holiday != nullptr) return false;
  return ((weekdays >> (iso_weekday(day) - 1)) & 1U) != 0;
}

std::string_view policy_kind_name(Policy::Kind kind) {
  switch (kind) {
    case Policy::Kind::consent: return "consent";
    case Policy::Kind::quiet_hours: return "quiet_hours";
    case Policy::Kind::cap: return "cap";
    case Policy::Kind::inhibit: return "inhibit";
    case Policy::Kind::budget: return "budget";
    case Policy::Kind::brake: return "brake";
  }
  return "";
}

}  // namespace nudge
