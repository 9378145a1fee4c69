#include "daemon/cli/admin_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>

#include "daemon/cli/leads.h"

namespace nudge::cli {
namespace {

void access_commands(CLI::App& app, AdminLine& line, const AddOnline& ask) {
  const auto roles = [&line](CLI::App* sub) {
    return sub->add_option("--role", line.access.roles, "what it may do; may be repeated")
        ->check(CLI::IsMember({"ingest", "viewer", "salesperson", "manager", "author", "operator", "admin"}));
  };
  const auto one = [&line, &ask](CLI::App& parent, const char* name, const char* what,
                                 Exit (*work)(const Output&, Client&, const AccessOptions&)) {
    CLI::App* sub = ask(parent, name, what, [&line, work](const Output& out, Client& c) { return work(out, c, line.access); });
    sub->add_option("NAME", line.access.name)->required();
    return sub;
  };
  CLI::App* token = app.add_subcommand("token", "tokens for machines");
  token->require_subcommand(1);
  CLI::App* create = one(*token, "create", "make one; it is printed this once", create_token);
  roles(create)->required();
  create->add_option("--days", line.access.days, "how long it lives; without it for ever")->check(CLI::Range(1, 3650));
  ask(*token, "list", "all of them, without their secrets", [](const Output& out, Client& c) { return tokens(out, c); });
  one(*token, "rotate", "a new secret for it", rotate_token)
      ->add_option("--overlap", line.access.overlap_seconds, "seconds for which the old secret is taken too")
      ->check(CLI::Range(0, 30 * 86400))
      ->capture_default_str();
  one(*token, "revoke", "take it back, at once", revoke_token);
  CLI::App* user = app.add_subcommand("user", "accounts of people");
  user->require_subcommand(1);
  CLI::App* add_user = one(*user, "create", "make one; the password is asked for", create_user);
  roles(add_user)->required();
  add_user->add_option("--password-file", line.access.password_file, "file whose first line is the password; - is standard input");
  ask(*user, "list", "all of them", [](const Output& out, Client& c) { return users(out, c); });
  CLI::App* change = one(*user, "change", "other roles, a new password, or no entry for a while", change_user);
  roles(change);
  change->add_flag("--password", line.access.new_password, "a new password; it ends the sessions");
  change->add_option("--password-file", line.access.password_file, "file whose first line is the password; - is standard input");
  change->add_flag("--disable", line.access.disable, "no entry until --enable")
      ->excludes(change->add_flag("--enable", line.access.enable, "entry again"));
  one(*user, "remove", "remove it", remove_user);
  CLI::App* audit = app.add_subcommand("audit", "who changed what");
  audit->require_subcommand(1);
  ask(*audit, "list", "the record of changes, oldest first", [&line](const Output& out, Client& c) {
    return audit_list(out, c, line.access);
  })->add_option("--after", line.access.after, "only records with a higher number");
  ask(*audit, "verify", "whether the record is whole and unchanged", [&line](const Output& out, Client& c) {
    return audit_verify(out, c, line.access);
  })->add_option("--head", line.access.head, "NUMBER:HASH, as an earlier verify printed it");
}

void care_commands(CLI::App& app, AdminLine& line, const Door& door, const AddOnline& ask, const AddOffline& offline) {
  CLI::App* way = ask(app, "trace", "the way of one event: what was decided on it, what left, and what became of that",
                      [&line](const Output& out, Client& c) { return trace(out, c, line.trace); });
  way->add_option("ID", line.trace.id, "the id that its sender gave it, or an action's")->required();
  way->add_option("--customer", line.trace.customer, "only this one's; quicker");
  // Both have something to say when no nudged runs.
  const auto config = [&line](CLI::App* sub) {
    sub->add_option("--config", line.doctor.config, "nudged's configuration file, to be looked at too");
    return sub;
  };
  config(offline(app, "doctor", "what is wrong with nudged, and what to do",
                 [&line, &door](const Output& out) { return doctor(out, door, line.doctor); }));
  config(offline(app, "support", "a directory for whoever is to help: figures and findings, no secrets, no customers",
                 [&line, &door](const Output& out) { return support(out, door, line.doctor); }))
      ->add_option("DIR", line.doctor.to, "the directory to make")
      ->required();
  CLI::App* make = app.add_subcommand("backup", "copies of all data, made while nudged runs");
  make->require_subcommand(1);
  const auto directory = [&line](CLI::App* sub) { sub->add_option("DIR", line.backup.directory, "directory of the backups")->required(); };
  const auto which = [&line](CLI::App* sub) { sub->add_option("--number", line.backup.number, "which; the newest when not given"); };
  CLI::App* create = ask(*make, "create", "add one; only what is new is written",
                         [&line](const Output& out, Client& c) { return create_backup(out, c, line.backup); });
  directory(create);
  create->add_option("--keep", line.backup.keep, "remove older ones beyond so many")->check(CLI::Range(1, 100'000));
  const auto offline_one = [&line, &offline](CLI::App& parent, const char* name, const char* what,
                                             Exit (*work)(const Output&, const BackupCommand&)) {
    return offline(parent, name, what, [&line, work](const Output& out) { return work(out, line.backup); });
  };
  directory(offline_one(*make, "list", "all of them", backups));
  CLI::App* verify = offline_one(*make, "verify", "read one and compare every file", verify_backup);
  directory(verify);
  which(verify);
  CLI::App* back = offline_one(app, "restore", "make a data directory of a backup", restore);
  directory(back);
  back->add_option("--to", line.backup.to, "the data directory to make; it must not hold data")->required();
  which(back);
}

// What a provider or a mail system has to report, on standard input: a bounce that comes through a pipe. The rest of a long one is the
// message that did not arrive, which nobody needs.
Exit hand_in_callback(const Output& out, Client& client, const std::string& connector) {
  constexpr std::size_t kMost = 128U << 10;
  std::string body;
  for (char room[8192]; const std::size_t got = std::fread(room, 1, sizeof room, stdin);)
    if (body.size() < kMost) body.append(room, std::min(got, kMost - body.size()));
  const Result<Json> answer = client.post("/v1/callbacks/" + url_escape(connector), body, "message/rfc822");
  return answer ? Exit::ok : report(out, answer.error());
}

void stream_commands(CLI::App& app, AdminLine& line, const AddOnline& ask) {
  CLI::App* follow = ask(app, "tail", "what is stored and decided, as it happens, a line of JSON each",
                         [&line](const Output& out, Client& c) { return tail(out, c, line.stream); });
  follow->add_option("WHAT", line.stream.what, "events, decisions, actions, edges (who enters and leaves segments) or all")
      ->required()
      ->check(CLI::IsMember({"events", "decisions", "actions", "edges", "all"}));
  follow->add_option("--customer", line.stream.customer, "only what is of this customer");
  follow->add_option("--rule", line.stream.rule, "only what is of this rule");
  follow->add_option("--event", line.stream.event, "only events of this type");
  follow->add_option("--segment", line.stream.segment, "only who enters and leaves this segment");
  CLI::App* everything = ask(app, "export", "everything of one kind, a line of JSON each",
                             [&line](const Output& out, Client& c) { return export_all(out, c, line.stream); });
  everything->add_option("WHAT", line.stream.what, "documents (they can be imported), decisions, actions, tasks, quarantine or audit")
      ->required()
      ->check(CLI::IsMember({"documents", "decisions", "actions", "tasks", "quarantine", "audit"}));
}

void approval_commands(CLI::App& app, AdminLine& line, const AddOnline& ask) {
  CLI::App* approval = app.add_subcommand("approval", "actions that wait for somebody's yes");
  approval->require_subcommand(1);
  CLI::App* list = ask(*approval, "list", "what waits, the most urgent first",
                       [&line](const Output& out, Client& c) { return approvals(out, c, line.approval); });
  list->add_option("--state", line.approval.state, "open, approved, rejected, expired or closed")
      ->check(CLI::IsMember({"open", "approved", "rejected", "expired", "closed"}))
      ->capture_default_str();
  list->add_option("--asked", line.approval.asked, "only what this member is asked");
  const auto answer = [&](const char* name, const char* what) {
    CLI::App* sub = ask(*approval, name, what, [&line, name](const Output& out, Client& c) { return answer_approval(out, c, name, line.approval); });
    sub->add_option("ID", line.approval.id, "the approval's id")->required();
    sub->add_option("--by", line.approval.by, "who did it");
    return sub->add_option("--reason", line.approval.reason, "why");
  };
  answer("approve", "let it go out");
  answer("reject", "it does not go out")->required();
}

void work_commands(CLI::App& app, AdminLine& line, const AddOnline& ask) {
  ask(app, "teams", "who is in which team, and has how much", [&line](const Output& out, Client& c) { return teams(out, c, line.team); })
      ->add_option("TEAM", line.team, "only this one");
  const auto one = [&line](CLI::App* sub) {
    sub->add_option("TASK", line.work.id, "the task's id")->required();
    sub->add_option("--reason", line.work.reason, "why");
    sub->add_option("--by", line.work.by, "who did it");
    return sub;
  };
  CLI::App* give = one(ask(app, "assign", "give a task to somebody, or tell how it came to whom it is with",
                           [&line](const Output& out, Client& c) { return assign(out, c, line.work); }));
  give->add_option("--to", line.work.to, "who gets it: a member's id")
      ->excludes(give->add_flag("--why", line.work.why, "tell how it came to whom it is with"));
  CLI::App* task = app.add_subcommand("task", "what people do with a task");
  task->require_subcommand(1);
  const auto word = [&](const char* name, const char* what) {
    one(ask(*task, name, what, [&line, name](const Output& out, Client& c) { return change_task(out, c, name, line.work); }));
  };
  word("accept", "take a task that is offered or lies in the pool");
  word("decline", "decline it; it is never given to this person again");
  word("release", "give it back to the pool");
  word("cancel", "withdraw it");
}

void erasure_commands(CLI::App& app, AdminLine& line, const AddOnline& ask) {
  CLI::App* forget = ask(app, "erase", "forget a customer: in the data, the log, the files, and after a restore",
                         [&line](const Output& out, Client& c) { return erase(out, c, line.erase); });
  forget->add_option("ID", line.erase.id, "any of the customer's ids; all others go with it")->required();
  forget->add_option("--reason", line.erase.reason, "for the audit log, which can't be erased: no names");
  forget->add_flag("--dry-run", line.erase.dry_run, "only show what there is");
  forget->add_flag("-y,--yes", line.erase.yes, "without a question");
  ask(app, "erasures", "who was erased when, and how far that is", [](const Output& out, Client& c) { return erasures(out, c); });
}

}  // namespace

void add_admin_commands(CLI::App& app, AdminLine& line, const Door& door, const AddOnline& ask, const AddOffline& offline) {
  access_commands(app, line, ask);
  stream_commands(app, line, ask);
  work_commands(app, line, ask);
  approval_commands(app, line, ask);
  erasure_commands(app, line, ask);
  add_lead_commands(app, ask);
  add_deal_commands(app, ask);
  care_commands(app, line, door, ask, offline);
  ask(app, "callback", "hand in what a provider reports, from standard input: a bounced mail, through a pipe",
      [&line](const Output& out, Client& c) { return hand_in_callback(out, c, line.word); })
      ->add_option("CONNECTOR", line.word, "its name in the configuration")
      ->required();
}

int shell_code(const CLI::App& app, Exit exit) {
  constexpr int kTryAgain = 75;  // EX_TEMPFAIL of sysexits.h
  return exit != Exit::ok && app.got_subcommand("callback") ? kTryAgain : static_cast<int>(exit);
}

}  // namespace nudge::cli
