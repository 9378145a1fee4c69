#include "daemon/runtime/approvals.h"

#include "connectors/http/digest.h"
#include "daemon/runtime/records.h"
#include "daemon/runtime/unsubscribe.h"
#include "daemon/store/keys.h"
#include "engine/base/codec.h"

namespace nudge::daemon {
namespace {

// Of links that a person uses within days: nothing is longer.
constexpr std::size_t kTokenBytes = 1024;
// Another purpose, another key: a link of one kind never passes for one of another.
std::string signature(const std::string& key, std::string_view bytes) { return connectors::hmac_sha256(key, "approval\n" + std::string(bytes)); }

}  // namespace

std::string approval_key(bool open, std::string_view id) { return Key{}.u8(open ? 'a' : 'q').raw(id).take(); }

void book_approvals(WriteSet& set, const ApprovalOut& out) {
  for (const Request& request : out.touched) {
    const std::string id = id_bytes(request.action.id);
    const bool open = request.state == ApprovalState::open;
    std::string bytes;
    encode_request(bytes, request);
    if (!open) set.erase(Family::task, approval_key(true, id));
    set.put(Family::task, approval_key(open, id), bytes);
  }
}

Result<std::vector<Request>> approvals_in(const Store& store, bool open) {
  std::vector<Request> all;
  std::optional<Error> error;
  const std::string from = approval_key(open, "");
  NUDGE_TRY(store.scan(Family::task, from, prefix_end(from), [&](std::string_view, std::string_view value) {
    Result<Request> request = decode_request(value);
    if (!request) {
      error = std::move(request).error();
      return false;
    }
    all.push_back(*std::move(request));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return all;
}

Result<void> load_approvals(const Store& store, Desk& desk) {
  NUDGE_ASSIGN(std::vector<Request> open, approvals_in(store, true));
  for (Request& request : open) desk.approvals().load(std::move(request));
  return {};
}

Result<Request> approval_by_id(const Store& store, std::string_view id) {
  for (const bool open : {true, false}) {
    NUDGE_ASSIGN(const auto bytes, store.get(Family::task, approval_key(open, id)));
    if (bytes) return decode_request(*bytes);
  }
  return fail(Code::not_found, "there is no approval with this id");
}

std::string ApprovalLinks::link(std::string_view asks_for) const {
  return base + (base.ends_with('/') ? "a/" : "/a/") + base64url(asks_for) + "." + base64url(signature(key, asks_for));
}

std::optional<Asking> ApprovalLinks::read(std::string_view token) const {
  const std::size_t dot = token.find('.');
  if (!on() || dot == std::string_view::npos || token.size() > kTokenBytes) return std::nullopt;
  const std::optional<std::string> bytes = connectors::unbase64(token.substr(0, dot));
  const std::optional<std::string> signed_by = connectors::unbase64(token.substr(dot + 1));
  if (!bytes || !signed_by || !equal_in_constant_time(*signed_by, signature(key, *bytes))) return std::nullopt;
  return decode_asking(*bytes);
}

std::string ApprovalLinks::filled(const ActionOut& action) const {
  const std::optional<Asking> asking = decode_asking(action.asks_for);
  if (!asking) return action.payload;
  // Both stand as they are in JSON, HTML and headers.
  const std::string text = on() ? link(action.asks_for) : "nudge approval approve " + to_hex(asking->id);
  std::string out;
  std::size_t from = 0;
  for (std::size_t at = action.payload.find(kApprovalLink); at != std::string::npos; at = action.payload.find(kApprovalLink, from)) {
    out.append(action.payload, from, at - from).append(text);
    from = at + kApprovalLink.size();
  }
  return out.append(action.payload, from);
}

}  // namespace nudge::daemon
