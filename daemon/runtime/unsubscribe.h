// Links by which a customer unsubscribes without logging in (RFC 8058): what they speak of, signed, so that nobody can make one for
// another. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nudge::daemon {

struct UnsubscribeWish {
  std::string customer, channel, purpose;
  friend bool operator==(const UnsubscribeWish&, const UnsubscribeWish&) = default;
};

struct UnsubscribeLinks {
  std::string base;  // https://news.example.com
  std::string key;   // never shown

  bool on() const { return !base.empty() && !key.empty(); }
  // base/u/TOKEN: the same for the same wish and key.
  std::string link(const UnsubscribeWish& wish) const;
  std::string token(const UnsubscribeWish& wish) const;
  // Nothing when the token is not one of ours.
  std::optional<UnsubscribeWish> read(std::string_view token) const;
};

}  // namespace nudge::daemon
