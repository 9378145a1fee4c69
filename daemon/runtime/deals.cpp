#include "daemon/runtime/deals.h"

#include <set>

#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

// Prefixes in Family::task; see leads.cpp. Open ones lie by themselves, so that a start reads no others.
std::string deal_key(bool open, std::string_view id) { return Key{}.u8(open ? 'O' : 'Q').raw(id).take(); }
std::string customer_prefix(std::string_view customer) { return Key{}.u8('P').text(customer).take(); }

}  // namespace

void book_deals(WriteSet& set, const DealOut& deals) {
  std::string bytes;
  for (const Opportunity& deal : deals.touched) {
    bytes.clear();
    encode_deal(bytes, deal);
    const bool open = deal.state == DealState::open;
    set.put(Family::task, deal_key(open, deal.id), bytes);
    if (!open) set.erase(Family::task, deal_key(true, deal.id));
    set.put(Family::task, Key{}.u8('P').text(deal.customer).raw(deal.id).take(), "");
  }
}

Result<std::vector<Opportunity>> deals_where(const Store& store, DealsIn which, const std::function<bool(const Opportunity&)>& fits) {
  std::vector<Opportunity> found;
  std::optional<Error> error;
  const Snapshot snapshot = store.snapshot();  // one that is closed meanwhile is found once
  for (const bool open : {true, false}) {
    if (which == (open ? DealsIn::closed : DealsIn::open)) continue;
    const std::string prefix = deal_key(open, "");
    NUDGE_TRY(store.scan(
        Family::task, prefix, prefix_end(prefix),
        [&](std::string_view, std::string_view value) {
          Result<Opportunity> deal = decode_deal(value);
          if (!deal) {
            error = std::move(deal).error();
            return false;
          }
          if (fits(*deal)) found.push_back(*std::move(deal));
          return true;
        },
        ScanOptions{.snapshot = &snapshot}));
    if (error) return std::unexpected(*std::move(error));
  }
  return found;
}

Result<std::vector<Opportunity>> deals_of(const Store& store, const std::vector<std::string>& names) {
  std::set<std::string> ids;  // one may be listed under each name its customer had
  for (const std::string& name : names) {
    const std::string prefix = customer_prefix(name);
    NUDGE_TRY(store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
      ids.emplace(key.substr(prefix.size()));
      return true;
    }));
  }
  std::vector<Opportunity> found;
  for (const std::string& id : ids) {
    Result<Opportunity> deal = deal_of(store, id);
    if (!deal && deal.error().code == Code::not_found) continue;  // erased meanwhile
    if (!deal) return std::unexpected(std::move(deal).error());
    found.push_back(*std::move(deal));
  }
  return found;
}

Result<void> load_deals(const Store& store, Desk& desk) {
  NUDGE_ASSIGN(auto open, deals_where(store, DealsIn::open, [](const Opportunity&) { return true; }));
  for (Opportunity& deal : open) desk.deals().load(std::move(deal));
  return {};
}

Result<void> erase_deals(const Store& store, WriteSet& set, std::string_view customer) {
  const std::string prefix = customer_prefix(customer);
  return store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    for (const bool open : {true, false}) set.erase(Family::task, deal_key(open, key.substr(prefix.size())));
    set.erase(Family::task, key);
    return true;
  });
}

Result<Opportunity> deal_of(const Store& store, std::string_view id) {
  for (const bool open : {true, false}) {  // in this order: one that is closed between the two reads is found
    NUDGE_ASSIGN(const auto bytes, store.get(Family::task, deal_key(open, id)));
    if (bytes) return decode_deal(*bytes);
  }
  return fail(Code::not_found, "there is no opportunity " + std::string(id));
}

}  // namespace nudge::daemon
