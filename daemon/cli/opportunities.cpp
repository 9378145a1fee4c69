// Opportunities and the funnel on the command line.
#include <CLI/CLI.hpp>

#include "daemon/cli/leads.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

struct DealLine {
  std::string id, customer, funnel, stage, title, owner, amount, by, reason, task, state = "open";
  std::uint64_t limit = 100, cursor = 0;
};

std::string days(const Json& ms) { return std::to_string(ms.integer() / kDay) + "d"; }

Exit list_deals(const Output& out, Client& client, const DealLine& line) {
  const auto answer = client.get("/v1/opportunities" + query({{"limit", std::to_string(line.limit)},
                                                              {"cursor", std::to_string(line.cursor)},
                                                              {"state", line.state},
                                                              {"funnel", line.funnel},
                                                              {"stage", line.stage},
                                                              {"owner", line.owner},
                                                              {"customer", line.customer}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"ID", "CUSTOMER", "STATE", "STAGE", "SINCE", "AMOUNT", "OWNER", "TITLE"});
  for (const Json& d : (*answer)["opportunities"].items)
    table.row({d["id"].shown(), d["customer"].shown(), d["stalled"].truth ? say("stalled") : d["state"].shown(), d["stage"].shown(), moment(d["stage_since"]),
               d["amount"].shown(), d["owner"].shown(), d["title"].shown()},
              d["stalled"].truth ? Color::yellow : Color::plain);
  if (table.empty())
    out.terminal.line(say("no opportunities"));
  else
    table.print(out.terminal);
  if (!(*answer)["next"].shown().empty())
    out.terminal.line(say("{1} in all; the next page: --cursor {2}", {(*answer)["total"].shown(), (*answer)["next"].shown()}));
  return Exit::ok;
}

void print_deal(const Output& out, const Json& d) {
  out.terminal.line(say("{1} of {2}: {3}, stage {4}", {d["id"].shown(), d["customer"].shown(), d["state"].shown(), d["stage"].shown()}));
  if (!moment(d["stalls"]).empty()) out.terminal.line(say("counts as stalled from {1} on, unless something happens", {moment(d["stalls"])}));
}

Exit show_deal(const Output& out, Client& client, const DealLine& line) {
  const auto deal = client.get("/v1/opportunities/" + url_escape(line.id));
  if (!deal) return report(out, deal.error());
  if (out.json) {
    out.terminal.line(deal->compact());
    return Exit::ok;
  }
  print_deal(out, *deal);
  for (const Json& t : (*deal)["tasks"].items)
    out.terminal.line(std::string(t["done"].truth ? "[x] " : "[ ] ") + t["stage"].shown() + ": " + t["task"].shown());
  Table table({"TIME", "WHAT", "STAGE", "BY", "WHY"});
  for (const Json& step : (*deal)["history"].items)
    table.row({moment(step["at"]), step["what"].shown(), step["stage"].shown(), step["by"].shown(), step["reason"].shown()});
  table.print(out.terminal);
  return Exit::ok;
}

Exit change_deal(const Output& out, Client& client, const std::string& word, const DealLine& line) {
  const bool opens = word == "open";
  const std::string path = "/v1/opportunities" + (opens ? std::string() : "/" + url_escape(line.id) + (word == "change" ? "" : "/" + word));
  const auto answer = client.post(path, body_of({{"id", opens ? line.id : ""},
                                                 {"customer", opens ? line.customer : ""},
                                                 {"funnel", opens ? line.funnel : ""},
                                                 {"stage", line.stage},
                                                 {"title", line.title},
                                                 {"owner", line.owner},
                                                 {"amount", line.amount},
                                                 {"task", line.task},
                                                 {"by", line.by},
                                                 {"reason", line.reason}}));
  if (!answer) return report(out, answer.error());
  if (out.json || (*answer)["opportunity"]["id"].shown().empty())
    out.terminal.line(out.json ? answer->compact() : say("done"));
  else
    print_deal(out, (*answer)["opportunity"]);
  return Exit::ok;
}

Exit funnel(const Output& out, Client& client, const DealLine& line) {
  const auto answer = client.get("/v1/funnel" + query({{"funnel", line.funnel}, {"owner", line.owner}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  bool first = true;
  for (const Json& f : (*answer)["funnels"].items) {
    if (!first) out.terminal.line("");
    first = false;
    out.terminal.line(say("{1}: {2} open, worth {3}, forecast {4}; {5} won, {6} lost",
                          {f["name"].shown(), f["open"].shown(), f["amount"].shown(), f["forecast"].shown(), f["won"]["count"].shown(), f["lost"]["count"].shown()}));
    Table table({"STAGE", "OPEN", "STALLED", "AGE", "AMOUNT", "FORECAST", "REACHED", "MOVED ON"});
    for (const Json& s : f["stages"].items) {
      const std::string share = s["conversion"].shown().empty() ? "" : " (" + s["conversion"].shown() + " %)";
      table.row({s["name"].shown(), s["open"].shown(), s["stalled"].shown(), s["open"].integer() == 0 ? "" : days(s["average_age_ms"]), s["amount"].shown(),
                 s["forecast"].shown(), s["reached"].shown(), s["moved_on"].shown() + share});
    }
    table.print(out.terminal);
  }
  if (first) out.terminal.line(say("no funnels"));
  return Exit::ok;
}

}  // namespace

void add_deal_commands(CLI::App& app, const AddOnline& ask) {
  auto line = std::make_shared<DealLine>();
  CLI::App* whole = ask(app, "funnel", "how many sales are in which stage, and how many get through", [line](const Output& out, Client& c) { return funnel(out, c, *line); });
  CLI::App* parent = app.add_subcommand("opportunity", "sales under way");
  parent->require_subcommand(1);
  CLI::App* list = ask(*parent, "list", "opportunities, the longest in their stage first", [line](const Output& out, Client& c) { return list_deals(out, c, *line); });
  list->add_option("--state", line->state, "open, stalled, won, lost, closed or all")
      ->check(CLI::IsMember({"open", "stalled", "won", "lost", "closed", "all"}))
      ->capture_default_str();
  list->add_option("--stage", line->stage, "only in this stage");
  list->add_option("--customer", line->customer, "only of this customer");
  list->add_option("--limit", line->limit, "at most so many")->capture_default_str();
  list->add_option("--cursor", line->cursor, "goes on where a page ended");
  for (CLI::App* sub : {whole, list}) {
    sub->add_option("--funnel", line->funnel, "only of this funnel");
    sub->add_option("--owner", line->owner, "only this person's");
  }
  const auto one = [&](const char* name, const char* what, std::function<Exit(const Output&, Client&)> work) {
    CLI::App* sub = ask(*parent, name, what, std::move(work));
    sub->add_option("ID", line->id, "the opportunity's id")->required();
    return sub;
  };
  one("show", "one of them, and what happened to it", [line](const Output& out, Client& c) { return show_deal(out, c, *line); });
  const auto word = [&](CLI::App* sub) {
    sub->add_option("--by", line->by, "who does it: a member's id");
    sub->add_option("--reason", line->reason, "why")->required(sub->get_name() == "lose");
    return sub;
  };
  const auto change = [&](const char* name, const char* what) {
    return word(one(name, what, [line, name](const Output& out, Client& c) { return change_deal(out, c, name, *line); }));
  };
  CLI::App* open = word(ask(*parent, "open", "a sale begins", [line](const Output& out, Client& c) { return change_deal(out, c, "open", *line); }));
  open->add_option("CUSTOMER", line->customer, "the customer's id")->required();
  open->add_option("--id", line->id, "an id of your own; without it one is made");
  open->add_option("--funnel", line->funnel, "the funnel; not needed when there is one");
  open->add_option("--stage", line->stage, "where it stands; without it in the first stage");
  CLI::App* move = change("move", "into another stage");
  move->add_option("STAGE", line->stage, "the stage")->required();
  CLI::App* done = change("done", "a key task of the stage is done");
  CLI::App* undone = change("undone", "… is not done after all");
  for (CLI::App* sub : {done, undone}) {
    sub->add_option("TASK", line->task, "the task, as the funnel names it")->required();
    sub->add_option("--stage", line->stage, "of another stage than the one it is in");
  }
  CLI::App* other = change("change", "another amount, title or owner");
  for (CLI::App* sub : {open, other}) {
    sub->add_option("--title", line->title, "what it is about");
    sub->add_option("--owner", line->owner, "whose it is: a member's id");
  }
  CLI::App* win = change("win", "the sale was made");
  for (CLI::App* sub : {open, other, win}) sub->add_option("--amount", line->amount, "what it is worth, such as 1200.50");
  change("lose", "the sale was lost");
}

}  // namespace nudge::cli
