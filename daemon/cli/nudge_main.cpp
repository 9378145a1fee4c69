// The command line: what each word means and where it goes. The work is in the commands.
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>

#include "daemon/cli/commands.h"

namespace nudge::cli {
namespace {

constexpr const char* kDefaultUrl = "http://127.0.0.1:8480";

struct Line {
  std::string output = "text";
  std::string color = "auto";
  std::string url;
  std::string token_file;
  ProjectPaths paths;
  TestOptions test;
  ReplayOptions replay;
  std::string word;
};

/// `--output` and `--color` work before and after the command.
class Setup {
 public:
  Setup() {
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "nudge 0.1.0");
    app_.add_option("-o,--output", line_.output, "text for people, json for programs")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    app_.add_option("--color", line_.color, "colours in text")->check(CLI::IsMember({"auto", "always", "never"}))->capture_default_str();
    app_.add_option("--url", line_.url, "where nudged is; else NUDGE_URL, else " + std::string(kDefaultUrl));
    offline();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? 0 : static_cast<int>(Exit::usage);
    }
    const Terminal terminal(line_.color == "always"  ? Terminal::When::always
                            : line_.color == "never" ? Terminal::When::never
                                                     : Terminal::When::automatic);
    const Output out{terminal, line_.output == "json"};
    return static_cast<int>(command_(out));
  }

 private:
  CLI::App* add(const std::string& name, const std::string& what, std::function<Exit(const Output&)> work) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->callback([this, work = std::move(work)] { command_ = work; });
    return sub;
  }

  void project_options(CLI::App* sub) {
    sub->add_option("DIR", line_.paths.directory, "directory that holds schemas/ and rules/")->capture_default_str();
    sub->add_option("--schemas", line_.paths.schemas, "directory of the catalog, instead of DIR/schemas");
    sub->add_option("--rules", line_.paths.rules, "directory of the rules, instead of DIR/rules");
    sub->add_option("--zone", line_.paths.zone, "the company's time zone, e.g. Asia/Shanghai; UTC when not given");
  }

  void offline() {
    line_.paths.directory = ".";
    project_options(
        add("check", "check a catalog and its rules; all mistakes at once", [this](const Output& out) { return check(out, line_.paths); }));
    CLI::App* test_command = add("test", "run the tests of rules (*.test.yaml)", [this](const Output& out) {
      line_.test.paths = line_.paths;
      return test(out, line_.test);
    });
    project_options(test_command);
    test_command->add_option("-r,--run", line_.test.pattern, "only tests with this in their name or file");
    test_command->add_option("--junit", line_.test.junit, "write the results as JUnit XML to this file");
    test_command->add_flag("-v,--verbose", line_.test.verbose, "name the tests that pass, too");
    CLI::App* replay_command =
        add("replay", "run data files through the rules in virtual time, without a daemon", [this](const Output& out) {
          line_.replay.paths = line_.paths;
          return replay(out, line_.replay);
        });
    project_options(replay_command);
    replay_command->add_option("--data", line_.replay.data, "CSV or NDJSON file; may be repeated")->required();
    replay_command->add_option("--mapping", line_.replay.mappings, "mapping of each CSV file, in the same order");
    replay_command->add_option("--at", line_.replay.at, "instants at which members and values are asked");
    replay_command->add_flag("--live", line_.replay.live, "let rules fire as time goes by; without it the data is history");
    replay_command->add_flag("--digest", line_.replay.digest, "print only a digest of all decisions: equal digests mean equal decisions");
    replay_command->add_option("--decisions", line_.replay.decisions, "write each decision as a line of JSON to this file");
    replay_command->add_option("--edges", line_.replay.edges, "write each entry into and exit from a segment to this file");
    replay_command->add_option("--members", line_.replay.members, "write the members of each segment at each --at to this file");
    replay_command->add_option("--values", line_.replay.values, "write each customer's traits at each --at to this file");
    add("explain-code", "what a code like R0304 means and how to mend it",
        [this](const Output& out) { return explain_code(out, line_.word); })
        ->add_option("CODE", line_.word)
        ->required();
  }

  CLI::App app_{"nudge: rules for sales, checked, tested, run and explained"};
  Line line_;
  std::function<Exit(const Output&)> command_;
};

}  // namespace
}  // namespace nudge::cli

int main(int argc, char** argv) {
  nudge::cli::Setup setup;
  return setup.run(argc, argv);
}
