// The command line: what each word means and where it goes. The work is in the commands.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>

#include "daemon/cli/admin_commands.h"
#include "daemon/cli/commands.h"
#include "daemon/cli/connector_kit.h"
#include "daemon/cli/door_commands.h"
#include "daemon/cli/outbox.h"
#include "daemon/cli/policy.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {
struct Line {
  std::string output = "text";
  std::string color = "auto";
  Door where;
  AdminLine admin;
  ProjectPaths paths;
  CheckOptions check;
  TestOptions test;
  NewOptions scaffold;
  ConnectorTestOptions connector_test;
  ConnectorNewOptions connector_new;
  ReplayOptions replay;
  BacktestCommand backtest;
  PlanOptions plan;
  SegmentOptions segment;
  ExplainOptions explain;
  TaskOptions task;
  CompleteOptions complete;
  OutboxLine outbox;
  DoorLine door;
  PolicyWords policy;
  std::string word, reason;
};

/// `--output` and `--color` work before and after the command.
class Setup {
 public:
  Setup() {
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "nudge " + std::string(kVersion));
    app_.add_option("-o,--output", line_.output, "text for people, json for programs; backtest: html too")
        ->check(CLI::IsMember({"text", "json", "html"}))
        ->capture_default_str();
    app_.add_option("--color", line_.color, "colours in text")->check(CLI::IsMember({"auto", "always", "never"}))->capture_default_str();
    app_.add_option("--lang", lang_, "language: en or zh (Simplified Chinese); else as LANG says")->check(CLI::IsMember({"en", "zh"}));
    app_.add_option("--url", line_.where.url, "where nudged is; else NUDGE_URL, else " + std::string(kDefaultUrl));
    app_.add_option("--local", line_.where.local, "as this machine's admin: the data directory of the nudged that runs here");
    app_.add_flag("--personal", line_.where.personal, "show personal data as it is, if you may; it is written down that you looked");
    app_.add_option("--ca", line_.where.authorities, "PEM file of who signed nudged's certificate; else NUDGE_CA, else the system's");
    offline();
    questions();
    drafts();
    changes();
    work();
    policy_words();
    intake();
    const AddOnline online = [this](CLI::App& parent, const std::string& name, const std::string& what,
                                    std::function<Exit(const Output&, Client&)> work) { return ask(parent, name, what, std::move(work)); };
    const AddOffline alone = [this](CLI::App& parent, const std::string& name, const std::string& what,
                                    std::function<Exit(const Output&)> work) {
      CLI::App* sub = parent.add_subcommand(name, what);
      sub->callback([this, work = std::move(work)] { command_ = work; });
      return sub;
    };
    add_door_commands(app_, line_.door, online, alone);
    add_admin_commands(app_, line_.admin, line_.where, online, alone);
    add_outbox_commands(app_, line_.outbox, online);
    if (language() == Language::chinese) translate(app_);
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() != 0 && language() == Language::chinese) {
        std::fprintf(stderr, "%s\n",
                     say("the command line is not right: {1}\nRun with --help for more information.", {error.what()}).c_str());
        return static_cast<int>(Exit::usage);
      }
      const int code = app_.exit(error);
      return code == 0 ? 0 : static_cast<int>(Exit::usage);
    }
    const Terminal terminal(line_.color == "always"  ? Terminal::When::always
                            : line_.color == "never" ? Terminal::When::never
                                                     : Terminal::When::automatic);
    const Output out{terminal, line_.output == "json", line_.output == "html"};
    if (out.html && !app_.got_subcommand("backtest")) {
      terminal.error(say("nudge: only backtest writes html; choose text or json"));
      return static_cast<int>(Exit::usage);
    }
    return shell_code(app_, command_(out));
  }

 private:
  /// Descriptions and headings of every command, whoever added it, in the chosen language.
  static void translate(CLI::App& app) {
    app.description(say(app.get_description()));
    for (const char* label : {"Usage", "Options", "Positionals", "Subcommands", "SUBCOMMAND", "OPTIONS", "SUBCOMMANDS", "REQUIRED"})
      app.get_formatter()->label(label, say(label));
    for (CLI::Option* option : app.get_options()) {
      option->description(say(option->get_description()));
      if (option->get_group() == "Options") option->group(say("Options"));
    }
    for (CLI::App* sub : app.get_subcommands({})) {
      sub->group(say("Subcommands"));
      translate(*sub);
    }
  }

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
    CLI::App* check_command = add("check", "check a catalog and its rules; all mistakes at once", [this](const Output& out) {
      line_.check.paths = line_.paths;
      return check(out, line_.check);
    });
    project_options(check_command);
    check_command->add_option("-o,--output", line_.check.format, "text, json, github (workflow commands), gitlab (code quality) or sarif")
        ->check(CLI::IsMember({"text", "json", "github", "gitlab", "sarif"}));
    check_command->add_flag("--notes", line_.check.notes, "also say what may well be meant so, such as what nothing uses");
    check_command->add_flag("--strict", line_.check.strict, "warnings are told to the shell, too: exit code 3");
    CLI::App* test_command = add("test", "run the tests of rules (*.test.yaml)", [this](const Output& out) {
      line_.test.paths = line_.paths;
      return test(out, line_.test);
    });
    project_options(test_command);
    test_command->add_option("-r,--run", line_.test.pattern, "only tests in whose name or file this pattern (RE2) is found");
    test_command->add_option("--coverage", line_.test.coverage, "also tell what no test has touched: text, json or html")
        ->check(CLI::IsMember({"text", "json", "html"}))
        ->expected(0, 1)
        ->default_str("text");
    test_command->add_option("--coverage-file", line_.test.coverage_file, "write the coverage (json or html) to this file");
    test_command->add_option("--fail-under", line_.test.fail_under, "fail when less than this percentage is covered")
        ->check(CLI::Range(0.0, 100.0));
    test_command->add_flag("-w,--watch", line_.test.watch, "run again whenever a rule, test or catalog changes");
    test_command->add_option("--junit", line_.test.junit, "write the results as JUnit XML to this file");
    test_command->add_flag("-v,--verbose", line_.test.verbose, "name the tests that pass, too");
    CLI::App* replay_command =
        add("replay", "run data files through the rules in virtual time, without a daemon", [this](const Output& out) {
          line_.replay.paths = line_.paths;
          if (!line_.replay.data_dir.empty()) return replay_stopped(out, line_.replay);
          if (line_.replay.data.empty())
            return with_daemon(out, [this](const Output& o, Client& c) { return replay_log(o, c, line_.replay); });
          return replay(out, line_.replay);
        });
    project_options(replay_command);
    replay_command->add_option("--data", line_.replay.data, "CSV or NDJSON file; may be repeated");
    replay_command->add_option("--mapping", line_.replay.mappings, "mapping of each CSV file, in the same order");
    replay_command->add_option("--at", line_.replay.at, "instants at which members and values are asked");
    replay_command->add_flag("--live", line_.replay.live, "let rules fire as time goes by; without it the data is history");
    replay_command->add_flag("--digest", line_.replay.digest,
                             "print only a digest of all decisions: equal digests mean equal decisions. Without --data: "
                             "the daemon decides its whole log anew, and says whether that gives the same");
    replay_command->add_option("--data-dir", line_.replay.data_dir, "the data directory of a nudged that does not run; it is only read");
    replay_command->add_option("--decisions", line_.replay.decisions, "write each decision as a line of JSON to this file");
    replay_command->add_option("--tasks", line_.replay.tasks, "write each task, whose it would be and why, to this file (with --live)");
    replay_command->add_option("--edges", line_.replay.edges, "write each entry into and exit from a segment to this file");
    replay_command->add_option("--members", line_.replay.members, "write the members of each segment at each --at to this file");
    replay_command->add_option("--values", line_.replay.values, "write each customer's traits and scores at each --at to this file");
    add("schema", "print a JSON Schema: for editors, and for programs that write rules",
        [this](const Output& out) { return schema(out, line_.word); })
        ->add_option("NAME", line_.word, "catalog, rules, tests, config, openapi, or snippets for VS Code")
        ->required();
    scaffolds();
    connectors();
    add("explain-code", "what a code like R0304 means and how to mend it",
        [this](const Output& out) { return explain_code(out, line_.word); })
        ->add_option("CODE", line_.word)
        ->required();
  }

  void scaffolds() {
    CLI::App* parent = app_.add_subcommand("new", "begin a rule, a project or a pack, each with a test that passes");
    parent->require_subcommand(1);
    const auto make = [&](const char* name, const char* what, NewOptions::What kind, const char* positional, const char* meaning) {
      CLI::App* sub = parent->add_subcommand(name, what);
      sub->callback([this, kind] {
        line_.scaffold.what = kind;
        command_ = [this](const Output& out) { return make_new(out, line_.scaffold); };
      });
      sub->add_option(positional, line_.scaffold.name, meaning)->required();
      return sub;
    };
    CLI::App* rule = make("rule", "a rule with its test", NewOptions::What::rule, "NAME", "name of the rule: letters, digits, - and _");
    rule->add_option("--in", line_.scaffold.directory, "the project: the directory that holds schemas/ and rules/")->capture_default_str();
    rule->add_option("--trigger", line_.scaffold.trigger, "what it fires on")
        ->check(CLI::IsMember({"event", "enters", "schedule", "date"}))
        ->capture_default_str();
    rule->add_option("--event", line_.scaffold.event, "the event type; else the first of the catalog");
    rule->add_option("--channel", line_.scaffold.channel, "what it does")
        ->check(CLI::IsMember({"call_task", "email", "sms", "ticket", "chat", "webhook", "maildrop"}))
        ->capture_default_str();
    make("project", "a directory with a catalog, a rule, its test and a README", NewOptions::What::project, "DIR",
         "a directory that is new or empty");
    make("pack", "a pack: rules that can be copied to another company", NewOptions::What::pack, "DIR", "a directory that is new or empty");
  }

  void connectors() {
    CLI::App* parent = app_.add_subcommand("connector", "begin a connector, and try it against a provider that misbehaves");
    parent->require_subcommand(1);
    CLI::App* test = parent->add_subcommand("test", "what a connector makes of slow, failing, silent and odd providers");
    test->callback([this] { command_ = [this](const Output& out) { return test_connector(out, line_.connector_test); }; });
    ConnectorTestOptions& options = line_.connector_test;
    test->add_option("COMMAND", options.command, "a plugin (.so), or a program and its arguments behind --")->required();
    test->add_option("--config", options.config, "its configuration as JSON, or @FILE; {{provider}} becomes the provider's address")
        ->capture_default_str();
    test->add_option("--payload", options.payload, "an action that it can deliver, as JSON, or @FILE");
    test->add_option("--channel", options.channel, "the channel of that action")->capture_default_str();
    test->add_option("--answer", options.answer, "what the provider says when all is well")->capture_default_str();
    CLI::App* begin = parent->add_subcommand("new", "a file to start from");
    begin->callback([this] { command_ = [this](const Output& out) { return new_connector(out, line_.connector_new); }; });
    begin->add_option("NAME", line_.connector_new.name, "the kind of the connector: small letters, digits and _")->required();
    begin->add_option("--language", line_.connector_new.language, "what it is written in")
        ->check(CLI::IsMember({"python", "cpp"}))
        ->capture_default_str();
  }

  CLI::App* ask(const std::string& name, const std::string& what, std::function<Exit(const Output&, Client&)> work) {
    return ask(app_, name, what, std::move(work));
  }
  CLI::App* ask(CLI::App& parent, const std::string& name, const std::string& what, std::function<Exit(const Output&, Client&)> work) {
    CLI::App* sub = parent.add_subcommand(name, what);
    sub->callback([this, work = std::move(work)] { command_ = [this, work](const Output& out) { return with_daemon(out, work); }; });
    return sub;
  }

  Exit with_daemon(const Output& out, const std::function<Exit(const Output&, Client&)>& work) const {
    const Result<std::unique_ptr<Client>> client = connect(line_.where);
    if (!client) return report(out, client.error());
    return work(out, **client);
  }

  void questions() {
    ask("status", "what nudged does, and whether its books add up", [](const Output& out, Client& c) { return status(out, c); });
    rules_words();
    ask("segments", "each segment with its members", [](const Output& out, Client& c) { return segments(out, c); });
    CLI::App* one = ask("segment", "how many customers are in a segment, now or at any instant",
                        [this](const Output& out, Client& c) { return segment(out, c, line_.segment); });
    one->add_option("NAME", line_.segment.name)->required();
    one->add_option("--at", line_.segment.at, "an instant (2026-02-01T09:00:00+08:00) or a date (its first moment in UTC)");
    one->add_flag("--ids", line_.segment.ids, "print the customers' ids, one a line, sorted");
    CLI::App* who = ask("customer", "all that is known of a customer",
                        [this](const Output& out, Client& c) { return customer(out, c, line_.explain.customer, line_.explain.at); });
    who->add_option("ID", line_.explain.customer)->required();
    who->add_option("--at", line_.explain.at, "as of this instant");
    CLI::App* shown = ask("preview", "the messages of a rule as they would go out to a customer",
                          [this](const Output& out, Client& c) { return preview(out, c, line_.explain); });
    shown->add_option("RULE", line_.explain.name)->required();
    shown->add_option("CUSTOMER", line_.explain.customer)->required();
    shown->add_option("--at", line_.explain.at, "as if the rule fired at this instant");
    CLI::App* why = ask("explain", "why a rule did or did not fire for a customer",
                        [this](const Output& out, Client& c) { return explain(out, c, line_.explain); });
    why->add_option("CUSTOMER", line_.explain.customer)->required();
    why->add_option("RULE", line_.explain.name, "a rule, or a segment")->required();
    why->add_option("--at", line_.explain.at, "as of this instant");
  }

  void drafts() {
    CLI::App* back = ask("backtest", "try rules on the past: who would have entered, what would have fired, beside the live rules",
                         [this](const Output& out, Client& c) { return backtest(out, c, line_.backtest); });
    back->add_option("RULES", line_.backtest.draft, "a file, a directory of rules, or one that holds schemas/ and rules/")->required();
    back->add_option("--from", line_.backtest.from, "when the rules are switched on: an instant or a date")->required();
    back->add_option("--to", line_.backtest.to, "until when; now when not given");
    back->add_option("--rule", line_.backtest.rules, "only this rule; may be repeated. Without it: those that differ from the live ones");
    back->add_option("--schemas", line_.backtest.schemas, "directory of the catalog, instead of the one in force");
    back->add_option("--file", line_.backtest.file, "write the report to this file");
    back->add_option("--data", line_.backtest.data, "CSV or NDJSON file to run over instead of a daemon's history; may be repeated");
    back->add_option("--mapping", line_.backtest.mappings, "mapping of each CSV file, in the same order");
    back->add_option("--data-dir", line_.backtest.data_dir, "the data directory of a nudged that does not run; it is only read");
    back->add_option("--live", line_.backtest.live, "with --data: a directory of rules to compare with");
    back->add_option("--zone", line_.backtest.zone, "with --data: the company's time zone; UTC when not given");
  }

  void changes() {
    const auto files = [this](CLI::App* sub) {
      sub->add_option("RULES", line_.plan.draft, "a file, a directory of rules, or one that holds schemas/ and rules/")->required();
      sub->add_option("--schemas", line_.plan.schemas, "directory of the catalog, instead of the one in force");
    };
    const auto consent = [this](CLI::App* sub) {
      sub->add_flag("-y,--yes", line_.plan.yes, "go ahead whatever it sets off at once");
      sub->add_option("--max-actions", line_.plan.max_actions, "go ahead without a yes when it sets off at most so many actions at once")
          ->capture_default_str();
      sub->add_option("--author", line_.plan.author, "who does it; the user's name when not given");
      sub->add_option("-m,--comment", line_.plan.comment, "why; it is kept with the version");
    };
    files(ask("plan", "what switching to these rules would change, without doing it",
              [this](const Output& out, Client& c) { return plan_rules(out, c, line_.plan); }));
    CLI::App* apply = ask("apply", "switch to these rules, after showing what that changes",
                          [this](const Output& out, Client& c) { return apply_rules(out, c, line_.plan); });
    files(apply);
    consent(apply);
    ask("versions", "each version of the rules that was in force: when, by whom, why",
        [](const Output& out, Client& c) { return versions(out, c); });
    CLI::App* back = ask("rollback", "switch to an earlier version of the rules, after showing what that changes",
                         [this](const Output& out, Client& c) { return rollback(out, c, line_.plan); });
    back->add_option("VERSION", line_.plan.version, "its number, see `nudge versions`; the one before when not given");
    consent(back);
  }

  void work() {
    CLI::App* list = ask("tasks", "salespeople's call tasks", [this](const Output& out, Client& c) { return tasks(out, c, line_.task); });
    list->add_option("--owner", line_.task.owner, "only tasks of this person (id)");
    list->add_option("--customer", line_.task.customer, "only tasks about this customer");
    list->add_option("--team", line_.task.team, "only tasks of this team");
    list->add_option("--rule", line_.task.rule, "only tasks that this rule made");
    list->add_option("--state", line_.task.state, "open, waiting, offered, accepted, overdue; done, cancelled, expired, closed")
        ->check(CLI::IsMember({"open", "waiting", "offered", "accepted", "overdue", "done", "cancelled", "expired", "closed"}))
        ->capture_default_str();
    CLI::App* done = ask("complete", "close a task and say what came of it",
                         [this](const Output& out, Client& c) { return complete_task(out, c, line_.complete); });
    done->add_option("TASK", line_.complete.id, "the task's id")->required();
    done->add_option("--disposition", line_.complete.disposition, "what came of it: interested, no answer …")->required();
    done->add_option("--note", line_.complete.note, "anything else");
    done->add_option("--by", line_.complete.by, "who did it");
    done->add_option("--at", line_.complete.at, "when to call back, for a disposition that asks for it");
    ask("reload", "read the rules again and switch to them, all or nothing", [](const Output& out, Client& c) { return reload(out, c); });
  }

  // Every word that people set by hand has an author and a reason.
  CLI::App* with_reason(CLI::App* sub) {
    sub->add_option("--author", line_.policy.author, "who does it; the user's name when not given");
    sub->add_option("-r,--reason", line_.policy.reason, "why; it is kept and shown")->required();
    return sub;
  }

  void policy_words() {
    ask("policies", "what policies hold back, and which are in force", [](const Output& out, Client& c) { return policies(out, c); });
    CLI::App* silence = app_.add_subcommand("silence", "hold back what matches, for some time");
    silence->require_subcommand(1);
    CLI::App* add = with_reason(ask(*silence, "add", "silence a rule, channel, category or customer",
                                    [this](const Output& out, Client& c) { return silence_add(out, c, line_.policy); }));
    add->add_option("--rule", line_.policy.rule, "only this rule");
    add->add_option("--channel", line_.policy.channel, "only this channel: email, sms, call_task …");
    add->add_option("--category", line_.policy.category, "only this category: sales, management or collaboration");
    add->add_option("--customer", line_.policy.customer, "only this customer");
    CLI::Option* length = add->add_option("--for", line_.policy.length, "how long: 2h, 3d");
    add->add_option("--until", line_.policy.until, "until this instant")->excludes(length);
    ask(*silence, "list", "the silences that have not ended", [](const Output& out, Client& c) { return silence_list(out, c); });
    with_reason(ask(*silence, "end", "end one early", [this](const Output& out, Client& c) { return silence_end(out, c, line_.policy); }))
        ->add_option("ID", line_.policy.word, "the silence's number")
        ->required();
    with_reason(ask("stop-all", "stop everything that leaves, or let it go on; nothing is lost",
                    [this](const Output& out, Client& c) { return stop_all(out, c, line_.policy); }))
        ->add_option("STATE", line_.policy.word, "on or off")
        ->required()
        ->check(CLI::IsMember({"on", "off"}));
    CLI::App* list = app_.add_subcommand("suppress", "the suppression list: who is never written to");
    list->require_subcommand(1);
    const auto whom = [this](CLI::App* sub) {
      sub->add_option("--customer", line_.policy.customer, "this customer's id");
      sub->add_option("--address", line_.policy.address, "this mail address or telephone number");
      sub->add_option("--domain", line_.policy.domain, "all addresses of this domain");
      sub->add_option("--channel", line_.policy.channel, "only this channel: email, sms, call_task …");
    };
    whom(with_reason(ask(*list, "add", "put a customer, address or domain on the list",
                         [this](const Output& out, Client& c) { return suppress(out, c, line_.policy, true); })));
    whom(with_reason(ask(*list, "remove", "take one off the list",
                         [this](const Output& out, Client& c) { return suppress(out, c, line_.policy, false); })));
    ask(*list, "list", "the whole list", [](const Output& out, Client& c) { return suppress_list(out, c); });
    with_reason(ask(*list, "import", "read a file with lines of kind,value[,channel]",
                    [this](const Output& out, Client& c) { return suppress_import(out, c, line_.policy); }))
        ->add_option("FILE", line_.policy.word, "- reads standard input")
        ->required();
  }

  void rules_words() {
    CLI::App* all = ask("rules", "each rule with its version, state, firings and last error", nullptr);
    const auto settle = [&](const char* name, const char* what, bool release) {
      with_reason(
          ask(*all, name, what, [this, release](const Output& out, Client& c) { return settle_kept(out, c, line_.policy, release); }))
          ->add_option("RULE", line_.policy.word)
          ->required();
    };
    settle("release", "let out what the brake or a budget keeps of a rule", true);
    settle("discard", "give up what the brake or a budget keeps of a rule", false);
    // The command's own callback runs after that of a word behind it.
    all->callback([this, all] {
      if (!all->get_subcommands().empty()) return;
      command_ = [this](const Output& out) { return with_daemon(out, [](const Output& o, Client& c) { return rules(o, c); }); };
    });
  }

  void intake() {
    CLI::App* events = app_.add_subcommand("events", "send events");
    events->require_subcommand(1);
    CLI::App* post = ask(*events, "post", "send one document, an array, or NDJSON",
                         [this](const Output& out, Client& c) { return post_events(out, c, line_.word, line_.door.import.live); });
    post->add_option("FILE", line_.word, "- reads standard input")->required();
    post->add_flag("--history", line_.door.import.live, "take it in as history: nothing fires");
  }

  CLI::App app_{"nudge: rules for sales, checked, tested, run and explained"};
  Line line_;
  std::string lang_;  // looked for before the options are made: find_language
  std::function<Exit(const Output&)> command_;
};

/// What --lang says, which must be known before the first text is made.
std::string_view find_language(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (word.starts_with("--lang=")) return word.substr(7);
    if (word == "--lang" && i + 1 < argc) return argv[i + 1];
  }
  return {};
}

}  // namespace
}  // namespace nudge::cli

int main(int argc, char** argv) {
  nudge::cli::choose_language(nudge::cli::find_language(argc, argv));
  nudge::cli::Setup setup;
  return setup.run(argc, argv);
}
