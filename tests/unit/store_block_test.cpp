// The frame of a log block and the watermark's slots: damage of any byte is noticed.
#include <random>

#include "daemon/store/block.h"
#include "daemon/store/crc32c.h"
#include "daemon/store/watermark.h"
#include "tests/unit/store_support.h"

namespace nudge::daemon {

using namespace test;

TEST_CASE("crc32c gives the published values, by table and by instruction") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(crc32c("") == 0U);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string bytes = payload(i).substr(0, static_cast<std::size_t>(i));
    CHECK(crc32c(bytes) == crc32c_portable(bytes));
  }
}

TEST_CASE("a block with any byte changed, cut or added is refused") {
  const std::string text = payload(5);
  const std::string stored = block_header(17, 16, false, text.size(), crc32c(text)) + text;
  CHECK(stored.size() == kBlockHeaderBytes + text.size());
  const auto block = open_block(17, stored);
  REQUIRE(block.has_value());
  CHECK(block->payload == text);
  CHECK(block->previous == 16);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < stored.size(); ++i)
    for (const int bit : {0, 7}) {
      std::string damaged = stored;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      CHECK_FALSE(open_block(17, damaged).has_value());
      ++tried;
    }
  for (std::size_t size = 0; size < stored.size(); ++size) CHECK_FALSE(open_block(17, stored.substr(0, size)).has_value());
  CHECK_FALSE(open_block(17, stored + "x").has_value());
  CHECK(tried == 2 * stored.size());
  // In its right place only.
  const auto misplaced = open_block(18, stored);
  REQUIRE_FALSE(misplaced.has_value());
  CHECK(misplaced.error().code == Code::corrupt);
  CHECK(contains(misplaced.error().message, "block 18"));
  CHECK(contains(misplaced.error().message, "restore"));
}

TEST_CASE("a block that gets smaller is kept compressed, and comes back as it was") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "customer-" + std::to_string(i % 7) + " page_view /p/" + std::to_string(i % 5) + "; ";
  std::string packed, room;
  REQUIRE(compress_payload(text, packed));
  CHECK(packed.size() * 4 < text.size());
  const auto frame = [](std::string_view payload) {
    return block_header(3, 2, true, payload.size(), crc32c(payload)) + std::string(payload);
  };
  const std::string stored = frame(packed);
  const auto block = open_block(3, stored);
  REQUIRE(block.has_value());
  CHECK(block->compressed);
  const auto content = block_content(*block, room);
  REQUIRE(content.has_value());
  CHECK(*content == text);
  // A checksum that matches does not make sense of nonsense.
  for (std::size_t size = 0; size < packed.size(); size += 5) {
    const std::string cut = frame(std::string_view(packed).substr(0, size));
    const auto opened = open_block(3, cut);
    REQUIRE(opened.has_value());
    const auto nothing = block_content(*opened, room);
    REQUIRE_FALSE(nothing.has_value());
    CHECK(nothing.error().code == Code::corrupt);
  }
  // What does not get smaller stays as it is: a small one, and noise.
  CHECK_FALSE(compress_payload("short", packed));
  std::mt19937_64 random(7);
  std::string noise(4000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  CHECK_FALSE(compress_payload(noise, packed));

  const TempDir dir;
  auto store = must_open(options_for(dir / "store"));
  WriteSet set;
  set.append(1, text);
  set.append(2, noise);
  set.append(3, "short");
  REQUIRE(store->commit(std::move(set)).has_value());
  std::vector<std::string> back;
  REQUIRE(store->log_blocks(1, [&](std::uint64_t, std::string_view payload) {
    back.emplace_back(payload);
    return true;
  }));
  CHECK(back == std::vector<std::string>{text, noise, "short"});
}

TEST_CASE("the watermark keeps the newest mark that checks out") {
  const TempDir dir;
  const std::string path = dir / "watermark";
  auto none = Watermark::read(path);
  REQUIRE(none.has_value());
  CHECK_FALSE(none->has_value());
  Mark mark;
  mark.store.fill('s');
  {
    auto created = Watermark::create(path, mark);
    REQUIRE(created.has_value());
    for (std::uint64_t i = 1; i <= 9; ++i) {
      mark.log_sequence = i;
      mark.write_number = 3 * i;
      REQUIRE(created->advance(mark).has_value());
    }
  }
  CHECK(Watermark::read(path).value() == mark);
  // A torn write hurts the slot that was being written; the other one still says the mark before.
  std::size_t fell_back = 0, kept = 0;
  for (std::uint64_t slot : {0U, 4096U})
    for (std::uint64_t at = 0; at < 64; ++at) {
      flip_byte(path, slot + at);
      const auto read = Watermark::read(path);
      REQUIRE(read.has_value());
      if ((*read)->log_sequence == 9) ++kept;
      if ((*read)->log_sequence == 8) ++fell_back;
      flip_byte(path, slot + at);
    }
  CHECK(kept + fell_back == 128);
  CHECK(fell_back == 56);  // magic, generation, store, two numbers, checksum; the rest of a slot is padding
  flip_byte(path, 20);
  flip_byte(path, 4096 + 20);
  const auto damaged = Watermark::read(path);
  REQUIRE_FALSE(damaged.has_value());
  CHECK(damaged.error().code == Code::corrupt);
  CHECK(contains(damaged.error().message, "accept_loss"));
}

}  // namespace nudge::daemon
