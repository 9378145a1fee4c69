// What is legal but wrong: each file of lint/ gives the warnings in the .expected file beside it, no more and no fewer; what is shipped
// gives none. NUDGE_UPDATE_GOLDEN=1 writes the .expected files anew; then read the diff.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "rules/lang/codes.h"
#include "rules/lang/load.h"
#include "rules/lint/lint.h"
#include "rules/lint/ranges.h"
#include "rules/lint/report.h"

namespace fs = std::filesystem;
using namespace nudge;

namespace {

const fs::path kDirectory = NUDGE_RULES_DIR;
const fs::path kRoot = kDirectory.parent_path().parent_path();

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

doc::Diagnostics check(const std::vector<lang::Source>& catalog_files, const std::vector<lang::Source>& files, lint::Options options) {
  lang::CatalogResult catalog = lang::load_catalog(catalog_files);
  INFO(doc::render_text(catalog.diagnostics));
  REQUIRE(catalog.catalog != nullptr);
  lang::CompileOptions compile_options;
  compile_options.map_sources = true;
  lang::CompileResult result = lang::compile(files, std::shared_ptr<const Catalog>(std::move(catalog.catalog)), compile_options);
  INFO(doc::render_text(result.diagnostics));
  REQUIRE(result.plan != nullptr);
  REQUIRE(result.sources != nullptr);
  lint::run(*result.plan, *result.sources, options, result.diagnostics);
  result.diagnostics.sort();
  return std::move(result.diagnostics);
}

doc::Diagnostics check_text(const std::string& rules, bool notes = false) {
  return check({{"catalog.yaml", read(kDirectory / "catalog.yaml")}}, {{"rules.yaml", rules}}, {.notes = notes});
}

std::vector<fs::path> lint_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kDirectory / "lint"))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace

TEST_CASE("each file of lint/ gives exactly the warnings expected") {
  const std::vector<fs::path> files = lint_files();
  REQUIRE(files.size() >= 9);
  std::string all;
  for (const fs::path& file : files) {
    CAPTURE(file.string());
    const std::string name = file.filename().string();
    const bool notes = name == "unused.yaml" || name == "allowed.yaml";
    const doc::Diagnostics found = check({{"catalog.yaml", read(kDirectory / "catalog.yaml")}}, {{name, read(file)}},
                                         {.notes = notes});
    CHECK(found.errors() == 0);
    const std::string text = doc::render_text(found);
    fs::path expected = file;
    expected.replace_extension(".expected");
    if (std::getenv("NUDGE_UPDATE_GOLDEN") != nullptr) std::ofstream(expected, std::ios::binary) << text;
    CHECK(text == read(expected));
    all += text;
  }
  for (const lang::CodeInfo& info : lang::all_codes()) {
    if (!lang::is_warning(info.code)) continue;
    CAPTURE(info.code);
    CHECK(all.find(" " + std::string(info.code) + ": ") != std::string::npos);
  }
}

TEST_CASE("what is allowed is not told, and every code can be allowed") {
  const std::string text = read(kDirectory / "lint" / "allowed.yaml");
  for (const lang::CodeInfo& info : lang::all_codes()) {
    if (!lang::is_warning(info.code) || info.code == "R1013") continue;
    CAPTURE(info.code);
    const std::string allow = "allow: [" + std::string(info.code) + "]";
    REQUIRE(text.find(allow) != std::string::npos);
    // Without it there would be a warning: the example is one.
    std::string bare = text;
    bare.replace(bare.find(allow), allow.size() + 2, "");
    const doc::Diagnostics found = check({{"catalog.yaml", read(kDirectory / "catalog.yaml")}}, {{"rules.yaml", bare}},
                                         {.notes = true});
    CHECK(std::ranges::any_of(found.items(), [&](const doc::Diagnostic& d) { return d.code == info.code; }));
  }
}

TEST_CASE("an `allow` that allows nothing is a note, and one of an error is refused") {
  const doc::Diagnostics idle = check_text(
      "segments: {a: {allow: [R1001, R1013], where: {tag: vip}}}\nrules: {r: {when: {enters: a}, then: [{ticket: {subject: A}}]}}\n", true);
  CHECK(idle.warnings() == 0);
  CHECK(idle.notes() == 0);  // R1013 is allowed itself
  const doc::Diagnostics told = check_text(
      "segments: {a: {allow: [R1001], where: {tag: vip}}}\nrules: {r: {when: {enters: a}, then: [{ticket: {subject: A}}]}}\n", true);
  REQUIRE(told.notes() == 1);
  CHECK(told.items()[0].code == "R1013");
  CHECK(told.items()[0].column == 24);
  auto catalog = lang::load_catalog({{"catalog.yaml", read(kDirectory / "catalog.yaml")}});
  for (const char* wrong : {"R0304", "R9999", "[a]", "{a: b}"}) {
    CAPTURE(wrong);
    const auto refused = lang::compile({{"r.yaml", "segments: {a: {allow: [" + std::string(wrong) + "], where: {tag: vip}}}\n"}},
                                       std::make_shared<const Catalog>(*catalog.catalog));
    REQUIRE(refused.diagnostics.errors() == 1);
    CHECK(refused.diagnostics.items()[0].code == "R0106");
  }
}

TEST_CASE("`allow` changes nothing of what a rule is: its version stays") {
  auto catalog = lang::load_catalog({{"catalog.yaml", read(kDirectory / "catalog.yaml")}});
  const std::shared_ptr<const Catalog> shared = std::move(catalog.catalog);
  const std::string rule = "when: {event: login}, then: [{ticket: {subject: A}}]";
  const auto plain = lang::compile({{"r.yaml", "rules: {r: {" + rule + "}}\n"}}, shared);
  const auto allowing = lang::compile({{"r.yaml", "rules: {r: {allow: [R1004], " + rule + "}}\n"}}, shared);
  REQUIRE(plain.plan != nullptr);
  REQUIRE(allowing.plan != nullptr);
  CHECK(plain.plan->digest == allowing.plan->digest);
}

TEST_CASE("`keep` of the catalog: read, refused when it makes no sense, and carried by it") {
  const auto load = [](const std::string& events) {
    return lang::load_catalog({{"c.yaml", "customer: {attributes: {a: text}}\nevents: {" + events + "}\n"}});
  };
  const auto good = load("login: {keep: 400d, fields: {device: text}}, order:");
  REQUIRE(good.catalog != nullptr);
  CHECK(good.catalog->events[good.catalog->find_event("login")].keep == 400 * kDay);
  CHECK(good.catalog->events[good.catalog->find_event("order")].keep == 0);
  std::string bytes;
  good.catalog->encode(bytes);
  const Result<Catalog> back = Catalog::decode(bytes);
  REQUIRE(back.has_value());
  CHECK(back->keeps_like(*good.catalog));
  const auto built_in = load("task_completed: {keep: 90d}");
  REQUIRE(built_in.catalog != nullptr);
  const EventTypeDef& task = built_in.catalog->events[built_in.catalog->find_event("task_completed")];
  CHECK(task.keep == 90 * kDay);
  CHECK(task.built_in);
  CHECK(task.find("disposition") != kNoField);
  CHECK(load("login: {keep: 6d}").diagnostics.items().at(0).code == "R0105");
  CHECK(load("login: {keep: forever}").diagnostics.items().at(0).code == "R0104");
  const auto twice = lang::load_catalog({{"a.yaml", "events: {login: {keep: 7d}}\n"}, {"b.yaml", "events: {login: {keep: 8d}}\n"}});
  REQUIRE(twice.diagnostics.errors() == 1);
  CHECK(twice.diagnostics.items()[0].code == "R0202");
}

TEST_CASE("the shipped packs give no warning") {
  std::size_t packs = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "rules" / "packs")) {
    if (!fs::is_directory(entry.path() / "rules")) continue;
    CAPTURE(entry.path().string());
    const auto catalog = lang::read_catalog_directory((entry.path() / "schemas").string());
    const auto rules = lang::read_rule_directory((entry.path() / "rules").string());
    REQUIRE(catalog.has_value());
    REQUIRE(rules.has_value());
    CHECK(doc::render_text(check(*catalog, *rules, {})) == "");
    ++packs;
  }
  CHECK(packs >= 7);
}

TEST_CASE("the examples of docs/language.md give no warning") {
  const std::string page = read(kRoot / "docs" / "language.md");
  std::size_t examples = 0;
  for (std::size_t at = page.find("\n```yaml\n"); at != std::string::npos; at = page.find("\n```yaml\n", at + 1)) {
    const std::size_t start = page.find('\n', at + 1) + 1;
    const std::string text = page.substr(start, page.find("\n```", start) - start + 1);
    CAPTURE(text);
    CHECK(doc::render_text(check_text(text)) == "");
    ++examples;
  }
  CHECK(examples >= 8);
}

TEST_CASE("ranges: complement, intersection and whole numbers") {
  using lint::Ranges;
  const auto n = [](std::int64_t v) { return ValueView::of_integer(v); };
  const auto half = ValueView::of_decimal(Decimal{500000});
  CHECK(Ranges::everything().complement().empty());
  CHECK(Ranges::nothing().complement().is_everything());
  CHECK(Ranges::at_least(n(3)).intersect(Ranges::less_than(n(3))).empty());
  CHECK(!Ranges::at_least(n(3)).intersect(Ranges::at_most(n(3))).empty());
  CHECK(Ranges::greater_than(n(3)).intersect(Ranges::less_than(n(4))).whole().empty());
  CHECK(!Ranges::greater_than(n(3)).intersect(Ranges::less_than(n(4))).empty());
  CHECK(Ranges::points({half}).whole().empty());
  CHECK(Ranges::points({n(1), n(2), n(1)}).complement().parts().size() == 3);
  CHECK(Ranges::points({n(1), ValueView::of_number(1.0)}).parts().size() == 1);
  CHECK(Ranges::between(n(-2), n(7)).complement().complement().lowest(99) == -2);
  CHECK(Ranges::between(n(-2), n(7)).highest(99) == 7);
  CHECK(Ranges::greater_than(ValueView::of_decimal(Decimal{-1500000})).whole().lowest(99) == -1);
  CHECK(Ranges::greater_than(n(std::numeric_limits<std::int64_t>::max())).whole().empty());
  CHECK(Ranges::at_least(ValueView::of_number(1e300)).whole().lowest(99) == 99);
}

TEST_CASE("reports: what GitHub, GitLab and SARIF readers would stumble over is escaped") {
  doc::Diagnostics all;
  doc::Diagnostic d;
  d.code = "R1001";
  d.severity = doc::Severity::kWarning;
  d.file = "./rules/50%, really: ü.yaml";
  d.line = 3;
  d.column = 5;
  d.length = 4;
  d.message = "100% \"wrong\"\nindeed";
  d.hint = "mend: it";
  all.add(d);
  d.severity = doc::Severity::kNote;
  d.line = 9;
  d.length = 0;
  all.add(d);
  CHECK(lint::render_github(all) ==
        "::warning file=rules/50%25%2C really%3A ü.yaml,line=3,col=5,endColumn=9,title=R1001%3A A condition that can never "
        "hold::100%25 \"wrong\"%0Aindeed. mend: it\n"
        "::notice file=rules/50%25%2C really%3A ü.yaml,line=9,col=5,title=R1001%3A A condition that can never hold::100%25 "
        "\"wrong\"%0Aindeed. mend: it\n");
  const std::string sarif = lint::render_sarif(all, "1.2");
  CHECK(sarif.find("\"uri\":\"rules/50%25%2C%20really%3A%20%C3%BC.yaml\"") != std::string::npos);
  const std::string gitlab = lint::render_gitlab(all);
  const std::size_t first = gitlab.find("\"fingerprint\":\""), second = gitlab.find("\"fingerprint\":\"", first + 1);
  CHECK(gitlab.substr(first + 15, 32) != gitlab.substr(second + 15, 32));  // equal messages are told apart
  doc::Diagnostics moved;
  d.severity = doc::Severity::kWarning;
  d.line = 77;
  moved.add(d);
  const std::string later = lint::render_gitlab(moved);
  CHECK(later.substr(later.find("\"fingerprint\":\"") + 15, 32) == gitlab.substr(first + 15, 32));  // and stay when lines move
}
