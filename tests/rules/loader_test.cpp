// The parts of the loader on their own: scalars, templates, diagnostics, several files, the file system.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "rules/doc/reader.h"
#include "rules/doc/scalar.h"
#include "rules/lang/codes.h"
#include "rules/lang/load.h"
#include "rules/lang/template_parser.h"

using namespace nudge;
namespace fs = std::filesystem;

namespace {

struct Parsed {
  doc::Diagnostics diagnostics;
  std::unique_ptr<doc::Document> document;
  const doc::Node& root() const { return document->root(); }
};

Parsed parse(std::string text) {
  Parsed p;
  p.document = doc::read_document("x.yaml", std::move(text), p.diagnostics);
  INFO(doc::render_text(p.diagnostics));
  REQUIRE(p.diagnostics.ok());
  return p;
}

std::shared_ptr<const Catalog> catalog_of(std::string text) {
  lang::CatalogResult result = lang::load_catalog({{"catalog.yaml", std::move(text)}});
  INFO(doc::render_text(result.diagnostics));
  REQUIRE(result.catalog != nullptr);
  return std::move(result.catalog);
}

std::string codes(const doc::Diagnostics& diagnostics) {
  std::string out;
  for (const doc::Diagnostic& d : diagnostics.items())
    out += d.file + ":" + std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.code + "\n";
  return out;
}

}  // namespace

TEST_CASE("the tree keeps order, quotes and places") {
  const Parsed p = parse("b: 'x'\na: [1, \"2\", {c: ~}]\nd: |\n  line\n王: y\n");
  REQUIRE(p.root().is_map());
  REQUIRE(p.root().entries.size() == 4);
  CHECK(p.root().entries[0].key == "b");
  CHECK(p.root().entries[0].value->quoted);
  CHECK(p.root().entries[0].value->mark.column == 4);
  CHECK(p.root().entries[0].value->mark.length == 3);
  const doc::Node& list = *p.root().entries[1].value;
  REQUIRE(list.is_list());
  CHECK(list.mark.line == 2);
  CHECK(list.mark.column == 4);
  CHECK_FALSE(list.items[0]->quoted);
  CHECK(list.items[1]->quoted);
  CHECK(list.items[1]->mark.column == 8);
  CHECK(list.items[2]->entries[0].value->is_null());
  CHECK(p.root().entries[2].value->text == "line\n");
  CHECK(p.root().entries[2].value->quoted);
  CHECK(p.root().entries[3].key == "王");
  CHECK(p.root().entries[3].value->mark.column == 4);
  CHECK(p.document->path_at(list.items[2]->entries[0].key_mark.offset) == "a[2] > c");
}

TEST_CASE("an empty value is placed at its key, not at the next token") {
  const Parsed p = parse("foo:\n\n\nbar: 1\n");
  CHECK(p.root().entries[0].value->is_null());
  CHECK(p.root().entries[0].value->mark.line == 1);
}

TEST_CASE("scalars are read strictly") {
  const auto scalar = [](const std::string& text) { return parse("v: " + text + "\n"); };
  const auto node = [](const Parsed& p) -> const doc::Node& { return *p.root().entries[0].value; };
  for (const std::string text : {"true", "false"}) CHECK(doc::read_bool(node(scalar(text))).has_value());
  for (const std::string text : {"yes", "on", "True", "1", "\"true\"", "~"}) CHECK_FALSE(doc::read_bool(node(scalar(text))).has_value());
  CHECK(doc::read_integer(node(scalar("-9223372036854775808"))) == INT64_MIN);
  CHECK(doc::read_integer(node(scalar("0"))) == 0);
  for (const std::string text : {"010", "0x10", "1_000", "+1", "1.0", "1e3", "\"1\"", "9223372036854775808", "''", "٣"}) {
    CAPTURE(text);
    CHECK_FALSE(doc::read_integer(node(scalar(text))).has_value());
  }
  CHECK(doc::read_decimal(node(scalar("12.50")))->units == 12'500'000);
  for (const std::string text : {".5", "5.", "1,5", "0.1234567", "1e400", "NaN", ".inf", "\"1\"", "01.5"}) {
    CAPTURE(text);
    CHECK_FALSE(doc::read_decimal(node(scalar(text))).has_value());
  }
  CHECK(doc::read_number(node(scalar("-1.5e3"))) == -1500.0);
  CHECK_FALSE(doc::read_number(node(scalar("1e999"))).has_value());
  CHECK(doc::read_duration(node(scalar("90d"))) == 90 * kDay);
  CHECK(doc::read_duration(node(scalar("250ms"))) == 250);
  for (const std::string text : {"90", "d", "90 d", "1.5h", "-3d", "\"3d\"", "3 days", "3mo", "99999999999999d"}) {
    CAPTURE(text);
    CHECK_FALSE(doc::read_duration(node(scalar(text))).has_value());
  }
  CHECK(doc::read_date(node(scalar("2024-02-29"))).has_value());
  for (const std::string text : {"2023-02-29", "2024-2-9", "24-02-29", "2024-02-29T00:00:00Z", "2024/02/29"})
    CHECK_FALSE(doc::read_date(node(scalar(text))).has_value());
  CHECK(doc::read_timestamp(node(scalar("2026-02-01T09:00:00+08:00"))).has_value());
  for (const std::string text : {"2026-02-01T09:00:00", "2026-02-01T25:00:00Z", "now"})
    CHECK_FALSE(doc::read_timestamp(node(scalar(text))).has_value());
  for (const std::string text : {"12", "1.5", "true", "0x1F", "1e3", "-.5", ".inf", "~", "null", "+86", "[]"}) {
    CAPTURE(text);
    CHECK_FALSE(doc::read_text(node(scalar(text))).has_value());
  }
  for (const std::string text : {"yes", "2026-02-01", "90d", "'12'", "a b", "+86 138", "1.2.3", "王芳", "''"}) {
    CAPTURE(text);
    CHECK(doc::read_text(node(scalar(text))).has_value());
  }
}

TEST_CASE("templates are cut into text and placeholders") {
  const lang::ParsedTemplate t =
      lang::parse_template("Hi {{ customer.name | default: 'it''s' | truncate: 20 }}, {{now|date:\"%d.%m.\"}} }} {x}");
  // Two quotes are two texts in Liquid; the second has no comma before it.
  CHECK(t.mistakes.size() == 1);
  const lang::ParsedTemplate u =
      lang::parse_template("Hi {{ customer.name | default: 'a }} b' | truncate: 20 }}, {{now|date:\"%d.%m.\"}} }} {x}");
  CHECK(u.mistakes.empty());
  REQUIRE(u.pieces.size() == 5);
  CHECK(u.pieces[0].text == "Hi ");
  CHECK(u.pieces[1].text == "customer.name");
  REQUIRE(u.pieces[1].filters.size() == 2);
  CHECK(u.pieces[1].filters[0].args == std::vector<std::string>{"a }} b"});
  CHECK(u.pieces[1].filters[1].fn == Filter::Fn::truncate);
  CHECK(u.pieces[3].filters[0].args == std::vector<std::string>{"%d.%m."});
  CHECK(u.pieces[4].text == " }} {x}");
  CHECK(lang::parse_template("").pieces.empty());
  CHECK(lang::parse_template("plain").pieces.size() == 1);
  CHECK(lang::parse_template("{{ {{ customer.name }}").mistakes.size() == 1);
  CHECK(lang::parse_template("it's {{ customer.name }}").mistakes.empty());
}

TEST_CASE("the nearest name is found and a far one is not offered") {
  CHECK(doc::nearest_name("teir", {"tier", "name"}) == "tier");
  CHECK(doc::nearest_name("Tier", {"tier", "name"}) == "tier");
  CHECK(doc::nearest_name("annual-spend", {"annual_spend"}) == "annual_spend");
  CHECK(doc::nearest_name("x", {"tier"}).empty());
  CHECK(doc::nearest_name("", {"tier"}).empty());
  CHECK(doc::did_you_mean("zzz", {"a", "b"}, "things") == "known things: a, b");
}

TEST_CASE("diagnostics as JSON and text, with wide characters and long lines") {
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("目录/x.yaml", "名字: \"王芳\\t\"\nb: \"" + std::string(1000, 'x') + "\"\n", diagnostics);
  diagnostics.error("R0104", *document, document->root().entries[0].value->mark, "say \"it\"\n", "");
  diagnostics.warning("R0104", *document, document->mark_at(document->source().size() - 3), "far right", "cut it");
  diagnostics.sort();
  CHECK(doc::render_json(diagnostics) ==
        "{\"errors\":1,\"warnings\":1,\"notes\":0,\"dropped\":0,\"diagnostics\":[{\"code\":\"R0104\",\"severity\":\"error\",\"file\":\"目录/"
        "x.yaml\",\"line\":1,\"column\":5,"
        "\"length\":6,\"message\":\"say "
        "\\\"it\\\"\\n\",\"hint\":\"\",\"path\":\"名字\"},{\"code\":\"R0104\",\"severity\":\"warning\",\"file\":\"目录/x.yaml\",\"line\":2,"
        "\"column\":1004,\"length\":0,\"message\":\"far right\",\"hint\":\"cut it\",\"path\":\"b\"}]}");
  const std::string text = doc::render_text(diagnostics.items()[0]);
  CHECK(text.find(" 1 | 名字: \"王芳\\t\"\n   |       ^~~~~~~~\n") != std::string::npos);  // each of the two characters is two cells wide
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    const std::string all = doc::render_text(diagnostics.items()[1]);
    end = all.find('\n', begin);
    CHECK(all.substr(begin, end - begin).size() < 200);
  }
}

TEST_CASE("names are unique across files, and the message points to the other place") {
  const auto catalog = catalog_of("customer: {attributes: {a: text}}\n");
  const lang::CompileResult result = lang::compile(
      {{"one.yaml", "segments:\n  s: {where: {tag: x}}\n"}, {"two.yaml", "# later\nsegments:\n  s: {where: {tag: y}}\n"}}, catalog);
  CHECK(codes(result.diagnostics) == "two.yaml:3:3 R0309\n");
  CHECK(result.diagnostics.items()[0].message.find("one.yaml:2") != std::string::npos);
}

TEST_CASE("any file may refer to what another defines") {
  const auto catalog = catalog_of("customer: {attributes: {a: text}}\n");
  const lang::CompileResult result =
      lang::compile({{"a.yaml", "segments: {s: {where: {segment: t}}}\n"}, {"b.yaml", "segments: {t: {where: {tag: y}}}\n"}}, catalog);
  CHECK(codes(result.diagnostics) == "");
  REQUIRE(result.plan != nullptr);
  CHECK(result.plan->segments.size() == 2);
  CHECK(result.plan->segments[0].name == "s");
}

TEST_CASE("one file that can't be read hides no mistake of shape in another, and makes no false ones") {
  const auto catalog = catalog_of("customer: {attributes: {a: text}}\n");
  const lang::CompileResult result = lang::compile(
      {{"a.yaml", "segments: {s: {where: {segment: t}}, u: {}}\n"}, {"b.yaml", "segments: {t: {where: {tag: y}}\n"}}, catalog);
  CHECK(codes(result.diagnostics) == "a.yaml:1:38 R0103\nb.yaml:2:1 R0011\n");
}

TEST_CASE("catalogs merge when they agree and are refused when they don't") {
  const lang::Source one{"one.yaml",
                         "customer: {attributes: {a: text, o: {type: object, fields: {x: text}}}}\nevents: {e: {fields: {f: text}}}\n"};
  const lang::Source same{"two.yaml",
                          "customer: {attributes: {a: {type: text, pii: true}, o: {type: object, fields: {y: integer}}}}\nevents: {e: "
                          "{fields: {g: text}}, h: }\n"};
  const lang::CatalogResult merged = lang::load_catalog({one, same});
  INFO(doc::render_text(merged.diagnostics));
  REQUIRE(merged.catalog != nullptr);
  CHECK(merged.catalog->attributes[merged.catalog->find_attribute("a")].pii);
  CHECK(merged.catalog->find_attribute("o.x") != kNoAttribute);
  CHECK(merged.catalog->find_object("o")->leaves.size() == 2);
  const EventTypeId e = merged.catalog->find_event("e");
  REQUIRE(e != kNoEventType);
  CHECK(merged.catalog->events[e].find("f") != kNoField);
  CHECK(merged.catalog->events[e].find("g") != kNoField);
  CHECK(merged.catalog->find_event("h") != kNoEventType);
  CHECK(merged.catalog->find_event("task_completed") != kNoEventType);

  const lang::CatalogResult refused = lang::load_catalog(
      {one,
       {"two.yaml", "customer: {attributes: {a: integer, o: text}}\nevents: {e: {fields: {f: {type: object, fields: {x: text}}}}}\n"}});
  CHECK(refused.catalog == nullptr);
  CHECK(codes(refused.diagnostics) == "two.yaml:1:25 R0202\ntwo.yaml:1:37 R0202\ntwo.yaml:2:23 R0202\n");
}

TEST_CASE("limits of the catalog are messages, not overflows") {
  std::string text = "events: {e: {fields: {";
  for (int i = 0; i < 65; ++i) text += "f" + std::to_string(i) + ": text, ";
  const lang::CatalogResult fields = lang::load_catalog({{"c.yaml", text + "}}}"}});
  CHECK(fields.catalog == nullptr);
  REQUIRE(fields.diagnostics.items().size() == 1);
  CHECK(fields.diagnostics.items()[0].code == "R0204");
  text = "customer: {attributes: {";
  for (int i = 0; i < 4100; ++i) text += "a" + std::to_string(i) + ": text, ";
  CHECK(lang::load_catalog({{"c.yaml", text + "}}"}}).diagnostics.errors() == 4);
  text = "events: {";
  for (int i = 0; i < 4100; ++i) text += "a" + std::to_string(i) + ": {}, ";
  CHECK(lang::load_catalog({{"c.yaml", text + "}"}}).diagnostics.errors() >= 4);
}

TEST_CASE("equal conditions of different rules share their nodes") {
  const auto catalog = catalog_of("customer: {attributes: {a: text}}\nevents: {e: {fields: {f: text}}}\n");
  std::string one = "segments:\n";
  std::string many = one;
  for (int i = 0; i < 200; ++i) {
    const std::string line =
        "  s" + std::to_string(i) +
        ": {where: {all: [{event: e, within: 30d, where: {field: f, equals: x}, count: {at_least: 3}}, {attribute: a, equals: y}]}}\n";
    if (i == 0) one += line;
    many += line;
  }
  const lang::CompileResult a = lang::compile({{"a.yaml", one}}, catalog);
  const lang::CompileResult b = lang::compile({{"b.yaml", many}}, catalog);
  REQUIRE(a.plan != nullptr);
  REQUIRE(b.plan != nullptr);
  CHECK(a.plan->nodes.size() == b.plan->nodes.size());
  CHECK(b.plan->aggregates.size() == 1);
}

TEST_CASE("a condition on its own") {
  const auto catalog = catalog_of("customer: {attributes: {a: text}}\n");
  const lang::CompileResult good = lang::compile_condition({"-", "{attribute: a, equals: x}"}, "adhoc", catalog);
  REQUIRE(good.plan != nullptr);
  CHECK(good.plan->find_segment("adhoc") != nullptr);
  CHECK(codes(lang::compile_condition({"-", "{attribute: b, equals: x}"}, "adhoc", catalog).diagnostics) == "-:1:13 R0301\n");
  CHECK_FALSE(lang::compile_condition({"-", ""}, "adhoc", catalog).diagnostics.ok());
  CHECK_FALSE(lang::compile_condition({"-", "{{"}, "adhoc", catalog).diagnostics.ok());
}

TEST_CASE("directories: what belongs where, sorted, hidden files left out") {
  const fs::path root =
      fs::temp_directory_path() /
      ("nudge-loader-" + std::to_string(static_cast<unsigned>(std::hash<std::string>{}(__FILE__))) + "-" + std::to_string(::getpid()));
  fs::create_directories(root / "b" / ".git");
  const auto write = [&](const char* name, const char* text) { std::ofstream(root / name) << text; };
  write("z.yaml", "a: 1");
  write("b/a.yaml", "b: 1");
  write("b/a.test.yaml", "tests: []");
  write("b/.hidden.yaml", "x");
  write("b/.git/c.yaml", "x");
  write("b/readme.md", "x");
  const auto names = [](const Result<std::vector<lang::Source>>& sources) {
    REQUIRE(sources.has_value());
    std::string out;
    for (const lang::Source& s : *sources) out += s.name + " ";
    return out;
  };
  CHECK(names(lang::read_rule_directory(root.string())) == "b/a.yaml z.yaml ");
  CHECK(names(lang::read_test_directory(root.string())) == "b/a.test.yaml ");
  CHECK(names(lang::read_catalog_directory(root.string())) == "z.yaml ");
  CHECK_FALSE(lang::read_rule_directory((root / "nowhere").string()).has_value());
  std::ofstream(root / "big.yaml") << std::string(5'000'000, ' ');
  const auto sources = lang::read_rule_directory(root.string());
  REQUIRE(sources.has_value());
  CHECK(codes(lang::compile(*sources, std::make_shared<Catalog>()).diagnostics).find("big.yaml:1:1 R0009") != std::string::npos);
  fs::remove_all(root);
}

TEST_CASE("codes are found") {
  REQUIRE(lang::find_code("R0304") != nullptr);
  CHECK(lang::find_code("R0304")->title == "An unknown segment");
  CHECK(lang::find_code("R9999") == nullptr);
}
