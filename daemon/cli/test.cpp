#include <chrono>
#include <cstdio>
#include <fstream>

#include "daemon/cli/commands.h"
#include "daemon/cli/test_report.h"
#include "daemon/cli/test_watch.h"
#include "daemon/cli/words.h"
#include "engine/base/regex.h"
#include "rules/doc/reader.h"
#include "rules/testing/read_tests.h"

namespace nudge::cli {
namespace {

/// The tests of a project that are wanted, with the documents they point into.
struct Tests {
  std::vector<std::unique_ptr<doc::Document>> documents;
  std::vector<testing::TestCase> cases;
};

Tests read_all(Project& project, const Plan& plan, const Regex* wanted) {
  Tests tests;
  for (const lang::Source& source : project.tests()) {
    tests.documents.push_back(doc::read_document(source.name, source.text, project.diagnostics()));
    for (testing::TestCase& one : testing::read_tests(*tests.documents.back(), plan, project.diagnostics())) {
      if (wanted == nullptr || wanted->found_in(one.name) || wanted->found_in(source.name)) tests.cases.push_back(std::move(one));
    }
  }
  return tests;
}

Exit show_summary(const Output& out, const std::vector<Ran>& all, const TestOptions& options) {
  if (all.empty()) {
    out.terminal.line(options.pattern.empty() ? say("no tests: write *.test.yaml files beside the rules (docs/rule-tests.md)")
                                              : say("no test has {1} in its name or file", {"`" + options.pattern + "`"}));
    return options.pattern.empty() ? Exit::ok : Exit::failed;
  }
  std::size_t failed = 0, expectations = 0;
  double seconds = 0;
  for (const Ran& ran : all) {
    failed += ran.result.ok() ? 0U : 1U;
    expectations += ran.result.expectations;
    seconds += ran.seconds;
  }
  const std::string tests = counted(static_cast<std::int64_t>(all.size()), "test");
  const std::string asked = counted(static_cast<std::int64_t>(expectations), "expectation");
  const std::string verdict = failed == 0 ? say("all passed") : say("{1} failed", {std::to_string(failed)});
  out.terminal.line(out.terminal.paint(say("{1}, {2}: {3} ({4} s)", {tests, asked, verdict, seconds_text(seconds)}),
                                       failed == 0 ? Color::green : Color::red));
  return failed == 0 ? Exit::ok : Exit::failed;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fail(Code::io, say("cannot write {1}: check the directory and its permissions", {path}));
  return {};
}

/// Shows or writes the coverage; tells whether it is enough.
Exit finish_coverage(const Output& out, const testing::CoverageReport& report, const TestOptions& options) {
  const bool text = options.coverage == "text" || options.coverage.empty();
  if (!options.coverage_file.empty()) {
    const auto written =
        write_file(options.coverage_file, options.coverage == "html" ? coverage_html(report) : coverage_json(report) + "\n");
    if (!written) return nudge::cli::report(out, written.error());
    if (!out.json && text) show_coverage(out.terminal, report);
  } else if (!out.json) {
    if (text) show_coverage(out.terminal, report);
    if (options.coverage == "json") out.terminal.line(coverage_json(report));
    if (options.coverage == "html") out.terminal.line(coverage_html(report));
  }
  if (report.percent() >= options.fail_under) return Exit::ok;
  char wanted[32];
  std::snprintf(wanted, sizeof wanted, "%.1f", options.fail_under);
  out.terminal.error(say("nudge: the coverage is below {1} %", {wanted}));
  return Exit::failed;
}

Exit run_once(const Output& out, const TestOptions& options, const Regex* wanted) {
  auto project = Project::open(options.paths);
  if (!project) return report(out, project.error());
  const std::unique_ptr<Plan> plan = project->compile();
  Tests tests;
  if (plan != nullptr) tests = read_all(*project, *plan, wanted);
  doc::Diagnostics& diagnostics = project->diagnostics();
  diagnostics.sort();
  if (!diagnostics.ok()) {
    out.terminal.line(out.json ? doc::render_json(diagnostics) : doc::render_text(diagnostics, out.terminal.colors()));
    return Exit::failed;
  }
  const bool covering = !options.coverage.empty() || options.fail_under > 0;
  testing::Coverage coverage(*plan, covering ? project->parts() : std::vector<lang::ConditionPart>());
  const testing::PlanSource plans = [&](const std::vector<std::string>& drafts) { return project->compile(drafts); };
  std::vector<Ran> all;
  bool failed = false;
  std::string file;
  for (const testing::TestCase& one : tests.cases) {
    const auto start = std::chrono::steady_clock::now();
    Ran ran{testing::run_test(one, plans, covering ? &coverage : nullptr), 0};
    ran.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    failed |= !ran.result.ok();
    if (!out.json && (options.verbose || !ran.result.ok()) && file != ran.result.file) out.terminal.line(file = ran.result.file);
    if (!out.json) show_test(out.terminal, ran, options.verbose);
    all.push_back(std::move(ran));
  }
  if (!options.junit.empty()) {
    if (const auto written = write_junit(options.junit, all); !written) return report(out, written.error());
  }
  const testing::CoverageReport touched = covering ? coverage.report() : testing::CoverageReport();
  Exit exit = failed ? Exit::failed : Exit::ok;
  if (out.json) {
    out.terminal.line(tests_json(all, covering ? &touched : nullptr));
  } else {
    exit = show_summary(out, all, options);
  }
  if (covering && finish_coverage(out, touched, options) != Exit::ok) exit = Exit::failed;
  return exit;
}

}  // namespace

Exit test(const Output& out, const TestOptions& options) {
  std::shared_ptr<const Regex> wanted;
  if (!options.pattern.empty()) {
    auto compiled = Regex::compile(options.pattern, false);
    if (!compiled) {
      out.terminal.error(say("nudge: --run: {1}", {compiled.error().message}));
      return Exit::usage;
    }
    wanted = *compiled;
  }
  if (!options.watch) return run_once(out, options, wanted.get());
  for (;;) {
    auto watch = FileWatch::open(Project::directories(options.paths));
    if (!watch) return report(out, watch.error());
    run_once(out, options, wanted.get());
    if (!out.json) out.terminal.line(out.terminal.paint(say("waiting for a change; Ctrl-C ends it"), Color::dim));
    std::fflush(stdout);
    if (const auto changed = watch->wait(); !changed) return report(out, changed.error());
  }
}

}  // namespace nudge::cli
