// Links by which a customer unsubscribes without logging in (RFC 8058): what they speak of, signed, so that nobody can make one for
// another. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nudge::daemon {

// For tokens in links. RFC 4648, section 5, without padding; and a comparison that does not tell by its time where two texts differ.
std::string base64url(std::string_view bytes);
bool equal_in_constant_time(std::string_view a, std::string_view b);

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
