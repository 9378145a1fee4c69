#include <cstdio>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "rules/doc/reader.h"
#include "rules/testing/read_tests.h"

namespace nudge::cli {

Exit report(const Output& out, const Error& error) {
  out.terminal.error(out.terminal.paint("nudge: ", Color::red) + error.message);
  return error.code == Code::unavailable ? Exit::unreachable : Exit::failed;
}

Exit check(const Output& out, const ProjectPaths& paths) {
  auto project = Project::open(paths);
  if (!project) return report(out, project.error());
  const std::unique_ptr<Plan> plan = project->compile();
  doc::Diagnostics& diagnostics = project->diagnostics();
  std::size_t tests = 0;
  if (plan != nullptr) {
    for (const lang::Source& source : project->tests()) {
      const auto document = doc::read_document(source.name, source.text, diagnostics);
      tests += testing::read_tests(*document, *plan, diagnostics).size();
    }
  }
  diagnostics.sort();
  if (out.json) {
    out.terminal.line(doc::render_json(diagnostics));
  } else if (!diagnostics.items().empty()) {
    const std::string text = doc::render_text(diagnostics, out.terminal.colors());
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  if (!diagnostics.ok()) return Exit::failed;
  if (!out.json) {
    const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
    out.terminal.line(out.terminal.paint(say("ok"), Color::green) + ": " + counted(n(plan->rules.size()), "rule") + ", " +
                      counted(n(plan->segments.size()), "segment") + ", " + counted(n(plan->traits.size()), "trait") + ", " +
                      counted(n(plan->scores.size()), "score") + ", " + counted(n(plan->teams.size()), "team") + ", " +
                      counted(n(tests), "test") + say(" in {1}", {counted(n(project->files()), "file")}));
  }
  return diagnostics.warnings() > 0 ? Exit::warnings : Exit::ok;
}

}  // namespace nudge::cli
