// Questions to a running nudged, and their answers as people read them.
#include <algorithm>
#include <array>
#include <cstdio>

#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kPage = 10'000;

void json_line(const Output& out, const Json& json) { out.terminal.line(json.compact()); }

Color state_color(const std::string& state) {
  if (state == "accepted" || state == "ready" || state == "done") return Color::green;
  if (state == "dead" || state == "unknown" || state == "failed" || state == "stopped") return Color::red;
  if (state == "retrying" || state == "starting") return Color::yellow;
  return Color::plain;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return buffer;
}

void section(const Output& out, std::string_view title) {
  out.terminal.line();
  out.terminal.line(out.terminal.paint(title, Color::bold));
}

// The state of a connector, and why it is given less than it could take.
std::string connector_state(const Json& c) {
  const Json& pace = c["pace"];
  const std::string breaker = pace["breaker"].shown();
  if (breaker == "open") return say("fails; tried again at {1}", {moment(pace["breaker_until"])});
  if (breaker == "half_open") return say("fails; being tried");
  if (!pace["paused_until"].is_null()) return say("the provider wants a pause until {1}", {moment(pace["paused_until"])});
  return c["state"].shown();
}

void show_connectors(const Output& out, const Json& connectors) {
  Table table({"CONNECTOR", "KIND", "STATE", ">WAITING", ">UNDER WAY", ">ACCEPTED", ">NOT SENT", ">UNKNOWN", ">RESTARTS", "LAST ERROR"});
  for (const Json& c : connectors.items) {
    const std::string why = c["last_error"].shown().empty() ? c["pace"]["breaker_why"].shown() : c["last_error"].shown();
    table.row(
        {c["name"].shown() + (c["fallback"].truth ? say(" (default)") : ""), c["kind"].shown(), connector_state(c),
         grouped(c["waiting"].integer()), grouped(c["under_way"].integer()), grouped(c["accepted"].integer()),
         grouped(c["not_sent"].integer()), grouped(c["unknown"].integer()), grouped(c["restarts"].integer()), why},
        why.empty() ? state_color(c["state"].shown()) == Color::red ? Color::red : Color::plain : Color::yellow);
  }
  if (!table.empty()) table.print(out.terminal);
}

}  // namespace

Exit status(const Output& out, Client& client) {
  const auto answer = client.get("/v1/status");
  if (!answer) return report(out, answer.error());
  const Json& s = *answer;
  if (out.json) {
    json_line(out, s);
    return Exit::ok;
  }
  const Terminal& t = out.terminal;
  const TimeMs now = instant_of(s["now"]);
  const bool well = s["accepting"].truth;
  t.line(say(
      "nudged {1} at {2}   {3}   up {4}",
      {s["version"].shown(), client.url(), well ? t.paint(say("ready"), Color::green) : t.paint(say("not taking in events"), Color::red),
       ago(instant_of(s["started"]), now, false)}));
  if (const std::string why = s["refusal"].shown(); !why.empty()) t.line(t.paint("  " + why, Color::red));
  t.line(say("data in {1}, {2} ({3} free)",
             {s["data_dir"].shown(), bytes_text(s["disk"]["file_bytes"].integer() + s["disk"]["wal_bytes"].integer()),
              bytes_text(s["disk"]["free_bytes"].integer())}));
  // What holds everything back stands where nobody overlooks it.
  const Json& held = s["policies"];
  if (held["stopped"].truth) {
    t.line(t.paint("  " + say("nothing leaves: stopped by {1} on {2}: {3}; `nudge stop-all off` lets it go on",
                              {held["stopped_by"].shown(), held["stopped_at"].shown(), held["stopped_why"].shown()}),
                   Color::red));
  }
  if (!held["test_mode"].items.empty())
    t.line(t.paint("  " + say("test mode: messages go to {1} only", {held["test_mode"].shown()}), Color::red));
  for (const Json& rule : held["braked"].items)
    t.line(t.paint("  " + say("the brake has stopped the rule {1}: `nudge rules release {1}` or `nudge rules discard {1}`", {rule.shown()}),
                   Color::red));
  if (held["silences"].integer() > 0)
    t.line(t.paint("  " + say("silences in force: {1} (`nudge silence list`)", {held["silences"].shown()}), Color::yellow));
  const Json& plan = s["plan"];
  t.line(say("plan {1}: {2}, {3}, loaded {4}", {plan["sequence"].shown(), counted(plan["rules"].integer(), "rule"),
                                                counted(plan["segments"].integer(), "segment"), ago(instant_of(plan["reloaded"]), now)}) +
         (plan["sweeping"].truth
              ? say(", bringing customers up to date: slot {1} of {2}", {plan["slots_swept"].shown(), plan["slots"].shown()})
              : ""));
  const Json& c = s["counters"];
  const auto n = [&](std::string_view key) { return grouped(c[key].integer()); };
  section(out, say("What came in"));
  t.line("  " + say("{1} received = {2} stored + {3} duplicates + {4} conflicts + {5} set aside",
                    {n("received"), n("stored"), n("duplicate"), n("conflict"), n("quarantined")}));
  if (s["quarantine_open"].integer() > 0) {
    t.line(t.paint("  " + say("{1} wait in quarantine: nudge quarantine list", {grouped(s["quarantine_open"].integer())}), Color::yellow));
  }
  section(out, say("What was decided"));
  t.line("  " + say("{1} decisions = {2} fired + {3} held back", {n("decisions"), n("fired"), n("held")}));
  section(out, say("What became of it"));
  t.line("  " +
         say("{1} actions: {2} accepted, {3} waiting, {4} under way, {5} retrying, {6} unknown, {7} dead, {8} discarded, {9} cancelled",
             {n("actions"), n("accepted"), n("waiting"), n("in_flight"), n("retrying"), n("unknown"), n("dead"), n("discarded"),
              n("cancelled")}) +
         say(", {1} held back, {2} kept", {n("held_back"), n("kept")}));
  t.line("  " + say("{1} tasks: {2} open, {3} done, {4} overdue", {n("tasks"), n("tasks_open"), n("tasks_done"), n("tasks_overdue")}));
  if (c["unknown"].integer() > 0)
    t.line(t.paint("  " + say("of {1} nobody knows whether they arrived: nudge actions --state unknown", {n("unknown")}), Color::yellow));
  if (c["dead"].integer() > 0) t.line(t.paint("  " + say("{1} could not be delivered: nudge dead-letters", {n("dead")}), Color::red));
  for (const Json& balance : s["balance"].items) {
    if (!balance["holds"].truth) {
      t.line(t.paint("  " + say("the books do not add up: {1}, {2} against {3}; please report this",
                                {balance["equation"].shown(), balance["left"].shown(), balance["right"].shown()}),
                     Color::red));
    }
  }
  section(out, say("Connectors"));
  show_connectors(out, s["connectors"]);
  return Exit::ok;
}

Exit rules(const Output& out, Client& client) {
  const auto answer = client.get("/v1/rules");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  Table table({"RULE", ">VER", "STATE", "WHEN", ">MEMBERS", ">FIRED", ">HELD", ">ACTIONS", ">FAILED", "LAST FIRED", "LAST ERROR"});
  for (const Json& r : (*answer)["rules"].items) {
    std::string held = grouped(r["held"].integer());
    table.row({r["name"].shown(), r["version"].shown(), r["state"].shown(), r["trigger"].shown(),
               r["members"].is_null() ? "" : grouped(r["members"].integer()), grouped(r["fired"].integer()), held,
               grouped(r["actions"].integer()), grouped(r["failed"].integer()), moment(r["last_fired"]), r["last_error"].shown()},
              r["last_error"].shown().empty() ? Color::plain : Color::yellow);
  }
  table.empty() ? out.terminal.line(say("no rules are loaded")) : table.print(out.terminal);
  return Exit::ok;
}

Exit segments(const Output& out, Client& client) {
  const auto answer = client.get("/v1/segments");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  Table table({"SEGMENT", ">MEMBERS", ">ENTERED", ">LEFT", "DESCRIPTION"});
  for (const Json& s : (*answer)["segments"].items) {
    table.row({s["name"].shown(), grouped(s["members"].integer()), grouped(s["entered"].integer()), grouped(s["left"].integer()),
               s["description"].shown()});
  }
  table.empty() ? out.terminal.line(say("no segments are loaded")) : table.print(out.terminal);
  return Exit::ok;
}

std::vector<std::string> unseen(const Json& answer) {
  std::vector<std::string> lines;
  for (const Json& f : answer["not_whole"].items)
    lines.push_back(say("events of {1} are kept for {2}: what happened up to {3} is deleted, so it may have been otherwise then",
                        {f["event"].text, f["keep"].text, f["whole_since"].text}));
  return lines;
}

void tell_unseen(const Output& out, const Json& answer) {
  for (const std::string& line : unseen(answer)) out.terminal.error(out.terminal.paint(say("note: {1}", {line}), Color::yellow));
}

Exit segment(const Output& out, Client& client, const SegmentOptions& options) {
  std::string at;
  if (!options.at.empty()) {
    const auto instant = read_instant(options.at);
    if (!instant) return report(out, instant.error());
    at = format_timestamp(*instant);
  }
  const std::string path = "/v1/segments/" + url_escape(options.name);
  if (!options.ids) {
    const auto answer = client.get(path + query({{"at", at}}));
    if (!answer) return report(out, answer.error());
    if (out.json) {
      json_line(out, *answer);
    } else {
      const std::string members = counted((*answer)["members"].integer(), "member");
      out.terminal.line(at.empty()
                            ? say("{1}: {2}, {3} entered and {4} left so far",
                                  {options.name, members, grouped((*answer)["entered"].integer()), grouped((*answer)["left"].integer())})
                            : say("{1}: {2} at {3}", {options.name, members, at}));
      tell_unseen(out, *answer);
    }
    return Exit::ok;
  }
  // Page by page, so that a large segment needs no large answer.
  std::string after;
  for (;;) {
    const auto answer = client.get(path + "/members" + query({{"at", at}, {"after", after}, {"limit", std::to_string(kPage)}}));
    if (!answer) return report(out, answer.error());
    for (const Json& id : (*answer)["members"].items) out.terminal.line(id.text);
    if (after.empty()) tell_unseen(out, *answer);
    if ((*answer)["next"].is_null()) return Exit::ok;
    after = (*answer)["next"].text;
    if (at.empty()) at = (*answer)["at"].text;  // all pages speak of the same instant
  }
}

Exit tasks(const Output& out, Client& client, const TaskOptions& options) {
  const auto answer = client.get("/v1/tasks" + query({{"owner", options.owner},
                                                      {"customer", options.customer},
                                                      {"team", options.team},
                                                      {"rule", options.rule},
                                                      {"state", options.state},
                                                      {"limit", "10000"}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  std::vector<Json> list = (*answer)["tasks"].items;
  std::ranges::sort(list, {}, [](const Json& task) { return task["due"].is_null() ? std::string("~") : task["due"].text; });
  Table table({"DUE", "", "OWNER", "CUSTOMER", "SUBJECT", "RULE", "TASK"});
  for (const Json& task : list) {
    const bool overdue = task["overdue"].truth;
    table.row({moment(task["due"]),
               (overdue ? say("overdue") : "") + (task["mandatory"].truth ? std::string(overdue ? ", " : "") + say("mandatory") : ""),
               task["owner_name"].shown().empty() ? task["owner"].shown().empty() ? "(" + task["team"].shown() + ")" : task["owner"].shown()
                                                  : task["owner_name"].shown(),
               task["customer"].shown(), task["subject"].shown(), task["rule"].shown(), task["id"].shown()},
              overdue ? Color::red : Color::plain);
  }
  if (table.empty()) {
    out.terminal.line(say("no tasks"));
  } else {
    table.print(out.terminal);
  }
  return Exit::ok;
}

Exit complete_task(const Output& out, Client& client, const CompleteOptions& options) {
  Json body;
  body.kind = Json::Kind::object;
  const auto add = [&](std::string key, const std::string& text) {
    Json value;
    value.kind = Json::Kind::text;
    value.text = text;
    if (!text.empty()) body.members.push_back({std::move(key), std::move(value)});
  };
  add("disposition", options.disposition);
  add("note", options.note);
  add("by", options.by);
  add("at", options.at);
  const auto answer = client.post("/v1/tasks/" + url_escape(options.id) + "/complete", body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("done"));
  return Exit::ok;
}

Exit actions(const Output& out, Client& client, const ActionOptions& options) {
  const auto answer = client.get("/v1/actions" + query({{"customer", options.customer},
                                                        {"rule", options.rule},
                                                        {"state", options.state},
                                                        {"kind", options.kind},
                                                        {"channel", options.channel},
                                                        {"connector", options.connector},
                                                        {"held", options.held},
                                                        {"note", options.note},
                                                        {"limit", std::to_string(options.limit)}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  Table table({"AT", "STATE", "KIND", "CUSTOMER", "RULE", "CONNECTOR", ">TRIES", "NOTE", "ACTION"});
  for (const Json& a : (*answer)["actions"].items) {
    table.row({moment(a["at"]), a["state"].shown(), a["kind"].shown(), a["customer"].shown(), a["rule"].shown(), a["connector"].shown(),
               a["tries"].shown(), a["note"].shown(), a["id"].shown()},
              state_color(a["state"].shown()));
  }
  if (table.empty()) {
    out.terminal.line(options.state == "dead" ? say("no dead letters: everything was delivered, or is under way") : say("no actions"));
  } else {
    table.print(out.terminal);
  }
  return Exit::ok;
}

Exit reload(const Output& out, Client& client) {
  const auto reply = client.send("POST", "/v1/reload", "{}");
  if (!reply) return report(out, reply.error());
  const auto json = Json::parse(reply->body);
  if (out.json) {
    out.terminal.line(reply->body);
    return reply->status < 300 ? Exit::ok : Exit::failed;
  }
  if (reply->status >= 300) {
    if (json && !(*json)["text"].is_null()) out.terminal.line((*json)["text"].text);
    return report(out, error_of(*reply));
  }
  if (!json) return report(out, json.error());
  out.terminal.line((*json)["changed"].truth ? say("plan {1} is in force", {(*json)["plan"].shown()})
                                             : say("nothing changed; plan {1} goes on", {(*json)["plan"].shown()}));
  return Exit::ok;
}

Exit quarantine_list(const Output& out, Client& client, const std::string& code) {
  const auto answer = client.get("/v1/quarantine" + query({{"code", code}, {"limit", "1000"}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  Table table({">NO", "AT", "CUSTOMER", "FIELD", "REASON"});
  for (const Json& r : (*answer)["records"].items) {
    table.row({r["number"].shown(), moment(r["at"]), r["customer"].shown(), r["field"].shown(), r["reason"].shown()});
  }
  if (table.empty()) {
    out.terminal.line(say("quarantine is empty: everything that came in fitted the catalog"));
    return Exit::ok;
  }
  table.print(out.terminal);
  const std::int64_t open = (*answer)["open"].integer();
  if (open > static_cast<std::int64_t>((*answer)["records"].items.size())) out.terminal.line(say("… {1} in all", {grouped(open)}));
  return Exit::ok;
}

Exit quarantine_show(const Output& out, Client& client, const std::string& number) {
  const auto answer = client.get("/v1/quarantine/" + url_escape(number));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    json_line(out, *answer);
    return Exit::ok;
  }
  const Json& r = *answer;
  const auto line = [&](const std::string& label, const std::string& text) {
    const std::size_t wide = display_width(label);
    out.terminal.line(label + std::string(wide < 10 ? 10 - wide : 1, ' ') + text);
  };
  line(say("number"), r["number"].shown());
  line(say("at"), moment(r["at"]));
  line(say("reason"), r["reason"].shown() + " (" + r["code"].shown() + ")");
  if (!r["field"].shown().empty()) line(say("field"), r["field"].shown());
  line(say("document"), r["raw"].is_null() ? say("(not UTF-8) {1}", {r["raw_hex"].shown()}) : fit(r["raw"].shown(), 100'000));
  return Exit::ok;
}

Exit quarantine_replay(const Output& out, Client& client, const std::string& number, const std::string& code) {
  if (!number.empty()) {
    const auto answer = client.post("/v1/quarantine/" + url_escape(number) + "/replay", "{}");
    if (!answer) return report(out, answer.error());
    out.terminal.line(out.json ? answer->compact() : say("replayed"));
    return Exit::ok;
  }
  std::int64_t replayed = 0, still = 0;
  std::string after;
  for (;;) {
    const auto answer = client.post("/v1/quarantine/replay" + query({{"code", code}, {"after", after}}), "{}");
    if (!answer) return report(out, answer.error());
    replayed += (*answer)["replayed"].integer();
    still += (*answer)["still_quarantined"].integer();
    for (const Json& p : (*answer)["problems"].items) {
      if (!out.json) out.terminal.line("  " + p["number"].shown() + ": " + p["reason"].shown());
      after = p["number"].text;
    }
    // Without a problem to go on behind, the next page starts at the front again, where only new records are.
    if (!(*answer)["more"].truth || ((*answer)["replayed"].integer() == 0 && after.empty())) break;
  }
  if (out.json) {
    out.terminal.line("{\"replayed\":" + std::to_string(replayed) + ",\"still_quarantined\":" + std::to_string(still) + "}");
  } else {
    out.terminal.line(say("{1} replayed, {2} still set aside", {counted(replayed, "record"), grouped(still)}));
  }
  return still == 0 ? Exit::ok : Exit::failed;
}

Exit quarantine_discard(const Output& out, Client& client, const std::string& number, const std::string& reason) {
  Json body, value;
  body.kind = Json::Kind::object;
  value.kind = Json::Kind::text;
  value.text = reason;
  body.members.push_back({"reason", value});
  const auto answer = client.post("/v1/quarantine/" + url_escape(number) + "/discard", body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("discarded"));
  return Exit::ok;
}

}  // namespace nudge::cli
