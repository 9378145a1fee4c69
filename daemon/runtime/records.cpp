#include "daemon/runtime/records.h"

#include <array>

#include "daemon/store/keys.h"
#include "engine/base/hash.h"

namespace nudge::daemon {
namespace {

constexpr std::uint8_t kRecordVersion = 1;

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::corrupt, "a stored " + std::string(what) + " can't be read: it is damaged or was written by a newer version");
}

constexpr std::array<std::string_view, 11> kActionStates{"",     "waiting",   "in_flight", "retrying", "unknown", "accepted",
                                                         "dead", "discarded", "cancelled", "held",     "kept"};

}  // namespace

std::string_view action_state_name(ActionState s) { return kActionStates[static_cast<std::size_t>(s)]; }

std::optional<ActionState> find_action_state(std::string_view name) {
  for (std::size_t i = 1; i < kActionStates.size(); ++i) {
    if (kActionStates[i] == name) return static_cast<ActionState>(i);
  }
  return std::nullopt;
}

bool is_pending(ActionState s) {
  return s == ActionState::waiting || s == ActionState::in_flight || s == ActionState::retrying || s == ActionState::unknown ||
         s == ActionState::kept;
}

void encode_record(std::string& out, const ActionRecord& r) {
  Writer w(out);
  w.u8(kRecordVersion);
  w.varint(r.number);
  w.u8(static_cast<std::uint8_t>(r.state));
  w.svarint(r.next_at);
  w.svarint(r.changed_at);
  w.varint(r.tries);
  w.string(r.connector);
  w.string(r.note);
  w.varint(r.attempts.size());
  for (const Attempt& a : r.attempts) {
    w.svarint(a.at);
    w.string(a.status);
    w.string(a.detail);
    w.string(a.provider_ref);
    w.svarint(a.http_status);
  }
  encode_action(w, r.action);
  // What follows came later; the first form ended here, the second after the first of these bytes.
  if (r.held == Held::none && r.sent_at == 0 && !r.ask && !r.perhaps) return;
  w.u8(static_cast<std::uint8_t>(r.held));
  if (r.sent_at == 0 && !r.ask && !r.perhaps) return;
  w.u8(static_cast<std::uint8_t>((r.ask ? 1 : 0) | (r.perhaps ? 2 : 0)));
  w.svarint(r.sent_at);
  w.svarint(r.first_sent_at);
}

Result<ActionRecord> decode_action_record(std::string_view bytes) {
  Reader in(bytes);
  ActionRecord r;
  if (in.u8() != kRecordVersion) return damaged("action");
  r.number = in.varint();
  r.state = static_cast<ActionState>(in.u8());
  r.next_at = in.svarint();
  r.changed_at = in.svarint();
  r.tries = static_cast<std::uint32_t>(in.varint());
  r.connector = in.string();
  r.note = in.string();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Attempt& a = r.attempts.emplace_back();
    a.at = in.svarint();
    a.status = in.string();
    a.detail = in.string();
    a.provider_ref = in.string();
    a.http_status = static_cast<std::int32_t>(in.svarint());
  }
  const auto state = static_cast<std::size_t>(r.state);
  if (!decode_action(in, r.action) || in.bad() || state == 0 || state >= kActionStates.size()) return damaged("action");
  if (!in.at_end()) r.held = static_cast<Held>(in.u8());
  if (!in.at_end()) {
    const std::uint8_t flags = in.u8();
    r.ask = (flags & 1U) != 0;
    r.perhaps = (flags & 2U) != 0;
    r.sent_at = in.svarint();
    r.first_sent_at = in.svarint();
    if (in.bad()) return damaged("action");
  } else if (r.state == ActionState::retrying) {  // written before this was kept: what an attempt left open may have arrived
    for (const Attempt& a : r.attempts) r.perhaps = r.perhaps || (a.status != "not_sent" && a.status != "bad_config");
    r.perhaps = r.perhaps || r.attempts.size() < r.tries;
  }
  return r;
}

void encode_record(std::string& out, const QuarantineRecord& r) {
  Writer w(out);
  w.u8(kRecordVersion);
  w.varint(r.number);
  w.svarint(r.at);
  w.u8(r.import ? 1 : 0);
  w.string(r.customer);
  w.string(r.code);
  w.string(r.field);
  w.string(r.reason);
  w.string(r.raw);
}

Result<QuarantineRecord> decode_quarantine_record(std::string_view bytes) {
  Reader in(bytes);
  QuarantineRecord r;
  if (in.u8() != kRecordVersion) return damaged("quarantine record");
  r.number = in.varint();
  r.at = in.svarint();
  r.import = in.u8() != 0;
  r.customer = in.string();
  r.code = in.string();
  r.field = in.string();
  r.reason = in.string();
  r.raw = in.string();
  if (in.bad()) return damaged("quarantine record");
  return r;
}

std::string action_key(bool pending, std::string_view id) { return Key{}.u8(pending ? 'p' : 'x').raw(id).take(); }
std::string action_customer_key(std::string_view customer, std::uint64_t number) {
  return Key{}.u8('c').u8(slot_of(customer)).text(customer).u64(number).take();
}
std::string action_number_key(std::uint64_t number) { return Key{}.u8('n').u64(number).take(); }
std::string task_key(bool open, std::string_view id) { return Key{}.u8(open ? 'o' : 'd').raw(id).take(); }
std::string task_untold_key(std::string_view id) { return Key{}.u8('t').raw(id).take(); }
std::string held_untold_key(std::string_view id) { return Key{}.u8('h').raw(id).take(); }
std::string decision_key(std::string_view customer, std::uint64_t first_number) {
  return Key{}.u8(slot_of(customer)).text(customer).u64(first_number).take();
}
std::string quarantine_key(std::uint64_t number) { return Key{}.u64(number).take(); }
std::string given_up_key(TimeMs at, std::uint64_t number) { return Key{}.u64(static_cast<std::uint64_t>(at)).u64(number).take(); }

std::string id_bytes(const Hash128& id) { return Key{}.u64(id.hi).u64(id.lo).take(); }

std::optional<std::string> id_from_hex(std::string_view hex) {
  if (hex.size() != 32) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < 32; i += 2) {
    int byte = 0;
    for (std::size_t k = i; k < i + 2; ++k) {
      const char c = hex[k];
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (digit < 0) return std::nullopt;
      byte = byte * 16 + digit;
    }
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

}  // namespace nudge::daemon
