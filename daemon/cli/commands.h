// The commands of `nudge`, one function each. They write to the terminal and answer what to tell the shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/client.h"
#include "daemon/cli/exit_code.h"
#include "daemon/cli/project.h"
#include "daemon/cli/terminal.h"

namespace nudge::cli {

inline constexpr std::string_view kVersion = "0.1.0";

struct Output {
  const Terminal& terminal;
  bool json = false;
  bool html = false;  // only commands that say so
};

// Says the error and answers the exit code that fits it.
Exit report(const Output& out, const Error& error);
// A question to the person at the terminal; false without one.
bool ask_person(const std::string& question);

// --- without a daemon
struct CheckOptions {
  ProjectPaths paths;
  std::string format;   // text, json, github, gitlab, sarif; empty: as Output says
  bool strict = false;  // warnings are told to the shell
  bool notes = false;   // notes are shown, too
};
Exit check(const Output& out, const CheckOptions& options);

struct TestOptions {
  ProjectPaths paths;
  std::string pattern;        // RE2: a test whose name or file it is found in is run; empty: all
  std::string junit;          // file to write; empty: none
  std::string coverage;       // text, json or html; empty: not measured
  std::string coverage_file;  // where it goes instead of standard output
  double fail_under = 0;      // percent of coverage below which the command fails; 0: never
  bool verbose = false;
  bool watch = false;  // run again whenever a file changes, until interrupted
};
Exit test(const Output& out, const TestOptions& options);

struct NewOptions {
  enum class What : unsigned char { rule, project, pack };
  What what = What::rule;
  std::string name;             // of the rule, or the directory to make
  std::string directory = ".";  // rule: the project
  std::string trigger = "event";
  std::string event;  // empty: the first of the catalog
  std::string channel = "call_task";
};
// Writes the files of a rule, a project or a pack. Existing files are never touched: when one is there, nothing is written.
Exit make_new(const Output& out, const NewOptions& options);

struct ReplayOptions {
  ProjectPaths paths;
  std::vector<std::string> data, mappings;  // files, and for each CSV file its mapping
  std::vector<std::string> at;              // instants for members and values
  bool live = false;                        // the rules fire as time goes by; else it is history that fires nothing
  bool digest = false;
  std::string decisions, edges, members, values, tasks;  // NDJSON files to write; empty: none
  std::string data_dir;                           // of a nudged that does not run
};
Exit replay(const Output& out, const ReplayOptions& options);
// Without data files: the daemon replays its own log, from the first block on, under the plans that were in force, and compares.
Exit replay_log(const Output& out, Client& client, const ReplayOptions& options);
// The same over the data directory of a nudged that does not run; nothing in it is changed.
Exit replay_stopped(const Output& out, const ReplayOptions& options);
struct BacktestCommand {
  std::string draft;                        // a file, a directory of rules, or one that holds schemas/ and rules/
  std::string from, to;                     // `to` empty: now, or the end of the data
  std::vector<std::string> rules;           // only these
  std::string schemas, zone;                // catalog instead of the draft's own or the one in force; the company's zone (offline)
  std::vector<std::string> data, mappings;  // offline: files as for replay
  std::string live;                         // offline: a directory as `draft`, to compare with
  std::string file;                         // write the report there; empty: standard output
  std::string data_dir;                     // of a nudged that does not run: over its history
};
// With data files without a daemon, else by the daemon over its history.
Exit backtest(const Output& out, Client& client, const BacktestCommand& command);
// The report as JSON, over the data directory of a nudged that does not run.
Result<std::string> backtest_stopped(const BacktestCommand& command);
// RFC 3339 or a date (its first moment in UTC).
Result<TimeMs> read_instant(const std::string& text);

// What an answer about the past says that it could not see any more ("not_whole"), a line each.
std::vector<std::string> unseen(const Json& answer);
void tell_unseen(const Output& out, const Json& answer);

// Prints a file of schemas/ as it is: catalog, rules, tests, config or openapi.
Exit schema(const Output& out, const std::string& name);

Exit explain_code(const Output& out, const std::string& code);

// --- of a running daemon
Exit status(const Output& out, Client& client);
Exit rules(const Output& out, Client& client);
Exit segments(const Output& out, Client& client);
struct SegmentOptions {
  std::string name;
  std::string at;    // empty: now
  bool ids = false;  // one id a line
};
Exit segment(const Output& out, Client& client, const SegmentOptions& options);
Exit customer(const Output& out, Client& client, const std::string& id, const std::string& at);
struct ExplainOptions {
  std::string customer;
  std::string name;  // of a rule, or of a segment
  std::string at;
};
Exit explain(const Output& out, Client& client, const ExplainOptions& options);
Exit preview(const Output& out, Client& client, const ExplainOptions& options);  // name: of a rule
struct TaskOptions {
  std::string owner, customer, team, rule;
  std::string state = "open";
};
Exit tasks(const Output& out, Client& client, const TaskOptions& options);
struct CompleteOptions {
  std::string id, disposition, note, by, at;
};
Exit complete_task(const Output& out, Client& client, const CompleteOptions& options);
Exit teams(const Output& out, Client& client, const std::string& name);  // empty: all
struct WorkOptions {
  std::string id, to, reason, by;
  bool why = false;
};
// Gives a task to `to`; without it, tells how it came to whom it is with.
Exit assign(const Output& out, Client& client, const WorkOptions& options);
Exit change_task(const Output& out, Client& client, const std::string& word, const WorkOptions& options);  // accept, decline, release, cancel
struct ApprovalOptions {
  std::string id, reason, by, asked;
  std::string state = "open";
};
Exit approvals(const Output& out, Client& client, const ApprovalOptions& options);
Exit answer_approval(const Output& out, Client& client, const std::string& word, const ApprovalOptions& options);  // approve, reject
struct ActionOptions {
  std::string customer, rule, state, kind, channel, connector, held, note;
  std::uint32_t limit = 50;
};
Exit actions(const Output& out, Client& client, const ActionOptions& options);
Exit quarantine_list(const Output& out, Client& client, const std::string& code);
Exit quarantine_show(const Output& out, Client& client, const std::string& number);
// Without a number: all, or all with this code.
Exit quarantine_replay(const Output& out, Client& client, const std::string& number, const std::string& code);
Exit quarantine_discard(const Output& out, Client& client, const std::string& number, const std::string& reason);
Exit reload(const Output& out, Client& client);

// Changing its rules with open eyes.
struct PlanOptions {
  std::string draft;    // as BacktestCommand::draft
  std::string schemas;  // catalog instead of the one in force
  std::string version;  // rollback: to which; empty: the one before
  std::string author, comment;
  bool yes = false;
  std::uint64_t max_actions = 0;
};
Exit plan_rules(const Output& out, Client& client, const PlanOptions& options);
Exit apply_rules(const Output& out, Client& client, const PlanOptions& options);
Exit versions(const Output& out, Client& client);
Exit rollback(const Output& out, Client& client, const PlanOptions& options);

// What nudged streams, a line of JSON each, to standard output.
struct EraseCommand {
  std::string id, reason;
  bool dry_run = false;
  bool yes = false;  // without a question
};
// Forgets a customer, by any of their ids, after a question.
Exit erase(const Output& out, Client& client, const EraseCommand& command);
// All erasures, and how far they are.
Exit erasures(const Output& out, Client& client);

struct StreamOptions {
  std::string what;
  std::string customer, rule, event, segment;  // tail: only of these
};
// As it happens, until interrupted; goes on by itself where it was after a break.
Exit tail(const Output& out, Client& client, const StreamOptions& options);
// All of it; the exit code says whether it was all.
Exit export_all(const Output& out, Client& client, const StreamOptions& options);

// Who may use it, and what they changed.
struct AccessOptions {
  std::string name;  // of a token (or its id), or of an account
  std::vector<std::string> roles;
  std::int64_t days = 0;  // that a token lives; 0: for ever
  std::int64_t overlap_seconds = 3600;
  std::string password_file;  // empty: ask; -: standard input
  bool new_password = false, disable = false, enable = false;
  std::uint64_t after = 0;
  std::string head;  // NUMBER:HASH
};
Exit create_token(const Output& out, Client& client, const AccessOptions& options);
Exit rotate_token(const Output& out, Client& client, const AccessOptions& options);
Exit revoke_token(const Output& out, Client& client, const AccessOptions& options);
Exit tokens(const Output& out, Client& client);
Exit create_user(const Output& out, Client& client, const AccessOptions& options);
Exit change_user(const Output& out, Client& client, const AccessOptions& options);
Exit remove_user(const Output& out, Client& client, const AccessOptions& options);
Exit users(const Output& out, Client& client);
Exit audit_list(const Output& out, Client& client, const AccessOptions& options);
Exit audit_verify(const Output& out, Client& client, const AccessOptions& options);

struct TraceCommand {
  std::string id;        // of an event, as its sender gave it, or of an action
  std::string customer;  // empty: whoever it was
};
// The way of one event: what came in, what was decided, what left and what became of it.
Exit trace(const Output& out, Client& client, const TraceCommand& command);

struct DoctorCommand {
  std::string config;  // nudged's configuration file; empty: not looked at
  std::string to;      // of `support`: the directory to make
};
// What is wrong, and what to do; also when no nudged runs behind the door.
Exit doctor(const Output& out, const Door& door, const DoctorCommand& command);
// The same and more, in a new directory, for somebody who helps: no secrets, no customers.
Exit support(const Output& out, const Door& door, const DoctorCommand& command);

// Copies of the data directory. Only making one needs the daemon.
struct BackupCommand {
  std::string directory, to;
  std::uint64_t number = 0;  // 0: the newest
  std::int64_t keep = 0;     // 0: all
};
Exit create_backup(const Output& out, Client& client, const BackupCommand& command);
Exit backups(const Output& out, const BackupCommand& command);
Exit verify_backup(const Output& out, const BackupCommand& command);
Exit restore(const Output& out, const BackupCommand& command);

struct WebhookTry {
  std::string file, name;
  std::string doors = "doors.yaml", schemas = "schemas";
  std::vector<std::string> headers;
};
// The documents that a call becomes, and whether they fit the catalog.
Exit try_webhook(const Output& out, const WebhookTry& options);

// --- sending to it
Exit post_events(const Output& out, Client& client, const std::string& file, bool history);
struct ImportOptions {
  std::string file, mapping, schemas, errors, sheet;
  bool dry_run = false;
  bool live = false;           // fire rules instead of taking it in as history
  std::uint32_t batch = 500;   // documents in one request
  std::uint64_t from_row = 0;  // rows before it are skipped; 0: goes on where it was broken off, or at the start
};
// CSV or Excel.
Exit import_file(const Output& out, Client& client, const ImportOptions& options);

}  // namespace nudge::cli
