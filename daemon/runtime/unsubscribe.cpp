#include "daemon/runtime/unsubscribe.h"

#include "connectors/http/digest.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

std::string base64url(std::string_view bytes) {
  std::string text = connectors::base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return difference == 0;
}

std::string UnsubscribeLinks::token(const UnsubscribeWish& wish) const {
  std::string bytes;
  Writer out(bytes);
  out.u8(1);
  out.string(wish.customer);
  out.string(wish.channel);
  out.string(wish.purpose);
  return base64url(bytes) + "." + base64url(connectors::hmac_sha256(key, bytes));
}

std::string UnsubscribeLinks::link(const UnsubscribeWish& wish) const { return base + (base.ends_with('/') ? "u/" : "/u/") + token(wish); }

std::optional<UnsubscribeWish> UnsubscribeLinks::read(std::string_view token) const {
  const std::size_t dot = token.find('.');
  if (!on() || dot == std::string_view::npos || token.size() > 2048) return std::nullopt;
  const std::optional<std::string> bytes = connectors::unbase64(token.substr(0, dot));
  const std::optional<std::string> signature = connectors::unbase64(token.substr(dot + 1));
  if (!bytes || !signature || !equal_in_constant_time(*signature, connectors::hmac_sha256(key, *bytes))) return std::nullopt;
  Reader in(*bytes);
  if (in.u8() != 1) return std::nullopt;
  UnsubscribeWish wish;
  wish.customer = in.string();
  wish.channel = in.string();
  wish.purpose = in.string();
  if (in.bad() || !in.at_end() || wish.customer.empty()) return std::nullopt;
  return wish;
}

}  // namespace nudge::daemon
