#include <doctest/doctest.h>

#include <algorithm>

#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

std::string encoded(const Input& input) {
  std::string bytes;
  Writer out(bytes);
  encode_input(out, input);
  return bytes;
}

}  // namespace

TEST_CASE("input codec: round trip; cut and flipped bytes never crash") {
  const Catalog catalog = sample_catalog();
  Random random(21);
  for (int i = 0; i < 400; ++i) {
    const Input input = random_input(random, catalog, "in-" + std::to_string(i));
    const std::string bytes = encoded(input);
    Reader in(bytes);
    Input back;
    REQUIRE(decode_input(in, back));
    CHECK(in.at_end());
    CHECK(back == input);
    if (i >= 60) continue;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      Reader shorter(std::string_view(bytes).substr(0, at));
      CHECK(!decode_input(shorter, back));
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      Reader wrong(damaged);
      if (decode_input(wrong, back)) CHECK(!encoded(back).empty());
    }
  }
}

TEST_CASE("inputs follow one another in one buffer") {
  const Catalog catalog = sample_catalog();
  Random random(8);
  std::vector<Input> inputs;
  std::string bytes;
  Writer out(bytes);
  for (int i = 0; i < 50; ++i) {
    inputs.push_back(random_input(random, catalog, "in-" + std::to_string(i)));
    encode_input(out, inputs.back());
  }
  Reader in(bytes);
  for (const Input& input : inputs) {
    Input back;
    REQUIRE(decode_input(in, back));
    CHECK(back == input);
  }
  CHECK(in.at_end());
}

TEST_CASE("input codec: impossible inputs are refused") {
  Input back;
  for (const std::string_view bad :
       {std::string_view("\x00\x00", 2), std::string_view("\x04\x00", 2), std::string_view("\x01\x10", 2),
        std::string_view("\x01\x00\x01z\x01z\x00\x00\xff\xff\xff\x7f", 12),     // many fields in no bytes
        std::string_view("\x02\x00\x01z\x01z\x00\x01\xff\xff\x03\x00", 12)}) {  // the attribute that means none
    Reader in(bad);
    CHECK(!decode_input(in, back));
  }
}

TEST_CASE("same content") {
  const Catalog catalog = sample_catalog();
  Random random(31);
  for (int i = 0; i < 500; ++i) {
    const Input input = random_input(random, catalog, "x");
    Input other = input;
    other.import = !other.import;
    other.generated_id = !other.generated_id;
    std::ranges::reverse(other.attributes);
    if (input.kind == InputKind::event) other.fields.resize(other.fields.size() + 2);
    CHECK(same_content(input, other));
    CHECK(same_content(other, input));
    other = input;
    ++other.time;
    CHECK(!same_content(input, other));
    other = input;
    switch (input.kind) {
      case InputKind::event: other.fields.push_back(Value::of_integer(1)); break;
      case InputKind::attributes: other.attributes[0].value = Value::of_list({"something else"}); break;
      case InputKind::tag: other.tag_removed = !other.tag_removed; break;
    }
    CHECK(!same_content(input, other));
  }
}
