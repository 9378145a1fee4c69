// `nudge erase` and `nudge erasures`.
#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

void show(const Output& out, const Json& sight) {
  std::string names;
  for (const Json& name : sight["names"].items) names += (names.empty() ? "" : ", ") + name.text;
  out.terminal.line(say("known as: {1}", {names}));
  out.terminal.line(say("{1} facts, {2} decisions, {3} actions, {4} tasks, {5} records in quarantine",
                        {grouped(sight["facts"].integer()), grouped(sight["decisions"].integer()), grouped(sight["actions"].integer()),
                         grouped(sight["tasks"].integer()), grouped(sight["quarantine"].integer())}));
  if (sight["in_flight"].integer() > 0)
    out.terminal.line(say("{1} of the actions are at a provider at this moment and may still arrive", {sight["in_flight"].shown()}));
}

}  // namespace

Exit erase(const Output& out, Client& client, const EraseCommand& command) {
  const std::string path = "/v1/customers/" + url_escape(command.id);
  const auto sight = client.get(path + "/erasure");
  if (!sight) return report(out, sight.error());
  if (command.dry_run && out.json) {
    out.terminal.line(sight->compact());
    return Exit::ok;
  }
  if (!out.json) show(out, *sight);
  if (command.dry_run) return Exit::ok;
  if (command.reason.empty())
    return report(out, {Code::invalid, say("nothing was erased; say why with --reason: it stands in the audit log, so no names")});
  if (!command.yes && !ask_person(say("This can't be taken back. Erase all of it?")))
    return report(out, {Code::denied, say("nothing was erased; --yes goes ahead without a question")});
  const auto reply = client.send("DELETE", path + query({{"reason", command.reason}}));
  if (!reply) return report(out, reply.error());
  if (reply->status >= 300) return report(out, error_of(*reply));
  const auto answer = Json::parse(reply->body);
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  out.terminal.line(say("erased, as {1}; log and files follow in the background, see `nudge erasures`", {(*answer)["id"].text}));
  if ((*answer)["in_flight"].integer() > 0)
    out.terminal.line(say("{1} of the actions are at a provider at this moment and may still arrive", {(*answer)["in_flight"].shown()}));
  return Exit::ok;
}

Exit erasures(const Output& out, Client& client) {
  const auto answer = client.get("/v1/erasures");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"ID", "AT", "BY", "STEP", "DONE", ">FACTS", ">ACTIONS"});
  for (const Json& e : (*answer)["erasures"].items)
    table.row({e["id"].text, moment(e["at"]), e["by"].text, e["step"].text, e["done"].is_null() ? "" : moment(e["done"]),
               grouped(e["facts"].integer()), grouped(e["actions"].integer())});
  table.empty() ? out.terminal.line(say("nobody was erased yet")) : table.print(out.terminal);
  return Exit::ok;
}

}  // namespace nudge::cli
