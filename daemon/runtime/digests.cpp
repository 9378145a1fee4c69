#include "daemon/runtime/digests.h"

#include "daemon/runtime/records.h"
#include "daemon/store/keys.h"
#include "engine/base/hash.h"

namespace nudge::daemon {
namespace {

std::string group_key(std::string_view key) { return Key{}.u8('g').raw(id_bytes(hash128(key))).take(); }
// In the order of their numbers, which is that of the log.
std::string part_key(std::uint64_t number) { return Key{}.u8('l').u64(number).take(); }

}  // namespace

void book_digests(WriteSet& set, const DigestOut& out) {
  for (const DigestGroup& group : out.touched) {
    std::string bytes;
    encode_digest_group(bytes, group);
    if (group.due == kNever)
      set.erase(Family::task, group_key(group.key));
    else
      set.put(Family::task, group_key(group.key), bytes);
  }
  for (const auto& [key, part] : out.added) {
    std::string bytes;
    encode_digest_part(bytes, key, part);
    set.put(Family::task, part_key(part.number), bytes);
  }
  for (const DigestOut::Message& message : out.messages) {
    for (const DigestPart& part : message.parts) set.erase(Family::task, part_key(part.number));
  }
}

void erase_digest_part(WriteSet& set, std::uint64_t number) { set.erase(Family::task, part_key(number)); }

Result<void> load_digests(const Store& store, Desk& desk) {
  std::optional<Error> error;
  const auto each = [&](std::string_view from, auto&& take) {
    return store.scan(Family::task, from, prefix_end(std::string(from)), [&](std::string_view, std::string_view value) {
      take(value);
      return !error.has_value();
    });
  };
  NUDGE_TRY(each("g", [&](std::string_view value) {
    Result<DigestGroup> group = decode_digest_group(value);
    if (group) return desk.digests().load(*std::move(group));
    error = std::move(group).error();
  }));
  if (error) return std::unexpected(*std::move(error));
  NUDGE_TRY(each("l", [&](std::string_view value) {
    Result<std::pair<std::string, DigestPart>> part = decode_digest_part(value);
    if (part) return desk.digests().load(part->first, std::move(part->second));
    error = std::move(part).error();
  }));
  if (error) return std::unexpected(*std::move(error));
  return {};
}

}  // namespace nudge::daemon
