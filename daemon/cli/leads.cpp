#include "daemon/cli/leads.h"

#include <CLI/CLI.hpp>

#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

struct LeadLine {
  std::string customer, pool, owner, state = "open", by, to, reason, text, cursor;
  std::uint64_t limit = 100;
};
using Line = std::shared_ptr<LeadLine>;

std::string limit_of(const Json& claims, const char* name) { return claims[name].integer() == 0 ? "" : claims[name].shown(); }

Exit pools(const Output& out, Client& client) {
  const auto answer = client.get("/v1/pools");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"POOL", "TEAM", "WAITING", "OWNED", "PER DAY", "AT MOST", "GOES BACK"});
  for (const Json& p : (*answer)["pools"].items) {
    const Json& recycle = p["recycle"];
    const std::string back = recycle["after"].shown().empty() ? "" : say("after {1} to {2}", {recycle["after"].shown(), recycle["to"].shown()});
    table.row({p["name"].shown(), p["public"].truth ? say("everybody") : p["team"].shown(), p["waiting"].shown(), p["owned"].shown(),
               limit_of(p["claims"], "per_day"), limit_of(p["claims"], "owned_at_most"), back});
  }
  if (table.empty())
    out.terminal.line(say("no pools"));
  else
    table.print(out.terminal);
  return Exit::ok;
}

Exit list_leads(const Output& out, Client& client, const LeadLine& line) {
  std::string path = "/v1/leads?state=" + url_escape(line.state) + "&limit=" + std::to_string(line.limit);
  for (const auto& [key, text] : {std::pair{"pool", &line.pool}, {"owner", &line.owner}, {"q", &line.text}, {"cursor", &line.cursor}}) {
    if (!text->empty()) path += "&" + std::string(key) + "=" + url_escape(*text);
  }
  const auto answer = client.get(path);
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"CUSTOMER", "STATE", "POOL", "OWNER", "SINCE", "LAST FOLLOW-UP", "GOES BACK"});
  for (const Json& lead : (*answer)["leads"].items)
    table.row({lead["customer"].shown(), lead["state"].shown(), lead["pool"].shown(), lead["owner"].shown(), moment(lead["since"]), moment(lead["followed"]),
               moment(lead["recycles"])});
  if (table.empty())
    out.terminal.line(say("no leads"));
  else
    table.print(out.terminal);
  if (!(*answer)["next"].shown().empty()) {
    out.terminal.line(say("{1} in all; the next page: --cursor {2}", {(*answer)["total"].shown(), (*answer)["next"].shown()}));
  }
  return Exit::ok;
}

void print_lead(const Output& out, const Json& lead) {
  const std::string pool = lead["pool"].shown(), owner = lead["owner"].shown();
  std::string words = lead["state"].shown() == "owned"    ? say("{1} is with {2}, out of the pool {3}", {lead["customer"].shown(), owner, pool})
                      : lead["state"].shown() == "closed" ? say("{1} is closed: {2}", {lead["customer"].shown(), lead["reason"].shown()})
                                                          : say("{1} lies in the pool {2}", {lead["customer"].shown(), pool});
  if (!moment(lead["recycles"]).empty()) words += ", " + say("until {1} unless somebody follows up", {moment(lead["recycles"])});
  out.terminal.line(words);
}

Exit lead_history(const Output& out, Client& client, const LeadLine& line) {
  const auto lead = client.get("/v1/leads/" + url_escape(line.customer));
  if (!lead) return report(out, lead.error());
  if (out.json) {
    out.terminal.line(lead->compact());
    return Exit::ok;
  }
  print_lead(out, *lead);
  Table table({"TIME", "WHAT", "POOL", "FROM", "TO", "BY", "WHY"});
  for (const Json& step : (*lead)["history"].items)
    table.row({moment(step["at"]), step["what"].shown(), step["pool"].shown(), step["previous"].shown(), step["owner"].shown(), step["by"].shown(),
               step["reason"].shown()});
  table.print(out.terminal);
  return Exit::ok;
}

Exit change_lead(const Output& out, Client& client, const std::string& word, const LeadLine& line) {
  const bool puts = word == "put";
  const auto answer = client.post("/v1/leads" + (puts ? std::string() : "/" + url_escape(line.customer) + "/" + word),
                                  body_of({{"customer", puts ? line.customer : ""}, {"pool", line.pool}, {"to", line.to}, {"reason", line.reason}, {"by", line.by}}));
  if (!answer) return report(out, answer.error());
  if (out.json || (*answer)["lead"]["customer"].shown().empty())
    out.terminal.line(out.json ? answer->compact() : say("done"));
  else
    print_lead(out, (*answer)["lead"]);
  return Exit::ok;
}

}  // namespace

namespace {

struct NoteLine {
  std::string customer, text, kind, result, by, at, id, opportunity;
};

Exit note(const Output& out, Client& client, const NoteLine& line) {
  const auto answer = client.post("/v1/customers/" + url_escape(line.customer) + "/notes",
                                  body_of({{"text", line.text}, {"kind", line.kind}, {"result", line.result}, {"by", line.by}, {"at", line.at}, {"id", line.id},
                                           {"opportunity", line.opportunity}}));
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : (*answer)["status"].shown() == "duplicate" ? say("that was noted already") : say("noted"));
  return Exit::ok;
}

}  // namespace

void add_lead_commands(CLI::App& app, const AddOnline& ask) {
  auto written = std::make_shared<NoteLine>();
  CLI::App* write = ask(app, "note", "write down a contact with a customer, or what is known of them",
                        [written](const Output& out, Client& c) { return note(out, c, *written); });
  write->add_option("CUSTOMER", written->customer, "the customer's id")->required();
  write->add_option("TEXT", written->text, "what there is to say");
  write->add_option("--kind", written->kind, "note, call, visit, meeting …; note when left out");
  write->add_option("--result", written->result, "what came of it");
  write->add_option("--opportunity", written->opportunity, "the sale it is about");
  write->add_option("--by", written->by, "who does it: a member's id");
  write->add_option("--at", written->at, "when it was; now when left out");
  write->add_option("--id", written->id, "an id of your own: sent again it is the same note");
  auto line = std::make_shared<LeadLine>();
  ask(app, "pools", "where leads lie, and who has how many", [](const Output& out, Client& c) { return pools(out, c); });
  CLI::App* lead = app.add_subcommand("lead", "customers that somebody is to win");
  lead->require_subcommand(1);
  CLI::App* list = ask(*lead, "list", "leads, the longest there first", [line](const Output& out, Client& c) { return list_leads(out, c, *line); });
  list->add_option("--state", line->state, "open (pooled and owned), pooled, owned, closed or all")
      ->check(CLI::IsMember({"open", "pooled", "owned", "closed", "all"}))
      ->capture_default_str();
  list->add_option("--pool", line->pool, "only of this pool");
  list->add_option("--owner", line->owner, "only this person's");
  list->add_option("--search", line->text, "a piece of the customer's id");
  list->add_option("--limit", line->limit, "at most so many")->capture_default_str();
  list->add_option("--cursor", line->cursor, "goes on where a page ended");
  const auto one = [&](const char* name, const char* what, std::function<Exit(const Output&, Client&)> work) {
    CLI::App* sub = ask(*lead, name, what, std::move(work));
    sub->add_option("CUSTOMER", line->customer, "the customer's id")->required();
    return sub;
  };
  one("history", "all its owners, and why it changed hands", [line](const Output& out, Client& c) { return lead_history(out, c, *line); });
  const auto word = [&](const char* name, const char* what) {
    CLI::App* sub = one(name, what, [line, name](const Output& out, Client& c) { return change_lead(out, c, name, *line); });
    sub->add_option("--by", line->by, "who does it: a member's id");
    return sub;
  };
  const auto reason = [&](CLI::App* sub) { return sub->add_option("--reason", line->reason, "why"); };
  CLI::App* put = word("put", "put a customer into a pool");
  put->add_option("--pool", line->pool, "the pool")->required();
  reason(put);
  word("claim", "take a lead out of its pool");
  for (CLI::App* give : {word("assign", "give it to somebody, as the manager"), word("transfer", "hand it on to somebody")}) {
    give->add_option("--to", line->to, "who gets it: a member's id")->required();
    reason(give);
  }
  CLI::App* back = word("return", "give it back to the pool");
  back->add_option("--pool", line->pool, "into another pool than its own");
  reason(back)->required();
  reason(word("close", "close it: it is none"))->required();
}

}  // namespace nudge::cli
