#include <chrono>
#include <cstdio>
#include <fstream>

#include "daemon/cli/commands.h"
#include "rules/doc/reader.h"
#include "rules/testing/read_tests.h"
#include "rules/testing/run_tests.h"

namespace nudge::cli {
namespace {

struct Ran {
  testing::TestResult result;
  double seconds = 0;
};

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) out += c;
    }
  }
  return out;
}

std::string seconds_text(double seconds) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", seconds);
  return buffer;
}

Result<void> write_junit(const std::string& path, const std::vector<Ran>& all) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  std::size_t failed = 0;
  double seconds = 0;
  for (const Ran& ran : all) {
    failed += ran.result.ok() ? 0U : 1U;
    seconds += ran.seconds;
  }
  file << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"rules\" tests=\"" << all.size() << "\" failures=\""
       << failed << "\" time=\"" << seconds_text(seconds) << "\">\n";
  for (const Ran& ran : all) {
    file << "  <testcase name=\"" << xml_escaped(ran.result.name) << "\" classname=\"" << xml_escaped(ran.result.file) << "\" file=\""
         << xml_escaped(ran.result.file) << "\" line=\"" << ran.result.line << "\" time=\"" << seconds_text(ran.seconds) << "\">\n";
    for (const testing::Failure& f : ran.result.failures) {
      file << "    <failure message=\"" << xml_escaped(f.message.substr(0, f.message.find('\n'))) << "\">"
           << xml_escaped(f.file + ":" + std::to_string(f.line) + ": " + f.message) << "</failure>\n";
    }
    file << "  </testcase>\n";
  }
  file << "</testsuite>\n</testsuites>\n";
  file.close();
  if (!file) return fail(Code::io, "cannot write " + path + ": check the directory and its permissions");
  return {};
}

std::string indented(std::string_view text, std::string_view by) {
  std::string out(by);
  for (const char c : text) {
    out += c;
    if (c == '\n') out += by;
  }
  return out;
}

void show(const Output& out, const Ran& ran, const TestOptions& options) {
  const Terminal& t = out.terminal;
  const testing::TestResult& r = ran.result;
  if (r.ok()) {
    if (options.verbose) t.line("  " + t.paint("ok  ", Color::green) + "  " + r.name);
    return;
  }
  t.line("  " + t.paint("FAIL", Color::red) + "  " + r.name);
  for (const testing::Failure& f : r.failures) t.line(indented(f.file + ":" + std::to_string(f.line) + ": " + f.message, "        "));
}

std::string json_of(const std::vector<Ran>& all) {
  Json root;
  const auto number = [](std::size_t n) {
    Json j;
    j.kind = Json::Kind::number;
    j.text = std::to_string(n);
    return j;
  };
  const auto text = [](std::string s) {
    Json j;
    j.kind = Json::Kind::text;
    j.text = std::move(s);
    return j;
  };
  root.kind = Json::Kind::object;
  Json tests;
  tests.kind = Json::Kind::list;
  std::size_t failed = 0;
  for (const Ran& ran : all) {
    failed += ran.result.ok() ? 0U : 1U;
    Json one, failures;
    one.kind = Json::Kind::object;
    failures.kind = Json::Kind::list;
    for (const testing::Failure& f : ran.result.failures) {
      Json failure;
      failure.kind = Json::Kind::object;
      failure.members = {{"file", text(f.file)}, {"line", number(f.line)}, {"message", text(f.message)}};
      failures.items.push_back(std::move(failure));
    }
    one.members = {{"name", text(ran.result.name)},
                   {"file", text(ran.result.file)},
                   {"line", number(ran.result.line)},
                   {"result", text(ran.result.ok() ? "passed" : "failed")},
                   {"expectations", number(ran.result.expectations)},
                   {"failures", failures}};
    tests.items.push_back(std::move(one));
  }
  root.members = {{"tests", tests}, {"passed", number(all.size() - failed)}, {"failed", number(failed)}};
  return root.compact();
}

}  // namespace

Exit test(const Output& out, const TestOptions& options) {
  auto project = Project::open(options.paths);
  if (!project) return report(out, project.error());
  const std::unique_ptr<Plan> plan = project->compile();
  doc::Diagnostics& diagnostics = project->diagnostics();
  std::vector<std::unique_ptr<doc::Document>> documents;
  std::vector<testing::TestCase> cases;
  if (plan != nullptr) {
    for (const lang::Source& source : project->tests()) {
      documents.push_back(doc::read_document(source.name, source.text, diagnostics));
      for (testing::TestCase& one : testing::read_tests(*documents.back(), *plan, diagnostics)) {
        const bool wanted = options.pattern.empty() || one.name.find(options.pattern) != std::string::npos ||
                            source.name.find(options.pattern) != std::string::npos;
        if (wanted) cases.push_back(std::move(one));
      }
    }
  }
  diagnostics.sort();
  if (!diagnostics.ok()) {
    out.terminal.line(out.json ? doc::render_json(diagnostics) : doc::render_text(diagnostics, out.terminal.colors()));
    return Exit::failed;
  }
  const testing::PlanSource plans = [&](const std::vector<std::string>& drafts) { return project->compile(drafts); };
  std::vector<Ran> all;
  std::size_t failed = 0, expectations = 0;
  double seconds = 0;
  std::string file;
  for (const testing::TestCase& one : cases) {
    const auto start = std::chrono::steady_clock::now();
    Ran ran{testing::run_test(one, plans), 0};
    ran.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    failed += ran.result.ok() ? 0U : 1U;
    expectations += ran.result.expectations;
    seconds += ran.seconds;
    if (!out.json && (options.verbose || !ran.result.ok()) && file != ran.result.file) out.terminal.line(file = ran.result.file);
    if (!out.json) show(out, ran, options);
    all.push_back(std::move(ran));
  }
  if (!options.junit.empty()) {
    if (const auto written = write_junit(options.junit, all); !written) return report(out, written.error());
  }
  if (out.json) {
    out.terminal.line(json_of(all));
    return failed == 0 ? Exit::ok : Exit::failed;
  }
  if (all.empty()) {
    out.terminal.line(options.pattern.empty() ? "no tests: write *.test.yaml files beside the rules (docs/rule-tests.md)"
                                              : "no test has `" + options.pattern + "` in its name or file");
    return options.pattern.empty() ? Exit::ok : Exit::failed;
  }
  const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
  const std::string summary = counted(n(all.size()), "test") + ", " + counted(n(expectations), "expectation") + ": " +
                              (failed == 0 ? "all passed" : std::to_string(failed) + " failed") + " (" + seconds_text(seconds) + " s)";
  out.terminal.line(out.terminal.paint(summary, failed == 0 ? Color::green : Color::red));
  return failed == 0 ? Exit::ok : Exit::failed;
}

}  // namespace nudge::cli
