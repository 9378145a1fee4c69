// Hostile and damaged YAML: each is refused with its code and place, quickly, and without memory in proportion to what it unfolds to.
#include <doctest/doctest.h>

#include <chrono>

#include "rules/doc/reader.h"
#include "rules/lang/load.h"

using namespace nudge;

namespace {

struct Outcome {
  std::string codes;  // "R0003@1:4 R0008@2:1"
  double seconds = 0;
};

Outcome outcome_of(std::string text) {
  const auto start = std::chrono::steady_clock::now();
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("x.yaml", std::move(text), diagnostics);
  REQUIRE(document != nullptr);
  Outcome outcome;
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  diagnostics.sort();
  for (const doc::Diagnostic& d : diagnostics.items()) {
    outcome.codes += (outcome.codes.empty() ? "" : " ") + d.code + "@" + std::to_string(d.line) + ":" + std::to_string(d.column);
  }
  // Every later pass must cope with what is left, and say nothing that hides the cause.
  const lang::CompileResult compiled = lang::compile({{"x.yaml", document->source()}}, std::make_shared<Catalog>());
  CHECK((compiled.plan == nullptr) == !compiled.diagnostics.ok());
  return outcome;
}

std::string repeat(std::string_view text, std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("hostile YAML is refused where it stands") {
  struct Case {
    std::string what;
    std::string text;
    std::string codes;
  };
  const Case cases[] = {
      {"billion laughs", "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n",
       "R0003@1:4 R0003@2:4 R0003@2:8 R0003@2:12 R0003@2:16 R0003@3:4 R0003@3:8 R0003@3:12 R0003@3:16"},
      {"cyclic alias", "a: &x [*x]\n", "R0003@1:4 R0003@1:8"},
      {"undefined alias", "a: *x\n", "R0003@1:4"},
      {"anchor on a scalar", "a: &x 1\n", "R0003@1:4"},
      {"anchor on a key", "&x a: 1\n", "R0003@1:1"},
      {"alias as a key", "a: &x b\n*x : 1\n", "R0003@1:4 R0003@2:1 R0006@2:1"},
      {"a tag", "a: !!binary aGk=\n", "R0004@1:4"},
      {"a verbatim tag", "a: !<tag:yaml.org,2002:str> x\n", "R0004@1:4"},
      {"the non-specific tag", "a: ! 12\n", "R0004@1:4"},
      {"a tag on a map", "a: !x {b: 1}\n", "R0004@1:4"},
      {"a merge key", "a: {<<: {b: 1}}\n", "R0005@1:5"},
      {"a quoted << is a plain key", "a: {'<<': 1}\n", ""},
      {"a key twice", "a: 1\nb: 2\na: 3\n", "R0006@3:1"},
      {"a key twice in different quotes", "a: 1\n'a': 2\n\"a\": 3\n", "R0006@2:1 R0006@3:1"},
      {"a key twice in a flow map", "x: {a: 1, b: 2, a: 3}\n", "R0006@1:17"},
      {"a list as a key", "? [a]\n: 1\n", "R0006@1:3"},
      {"a null key", "~: 1\n", "R0006@1:1"},
      {"two documents", "a: 1\n---\nb: 2\n", "R0007@2:1"},
      {"a document after the end mark", "a: 1\n...\nb: 2\n", "R0007@3:1"},
      {"a start mark alone is fine", "---\na: 1\n", ""},
      {"33 levels", repeat("[", 33) + repeat("]", 33), "R0008@1:33"},
      {"32 levels are allowed", repeat("[", 32) + repeat("]", 32), ""},
      {"500 levels", repeat("[", 500) + repeat("]", 500), "R0008@1:33"},
      {"500 levels of blocks",
       [] {
         std::string s;
         for (std::size_t i = 0; i < 500; ++i) s += std::string(i, ' ') + "a:\n";
         return s;
       }(),
       "R0008@33:33"},
      {"300,000 values", "[" + repeat("1,", 300'000) + "1]", "R0009@1:400000"},
      {"5 MB", "a: \"" + std::string(5'000'000, 'x') + "\"", "R0009@1:1"},
      {"a tab for indentation", "a:\n\tb: 1\n", "R0010@2:1"},
      {"bad UTF-8", "a: \xff\n", "R0001@1:4"},
      {"an over-long form", "a: \xc0\xaf\n", "R0001@1:4"},
      {"a surrogate", "a: \xed\xa0\x80\n", "R0001@1:4"},
      {"a cut character", "a: \xe4\xb8", "R0001@1:4"},
      {"bad UTF-8 after Chinese text", "a: 王芳\xff\n", "R0001@1:6"},
      {"UTF-16", std::string("a\0:\0 \0b\0", 8), "R0002@1:2"},
      {"a NUL byte", std::string("a: b\0c\n", 7), "R0002@1:5"},
      {"a NUL by escape", "a: \"x\\0y\"\n", "R0002@1:4"},
      {"an escape character", "a: \x1b[31m\n", "R0002@1:4"},
      {"a lone carriage return", "a: 1\rb: 2\n", "R0002@1:5"},
      {"CRLF is fine", "a: 1\r\nb: 2\r\n", ""},
      {"a byte order mark is fine",
       "\xef\xbb\xbf"
       "a: 1\n",
       ""},
      {"places count after a byte order mark",
       "\xef\xbb\xbf"
       "a: *x\n",
       "R0003@1:5"},
      {"an unclosed quote", "a: \"x\n", "R0011@1:4"},
      {"an unclosed single quote", "a: 'x''\n", "R0011@1:4"},
      {"an unclosed bracket", "a: [1, 2\n", "R0011@2:1"},
      {"a reserved indicator", "a: @b\n", "R0011@1:4"},
      {"a bad escape", "a: \"\\q\"\n", "R0011@1:7"},
      {"an escaped surrogate", "a: \"\\ud800\"\n", "R0011@1:11"},
      {"a directive", "%YAML 1.2\n---\na: 1\n", ""},
      {"a future directive", "%YAML 9.9\n---\na: 1\n", "R0011@1:1"},
      {"nothing", "", ""},
      {"only a comment", "# hello\n", ""},
      {"a bare word", "hello\n", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const Outcome outcome = outcome_of(c.text);
    CHECK(outcome.codes == c.codes);
    CHECK(outcome.seconds < 5);
  }
}

TEST_CASE("a pathological file costs time in proportion to its size") {
  const std::string shapes[] = {
      repeat("- ", 1'000'000),
      repeat("? ", 1'000'000),
      repeat("a: ", 500'000),
      repeat("[a, ", 200'000),
      repeat("[", 100'000),
      repeat("{", 100'000),
      "a: " + repeat("'", 2'000'000),
      "a: \"" + repeat("\\x41", 500'000) + "\"",
      repeat("#", 4'000'000),
      repeat("\n", 2'000'000),
      repeat("a\n", 1'000'000),
      "{" + repeat("k: v, ", 40'000) + "}",
      repeat("- x\n", 150'000),
      "x: |\n" + repeat("  line\n", 400'000),
      "x: >\n" + repeat("  line\n\n", 300'000),
      repeat("王", 500'000),
      repeat("%TAG ! tag:x,2000:\n", 50'000),
      repeat("!", 1'000'000),
      repeat("&a ", 500'000),
      repeat("--- ", 500'000),
      repeat("---\n", 500'000),
  };
  for (const std::string& text : shapes) {
    CAPTURE(text.substr(0, 12));
    const Outcome outcome = outcome_of(text);
    CHECK(outcome.seconds < 20);
  }
}

TEST_CASE("messages are bounded however many mistakes there are") {
  const std::string text = "segments:\n" + [] {
    std::string s;
    for (int i = 0; i < 20'000; ++i) s += "  s" + std::to_string(i) + ": {where: {attribute: nope, equals: x}}\n";
    return s;
  }();
  const lang::CompileResult result = lang::compile({{"many.yaml", text}}, std::make_shared<Catalog>());
  CHECK(result.plan == nullptr);
  CHECK(result.diagnostics.items().size() == doc::Diagnostics::kMax);
  CHECK(result.diagnostics.errors() == doc::Diagnostics::kMax);
  std::string keys = "nope: 1\n";
  for (int i = 0; i < 2'000; ++i) keys += "nope" + std::to_string(i) + ": 1\n";
  const lang::CompileResult shape = lang::compile({{"many.yaml", keys}}, std::make_shared<Catalog>());
  CHECK(shape.diagnostics.errors() == 2'001);
  CHECK(shape.diagnostics.dropped() == 2'001 - doc::Diagnostics::kMax);
  CHECK(doc::render_text(shape.diagnostics).find("... and 1001 more messages that are not shown") != std::string::npos);
}

TEST_CASE("nine thousand rules compile in little time") {
  std::string text = "segments:\n";
  for (int i = 0; i < 9'000; ++i) {
    text += "  s" + std::to_string(i) + ": {where: {all: [{tag: t" + std::to_string(i % 500) +
            "}, {segment: base}, {event: task_completed, within: " + std::to_string(i % 90 + 1) + "d, count: {at_least: 2}}]}}\n";
  }
  text += "  base: {where: {tag: base}}\nrules:\n";
  for (int i = 0; i < 9'000; ++i)
    text +=
        "  r" + std::to_string(i) + ": {when: {enters: s" + std::to_string(i) + "}, then: [{maildrop: {text: \"{{ customer.id }}\"}}]}\n";
  auto catalog = std::make_shared<Catalog>();
  catalog->add_built_in();
  catalog->index();
  const auto start = std::chrono::steady_clock::now();
  // In two files, since one holds at most 200,000 values.
  const std::size_t cut = text.find("rules:\n");
  const lang::CompileResult result = lang::compile({{"a.yaml", text.substr(0, cut)}, {"b.yaml", text.substr(cut)}}, catalog);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  INFO(doc::render_text(result.diagnostics).substr(0, 1000));
  REQUIRE(result.plan != nullptr);
  CHECK(result.plan->rules.size() == 9'000);
  CHECK(result.plan->aggregates.size() == 90);
  MESSAGE("9,000 rules in " << seconds << " s");
  CHECK(seconds < 60);
}
