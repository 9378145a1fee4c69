// One customer, and why a rule did or did not fire for them.
#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

void heading(const Output& out, std::string_view title) {
  out.terminal.line();
  out.terminal.line(out.terminal.paint(title, Color::bold));
}

void show_decisions(const Output& out, const Json& decisions) {
  Table table({"AT", "RULE", ">VER", "DECISION", "BECAUSE OF"});
  for (const Json& d : decisions.items) {
    const Json& cause = d["cause"];
    const std::string step = d["step"].is_null() ? "" : say(", step {1}", {std::to_string(d["step"].integer() + 1)});
    table.row({moment(d["at"]), d["rule"].shown(), d["rule_version"].shown(),
               (d["fired"].truth ? say("fired") : say("held: {1}", {say(d["held"].shown())})) + step +
                   (d["detail"].is_null() ? "" : " (" + d["detail"].shown() + ")"),
               say(cause["kind"].shown()) + (cause["event_id"].is_null() ? "" : " " + cause["event_id"].shown())},
              d["fired"].truth ? Color::plain : Color::yellow);
  }
  if (!table.empty()) {
    heading(out, say("Decisions"));
    table.print(out.terminal, "  ");
  }
}

void show_work(const Output& out, const Json& c) {
  Table actions({"AT", "STATE", "KIND", "RULE", "CONNECTOR", "NOTE"});
  for (const Json& a : c["actions"].items) {
    if (a["kind"].text != "call_task")
      actions.row({moment(a["at"]), a["state"].shown(), a["kind"].shown(), a["rule"].shown(), a["connector"].shown(), a["note"].shown()});
  }
  if (!actions.empty()) {
    heading(out, say("Messages"));
    actions.print(out.terminal, "  ");
  }
  Table tasks({"DUE", "STATE", "OWNER", "SUBJECT", "RULE"});
  for (const Json& t : c["tasks"].items) {
    tasks.row({moment(t["due"]),
               (t["overdue"].truth ? say("overdue") + ", " : "") + say(t["state"].shown()) +
                   (t["disposition"].is_null() ? "" : ": " + t["disposition"].shown()),
               t["owner_name"].shown(), t["subject"].shown(), t["rule"].shown()});
  }
  if (!tasks.empty()) {
    heading(out, say("Tasks"));
    tasks.print(out.terminal, "  ");
  }
}

void show_part(const Output& out, const Json& part, const std::string& indent) {
  const Terminal& t = out.terminal;
  const bool holds = part["holds"].truth;
  std::string line = indent + t.paint(holds ? "✓ " : "✗ ", holds ? Color::green : Color::red) + part["text"].shown();
  if (!part["value"].is_null()) line += t.paint("   " + part["value"].shown(), Color::cyan);
  if (!part["until"].is_null()) line += t.paint("   " + say("until {1}", {moment(part["until"])}), Color::dim);
  t.line(line);
  if (!part["window"].is_null()) t.line(indent + "    " + t.paint(say("window: {1}", {part["window"].shown()}), Color::dim));
  for (std::size_t i = 0; i < part["rows"].items.size(); ++i) {
    t.line(indent + "    " +
           t.paint(say("counted: {1} of {2}", {part["rows"].items[i].shown(), part["row_times"].items[i].shown()}), Color::dim));
  }
  for (const Json& child : part["parts"].items) show_part(out, child, indent + "  ");
}

}  // namespace

Exit customer(const Output& out, Client& client, const std::string& id, const std::string& at_text) {
  std::string at;
  if (!at_text.empty()) {
    const auto instant = read_instant(at_text);
    if (!instant) return report(out, instant.error());
    at = format_timestamp(*instant);
  }
  const auto answer = client.get("/v1/customers/" + url_escape(id) + query({{"at", at}}));
  if (!answer) return report(out, answer.error());
  const Json& c = *answer;
  if (out.json) {
    out.terminal.line(c.compact());
    return Exit::ok;
  }
  const Terminal& t = out.terminal;
  const std::string who = t.paint(c["customer"].shown(), Color::bold);
  t.line(at.empty() ? who : say("{1} at {2}", {who, at}));
  tell_unseen(out, c);
  for (const JsonMember& a : c["attributes"].members)
    t.line("  " + a.key + std::string(a.key.size() < 18 ? 18 - a.key.size() : 1, ' ') + a.value.shown());
  if (!c["tags"].items.empty()) t.line("  tags              " + c["tags"].shown());
  if (!c["segments"].items.empty()) {
    heading(out, say("In the segments"));
    Table table({"SEGMENT", "SINCE"});
    for (const Json& s : c["segments"].items) table.row({s["name"].shown(), moment(s["since"])});
    table.print(t, "  ");
  }
  if (!c["traits"].members.empty()) {
    heading(out, say("Traits"));
    for (const JsonMember& trait : c["traits"].members)
      t.line("  " + trait.key + std::string(trait.key.size() < 24 ? 24 - trait.key.size() : 1, ' ') +
             (trait.value.is_null() ? say("(missing)") : trait.value.shown()));
  }
  show_work(out, c);
  show_decisions(out, c["decisions"]);
  Table events({"TIME", "EVENT", "DATA"});
  for (const Json& e : c["events"].items) events.row({moment(e["time"]), e["event"].shown(), e["data"].shown()});
  if (!events.empty()) {
    heading(out, say("Events ({1} stored, the newest first)", {grouped(c["events_stored"].integer())}));
    events.print(t, "  ");
  }
  for (const Json& step : c["waiting_steps"].items) t.line("  " + say("waiting: {1} {2}", {step["rule"].shown(), step["what"].shown()}));
  return Exit::ok;
}

Exit explain(const Output& out, Client& client, const ExplainOptions& options) {
  std::string at;
  if (!options.at.empty()) {
    const auto instant = read_instant(options.at);
    if (!instant) return report(out, instant.error());
    at = format_timestamp(*instant);
  }
  const auto ask = [&](std::string_view what) {
    return client.get("/v1/explain" + query({{"customer", options.customer}, {what, options.name}, {"at", at}}));
  };
  auto answer = ask("rule");
  // One word for both: a segment is asked for when there is no such rule.
  if (!answer && answer.error().code == Code::not_found && answer.error().message.find("no rule") != std::string::npos) {
    auto other = ask("segment");
    if (other) answer = std::move(other);
  }
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  const Terminal& t = out.terminal;
  const Json& e = (*answer)["explanation"];
  t.line(say("{1} for {2} at {3}",
             {t.paint(options.name, Color::bold) + (e["version"].is_null() ? "" : say(" (version {1})", {e["version"].shown()})),
              options.customer, moment((*answer)["at"])}));
  tell_unseen(out, *answer);
  if (!e["verdict"].is_null()) {
    t.line("  " + say(e["verdict"].shown()));
    if (!e["trigger"].shown().empty()) t.line("  " + say("trigger: {1}", {e["trigger"].shown()}));
    t.line();
    if (!e["condition"]["text"].shown().empty()) show_part(out, e["condition"], "  ");
    for (const Json& limit : e["limits"].items) t.line("  " + limit.shown());
    for (const Json& p : e["policies"].items) {
      const std::string verdict = p["verdict"].shown();
      t.line("  " + p["action"].shown() + ": " + t.paint(p["text"].shown(), verdict == "allows" ? Color::plain : Color::yellow));
    }
  } else {
    show_part(out, e, "  ");
  }
  if (!(*answer)["plan"].is_null()) {
    t.line("  " + ((*answer)["in_force_then"].truth
                       ? say("by version {1} of the rules, which was in force then", {(*answer)["plan"].shown()})
                       : say("by version {1} of the rules; the one in force then did not have it", {(*answer)["plan"].shown()})));
  }
  if (!(*answer)["decided"].is_null()) {  // what was decided up to then
    show_decisions(out, (*answer)["decided"]);
    return Exit::ok;
  }
  // What was decided in fact, beside what would be decided now.
  const auto decided = client.get("/v1/decisions" + query({{"customer", options.customer}, {"rule", options.name}, {"limit", "5"}}));
  if (decided) show_decisions(out, (*decided)["decisions"]);
  return Exit::ok;
}

}  // namespace nudge::cli
