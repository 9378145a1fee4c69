#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "daemon/doors/doors.h"
#include "daemon/import/mapping.h"
#include "rules/doc/reader.h"
#include "rules/lint/report.h"
#include "rules/testing/read_tests.h"

namespace nudge::cli {

Exit report(const Output& out, const Error& error) {
  out.terminal.error(out.terminal.paint(say("nudge: "), Color::red) + error.message);
  return error.code == Code::unavailable ? Exit::unreachable : Exit::failed;
}

namespace {

/// The mapping of other systems' messages beside the rules, when there is one. True: there is.
bool check_doors(const std::string& directory, const Catalog* catalog, doc::Diagnostics& diagnostics) {
  const std::string file =
      directory.empty() || directory == "." ? "doors.yaml" : directory + (directory.ends_with('/') ? "" : "/") + "doors.yaml";
  std::ifstream in(file, std::ios::binary);
  if (!in) return false;
  const auto document = doc::read_document(file, std::string(std::istreambuf_iterator<char>(in), {}), diagnostics);
  if (catalog != nullptr) doors::read_doors(*document, *catalog, diagnostics);
  return true;
}

/// The mappings of tables beside the rules (NAME.map.yaml), for `nudge import`. How many there are.
std::size_t check_imports(const std::string& directory, const Catalog* catalog, doc::Diagnostics& diagnostics) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory.empty() ? "." : directory, error)) {
    if (entry.path().filename().string().ends_with(".map.yaml") && entry.is_regular_file(error))
      files.push_back(directory.empty() || directory == "." ? entry.path().filename().string() : entry.path().string());
  }
  std::ranges::sort(files);
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    const auto document = doc::read_document(file, std::string(std::istreambuf_iterator<char>(in), {}), diagnostics);
    if (catalog != nullptr) import::read_mapping(*document, *catalog, diagnostics);
  }
  return files.size();
}

/// All messages in the shape asked for; nothing when there is none to say.
std::string rendered(const doc::Diagnostics& diagnostics, const std::string& format, bool colors) {
  if (format == "json") return doc::render_json(diagnostics) + "\n";
  if (format == "github") return lint::render_github(diagnostics);
  if (format == "gitlab") return lint::render_gitlab(diagnostics) + "\n";
  if (format == "sarif") return lint::render_sarif(diagnostics, kVersion) + "\n";
  return diagnostics.items().empty() ? "" : doc::render_text(diagnostics, colors);
}

}  // namespace

Exit check(const Output& out, const CheckOptions& options) {
  const std::string format = !options.format.empty() ? options.format : out.json ? "json" : "text";
  auto project = Project::open(options.paths);
  if (!project) return report(out, project.error());
  const std::unique_ptr<Plan> plan = project->lint(options.notes);
  doc::Diagnostics& diagnostics = project->diagnostics();
  std::size_t tests = 0;
  if (plan != nullptr) {
    for (const lang::Source& source : project->tests()) {
      const auto document = doc::read_document(source.name, source.text, diagnostics);
      tests += testing::read_tests(*document, *plan, diagnostics).size();
    }
  }
  const std::size_t doors_files = check_doors(options.paths.directory, project->catalog().get(), diagnostics) ? 1 : 0;
  const std::size_t mappings = check_imports(options.paths.directory, project->catalog().get(), diagnostics);
  diagnostics.sort();
  const std::string text = rendered(diagnostics, format, out.terminal.colors());
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!diagnostics.ok()) return Exit::failed;
  if (format == "text") {
    const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
    out.terminal.line(out.terminal.paint(say("ok"), Color::green) + ": " + counted(n(plan->rules.size()), "rule") + ", " +
                      counted(n(plan->segments.size()), "segment") + ", " + counted(n(plan->traits.size()), "trait") + ", " +
                      counted(n(plan->scores.size()), "score") + ", " + counted(n(plan->teams.size()), "team") + ", " +
                      counted(n(tests), "test") + say(" in {1}", {counted(n(project->files() + doors_files + mappings), "file")}));
  }
  return options.strict && diagnostics.warnings() > 0 ? Exit::warnings : Exit::ok;
}

}  // namespace nudge::cli
