#include <doctest/doctest.h>

#include <random>

#include "engine/base/codec.h"
#include "engine/base/hash.h"
#include "engine/base/regex.h"
#include "engine/base/text.h"

using namespace nudge;

TEST_CASE("murmur2 is Kafka's") {
  struct Row {
    std::string_view key;
    std::int32_t hash;
  };
  constexpr Row kRows[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.key);
    CHECK(static_cast<std::int32_t>(murmur2(row.key)) == row.hash);
    CHECK(slot_of(row.key) == (static_cast<std::uint32_t>(row.hash) & 0x7fffffffU) % 256);
  }
}

TEST_CASE("hash128 is MurmurHash3 x64 128") {
  CHECK(to_hex(hash128("")) == "00000000000000000000000000000000");
  CHECK(to_hex(hash128("hello")) == "cbd8a7b341bd9b025b1e906a48ae1d19");
  CHECK(to_hex(hash128("hello, world")) == "342fac623a5ebc8e4cdcbc079642414d");
  CHECK(to_hex(hash128("19 Jan 2038 at 3:14:07 AM")) == "b89e5988b737affc664fc2950231b2cb");
  CHECK(to_hex(hash128("The quick brown fox jumps over the lazy dog.")) == "cd99481f9ee902c9695da1a38987b6e7");
  CHECK(hash128("hello", 1) != hash128("hello"));
  CHECK(to_hex(Hash128{0x0123456789abcdefULL, 1}) == "0123456789abcdef0000000000000001");
}

TEST_CASE("hash64 is stable and spreads") {
  CHECK(hash64("") == hash64("", 0));
  CHECK(hash64("a") != hash64("b"));
  CHECK(hash64("a") != hash64("a", 1));
  // Stored tables rely on it: a change of the function must be seen.
  CHECK(hash64("customer-1") == 12536098675308940762ULL);
}

TEST_CASE("UTF-8") {
  for (const std::string_view good :
       {"", "abc", "Straße", "王芳", "😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\x7f", "\xc2\x80", "12345678901234567王"}) {
    CHECK(is_utf8(good));
  }
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
                                     "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe4\xb8", "\xe4", "\xc3",
                                     "\xf0\x9f\x98", "12345678\xff", "abc\xe4\xb8", "\xe4\xb8\x41"}) {
    CHECK(!is_utf8(bad));
  }
  CHECK(length_utf8("王芳a😀") == 4);
  CHECK(prefix_utf8("王芳a😀", 2) == "王芳");
  CHECK(prefix_utf8("王芳", 0) == "");
  CHECK(prefix_utf8("王芳", 9) == "王芳");
}

TEST_CASE("full case folding") {
  struct Row {
    std::string_view text;
    std::string_view folded;
  };
  constexpr Row kRows[] = {
      {"", ""},
      {"ABCxyz09_", "abcxyz09_"},
      {"Straße", "strasse"},
      {"STRASSE", "strasse"},
      {"ẞ", "ss"},
      {"ÄÖÜ", "äöü"},
      {"ΌΣΟΣ", "όσοσ"},
      {"όσος", "όσοσ"},
      {"İ", "i̇"},
      {"I", "i"},  // not the Turkish way
      {"ﬁn", "fin"},
      {"ŉ", "ʼn"},
      {"王芳", "王芳"},
      {"ПРИВЕТ", "привет"},
      {"\xe2\x84\xaa", "k"},                     // KELVIN SIGN
      {"\xce\x90", "\xce\xb9\xcc\x88\xcc\x81"},  // one becomes three
  };
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    CHECK(fold_case(row.text) == row.folded);
    CHECK(fold_case(fold_case(row.text)) == fold_case(row.text));
  }
  // Folding may make text longer than the buffer: two bytes become six.
  std::string many;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    many += "\xce\x90";
    expected += "\xce\xb9\xcc\x88\xcc\x81";
  }
  CHECK(fold_case(many) == expected);
}

TEST_CASE("JSON strings") {
  std::string out;
  append_json_string(out, std::string("a\"b\\c\n\r\t\b\f\x01\x1f/王") + '\0' + "z");
  CHECK(out == "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f/王\\u0000z\"");
}

TEST_CASE("regular expressions") {
  struct Row {
    std::string_view pattern;
    bool ignore_case;
    std::string_view text;
    bool found;
  };
  constexpr Row kRows[] = {
      {"b+", false, "abbc", true},
      {"^b+$", false, "abbc", false},
      {"B", false, "abc", false},
      {"B", true, "abc", true},
      {"abc", true, "xABCx", true},
      {"STRASSE", true, "Straße", true},
      {"straße", true, "STRASSE", true},
      {"^Gro(ß|x)es$", true, "GROSSES", true},
      {"ß+x", true, "SSSSX", true},
      {"^ß{2}$", true, "ssss", true},
      {"^ß{2}$", true, "sss", false},
      {"^[ßx]y$", true, "SSY", true},
      {"^[À-ÿ]$", true, "ß", true},  // ß lies in the range
      {"^[A-Z]+$", true, "abc", true},
      {"^[^a]$", true, "A", false},
      {"\\x{DF}", true, "SS", true},
      {"\\xdf", true, "ss", true},
      {"\\337", true, "ss", true},
      {"\\QStraße?\\E", true, "strasse?", true},
      {"\\QStraße?\\E", true, "strass", false},
      {"\\p{Lu}", true, "a", true},
      {"\\pL+", false, "王芳", true},
      {"王.*", true, "王芳", true},
      {"(?P<NAME>ABC)", true, "abc", true},
      {"(?i)abc", false, "ABC", true},
      {"(?:É|È)", true, "è", true},
      {"σ$", true, "ΌΣΟΣ", true},
      {"ς", true, "σ", true},
      {"\\bΚΑΙ\\b|ΚΑΙ", true, "και", true},
      {"[[:alpha:]ß]", true, "9SS", true},
      {"[]ß]z", true, "ssz", true},
      {"[\\d\\-ß]z", true, "-z", true},
      {"\\d+", false, "no digits", false},
      {"", false, "", true},
      {"k", true, "\xe2\x84\xaa", true},
      {"\xe2\x84\xaa", true, "K", true},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CAPTURE(row.ignore_case);
    const auto re = Regex::compile(row.pattern, row.ignore_case);
    REQUIRE(re.has_value());
    CHECK((*re)->found_in(row.text) == row.found);
  }
  for (const std::string_view bad : {"(", "[a", "a**b", "\\", "(?=x)", "\\1", "(?P<n", "\xff", "a{2000}", "[b-a]", "(?<!x)"}) {
    CAPTURE(bad);
    CHECK(!Regex::compile(bad, false).has_value());
    CHECK(!Regex::compile(bad, true).has_value());
  }
  const auto large = Regex::compile("\\pL{1000}", false);
  REQUIRE(!large.has_value());
  CHECK(large.error().code == Code::too_large);
}

TEST_CASE("regular expressions: linear time") {
  const auto re = Regex::compile("(a*)*(a*)*(a*)*b", false);
  REQUIRE(re.has_value());
  CHECK(!(*re)->found_in(std::string(60'000, 'a')));
}

TEST_CASE("codec: the raw mode writes the same bytes") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    std::string plain = "before", raw = "before";
    Writer a(plain), b(raw);
    if (round % 2 == 0) b.start_raw();
    for (int i = 0; i < round; ++i) {
      if (i == round / 2) b.start_raw();
      const std::uint64_t v = random() >> (random() % 64);
      const std::string text(v % 700, static_cast<char>('a' + v % 26));
      for (Writer* w : {&a, &b}) {
        w->u8(static_cast<std::uint8_t>(v));
        w->varint(v);
        w->svarint(static_cast<std::int64_t>(v));
        w->f64(static_cast<double>(v));
        w->string(text);
        w->raw({});
      }
    }
    b.finish();
    CHECK(plain == raw);
    b.varint(300);  // not raw any more
    a.varint(300);
    CHECK(plain == raw);
  }
}

TEST_CASE("codec: round trip and truncation") {
  std::mt19937_64 random(1);
  std::string bytes;
  Writer out(bytes);
  std::vector<std::uint64_t> values{0, 1, 127, 128, 0xffffffffffffffffULL};
  for (int i = 0; i < 500; ++i) values.push_back(random() >> (random() % 64));
  for (const std::uint64_t v : values) {
    out.varint(v);
    out.svarint(static_cast<std::int64_t>(v));
    out.fixed64(v);
    out.string(std::to_string(v));
    out.u8(static_cast<std::uint8_t>(v));
    out.f64(static_cast<double>(v));
  }
  Reader in(bytes);
  for (const std::uint64_t v : values) {
    CHECK(in.varint() == v);
    CHECK(in.svarint() == static_cast<std::int64_t>(v));
    CHECK(in.fixed64() == v);
    CHECK(in.string() == std::to_string(v));
    CHECK(in.u8() == static_cast<std::uint8_t>(v));
    CHECK(in.f64() == static_cast<double>(v));
  }
  CHECK(in.at_end());
  CHECK(!in.bad());
  in.varint();
  CHECK(in.bad());

  Reader lies("\xff\xff\xff\xff\x0fxyz");  // a string said to be 4 GB long
  CHECK(lies.string().empty());
  CHECK(lies.bad());
  CHECK(lies.u8() == 0);
  Reader endless("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  CHECK(endless.varint() == 0);
  CHECK(endless.bad());
}
