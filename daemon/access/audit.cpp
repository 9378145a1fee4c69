#include "daemon/access/audit.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/access/secrets.h"
#include "daemon/store/keys.h"
#include "engine/base/codec.h"
#include "engine/base/text.h"

namespace nudge::access {
namespace {

using daemon::Family;

constexpr std::string_view kHeadKey = "access/audit_head";
constexpr std::string_view kPseudonymKey = "access/pseudonym_key";
constexpr std::string_view kIntents = "access/audit_intent/";
constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::size_t kHexBytes = 64;
// Apart from the records of given-up quarantine entries, whose keys start with an instant.
constexpr std::uint8_t kChain = 'c';

std::string key_of(std::uint64_t number) { return daemon::Key{}.u8(kChain).u64(number).take(); }
std::string intent_key(std::uint64_t number) { return std::string(kIntents) + daemon::Key{}.u64(number).take(); }
std::string first_hash() { return std::string(kHexBytes, '0'); }

void member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

// The hash that a line ends with, if it is the hash of what comes before it.
std::optional<std::string> checked_hash(std::string_view line) {
  const std::size_t tail = kHashMember.size() + kHexBytes + 2;
  if (line.size() <= tail || !line.ends_with("\"}")) return std::nullopt;
  const std::string_view end = line.substr(line.size() - tail);
  if (!end.starts_with(kHashMember)) return std::nullopt;
  const std::string_view hash = end.substr(kHashMember.size(), kHexBytes);
  if (sha256_hex(std::string(line.substr(0, line.size() - tail)) + "}") != hash) return std::nullopt;
  return std::string(hash);
}

bool follows(std::string_view line, const AuditHead& before) {
  const std::string begin = "{\"number\":" + std::to_string(before.number + 1) + ",\"prev\":\"" + before.hash + "\",";
  return line.starts_with(begin);
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(daemon::Store& store) {
  NUDGE_TRY(init_secrets());
  std::unique_ptr<AuditLog> log(new AuditLog(store));
  log->head_.hash = first_hash();
  NUDGE_ASSIGN(const std::optional<std::string> head, store.get(Family::meta, kHeadKey));
  if (head) {
    const std::size_t space = head->find(' ');
    std::from_chars(head->data(), head->data() + std::min(space, head->size()), log->head_.number);
    log->head_.hash = space == std::string::npos ? std::string() : head->substr(space + 1);
    NUDGE_ASSIGN(const std::optional<std::string> newest, store.get(Family::audit, key_of(log->head_.number)));
    if (!newest || checked_hash(*newest) != log->head_.hash)
      return fail(Code::corrupt, "the audit log's newest record (" + std::to_string(log->head_.number) +
                                     ") is not the one that was written; somebody changed the data directory, or the disk did: restore a "
                                     "backup, and compare `nudge audit verify` there");
  }
  NUDGE_TRY(log->load_key());
  NUDGE_TRY(log->settle_intents());
  return log;
}

Result<void> AuditLog::load_key() {
  NUDGE_ASSIGN(const std::optional<std::string> key, store_.get(Family::meta, kPseudonymKey));
  if (key) {
    key_ = *key;
    return {};
  }
  return take_key(random_text(32));
}

Result<void> AuditLog::take_key(const std::string& key) {
  daemon::WriteSet set;
  set.put(Family::meta, kPseudonymKey, key);
  NUDGE_TRY(store_.commit(std::move(set)));
  key_ = key;
  return {};
}

std::string AuditLog::pseudonym(std::string_view customer) const {
  return "customer-" + sha256_hex(key_ + "\n" + std::string(customer)).substr(0, 24);
}

// What was begun when the process ended: nobody was told how it ended, and neither is the record.
Result<void> AuditLog::settle_intents() {
  std::vector<std::pair<std::uint64_t, AuditEntry>> open;
  NUDGE_TRY(store_.scan(Family::meta, kIntents, daemon::prefix_end(kIntents), [&](std::string_view key, std::string_view value) {
    daemon::KeyReader number(key.substr(kIntents.size()));
    Reader in(value);
    AuditEntry entry;
    entry.at = in.svarint();
    for (std::string* text : {&entry.actor, &entry.address, &entry.action, &entry.target, &entry.body_sha256}) *text = in.string();
    entry.detail = "nudged ended before this was answered: it may or may not have been done";
    open.emplace_back(number.u64(), std::move(entry));
    return true;
  }));
  for (const auto& [number, entry] : open) {
    last_intent_ = std::max(last_intent_, number);
    NUDGE_TRY(append(entry, number));
  }
  return {};
}

Result<std::uint64_t> AuditLog::intend(const AuditEntry& entry) {
  std::string bytes;
  Writer out(bytes);
  out.svarint(entry.at);
  for (const std::string* text : {&entry.actor, &entry.address, &entry.action, &entry.target, &entry.body_sha256}) out.string(*text);
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_intent_;
  }
  daemon::WriteSet set;
  set.put(Family::meta, intent_key(number), bytes);
  NUDGE_TRY(store_.commit(std::move(set)));
  return number;
}

Result<void> AuditLog::append(const AuditEntry& entry, std::uint64_t intent) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = head_.number + 1;
  std::string line = "{\"number\":" + std::to_string(number) + ",\"prev\":\"" + head_.hash + "\"";
  member(line, "at", format_timestamp(entry.at));
  member(line, "actor", entry.actor);
  member(line, "address", entry.address);
  member(line, "action", entry.action);
  member(line, "target", entry.target);
  line += ",\"status\":" + std::to_string(entry.status);
  if (!entry.body_sha256.empty()) member(line, "body_sha256", entry.body_sha256);
  if (!entry.detail.empty()) member(line, "detail", entry.detail);
  const std::string hash = sha256_hex(line + "}");
  line.append(kHashMember).append(hash).append("\"}");
  daemon::WriteSet set;
  set.put(Family::audit, key_of(number), line);
  set.put(Family::meta, kHeadKey, std::to_string(number) + " " + hash);
  if (intent != 0) set.erase(Family::meta, intent_key(intent));
  NUDGE_TRY(store_.commit(std::move(set)));
  head_ = {number, hash};
  return {};
}

AuditHead AuditLog::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

Result<void> AuditLog::read(std::uint64_t after, const std::function<bool(std::uint64_t, std::string_view)>& each) const {
  return store_.scan(Family::audit, key_of(after + 1), daemon::prefix_end(daemon::Key{}.u8(kChain).view()),
                     [&](std::string_view key, std::string_view line) {
                       daemon::KeyReader reader(key);
                       (void)reader.u8();
                       return each(reader.u64(), line);
                     });
}

Result<AuditHead> AuditLog::verify(const AuditHead& known) const {
  const AuditHead expected = head();
  AuditHead at{0, first_hash()};
  std::string wrong;
  bool known_seen = known.number == 0;
  NUDGE_TRY(read(0, [&](std::uint64_t number, std::string_view line) {
    if (number > expected.number) return false;  // came while we read
    const auto hash = checked_hash(line);
    if (number != at.number + 1)
      wrong = "record " + std::to_string(at.number + 1) + " is missing";
    else if (!hash)
      wrong = "record " + std::to_string(number) + " is not as it was written";
    else if (!follows(line, at))
      wrong = "record " + std::to_string(number) + " does not follow the one before it";
    else if (number == known.number && *hash != known.hash)
      wrong = "record " + std::to_string(number) + " is not the one that was noted down";
    if (!wrong.empty()) return false;
    known_seen = known_seen || number == known.number;
    at = {number, *hash};
    return true;
  }));
  if (wrong.empty() && (at.number != expected.number || at.hash != expected.hash))
    wrong = "it ends at record " + std::to_string(at.number) + ", and " + std::to_string(expected.number) + " were written";
  if (wrong.empty() && !known_seen) wrong = "record " + std::to_string(known.number) + ", which was noted down, is not there";
  if (!wrong.empty()) return fail(Code::corrupt, "the audit log is not whole: " + wrong);
  return at;
}

}  // namespace nudge::access
