// Teams, and what people do with tasks: the words of the command line for sales work.
#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

void json_line(const Output& out, const Json& json) { out.terminal.line(json.compact()); }

void print_team(const Output& out, const Json& team) {
  std::string head = team["name"].shown();
  if (!team["manager"].shown().empty()) head += ", " + say("manager {1}", {team["manager"].shown()});
  head += ", " + say("{1} open tasks, {2} of them in the pool", {team["open"].shown(), team["in_pool"].shown()});
  out.terminal.line(head);
  Table table({"MEMBER", "NAME", "OPEN", "CAPACITY", "TODAY", "GIVEN", "DECLINED", "STATE"});
  for (const Json& m : team["members"].items) {
    const std::string state = m["absent"].truth    ? say("away until {1}", {m["absent_until"].shown()})
                              : m["working"].truth ? say("at work")
                                                   : say("off work");
    const bool full = m["capacity"].integer() != 0 && m["load"].integer() >= m["capacity"].integer();
    table.row({m["id"].shown(), m["name"].shown(), m["load"].shown(), m["capacity"].integer() == 0 ? "" : m["capacity"].shown(),
               m["today"].shown(), m["ledger"]["given"].shown(), m["ledger"]["declined"].shown(), state},
              full ? Color::yellow : Color::plain);
  }
  table.print(out.terminal);
}

}  // namespace

Exit teams(const Output& out, Client& client, const std::string& name) {
  const auto answer = client.get(name.empty() ? "/v1/teams" : "/v1/teams/" + url_escape(name));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  if (!name.empty()) {
    print_team(out, *answer);
    return Exit::ok;
  }
  bool first = true;
  for (const Json& team : (*answer)["teams"].items) {
    if (!first) out.terminal.line("");
    first = false;
    print_team(out, team);
  }
  if (first) out.terminal.line(say("no teams"));
  return Exit::ok;
}

Exit assign(const Output& out, Client& client, const WorkOptions& options) {
  if (!options.to.empty()) {
    const auto moved =
        client.post("/v1/tasks/" + url_escape(options.id) + "/reassign", body_of({{"to", options.to}, {"reason", options.reason}, {"by", options.by}}));
    if (!moved) return report(out, moved.error());
    out.terminal.line(out.json ? moved->compact() : say("done"));
    return Exit::ok;
  }
  const auto task = client.get("/v1/tasks/" + url_escape(options.id));
  if (!task) return report(out, task.error());
  if (out.json) {
    json_line(out, *task);
    return Exit::ok;
  }
  out.terminal.line((*task)["subject"].shown() + " (" + (*task)["customer"].shown() + "), " + (*task)["state"].shown());
  const std::string owner = (*task)["owner"].shown(), team = (*task)["team"].shown();
  const std::string pool =
      (*task)["waits"].truth ? say("waits for somebody of the team {1}", {team}) : say("lies in the pool of the team {1}", {team});
  out.terminal.line(owner.empty() ? pool
                                  : say("is with {1}, team {2}", {owner, team}));
  Table table({"TIME", "WHAT", "WHO", "WHY"});
  for (const Json& step : (*task)["steps"].items)
    table.row({moment(step["at"]), step["what"].shown(), step["who"].shown(), step["why"].shown()});
  if (!table.empty()) table.print(out.terminal);
  const std::string refused = (*task)["refused"].shown();
  if (!refused.empty()) out.terminal.line(say("never given again to: {1}", {refused}));
  return Exit::ok;
}

Exit change_task(const Output& out, Client& client, const std::string& word, const WorkOptions& options) {
  const auto answer =
      client.post("/v1/tasks/" + url_escape(options.id) + "/" + word, body_of({{"by", options.by}, {"reason", options.reason}}));
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("done"));
  return Exit::ok;
}

}  // namespace nudge::cli
