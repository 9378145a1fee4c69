#include "daemon/runtime/receipts.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "daemon/runtime/gate.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"
#include "engine/base/codec.h"

namespace nudge::daemon {
namespace {

namespace bj = boost::json;

constexpr std::uint8_t kReceiptVersion = 1;
constexpr std::size_t kReportsMax = 2000;
constexpr std::size_t kReasonBytesMax = 500;
constexpr std::size_t kReplyBytesMax = 4000;
constexpr std::array<std::string_view, 6> kStates{"delivered", "failed", "delayed", "replied", "unsubscribed", "ticket"};

std::string text_of(const bj::object& object, std::string_view name, std::size_t most) {
  const bj::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || !value->is_string()) return {};
  std::string_view text(value->get_string());
  if (text.size() > most) {
    text = text.substr(0, most);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.remove_suffix(1);
  }
  return std::string(text);
}

Result<ProviderReport> read_report(const bj::value& value) {
  const bj::object* object = value.if_object();
  if (object == nullptr) return fail(Code::invalid, "a report is no object");
  ProviderReport report;
  const std::string state = text_of(*object, "state", 32);
  const auto known = std::ranges::find(kStates, state);
  if (known == kStates.end()) return fail(Code::invalid, "a report has the unknown state \"" + state + "\"");
  report.state = static_cast<ProviderReport::State>(known - kStates.begin());
  report.action = text_of(*object, "action", 64);
  report.ref = text_of(*object, "ref", 512);
  report.address = text_of(*object, "address", 320);
  report.id = text_of(*object, "id", 128);
  report.code = text_of(*object, "code", 64);
  report.reason = text_of(*object, "reason", kReasonBytesMax);
  report.text = text_of(*object, "text", kReplyBytesMax);
  report.status = text_of(*object, "status", 32);
  report.raw_status = text_of(*object, "raw_status", 128);
  if (const bj::value* at = object->if_contains("at_ms"); at != nullptr && at->is_int64()) report.at = at->get_int64();
  if (const bj::value* gone = object->if_contains("gone"); gone != nullptr && gone->is_bool()) report.gone = gone->get_bool();
  if ((report.state == ProviderReport::State::replied || report.state == ProviderReport::State::ticket) && report.id.empty())
    return fail(Code::invalid, "a report of the state \"" + state + "\" has no id, so that nobody could tell a double");
  return report;
}

}  // namespace

Result<ProviderReports> read_reports(std::string_view json) {
  bj::error_code error;
  const bj::value value = bj::parse({json.data(), json.size()}, error);
  const bj::object* object = value.if_object();
  const bj::value* list = object == nullptr ? nullptr : object->if_contains("reports");
  if (error || list == nullptr || !list->is_array()) return fail(Code::invalid, "the connector's result has no list `reports`");
  if (list->get_array().size() > kReportsMax)
    return fail(Code::invalid, "over " + std::to_string(kReportsMax) + " reports in one callback");
  ProviderReports out;
  for (const bj::value& one : list->get_array()) {
    NUDGE_ASSIGN(ProviderReport report, read_report(one));
    out.reports.push_back(std::move(report));
  }
  if (const bj::value* answer = object->if_contains("answer"); answer != nullptr && answer->is_object()) {
    out.answer_type = text_of(answer->get_object(), "type", 16);
    out.answer_body = text_of(answer->get_object(), "body", 4096);
  }
  return out;
}

void encode_receipt(std::string& out, const ActionReceipt& r) {
  Writer w(out);
  w.u8(kReceiptVersion);
  w.svarint(r.delivered_at);
  w.svarint(r.failed_at);
  w.svarint(r.delayed_at);
  w.string(r.reason);
}

Result<ActionReceipt> decode_receipt(std::string_view bytes) {
  Reader in(bytes);
  ActionReceipt r;
  const bool known = in.u8() == kReceiptVersion;
  r.delivered_at = in.svarint();
  r.failed_at = in.svarint();
  r.delayed_at = in.svarint();
  r.reason = in.string();
  if (!known || in.bad()) return fail(Code::corrupt, "a stored receipt can't be read: it is damaged or was written by a newer version");
  return r;
}

std::string receipt_key(std::string_view id) { return Key{}.u8('y').raw(id).take(); }
std::string way_by_ref_key(std::string_view connector, std::string_view ref) { return Key{}.u8('r').text(connector).raw(ref).take(); }
std::string way_by_address_key(std::string_view channel, std::string_view address) {
  return Key{}.u8('w').text(channel).raw(address).take();
}

Result<ActionReceipt> load_receipt(const Store& store, std::string_view id) {
  NUDGE_ASSIGN(const auto bytes, store.get(Family::outbox, receipt_key(id)));
  if (!bytes) return ActionReceipt{};
  return decode_receipt(*bytes);
}

void put_ways_back(WriteSet& set, const ActionRecord& record) {
  const std::string id = id_bytes(record.action.id);
  if (!record.attempts.empty() && !record.attempts.back().provider_ref.empty())
    set.put(Family::outbox, way_by_ref_key(record.connector, record.attempts.back().provider_ref), id);
  if (const std::string address = normal_address(member_text(record.action.payload, "to")); !address.empty())
    set.put(Family::outbox, way_by_address_key(record.action.channel, address), id);
}

void erase_ways_back(WriteSet& set, const ActionRecord& record) {
  set.erase(Family::outbox, receipt_key(id_bytes(record.action.id)));
  for (const Attempt& attempt : record.attempts)
    if (!attempt.provider_ref.empty()) set.erase(Family::outbox, way_by_ref_key(record.connector, attempt.provider_ref));
  if (const std::string address = normal_address(member_text(record.action.payload, "to")); !address.empty())
    set.erase(Family::outbox, way_by_address_key(record.action.channel, address));
}

}  // namespace nudge::daemon
