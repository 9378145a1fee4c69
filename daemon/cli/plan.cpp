// nudge plan, apply, versions, rollback: what a change of the rules would do, and doing it.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "daemon/cli/commands.h"
#include "daemon/cli/draft.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"
#include "engine/base/text.h"

namespace nudge::cli {
namespace {

Error with_text(const Reply& reply) {
  Error error = error_of(reply);
  if (const auto json = Json::parse(reply.body); json && !(*json)["text"].is_null()) error.message += "\n" + (*json)["text"].text;
  return error;
}

Result<Json> make(Client& client, const std::string& path, const std::string& body) {
  NUDGE_ASSIGN(const Reply reply, client.send("POST", path, body));
  if (reply.status >= 300) return std::unexpected(with_text(reply));
  return Json::parse(reply.body);
}

Result<Json> make_from_files(Client& client, const PlanOptions& options) {
  NUDGE_ASSIGN(const DraftFiles files, read_draft(options.draft, options.schemas));
  return make(client, "/v1/plans", "{" + draft_members(files) + "}");
}

Color color_of(const std::string& change) { return change == "added" ? Color::green : change == "removed" ? Color::red : Color::yellow; }
std::string sign_of(const std::string& change) { return change == "added" ? "+" : change == "removed" ? "-" : "~"; }

// Without the words: what is looked at in the plan, is named the same there.
const Json* named(const Json& list, const std::string& name) {
  for (const Json& one : list.items) {
    if (one["name"].text == name) return &one;
  }
  return nullptr;
}

void show_counts(const Terminal& t, const Json& item, const Json& plan) {
  const std::string name = item["name"].text;
  if (item["kind"].text == "segment") {
    if (const Json* s = named(plan["segments"], name)) {
      t.line("      " + say("members: {1} now, {2} then ({3} come in, {4} go out)",
                            {grouped((*s)["members_now"].integer()), grouped((*s)["members_then"].integer()),
                             grouped((*s)["enter"].integer()), grouped((*s)["leave"].integer())}));
    }
  } else if (item["kind"].text == "rule") {
    const Json* r = named(plan["rules"], name);
    if (r == nullptr) return;
    if ((*r)["fires_at_once"].integer() + (*r)["held_at_once"].integer() > 0) {
      t.line(t.paint("      " + say("fires at once: {1}, with {2}; held back: {3}",
                                    {grouped((*r)["fires_at_once"].integer()), counted((*r)["actions_at_once"].integer(), "action"),
                                     grouped((*r)["held_at_once"].integer())}),
                     Color::red));
    }
    const Json& runs = (*r)["runs"];
    const std::int64_t on = runs["kept"].integer() + runs["edited"].integer() + runs["moved"].integer();
    const std::int64_t off = runs["ended"].integer() + runs["gone"].integer();
    if (on + off > 0) t.line("      " + say("waiting runs: {1} go on, {2} end", {grouped(on), grouped(off)}));
  }
}

void show_plan(const Output& out, const Json& plan) {
  const Terminal& t = out.terminal;
  if (!plan["changed"].truth) return t.line(say("No change: these are the rules that are in force (version {1}).", {plan["base"].shown()}));
  t.line(say("Against version {1}, which is in force:", {plan["base"].shown()}));
  for (const Json& item : plan["items"].items) {
    const std::string change = item["change"].text;
    t.line();
    t.line(t.paint("  " + sign_of(change) + " " + say(item["kind"].text) + " " + item["name"].text, color_of(change)) + "  (" +
           say(change) + ")");
    for (const Json& part : item["parts"].items) {
      if (!part["was"].text.empty()) t.line(t.paint("      - " + part["part"].text + ": " + part["was"].text, Color::red));
      if (!part["now"].text.empty()) t.line(t.paint("      + " + part["part"].text + ": " + part["now"].text, Color::green));
    }
    if (change == "changed" && item["parts"].items.empty())
      t.line("      " + say("what it is made of has changed; its own words have not"));
    if (!item["state"].text.empty()) t.line("      " + say("state: {1}", {item["state"].text}));
    show_counts(t, item, plan);
  }
  t.line();
  t.line(say("{1} over {2}; {3} at once",
             {counted(static_cast<std::int64_t>(plan["items"].items.size()), "change"), counted(plan["customers"].integer(), "customer"),
              counted(plan["actions_at_once"].integer(), "action")}));
}

Exit apply_plan(const Output& out, Client& client, const PlanOptions& options, const Json& plan) {
  if (!out.json) show_plan(out, plan);
  if (!plan["changed"].truth) {
    if (out.json) out.terminal.line(plan.compact());
    return Exit::ok;
  }
  bool yes = options.yes;
  const std::int64_t actions = plan["actions_at_once"].integer();
  if (!yes && actions > static_cast<std::int64_t>(options.max_actions)) {
    yes = ask_person(say("This sets off {1} at once. Go ahead?", {counted(actions, "action")}));
    if (!yes) {
      return report(out, {Code::denied, say("not applied: it would set off {1} at once, and {2} are allowed without a yes. --yes says it; "
                                            "--max-actions raises the limit",
                                            {counted(actions, "action"), grouped(static_cast<std::int64_t>(options.max_actions))})});
    }
  }
  std::string author = options.author;
  if (const char* user = std::getenv("USER"); author.empty() && user != nullptr) author = user;
  std::string body =
      std::string("{\"yes\":") + (yes ? "true" : "false") + ",\"max_actions\":" + std::to_string(options.max_actions) + ",\"author\":";
  append_json_string(body, author);
  body += ",\"comment\":";
  append_json_string(body, options.comment);
  const auto done = make(client, "/v1/plans/" + url_escape(plan["id"].text) + "/apply", body + "}");
  if (!done) return report(out, done.error());
  out.terminal.line(out.json ? done->compact() : say("version {1} is in force", {(*done)["plan"].shown()}));
  return Exit::ok;
}

}  // namespace

bool ask_person(const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0) return false;
  std::cerr << question << say(" [yes/no] ") << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "yes" || answer == "y";
}

Exit plan_rules(const Output& out, Client& client, const PlanOptions& options) {
  const auto plan = make_from_files(client, options);
  if (!plan) return report(out, plan.error());
  if (out.json) {
    out.terminal.line(plan->compact());
  } else {
    show_plan(out, *plan);
  }
  return Exit::ok;
}

Exit apply_rules(const Output& out, Client& client, const PlanOptions& options) {
  const auto plan = make_from_files(client, options);
  if (!plan) return report(out, plan.error());
  return apply_plan(out, client, options, *plan);
}

Exit versions(const Output& out, Client& client) {
  const auto answer = client.get("/v1/versions");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({">VERSION", "AT", "FROM", "AUTHOR", ">RULES", ">SEGMENTS", "COMMENT"});
  for (const Json& v : (*answer)["versions"].items) {
    const std::string origin = say(v["origin"].text);
    const std::string from = v["rolled_back_to"].is_null() ? origin : say("{1} to {2}", {origin, v["rolled_back_to"].shown()});
    table.row({v["version"].shown() + (v["in_force"].truth ? " *" : "  "), moment(v["at"]), from, v["author"].shown(),
               grouped(v["rules"].integer()), grouped(v["segments"].integer()), v["comment"].shown()},
              v["in_force"].truth ? Color::bold : Color::plain);
  }
  table.empty() ? out.terminal.line(say("no version was recorded yet")) : table.print(out.terminal);
  return Exit::ok;
}

Exit rollback(const Output& out, Client& client, const PlanOptions& options) {
  std::string version = options.version;
  if (version.empty()) {
    const auto answer = client.get("/v1/versions");
    if (!answer) return report(out, answer.error());
    const std::int64_t now = (*answer)["in_force"].integer();
    if (now < 2) return report(out, {Code::not_found, say("there is no version before {1}, which is in force", {std::to_string(now)})});
    version = std::to_string(now - 1);
  }
  const auto plan = make(client, "/v1/plans" + query({{"rollback", version}}), "");
  if (!plan) return report(out, plan.error());
  PlanOptions confirmed = options;
  if (confirmed.comment.empty()) confirmed.comment = "rollback to version " + version;
  return apply_plan(out, client, confirmed, *plan);
}

}  // namespace nudge::cli
