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

void show_connectors(const Output& out, const Json& connectors) {
  Table table({"CONNECTOR", "KIND", "STATE", ">WAITING", ">UNDER WAY", ">ACCEPTED", ">NOT SENT", ">UNKNOWN", ">RESTARTS", "LAST ERROR"});
  for (const Json& c : connectors.items) {
    table.row(
        {c["name"].shown() + (c["fallback"].truth ? " (default)" : ""), c["kind"].shown(), c["state"].shown(),
         grouped(c["waiting"].integer()), grouped(c["under_way"].integer()), grouped(c["accepted"].integer()),
         grouped(c["not_sent"].integer()), grouped(c["unknown"].integer()), grouped(c["restarts"].integer()), c["last_error"].shown()},
        c["last_error"].shown().empty() ? state_color(c["state"].shown()) == Color::red ? Color::red : Color::plain : Color::yellow);
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
  t.line("nudged " + s["version"].shown() + " at " + client.url() + "   " +
         (well ? t.paint("ready", Color::green) : t.paint("not taking in events", Color::red)) + "   up " +
         ago(instant_of(s["started"]), now, false));
  if (const std::string why = s["refusal"].shown(); !why.empty()) t.line(t.paint("  " + why, Color::red));
  t.line("data in " + s["data_dir"].shown() + ", " + bytes_text(s["disk"]["file_bytes"].integer() + s["disk"]["wal_bytes"].integer()) +
         " (" + bytes_text(s["disk"]["free_bytes"].integer()) + " free)");
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
    t.line(t.paint("  " + say("the brake has stopped the rule {1}: `nudge rules release {1}` or `nudge rules discard {1}`", {rule.shown()}), Color::red));
  if (held["silences"].integer() > 0)
    t.line(t.paint("  " + say("silences in force: {1} (`nudge silence list`)", {held["silences"].shown()}), Color::yellow));
  const Json& plan = s["plan"];
  t.line("plan " + plan["sequence"].shown() + ": " + counted(plan["rules"].integer(), "rule") + ", " +
         counted(plan["segments"].integer(), "segment") + ", loaded " + ago(instant_of(plan["reloaded"]), now) +
         (plan["sweeping"].truth ? ", bringing customers up to date: slot " + plan["slots_swept"].shown() + " of " + plan["slots"].shown()
                                 : ""));
  const Json& c = s["counters"];
  const auto n = [&](std::string_view key) { return grouped(c[key].integer()); };
  section(out, "What came in");
  t.line("  " + n("received") + " received = " + n("stored") + " stored + " + n("duplicate") + " duplicates + " + n("conflict") +
         " conflicts + " + n("quarantined") + " set aside");
  if (s["quarantine_open"].integer() > 0) {
    t.line(t.paint("  " + grouped(s["quarantine_open"].integer()) + " wait in quarantine: nudge quarantine list", Color::yellow));
  }
  section(out, "What was decided");
  t.line("  " + n("decisions") + " decisions = " + n("fired") + " fired + " + n("held") + " held back");
  section(out, "What became of it");
  t.line("  " + n("actions") + " actions: " + n("accepted") + " accepted, " + n("waiting") + " waiting, " + n("in_flight") +
         " under way, " + n("retrying") + " retrying, " + n("unknown") + " unknown, " + n("dead") + " dead, " + n("discarded") +
         " discarded, " + n("cancelled") + " cancelled, " + n("held_back") + " held back, " +
         n("kept") + " kept");
  t.line("  " + n("tasks") + " tasks: " + n("tasks_open") + " open, " + n("tasks_done") + " done, " + n("tasks_overdue") + " overdue");
  if (c["dead"].integer() > 0) t.line(t.paint("  " + n("dead") + " could not be delivered: nudge dead-letters", Color::red));
  for (const Json& balance : s["balance"].items) {
    if (!balance["holds"].truth) {
      t.line(t.paint("  the books do not add up: " + balance["equation"].shown() + ", " + balance["left"].shown() + " against " +
                         balance["right"].shown() + "; please report this",
                     Color::red));
    }
  }
  section(out, "Connectors");
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
  table.empty() ? out.terminal.line("no rules are loaded") : table.print(out.terminal);
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
  table.empty() ? out.terminal.line("no segments are loaded") : table.print(out.terminal);
  return Exit::ok;
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
      out.terminal.line(options.name + ": " + counted((*answer)["members"].integer(), "member") + (at.empty() ? "" : " at " + at) +
                        (at.empty() ? ", " + grouped((*answer)["entered"].integer()) + " entered and " +
                                          grouped((*answer)["left"].integer()) + " left so far"
                                    : ""));
    }
    return Exit::ok;
  }
  // Page by page, so that a large segment needs no large answer.
  std::string after;
  for (;;) {
    const auto answer = client.get(path + "/members" + query({{"at", at}, {"after", after}, {"limit", std::to_string(kPage)}}));
    if (!answer) return report(out, answer.error());
    for (const Json& id : (*answer)["members"].items) out.terminal.line(id.text);
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
               std::string(overdue ? "overdue" : "") + (task["mandatory"].truth ? std::string(overdue ? ", " : "") + "mandatory" : ""),
               task["owner_name"].shown().empty() ? task["owner"].shown().empty() ? "(" + task["team"].shown() + ")" : task["owner"].shown()
                                                  : task["owner_name"].shown(),
               task["customer"].shown(), task["subject"].shown(), task["rule"].shown(), task["id"].shown()},
              overdue ? Color::red : Color::plain);
  }
  if (table.empty()) {
    out.terminal.line("no tasks");
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
  const auto answer = client.post("/v1/tasks/" + url_escape(options.id) + "/complete", body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : "done");
  return Exit::ok;
}

Exit actions(const Output& out, Client& client, const ActionOptions& options) {
  const auto answer = client.get("/v1/actions" + query({{"customer", options.customer},
                                                        {"rule", options.rule},
                                                        {"state", options.state},
                                                        {"kind", options.kind},
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
    out.terminal.line(options.state == "dead" ? "no dead letters: everything was delivered, or is under way" : "no actions");
  } else {
    table.print(out.terminal);
  }
  return Exit::ok;
}

Exit change_action(const Output& out, Client& client, const std::string& id, bool retry, const std::string& reason) {
  Json body;
  body.kind = Json::Kind::object;
  if (!retry) {
    Json value;
    value.kind = Json::Kind::text;
    value.text = reason;
    body.members.push_back({"reason", value});
  }
  const auto answer = client.post("/v1/actions/" + url_escape(id) + (retry ? "/retry" : "/discard"), body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : (*answer)["status"].shown());
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
  out.terminal.line((*json)["changed"].truth ? "plan " + (*json)["plan"].shown() + " is in force"
                                             : "nothing changed; plan " + (*json)["plan"].shown() + " goes on");
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
    out.terminal.line("quarantine is empty: everything that came in fitted the catalog");
    return Exit::ok;
  }
  table.print(out.terminal);
  const std::int64_t open = (*answer)["open"].integer();
  if (open > static_cast<std::int64_t>((*answer)["records"].items.size())) out.terminal.line("… " + grouped(open) + " in all");
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
  out.terminal.line("number    " + r["number"].shown());
  out.terminal.line("at        " + moment(r["at"]));
  out.terminal.line("reason    " + r["reason"].shown() + " (" + r["code"].shown() + ")");
  if (!r["field"].shown().empty()) out.terminal.line("field     " + r["field"].shown());
  out.terminal.line("document  " + (r["raw"].is_null() ? "(not UTF-8) " + r["raw_hex"].shown() : fit(r["raw"].shown(), 100'000)));
  return Exit::ok;
}

Exit quarantine_replay(const Output& out, Client& client, const std::string& number, const std::string& code) {
  if (!number.empty()) {
    const auto answer = client.post("/v1/quarantine/" + url_escape(number) + "/replay", "{}");
    if (!answer) return report(out, answer.error());
    out.terminal.line(out.json ? answer->compact() : "replayed");
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
    out.terminal.line(counted(replayed, "record") + " replayed, " + grouped(still) + " still set aside");
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
  out.terminal.line(out.json ? answer->compact() : "discarded");
  return Exit::ok;
}

}  // namespace nudge::cli
