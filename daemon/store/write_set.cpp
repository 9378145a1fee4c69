#include <cstring>

#include "daemon/store/block.h"
#include "daemon/store/crc32c.h"
#include "daemon/store/keys.h"
#include "daemon/store/store.h"
#include "daemon/store/write_set_format.h"

namespace nudge::daemon {

void WriteSet::put(Family family, std::string_view key, std::string_view value) { add(Kind::put, family, key, value, 0); }

void WriteSet::erase(Family family, std::string_view key) { add(Kind::erase, family, key, {}, 0); }

void WriteSet::append(std::uint64_t sequence, std::string_view block) {
  if (sequence <= last_sequence_ && defect_.empty())
    defect_ = sequence == 0 ? "block 0 was appended; sequences start at 1"
                            : "block " + std::to_string(sequence) + " was appended after block " + std::to_string(last_sequence_);
  if (first_sequence_ == 0) first_sequence_ = sequence;
  last_sequence_ = sequence;
  // Compressed and its checksum computed here, outside the lock of the commit.
  const bool smaller = compress_payload(block, compressed_);
  const std::string_view stored = smaller ? std::string_view(compressed_) : block;
  add(smaller ? Kind::append_compressed : Kind::append, Family::log, log_key(sequence), stored, crc32c(stored));
}

void WriteSet::add(Kind kind, Family family, std::string_view key, std::string_view value, std::uint32_t checksum) {
  if (defect_.empty()) {
    if (static_cast<std::size_t>(family) >= kFamilies)
      defect_ = "there is no family " + std::to_string(static_cast<int>(family));
    else if (family == Family::log && kind != Kind::append && kind != Kind::append_compressed)
      defect_ = "the log takes only append()";
    else if (family == Family::meta && key.starts_with(kReservedMeta))
      defect_ = "meta keys that begin with store/ are the store's own";
    else if (key.empty())
      defect_ = "a key is empty";
    else if (key.size() > kKeyBytes)
      defect_ = "a key has " + std::to_string(key.size()) + " bytes; at most " + std::to_string(kKeyBytes) + " are allowed";
    else if (value.size() > kValueBytes)
      defect_ = "a value has " + std::to_string(value.size()) + " bytes; at most " + std::to_string(kValueBytes) + " are allowed";
  }
  if (!defect_.empty()) return;
  const EntryHeader header{static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(family), static_cast<std::uint16_t>(key.size()),
                           static_cast<std::uint32_t>(value.size()), checksum};
  char bytes[sizeof header];
  std::memcpy(bytes, &header, sizeof header);
  rep_.append(bytes, sizeof header).append(key).append(value);
  ++count_;
}

void WriteSet::clear() noexcept {
  rep_.clear();
  count_ = 0;
  first_sequence_ = last_sequence_ = 0;
  defect_.clear();
}

}  // namespace nudge::daemon
