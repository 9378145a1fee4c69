#include "daemon/cli/outbox.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

Json text_json(const std::string& text) {
  Json value;
  value.kind = Json::Kind::text;
  value.text = text;
  return value;
}

Json signed_body(const OutboxLine& line) {
  Json body;
  body.kind = Json::Kind::object;
  const char* user = std::getenv("USER");
  const std::string author = !line.author.empty() ? line.author : user == nullptr ? "" : user;
  if (!author.empty()) body.members.push_back({"author", text_json(author)});
  if (!line.reason.empty()) body.members.push_back({"reason", text_json(line.reason)});
  return body;
}

std::string done_text(const std::string& word, std::int64_t count) {
  const std::string n = counted(count, "action");
  if (word == "retry") return say("{1} tried again", {n});
  if (word == "release") return say("{1} released", {n});
  if (word == "arrived") return say("{1} called arrived", {n});
  return say("{1} given up", {n});
}

// Shows how many there are, by rule and state, and goes ahead with a yes.
Exit tell_many(const Output& out, Client& client, const OutboxLine& line, const std::string& word) {
  Json body = signed_body(line);
  body.members.push_back({"do", text_json(word)});
  const ActionOptions& w = line.which;
  bool chosen = line.all;
  for (const auto& [name, value] : {std::pair{"state", &w.state},
                                    {"rule", &w.rule},
                                    {"kind", &w.kind},
                                    {"channel", &w.channel},
                                    {"connector", &w.connector},
                                    {"customer", &w.customer},
                                    {"held", &w.held},
                                    {"note", &w.note}}) {
    if (value->empty()) continue;
    body.members.push_back({name, text_json(*value)});
    chosen = chosen || std::string_view(name) != "state";
  }
  if (!chosen) return report(out, {Code::invalid, say("say which: an action's id, a filter such as --rule or --connector, or --all")});
  const auto count = client.post("/v1/outbox/settle", body.compact());
  if (!count) return report(out, count.error());
  const std::int64_t n = (*count)["actions"].integer();
  if (!out.json) {
    Table table({"RULE", "STATE", ">ACTIONS"});
    for (const Json& of : (*count)["of"].items) table.row({of["rule"].shown(), of["state"].shown(), grouped(of["actions"].integer())});
    if (n > 0) table.print(out.terminal);
  }
  if (n == 0) {
    out.terminal.line(out.json ? count->compact() : say("no such actions"));
    return Exit::ok;
  }
  const std::string shown = counted(n, "action");
  if (!line.yes && !ask_person(say("That is {1}. Go ahead?", {shown})))
    return report(out, {Code::denied, say("nothing was done to {1}; --yes goes ahead without a question", {shown})});
  body.members.push_back({"at_most", text_json(std::to_string(n))});
  const auto done = client.post("/v1/outbox/settle", body.compact());
  if (!done) return report(out, done.error());
  out.terminal.line(out.json ? done->compact() : done_text(word, (*done)["actions"].integer()));
  return Exit::ok;
}

Exit tell(const Output& out, Client& client, const OutboxLine& line, const std::string& word) {
  if (line.id.empty()) return tell_many(out, client, line, word);
  const auto answer = client.post("/v1/actions/" + url_escape(line.id) + "/" + word, signed_body(line).compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : done_text(word, 1));
  return Exit::ok;
}

Exit mend(const Output& out, Client& client, const OutboxLine& line) {
  Json body = signed_body(line);
  body.members.push_back({"to", text_json(line.to)});
  const auto answer = client.post("/v1/actions/" + url_escape(line.id) + "/mend", body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("tried again, to {1}", {line.to}));
  return Exit::ok;
}

// All there is to know about one action.
Exit show(const Output& out, Client& client, const OutboxLine& line) {
  const auto answer = client.get("/v1/actions/" + url_escape(line.id));
  if (!answer) return report(out, answer.error());
  const Json& a = *answer;
  const Terminal& t = out.terminal;
  if (out.json) {
    t.line(a.compact());
    return Exit::ok;
  }
  t.line(say("{1} for {2}, by the rule {3} at {4}", {a["kind"].shown(), a["customer"].shown(), a["rule"].shown(), moment(a["at"])}));
  t.line(say("state {1}, since {2}, by {3}", {a["state"].shown(), moment(a["changed_at"]), a["connector"].shown()}));
  if (const std::string note = a["note"].shown(); !note.empty()) t.line("  " + note);
  if (!a["next_at"].is_null()) t.line(say("next attempt at {1}", {moment(a["next_at"])}));
  t.line(say("message: {1}", {a["payload"].compact()}));
  Table table({"AT", "OUTCOME", "CODE", "PROVIDER'S ID", "DETAIL"});
  for (const Json& attempt : a["attempts"].items)
    table.row({moment(attempt["at"]), attempt["status"].shown(), attempt["http_status"].shown(), attempt["provider_ref"].shown(),
               attempt["detail"].shown()});
  if (!table.empty()) table.print(t);
  return Exit::ok;
}

Exit restart(const Output& out, Client& client, const OutboxLine& line) {
  const auto answer = client.post("/v1/connectors/" + url_escape(line.connector) + "/restart", "{}");
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("started anew as soon as nothing is under way; nothing is lost"));
  return Exit::ok;
}

void filters(CLI::App* sub, ActionOptions& which, bool with_state) {
  sub->add_option("--customer", which.customer, "only about this customer");
  sub->add_option("--rule", which.rule, "only by this rule");
  sub->add_option("--kind", which.kind, "only of this kind: email, sms, ticket …");
  sub->add_option("--channel", which.channel, "only on this channel");
  sub->add_option("--connector", which.connector, "only by this connector");
  sub->add_option("--note", which.note, "only with this text in the note, such as a part of the provider's answer");
  if (with_state) sub->add_option("--state", which.state, "only in this state: waiting, retrying, accepted, dead …");
}

void listing(CLI::App* sub, ActionOptions& which, bool with_state) {
  filters(sub, which, with_state);
  if (with_state) sub->add_flag_callback("--held", [&which] { which.state = "held"; }, "only what a policy held back");
  sub->add_option("--limit", which.limit, "at most so many, the newest first")->check(CLI::Range(1, 10000))->capture_default_str();
}

// retry, discard … of one action or many.
void word(CLI::App& parent, OutboxLine& line, const AddDaemonWord& ask, const std::string& name, const std::string& what, bool dead) {
  CLI::App* sub = ask(parent, name, what, [&line, name, dead](const Output& out, Client& c) {
    if (dead) line.which.state = "dead";
    return tell(out, c, line, name);
  });
  sub->add_option("ACTION", line.id, "one action, by its id; without it all that the filters choose, with the count shown first");
  filters(sub, line.which, !dead);
  sub->add_flag("--all", line.all, "all of them");
  sub->add_flag("-y,--yes", line.yes, "without a question");
  sub->add_option("--author", line.author, "who does it; the user's name when not given");
  CLI::Option* reason = sub->add_option("-r,--reason", line.reason, "why; it is kept and shown");
  if (name != "retry") reason->required();
}

}  // namespace

void add_outbox_commands(CLI::App& app, OutboxLine& line, const AddDaemonWord& ask) {
  const auto list = [&line](const Output& out, Client& c) { return actions(out, c, line.which); };
  listing(ask(app, "actions", "messages, tickets and calls, with what became of them", list), line.which, true);
  CLI::App* dead = app.add_subcommand("dead-letters", "what could not be delivered");
  dead->require_subcommand(1);
  listing(ask(*dead, "list", "all of them",
              [&line](const Output& out, Client& c) {
                line.which.state = "dead";
                return actions(out, c, line.which);
              }),
          line.which, false);
  const auto one = [&](CLI::App& parent, const std::string& name, const std::string& what,
                       Exit (*work)(const Output&, Client&, const OutboxLine&)) {
    CLI::App* sub = ask(parent, name, what, [&line, work](const Output& out, Client& c) { return work(out, c, line); });
    sub->add_option("ACTION", line.id)->required();
    return sub;
  };
  one(*dead, "show", "one with its message and every attempt", show);
  word(*dead, line, ask, "retry", "try one or many again", true);
  word(*dead, line, ask, "discard", "give one or many up", true);
  CLI::App* mended = one(*dead, "mend", "send one to another address, the right one", mend);
  mended->add_option("--to", line.to, "the right address")->required();
  mended->add_option("--author", line.author, "who does it; the user's name when not given");
  mended->add_option("-r,--reason", line.reason, "why; it is kept and shown")->required();
  CLI::App* outbox = app.add_subcommand("outbox", "what a person says about messages that wait, are kept, or may have arrived");
  outbox->require_subcommand(1);
  one(*outbox, "show", "one with its message and every attempt", show);
  word(*outbox, line, ask, "retry", "try one or many again", false);
  word(*outbox, line, ask, "discard", "give one or many up", false);
  word(*outbox, line, ask, "release", "let out one or many that the brake or a budget keeps", false);
  word(*outbox, line, ask, "arrived", "say of one or many unknown ones that they did arrive", false);
  ask(*app.get_subcommand("connector"), "restart", "start one anew, with its configuration and secrets as they are now; nothing is lost",
      [&line](const Output& out, Client& c) { return restart(out, c, line); })
      ->add_option("CONNECTOR", line.connector)
      ->required();
}

}  // namespace nudge::cli
