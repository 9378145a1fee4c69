#include "daemon/runtime/deals.h"

#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

// Prefixes in Family::task; see leads.cpp.
std::string deal_key(std::string_view id) { return Key{}.u8('O').raw(id).take(); }
std::string customer_prefix(std::string_view customer) { return Key{}.u8('P').text(customer).take(); }

}  // namespace

void book_deals(WriteSet& set, const DealOut& deals) {
  std::string bytes;
  for (const Opportunity& deal : deals.touched) {
    bytes.clear();
    encode_deal(bytes, deal);
    set.put(Family::task, deal_key(deal.id), bytes);
    set.put(Family::task, Key{}.u8('P').text(deal.customer).raw(deal.id).take(), "");
  }
}

Result<std::vector<Opportunity>> deals_where(const Store& store, const std::function<bool(const Opportunity&)>& fits) {
  std::vector<Opportunity> found;
  std::optional<Error> error;
  const std::string prefix = deal_key("");
  NUDGE_TRY(store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
    Result<Opportunity> deal = decode_deal(value);
    if (!deal) {
      error = std::move(deal).error();
      return false;
    }
    if (fits(*deal)) found.push_back(*std::move(deal));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return found;
}

Result<void> load_deals(const Store& store, Desk& desk) {
  NUDGE_ASSIGN(auto open, deals_where(store, [](const Opportunity& deal) { return deal.state == DealState::open; }));
  for (Opportunity& deal : open) desk.deals().load(std::move(deal));
  return {};
}

Result<void> erase_deals(const Store& store, WriteSet& set, std::string_view customer) {
  const std::string prefix = customer_prefix(customer);
  return store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    set.erase(Family::task, deal_key(key.substr(prefix.size())));
    set.erase(Family::task, key);
    return true;
  });
}

Result<Opportunity> deal_of(const Store& store, std::string_view id) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::task, deal_key(id)));
  if (!bytes) return fail(Code::not_found, "there is no opportunity " + std::string(id));
  return decode_deal(*bytes);
}

}  // namespace nudge::daemon
