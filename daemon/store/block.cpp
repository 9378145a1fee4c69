#include "daemon/store/block.h"

#include <zstd.h>

#include <memory>

#include "daemon/store/crc32c.h"

namespace nudge::daemon {

namespace {

constexpr std::uint32_t kMagic = 0x4b4c424eU;  // "NBLK" in the order of the bytes on disk

void put_little(std::string& out, std::uint64_t v, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t get_little(std::string_view in, std::size_t at, std::size_t width) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < width; ++i) v |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[at + i])) << (8 * i);
  return v;
}

std::unexpected<Error> damaged(std::uint64_t sequence, std::string_view what) {
  return fail(Code::corrupt,
              "log block " + std::to_string(sequence) + " is damaged: " + std::string(what) +
                  ". Nothing was skipped. Stop nudged and restore the last backup; if there is none, copy the data directory "
                  "aside before anything else");
}

constexpr std::size_t kWorthIt = 256;            // smaller payloads stay as they are
constexpr std::size_t kContentBytes = 1U << 30;  // of one block at most
constexpr int kLevel = 1;

}  // namespace

bool compress_payload(std::string_view payload, std::string& out) {
  if (payload.size() < kWorthIt) return false;
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  if (context == nullptr) return false;
  // No room for more than seven eighths: then it says that it does not fit.
  out.resize(payload.size() - payload.size() / 8);
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(), payload.data(), payload.size(), kLevel);
  if (ZSTD_isError(size) != 0) return false;
  out.resize(size);
  return true;
}

Result<std::string_view> block_content(const Block& block, std::string& room) {
  if (!block.compressed) return block.payload;
  const unsigned long long size = ZSTD_getFrameContentSize(block.payload.data(), block.payload.size());
  if (size > kContentBytes)
    return damaged(block.sequence, "what it says about its compression makes no sense");  // also the two error values
  room.resize(static_cast<std::size_t>(size));
  const std::size_t done = ZSTD_decompress(room.data(), room.size(), block.payload.data(), block.payload.size());
  if (ZSTD_isError(done) != 0 || done != room.size()) return damaged(block.sequence, "its contents cannot be decompressed");
  return std::string_view(room);
}

// magic u32, version u8, flags u8 (0), reserved u16 (0), payload bytes u32, payload crc u32, sequence u64, previous u64, header crc u32.
std::string block_header(std::uint64_t sequence, std::uint64_t previous, bool compressed, std::size_t payload_bytes,
                         std::uint32_t payload_checksum) {
  std::string header;
  header.reserve(kBlockHeaderBytes);
  put_little(header, kMagic, 4);
  put_little(header, compressed ? 2 : 1, 1);
  put_little(header, 0, 3);
  put_little(header, payload_bytes, 4);
  put_little(header, payload_checksum, 4);
  put_little(header, sequence, 8);
  put_little(header, previous, 8);
  put_little(header, crc32c(header), 4);
  return header;
}

Result<Block> open_block(std::uint64_t sequence, std::string_view stored) {
  if (stored.size() < kBlockHeaderBytes) return damaged(sequence, "it is shorter than its header");
  const std::string_view header = stored.substr(0, kBlockHeaderBytes);
  const std::string_view payload = stored.substr(kBlockHeaderBytes);
  if (get_little(header, 0, 4) != kMagic) return damaged(sequence, "its header does not begin with the magic number");
  if (get_little(header, 32, 4) != crc32c(header.substr(0, 32))) return damaged(sequence, "the checksum of its header does not match");
  const auto version = get_little(header, 4, 1);
  if (version == 0 || version > kBlockVersion)
    return fail(Code::invalid, "log block " + std::to_string(sequence) + " has format " + std::to_string(version) +
                                   ", this nudged reads formats up to " + std::to_string(kBlockVersion) +
                                   "; use the version of nudged that wrote it, or a newer one");
  if (get_little(header, 16, 8) != sequence)
    return damaged(sequence, "it says that it is block " + std::to_string(get_little(header, 16, 8)));
  if (get_little(header, 8, 4) != payload.size())
    return damaged(sequence, "it has " + std::to_string(payload.size()) + " bytes instead of " + std::to_string(get_little(header, 8, 4)));
  if (get_little(header, 12, 4) != crc32c(payload)) return damaged(sequence, "the checksum of its contents does not match");
  return Block{sequence, get_little(header, 24, 8), version == 2, payload};
}

}  // namespace nudge::daemon
