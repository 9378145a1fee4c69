// What waits for somebody's yes: the words of the command line for approvals.
#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {

Exit approvals(const Output& out, Client& client, const ApprovalOptions& options) {
  const auto answer =
      client.get("/v1/approvals?limit=1000&state=" + url_escape(options.state) + (options.asked.empty() ? "" : "&asked=" + url_escape(options.asked)));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  const bool open = options.state == "open";
  Table table(open ? std::vector<std::string>{"UNTIL", "ELSE", "ASKED", "CUSTOMER", "KIND", "RULE", "SUBJECT", "ID"}
                   : std::vector<std::string>{"DECIDED", "STATE", "BY", "CUSTOMER", "KIND", "RULE", "SUBJECT", "REASON", "ID"});
  for (const Json& a : (*answer)["approvals"].items) {
    if (open)
      table.row({moment(a["deadline"]), a["otherwise"].shown(), a["asked"].shown(), a["customer"].shown(), a["kind"].shown(), a["rule"].shown(),
                 a["subject"].shown(), a["id"].shown()});
    else
      table.row({moment(a["decided"]), a["state"].shown(), a["decided_by"].shown(), a["customer"].shown(), a["kind"].shown(), a["rule"].shown(),
                 a["subject"].shown(), a["reason"].shown(), a["id"].shown()});
  }
  table.empty() ? out.terminal.line(open ? say("nothing waits for a yes") : say("nothing of this kind")) : table.print(out.terminal);
  return Exit::ok;
}

Exit answer_approval(const Output& out, Client& client, const std::string& word, const ApprovalOptions& options) {
  Json body;
  body.kind = Json::Kind::object;
  for (const auto& [key, text] : {std::pair<std::string, std::string>{"reason", options.reason}, {"by", options.by}}) {
    Json value;
    value.kind = Json::Kind::text;
    value.text = text;
    if (!text.empty()) body.members.push_back({key, std::move(value)});
  }
  const auto answer = client.post("/v1/approvals/" + url_escape(options.id) + "/" + word, body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : (*answer)["approval"]["words"].shown());
  return Exit::ok;
}

}  // namespace nudge::cli
