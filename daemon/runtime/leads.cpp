#include "daemon/runtime/leads.h"

#include <algorithm>
#include <tuple>

#include "daemon/runtime/records.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

// Prefixes in Family::task; small letters are the tasks'.
std::string lead_key(std::string_view customer) { return Key{}.u8('L').raw(customer).take(); }
std::string history_prefix(std::string_view customer) { return Key{}.u8('H').text(customer).take(); }
std::string history_key(const LeadChange& change) { return Key{}.u8('H').text(change.customer).u32(change.number).take(); }
std::string claims_key(const LeadClaims& claims) { return Key{}.u8('C').text(claims.pool).text(claims.person).take(); }
std::string index_key(const Lead& lead) {
  return Key{}.u8('I').u8(static_cast<std::uint8_t>(lead.state)).text(lead.pool).text(lead.owner).i64(lead.since).raw(lead.customer).take();
}

std::optional<LeadEntry> parse_index_key(std::string_view key) {
  KeyReader in(key);
  LeadEntry entry;
  if (in.u8() != 'I') return std::nullopt;
  const std::uint8_t state = in.u8();
  entry.state = static_cast<LeadState>(state);
  entry.pool = in.text();
  entry.owner = in.text();
  entry.since = in.i64();
  entry.customer = in.raw();
  if (in.bad() || state < 1 || state > 3) return std::nullopt;
  return entry;
}

std::string to_hex_text(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4U];
    out += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

std::optional<std::string> from_hex_text(std::string_view hex) {
  std::string out;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  if (hex.size() % 2 != 0) return std::nullopt;
  return out;
}

// Decodes everything under a prefix; the first damaged record ends it.
template <class Decode, class Take>
Result<void> each(const Store& store, const std::string& prefix, Decode decode, Take take) {
  std::optional<Error> error;
  NUDGE_TRY(store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
    auto record = decode(value);
    if (!record) {
      error = std::move(record).error();
      return false;
    }
    take(*std::move(record));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return {};
}

}  // namespace

void book_leads(WriteSet& set, const LeadOut& leads) {
  std::string bytes;
  for (const Lead& gone : leads.gone) {
    set.erase(Family::task, index_key(gone));
    set.erase(Family::task, lead_key(gone.customer));
  }
  for (const LeadOut::Touched& touched : leads.touched) {
    const std::string place = index_key(touched.now);
    const std::string old = touched.before ? index_key(*touched.before) : std::string();
    if (!old.empty() && old != place) set.erase(Family::task, old);
    if (old != place) set.put(Family::task, place, "");
    bytes.clear();
    encode_lead(bytes, touched.now);
    set.put(Family::task, lead_key(touched.now.customer), bytes);
  }
  for (const LeadChange& change : leads.changes) {
    bytes.clear();
    encode_lead_change(bytes, change);
    set.put(Family::task, history_key(change), bytes);
  }
  for (const LeadClaims& claims : leads.claims) {
    bytes.clear();
    encode_claims(bytes, claims);
    set.put(Family::task, claims_key(claims), bytes);
  }
}

Result<void> load_leads(const Store& store, Desk& desk) {
  NUDGE_TRY(each(store, Key{}.u8('L').take(), decode_lead, [&](Lead lead) { desk.leads().load(std::move(lead)); }));
  return each(store, Key{}.u8('C').take(), decode_claims, [&](LeadClaims claims) { desk.leads().load(std::move(claims)); });
}

Result<void> erase_lead(const Store& store, WriteSet& set, std::string_view customer) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::task, lead_key(customer)));
  if (bytes) {
    if (const Result<Lead> lead = decode_lead(*bytes)) set.erase(Family::task, index_key(*lead));
    set.erase(Family::task, lead_key(customer));
  }
  const std::string prefix = history_prefix(customer);
  return store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    set.erase(Family::task, key);
    return true;
  });
}

Result<Lead> lead_of(const Store& store, std::string_view customer) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::task, lead_key(customer)));
  if (!bytes) return fail(Code::not_found, "the customer " + std::string(customer) + " is no lead: they are in no pool");
  return decode_lead(*bytes);
}

Result<std::vector<LeadChange>> lead_history(const Store& store, const std::vector<std::string>& names) {
  std::vector<LeadChange> changes;
  for (const std::string& name : names)
    NUDGE_TRY(each(store, history_prefix(name), decode_lead_change, [&](LeadChange change) { changes.push_back(std::move(change)); }));
  std::ranges::sort(changes, {}, [](const LeadChange& c) { return std::tie(c.at, c.customer, c.number); });
  return changes;
}

Result<LeadPage> leads_page(const Store& store, const LeadQuery& query, const std::function<bool(const LeadEntry&)>& fits) {
  const std::optional<std::string> after = from_hex_text(query.cursor);
  if (!after) return fail(Code::invalid, "`cursor` is not the `next` of a page");
  Key from;
  from.u8('I');
  if (query.state) from.u8(static_cast<std::uint8_t>(*query.state));
  const std::string prefix = from.take();
  LeadPage page;
  std::vector<std::string> customers;
  std::string last;
  NUDGE_TRY(store.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    const std::optional<LeadEntry> entry = parse_index_key(key);
    if (!entry || !fits(*entry)) return true;
    ++page.total;
    if (!after->empty() && key <= *after) return true;
    if (customers.size() < query.limit) {
      customers.push_back(entry->customer);
      last = key;
    } else if (page.next.empty()) {
      page.next = to_hex_text(last);
    }
    return true;
  }));
  for (const std::string& customer : customers) {
    Result<Lead> lead = lead_of(store, customer);
    if (!lead && lead.error().code == Code::not_found) continue;  // gone since the index was read
    if (!lead) return std::unexpected(std::move(lead).error());
    page.leads.push_back(*std::move(lead));
  }
  return page;
}

}  // namespace nudge::daemon
