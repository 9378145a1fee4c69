// Ids in few bytes: what was written is read, whatever stood before it, and bytes that make no sense are bad and not more.
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "engine/base/id_coder.h"

namespace nudge {
namespace {

std::string written(const std::vector<std::string>& ids, bool plain = false) {
  std::string bytes;
  Writer out(bytes);
  IdCoder coder(plain);
  for (const std::string& id : ids) coder.write(out, id);
  return bytes;
}

std::vector<std::string> read(std::string_view bytes, std::size_t count, bool plain = false) {
  Reader in(bytes);
  IdCoder coder(plain);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) ids.emplace_back(coder.read(in));
  CHECK_FALSE(in.bad());
  CHECK(in.at_end());
  return ids;
}

}  // namespace

TEST_CASE("ids come back as they were, in few bytes") {
  struct Case {
    std::vector<std::string> ids;
    std::size_t bytes;  // of all but the first, at most
  };
  const std::vector<Case> cases{
      {{"e000000001", "e000000002", "e000000900", "e000000005"}, 2 + 3 + 3},
      {{"a1", "a1", "a1"}, 2},
      {{"", "", "x"}, 1 + 2},
      {{"order-7", "order-8", "order-10"}, 2 + 9},  // another number of digits
      {{"c0000007", "d0000008"}, 9},
      {{"3f2504e0-4f89-11d3-9a0c-0305e82c3301", "9b2504e0-4f89-11d3-9a0c-0305e82c33ab"}, 17},
      {{"g0123456789abc", "gzzzzzzzzzzzzz", "gfzzzzzzzzzzzz"}, 15 + 9},  // thirteen characters may say more than 64 bits
      {{"999999999999999999", "000000000000000000"}, 11},
      {{"1", "12345678901234567890123", "12345678901234567890124"}, 24 + 2},
      {{"3F2504E0-4F89-11D3-9A0C-0305E82C3301", std::string(500, 'x'), "\xe4\xb8\xad"}, 503 + 4},
  };
  for (const Case& c : cases) {
    CAPTURE(c.ids.back());
    const std::string bytes = written(c.ids);
    CHECK(read(bytes, c.ids.size()) == c.ids);
    CHECK(bytes.size() <= written({c.ids.front()}).size() + c.bytes);
    CHECK(read(written(c.ids, true), c.ids.size(), true) == c.ids);
  }
}

TEST_CASE("ids of every sort come back in any order, and cut or changed bytes do no harm") {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> ids;
    for (int i = 0; i < 20; ++i) {
      std::string id;
      switch (random() % 6) {
        case 0: id = "e" + std::to_string(random() % 1000); break;
        case 1: id = ids.empty() ? "" : ids[random() % ids.size()]; break;
        case 2:
          for (int k = 0; k < 14; ++k) id += k == 0 ? 'g' : "0123456789abcdefghjkmnpqrstvwxyz"[random() % 32];
          break;
        case 3:
          for (int k = 0; k < 36; ++k) id += k == 8 || k == 13 || k == 18 || k == 23 ? '-' : "0123456789abcdef"[random() % 16];
          break;
        case 4: id = std::string(random() % 300, static_cast<char>(random())); break;
        default: id = std::to_string(random());
      }
      ids.push_back(std::move(id));
    }
    const std::string bytes = written(ids);
    REQUIRE(read(bytes, ids.size()) == ids);
    std::string wrong = bytes.substr(0, random() % bytes.size());
    if (!wrong.empty()) wrong[random() % wrong.size()] = static_cast<char>(random());
    Reader in(wrong);
    IdCoder coder;
    for (std::size_t i = 0; i < ids.size(); ++i) CHECK(coder.read(in).size() <= wrong.size() + 36);
  }
}

}  // namespace nudge
