#include "daemon/cli/door_commands.h"

#include <CLI/CLI.hpp>

namespace nudge::cli {
namespace {

void import_words(CLI::App& app, DoorLine& line, const AddOnline& ask) {
  ImportOptions& o = line.import;
  CLI::App* load = ask(app, "import", "load a CSV or Excel file by a mapping, as history",
                       [&line](const Output& out, Client& c) { return import_file(out, c, line.import); });
  load->add_option("FILE", o.file, "CSV (plain or gzip) or Excel (.xlsx); - reads standard input")->required();
  load->add_option("-m,--mapping", o.mapping, "YAML file that says which column is what; without it one to begin with is shown");
  load->add_option("--sheet", o.sheet, "of an Excel file: the name of the sheet; else as the mapping says, or the first");
  load->add_option("--schemas", o.schemas, "directory of the catalog, instead of the one in force");
  load->add_flag("-n,--dry-run", o.dry_run, "check every row and show what the first one becomes; nothing is sent");
  load->add_option("--errors", o.errors, "write every problem as CSV (file, line, column, reason) to this file");
  load->add_flag("--live", o.live, "let rules fire, as if it happened now");
  load->add_option("--batch", o.batch, "documents in one request")->check(CLI::Range(1, 10000))->capture_default_str();
  load->add_option("--from-row", o.from_row, "start with this row; without it an import that was broken off goes on where it was");
}

void quarantine_words(CLI::App& app, DoorLine& line, const AddOnline& ask) {
  CLI::App* aside = app.add_subcommand("quarantine", "what did not fit the catalog");
  aside->require_subcommand(1);
  ask(*aside, "list", "all of it", [&line](const Output& out, Client& c) {
    return quarantine_list(out, c, line.code);
  })->add_option("--code", line.code, "only with this code");
  ask(*aside, "show", "one of it, as it came", [&line](const Output& out, Client& c) { return quarantine_show(out, c, line.number); })
      ->add_option("NUMBER", line.number)
      ->required();
  CLI::App* again = ask(*aside, "replay", "put it through again, after the catalog or the sender was mended",
                        [&line](const Output& out, Client& c) { return quarantine_replay(out, c, line.number, line.code); });
  again->add_option("NUMBER", line.number, "without it: all");
  again->add_option("--code", line.code, "only with this code");
  CLI::App* drop = ask(*aside, "discard", "give it up",
                       [&line](const Output& out, Client& c) { return quarantine_discard(out, c, line.number, line.reason); });
  drop->add_option("NUMBER", line.number)->required();
  drop->add_option("--reason", line.reason, "why; it is kept")->required();
}

}  // namespace

void add_door_commands(CLI::App& app, DoorLine& line, const AddOnline& ask, const AddOffline& offline) {
  import_words(app, line, ask);
  CLI::App* webhook = app.add_subcommand("webhook", "calls of other systems' webhooks");
  webhook->require_subcommand(1);
  CLI::App* attempt = offline(*webhook, "try", "show what a call would become, without a daemon",
                              [&line](const Output& out) { return try_webhook(out, line.webhook); });
  WebhookTry& o = line.webhook;
  attempt
      ->add_option("FILE", o.file, "the call: its body, or lines of `Header: value`, an empty line, and the body; - reads standard input")
      ->required();
  attempt->add_option("--doors", o.doors, "the mapping")->capture_default_str();
  attempt->add_option("--name", o.name, "which webhook of the mapping; the only one when not given");
  attempt->add_option("--header", o.headers, "a header of the call, `Name: value`; may be repeated");
  attempt->add_option("--schemas", o.schemas, "directory of the catalog")->capture_default_str();
  quarantine_words(app, line, ask);
}

}  // namespace nudge::cli
