// The way of one event, as people read it.
#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

void show_action(const Output& out, const Json& way, const Json& action) {
  out.terminal.line("    " + say("action {1}: {2}, {3}", {action["id"].text, action["kind"].text, action["state"].text}) +
                    (action["note"].text.empty() ? "" : " (" + action["note"].text + ")"));
  for (const Json& attempt : action["attempts"].items)
    out.terminal.line("      " + say("{1} tried by {2}: {3}", {attempt["at"].text, action["connector"].text, attempt["status"].text}) +
                      (attempt["detail"].text.empty() ? "" : ", " + attempt["detail"].text));
  for (const Json& task : way["tasks"].items)
    if (task["id"].text == action["id"].text)
      out.terminal.line("      " +
                        say("task for {1}, due {2}, {3}", {task["owner_name"].shown(), task["due"].shown(), task["state"].text}));
}

void show_way(const Output& out, const Json& way) {
  const std::string what = way["event"].text.empty() ? way["kind"].text : way["event"].text;
  out.terminal.line(out.terminal.paint(say("{1} of customer {2}", {what, way["customer"].text}), Color::bold));
  out.terminal.line("  " + say("happened {1}, judged {2}, in block {3} of the log under version {4} of the rules",
                               {way["time"].text, way["judged_at"].text, way["block"].shown(), way["plan"].shown()}));
  if (way["import"].truth)
    out.terminal.line("  " + say("history: it fired nothing"));
  else if (way["decisions"].items.empty())
    out.terminal.line("  " + say("no rule was triggered"));
  for (const Json& d : way["decisions"].items) {
    const std::string version = d["rule_version"].shown();
    out.terminal.line("  " + (d["fired"].truth ? say("{1} (version {2}) fired", {d["rule"].text, version})
                                               : say("{1} (version {2}) was held back: {3}", {d["rule"].text, version, d["held"].text})));
    if (!d["fired"].truth) continue;
    for (const Json& action : way["actions"].items)
      if (action["rule"].text == d["rule"].text && action["at"].text == d["at"].text) show_action(out, way, action);
  }
}

}  // namespace

Exit trace(const Output& out, Client& client, const TraceCommand& command) {
  const auto answer = client.get("/v1/trace/" + url_escape(command.id) + query({{"customer", command.customer}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  for (const Json& way : (*answer)["found"].items) show_way(out, way);
  if (!(*answer)["found"].items.empty()) return Exit::ok;
  out.terminal.line(say("not found in the newest part of the log; there is more: give --customer, or look in the quarantine"));
  return Exit::failed;
}

}  // namespace nudge::cli
