// Compiles every file of good/ and bad/ and compares what comes out with the .expected file beside it: for good files the conditions in
// words, for bad ones the messages to the character. NUDGE_UPDATE_GOLDEN=1 writes the .expected files anew; then read the diff.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "engine/core/explain.h"
#include "engine/core/policy.h"
#include "engine/core/runs.h"
#include "rules/doc/reader.h"
#include "rules/lang/codes.h"
#include "rules/lang/load.h"
#include "rules/lang/operators.h"

namespace fs = std::filesystem;
using namespace nudge;

namespace {

const fs::path kDirectory = NUDGE_RULES_DIR;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> files_in(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::shared_ptr<const Catalog> shared_catalog() {
  static const std::shared_ptr<const Catalog> kCatalog = [] {
    lang::CatalogResult result = lang::load_catalog({{"catalog.yaml", read(kDirectory / "catalog.yaml")}});
    INFO(doc::render_text(result.diagnostics));
    REQUIRE(result.catalog != nullptr);
    return std::shared_ptr<const Catalog>(std::move(result.catalog));
  }();
  return kCatalog;
}

void compare(const fs::path& file, const std::string& actual) {
  fs::path expected = file;
  expected.replace_extension(".expected");
  if (std::getenv("NUDGE_UPDATE_GOLDEN") != nullptr) std::ofstream(expected, std::ios::binary) << actual;
  const std::string wanted = read(expected);
  const bool same = wanted == actual;
  CHECK(same);
  if (same) return;
  const std::size_t differs = static_cast<std::size_t>(std::ranges::mismatch(wanted, actual).in1 - wanted.begin());
  const std::size_t start = actual.rfind('\n', differs) == std::string::npos ? 0 : actual.rfind('\n', differs) + 1;
  FAIL_CHECK(file.filename().string() << " no longer gives what is in " << expected.filename().string()
                                      << ". The first difference:\nwas: " << wanted.substr(std::min(start, wanted.size()), 200)
                                      << "\nnow: " << actual.substr(std::min(start, actual.size()), 200));
}

std::string describe_trigger(const Plan& plan, const Rule& r) {
  std::string out = "  on ";
  const Trigger& t = r.trigger;
  const auto values = [](const char* word, const std::vector<Value>& list) {
    std::string text;
    for (const Value& v : list) text += (text.empty() ? std::string(" ") + word + " " : ", ") + to_json(v.view());
    return text;
  };
  switch (t.kind) {
    case Trigger::Kind::event: out += "event " + plan.catalog->events[t.event].name; break;
    case Trigger::Kind::enters: out += "enters " + plan.segments[t.segment].name; break;
    case Trigger::Kind::leaves: out += "leaves " + plan.segments[t.segment].name; break;
    case Trigger::Kind::attribute_changes: out += "change of " + plan.catalog->attributes[t.attribute].name; break;
    case Trigger::Kind::schedule: out += "schedule " + t.cron + " " + t.zone; break;
    case Trigger::Kind::date:
      out += "date " + plan.catalog->attributes[t.attribute].name + " " + std::to_string(t.offset / kDay) + "d at " +
             format_duration(t.time_of_day);
      break;
  }
  out += values("from", t.from) + values("to", t.to);
  if (t.same != kNoField) out += " same " + plan.catalog->events[t.event].fields[t.same].name;
  if (t.hold_for > 0) out += " for " + format_duration(t.hold_for);
  out += "; max_age " + format_duration(r.max_age) + (r.existing_fire ? "; existing fire" : "");
  if (r.limits.once_ever) out += "; once ever";
  if (r.limits.once_per > 0) out += "; once per " + format_duration(r.limits.once_per);
  if (r.limits.at_most > 0)
    out += "; at most " + std::to_string(r.limits.at_most) + " per " +
           (r.limits.at_most_per_hour ? "hour" : "unit " + std::to_string(static_cast<int>(r.limits.at_most_per)));
  out += "; " + std::to_string(r.rollout_percent) + "% holdout " + std::to_string(r.holdout_percent) + "%";
  if (r.goal.event != kNoEventType)
    out += "; goal " + plan.catalog->events[r.goal.event].name + " within " + format_duration(r.goal.within) + " value " +
           std::to_string(r.goal.value);
  return out + "\n";
}

std::string describe_plan(const Plan& plan) {
  std::string out;
  for (const Segment& s : plan.segments) out += "segment " + s.name + ": " + describe(plan, s.node) + "\n";
  for (const Trait& t : plan.traits) out += "trait " + t.name + ": " + describe_expr(plan, t.expr) + "\n";
  for (const Score& s : plan.scores) {
    out += "score " + s.name + ":";
    for (const Score::Points& p : s.points) {
      out += p.condition != kNone ? " [" + describe(plan, p.condition) + "] " : " " + describe_expr(plan, p.trait) + " * ";
      out += format_decimal(p.add) + (p.has_at_most ? " max " + format_decimal(p.at_most) : "") + ";";
    }
    for (const Score::Band& b : s.bands) out += " " + b.name + "=" + format_decimal(b.from);
    out += "\n";
  }
  for (const Rule& r : plan.rules) {
    out += "rule " + r.name + " " + std::string(rule_state_name(r.state)) + " " + std::string(category_name(r.category)) + " " +
           std::to_string(r.priority) + (r.purpose == default_purpose(r.category) ? "" : " for " + std::string(purpose_name(r.purpose))) + "\n";
    out += describe_trigger(plan, r);
    if (r.trigger.where != kNone) out += "  when " + describe(plan, r.trigger.where) + "\n";
    if (r.condition != kNone) out += "  if " + describe(plan, r.condition) + "\n";
    if (r.exit != kNone) out += "  exit " + describe(plan, r.exit) + "\n";
    for (std::uint32_t i = 0; i < r.steps.size(); ++i) {
      const Step& step = r.steps[i];
      if (step.kind != Step::Kind::act) {
        out += "  " + describe_step(plan, r, i);
        if (step.kind == Step::Kind::wait) out += " " + format_duration(step.after);
        if (step.kind == Step::Kind::until) out += " at most " + format_duration(step.timeout) + (step.stop_on_timeout ? ", then stop" : "");
        if (step.kind == Step::Kind::branch) out += ", else " + std::to_string(step.target);
        if (step.kind == Step::Kind::jump) out += " jumps to " + std::to_string(step.target);
        out += "\n";
        continue;
      }
      out += "  after " + format_duration(step.after) + (step.only_if == kNone ? "" : " only_if " + describe(plan, step.only_if)) + " " +
             step.action.kind + " via " + step.action.channel;
      if (!step.action.connector.empty()) out += "/" + step.action.connector;
      if (step.action.assigns) out += " team " + step.action.assignment.team;
      if (step.action.expires_after > 0) out += " expires after " + format_duration(step.action.expires_after);
      if (step.action.on_unknown != OnUnknown::by_connector) out += " on_unknown " + std::string(on_unknown_name(step.action.on_unknown));
      if (step.action.due_in > 0) out += " due in " + format_duration(step.action.due_in);
      for (const Param& param : step.action.params) out += " " + param.name;
      out += "\n";
    }
  }
  for (const Policy& policy : plan.policies) out += "policy " + policy.name + ": " + describe_policy(plan, policy) + "\n";
  for (const BusinessCalendar& c : plan.business_calendars) {
    out += "calendar " + c.name + ":";
    for (const BusinessCalendar::Day& day : c.holidays) out += " " + format_date(day.date) + day.name;
    out += "; worked:";
    for (const BusinessCalendar::Day& day : c.workdays) out += " " + format_date(day.date) + day.name;
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("good files compile to what they say") {
  const std::vector<fs::path> files = files_in(kDirectory / "good");
  REQUIRE(files.size() >= 5);
  for (const fs::path& file : files) {
    CAPTURE(file.string());
    const lang::CompileResult result = lang::compile({{file.filename().string(), read(file)}}, shared_catalog());
    CHECK(doc::render_text(result.diagnostics) == "");
    REQUIRE(result.plan != nullptr);
    compare(file, describe_plan(*result.plan));
  }
}

TEST_CASE("the shipped business calendars compile, and know the days that they are for") {
  const std::vector<fs::path> files = files_in(kDirectory.parent_path().parent_path() / "rules" / "calendars");
  REQUIRE(files.size() >= 2);
  for (const fs::path& file : files) {
    CAPTURE(file.string());
    const lang::CompileResult result = lang::compile({{file.filename().string(), read(file)}}, shared_catalog());
    CHECK(doc::render_text(result.diagnostics) == "");
    REQUIRE(result.plan != nullptr);
    REQUIRE(result.plan->business_calendars.size() == 1);
    const BusinessCalendar& calendar = result.plan->business_calendars[0];
    CHECK(calendar.holidays.size() >= 9);
    for (const BusinessCalendar::Day& day : calendar.holidays) CHECK_FALSE(calendar.works(day.date));
    for (const BusinessCalendar::Day& day : calendar.workdays) {
      CHECK(calendar.works(day.date));
      CHECK(iso_weekday(day.date) >= 6);  // a day that is made up for is one that would be off
    }
  }
}

TEST_CASE("bad files give exactly the messages expected, all at once") {
  const std::vector<fs::path> files = files_in(kDirectory / "bad");
  REQUIRE(files.size() >= 10);
  for (const fs::path& file : files) {
    CAPTURE(file.string());
    const bool is_catalog = file.filename().string().starts_with("catalog");
    const std::vector<lang::Source> sources = {{file.filename().string(), read(file)}};
    doc::Diagnostics diagnostics;
    if (is_catalog) {
      lang::CatalogResult result = lang::load_catalog(sources);
      CHECK(result.catalog == nullptr);
      diagnostics = std::move(result.diagnostics);
    } else {
      lang::CompileOptions options;
      options.check_connectors = true;
      options.connectors = {"smtp", "sms-main"};
      lang::CompileResult result = lang::compile(sources, shared_catalog(), options);
      CHECK(result.plan == nullptr);
      diagnostics = std::move(result.diagnostics);
    }
    CHECK(!diagnostics.ok());
    for (const doc::Diagnostic& d : diagnostics.items()) {
      CAPTURE(d.code);
      CHECK(lang::find_code(d.code) != nullptr);
      CHECK(d.line >= 1);
      CHECK(d.column >= 1);
    }
    compare(file, doc::render_text(diagnostics));
  }
}

TEST_CASE("every code of the table is met by a bad file or named here as met elsewhere") {
  // R0001 … by hostile_test; R0013 needs 10,000 files; R0751 … belong to tests of rules, R0851 … to mappings (import_mapping_test, doors_test).
  std::set<std::string> elsewhere = {"R0001", "R0002", "R0009", "R0013", "R0204"};
  for (int i = 751; i <= 764; ++i) elsewhere.insert("R0" + std::to_string(i));
  for (int i = 851; i <= 860; ++i) elsewhere.insert("R0" + std::to_string(i));
  std::string all;
  for (const fs::path& file : files_in(kDirectory / "bad")) all += read(fs::path(file).replace_extension(".expected"));
  for (const lang::CodeInfo& info : lang::all_codes()) {
    if (elsewhere.contains(std::string(info.code)) || lang::is_warning(info.code)) continue;  // warnings: lint_test
    CAPTURE(info.code);
    CHECK(all.find(" " + std::string(info.code) + ": ") != std::string::npos);
  }
}

TEST_CASE("codes ascend, so that the table can be searched by eye and no number is given twice") {
  const auto codes = lang::all_codes();
  CHECK(std::is_sorted(codes.begin(), codes.end(), [](const auto& a, const auto& b) { return a.code < b.code; }));
  CHECK(std::adjacent_find(codes.begin(), codes.end(), [](const auto& a, const auto& b) { return a.code == b.code; }) == codes.end());
}

TEST_CASE("every example of docs/language.md compiles") {
  const std::string page = read(kDirectory.parent_path().parent_path() / "docs" / "language.md");
  REQUIRE(!page.empty());
  std::size_t examples = 0;
  for (std::size_t at = page.find("\n```yaml"); at != std::string::npos; at = page.find("\n```yaml", at + 1)) {
    const std::size_t start = page.find('\n', at + 1) + 1;
    const std::size_t end = page.find("\n```", start);
    REQUIRE(end != std::string::npos);
    const std::string kind = page.substr(at + 8, start - at - 9);
    const std::string text = page.substr(start, end - start + 1);
    const auto line = std::count(page.begin(), page.begin() + static_cast<std::ptrdiff_t>(start), '\n');
    const lang::Source source{"language.md+" + std::to_string(line), text};
    ++examples;
    if (kind == " catalog") {
      const lang::CatalogResult result = lang::load_catalog({source});
      CHECK(doc::render_text(result.diagnostics) == "");
    } else {
      REQUIRE(kind.empty());
      const lang::CompileResult result = lang::compile({source}, shared_catalog());
      CHECK(doc::render_text(result.diagnostics) == "");
    }
    at = end;
  }
  CHECK(examples >= 9);
}

TEST_CASE("every operator of docs/language.md's table is in the language, and the other way round") {
  const std::string page = read(kDirectory.parent_path().parent_path() / "docs" / "language.md");
  const std::size_t start = page.find("### Operators");
  const std::string section = page.substr(start, page.find("```yaml", start) - start);
  for (const Type type : {Type::text, Type::integer, Type::date, Type::boolean, Type::list, Type::object}) {
    for (const std::string_view word : lang::operators_for(type, true)) {
      CAPTURE(std::string(word));
      CHECK(section.find("`" + std::string(word) + "`") != std::string::npos);
    }
  }
  for (std::size_t at = section.find('`'); at != std::string::npos; at = section.find('`', at + 1)) {
    const std::size_t end = section.find('`', at + 1);
    const std::string word = section.substr(at + 1, end - at - 1);
    CAPTURE(word);
    bool known = false;
    for (const Type type : {Type::text, Type::integer, Type::date, Type::boolean, Type::list, Type::object}) {
      for (const std::string_view op : lang::operators_for(type, true)) known = known || op == word;
    }
    CHECK(known);
    at = end;
  }
}

TEST_CASE("docs/codes has a page for each code, as the table and the bad files give it") {
  const fs::path directory = kDirectory.parent_path().parent_path() / "docs" / "codes";
  std::map<std::string, std::string> examples;
  std::vector<fs::path> files = files_in(kDirectory / "bad");
  for (const fs::path& file : files_in(kDirectory / "lint")) files.push_back(file);
  for (const fs::path& file : files) {
    const std::string all = read(fs::path(file).replace_extension(".expected"));
    for (std::size_t at = 0, end = 0; (end = all.find("\n\n", at)) != std::string::npos; at = end + 2) {
      const std::string message = all.substr(at, end - at + 1);
      std::size_t code = std::string::npos;
      for (const std::string_view head : {": error R", ": warning R", ": note R"})
        if (const std::size_t found = message.find(head); found != std::string::npos) code = std::min(code, found + head.size() - 1);
      if (code == std::string::npos) continue;
      std::string& best = examples[message.substr(code, 5)];
      if (best.empty() || message.size() < best.size()) best = message;  // the shortest shows it best
    }
  }
  const bool update = std::getenv("NUDGE_UPDATE_GOLDEN") != nullptr;
  if (update) fs::create_directories(directory);
  std::string index =
      "# Codes of messages\n\n`nudge explain-code R0304` shows the same page on the command line. A code never changes its meaning.\n\n| "
      "code | |\n|---|---|\n";
  for (const lang::CodeInfo& info : lang::all_codes()) {
    const std::string code(info.code);
    std::string page = "# " + code + ": " + std::string(info.title) + "\n\n" + std::string(info.explanation) + "\n";
    if (const auto found = examples.find(code); found != examples.end()) page += "\n## Example\n\n```\n" + found->second + "```\n";
    index += "| [" + code + "](" + code + ".md) | " + std::string(info.title) + " |\n";
    const fs::path path = directory / (code + ".md");
    if (update) std::ofstream(path, std::ios::binary) << page;
    CHECK_MESSAGE(read(path) == page, path.string() << " is not what the table says; write it anew with NUDGE_UPDATE_GOLDEN=1");
  }
  const fs::path path = directory / "README.md";
  if (update) std::ofstream(path, std::ios::binary) << index;
  CHECK(read(path) == index);
}
