// The report of a backtest as one page of HTML: styles and drawings are in it, nothing is asked from outside.
#include <algorithm>
#include <cstdio>

#include "daemon/cli/backtest_show.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Backtest</title><style>
:root{--ink:#1c2430;--soft:#5c6878;--line:#d9dee6;--page:#fff;--card:#f6f8fa;--draft:#2563c9;--live:#c2410c}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa6b6;--line:#333c49;--page:#12161c;--card:#1b212a;--draft:#6ea3f5;--live:#f59158}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:0 0 .3rem}h3{font-size:.95rem;margin:1.1rem 0 .3rem;color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem 1.2rem;margin:1.2rem 0}
table{border-collapse:collapse;width:100%}td,th{padding:.2rem .5rem;text-align:right;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}th{font-weight:600;color:var(--soft)}.sub td:first-child{padding-left:1.6rem;color:var(--soft)}
.tag{font-size:.8rem;border:1px solid var(--line);border-radius:1rem;padding:.05rem .6rem;color:var(--soft);margin-left:.5rem;font-weight:400}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}.d{fill:var(--draft)}.l{fill:var(--live)}.axis{stroke:var(--line)}
.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 1em}details{margin:.3rem 0}
.ids{max-height:14rem;overflow:auto;font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}p{margin:.3rem 0}.soft{color:var(--soft)}
</style></head><body>
)";

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string fixed(double v, int digits = 1) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, v);
  return buffer;
}

std::string cell(const Json& n) { return "<td>" + (n.is_null() ? std::string("–") : grouped(n.integer())) + "</td>"; }

class Page {
 public:
  explicit Page(const Json& report) : report_(report), live_(report["compared_with_live"].truth) {}

  std::string run() {
    const std::string title = say("Backtest");
    out_ = kHead;
    if (language() == Language::chinese) out_.replace(out_.find("lang=\"en\""), 9, "lang=\"zh-CN\"");
    out_.replace(out_.find("Backtest</title>"), 8, title);
    out_ += "<h1>" + title + "</h1><p>" +
            say("{1} to {2}, over {3} and {4}. Days are those of {5}.",
                {escape(report_["from"].text), escape(report_["to"].text), counted(report_["customers"].integer(), "customer"),
                 counted(report_["events"].integer(), "event"), escape(report_["zone"].text)}) +
            "</p>";
    if (live_)
      out_ += R"html(<p class="key"><i style="background:var(--draft)"></i>)html" + say("draft") +
              R"html(<i style="background:var(--live)"></i>)html" + say("live") + "</p>";
    if (report_["rules"].items.empty() && report_["segments"].items.empty())
      out_ += "<section><p>" + say("There is nothing to compare: the draft is what is in force.") + "</p></section>";
    for (const Json& rule : report_["rules"].items) show_rule(rule);
    for (const Json& segment : report_["segments"].items) show_segment(segment);
    out_ += "<section><h2>" + say("Please note") + "</h2><ul>";
    for (const std::string& note : unseen(report_)) out_ += "<li><b>" + escape(note) + "</b></li>";
    for (const Json& note : report_["notes"].items) out_ += "<li>" + escape(say(note.text)) + "</li>";
    out_ += "</ul></section></body></html>\n";
    return std::move(out_);
  }

 private:
  void heading(const std::string& kind, const Json& one) {
    out_ += "<section><h2>" + kind + " " + escape(one["name"].text);
    if (live_) out_ += "<span class=\"tag\">" + escape(say(one["change"].text)) + "</span>";
    out_ += "</h2>";
  }
  void table() { out_ += "<table><tr><th></th><th>" + say("Draft") + "</th>" + (live_ ? "<th>" + say("Live") + "</th>" : "") + "</tr>"; }
  void row(const std::string& label, const Json& draft, const Json& live, bool sub = false) {
    out_ += std::string(sub ? "<tr class=\"sub\">" : "<tr>") + "<td>" + escape(label) + "</td>" + cell(draft) + (live_ ? cell(live) : "") +
            "</tr>";
  }
  void rows(const Json& draft, const Json& live, const std::string& prefix = {}) {
    for (const JsonMember& member : draft.members) row(prefix + say(member.key), member.value, live[member.key], true);
    for (const JsonMember& member : live.members) {
      if (draft[member.key].is_null()) row(prefix + say(member.key), draft[member.key], member.value, true);
    }
  }

  // Bars by day, the two versions side by side.
  void days(const std::string& title, const Json& draft, const Json& live) {
    const auto& names = report_["days"].items;
    std::int64_t most = 0;
    for (const Json* list : {&draft, &live}) {
      for (const Json& n : list->items) most = std::max(most, n.integer());
    }
    if (most == 0 || names.empty()) return;
    constexpr double kWide = 900, kHigh = 160, kLeft = 46, kBottom = 20, kTop = 8;
    const double step = (kWide - kLeft) / static_cast<double>(names.size());
    const double bar = std::max(0.6, step * (live_ ? 0.42 : 0.8));
    out_ += "<h3>" + title + "</h3><svg viewBox=\"0 0 900 188\" role=\"img\" aria-label=\"" + title + "\">";
    for (const int part : {0, 1, 2}) {
      const double y = kTop + kHigh * (1 - part / 2.0);
      out_ += "<line class=\"axis\" x1=\"46\" x2=\"900\" y1=\"" + fixed(y) + "\" y2=\"" + fixed(y) +
              "\"/><text x=\"42\" text-anchor=\"end\" y=\"" + fixed(y + 4) + "\">" +
              fixed(static_cast<double>(most) * part / 2.0, most < 3 ? 1 : 0) + "</text>";
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const double x = kLeft + step * (static_cast<double>(i) + 0.1);
      const auto draw = [&](const Json& list, double at, const char* style, const std::string& who) {
        if (i >= list.items.size() || list.items[i].integer() == 0) return;
        const double high = kHigh * static_cast<double>(list.items[i].integer()) / static_cast<double>(most);
        out_ += std::string("<rect class=\"") + style + "\" x=\"" + fixed(at, 2) + "\" y=\"" + fixed(kTop + kHigh - high, 2) +
                "\" width=\"" + fixed(bar, 2) + "\" height=\"" + fixed(high, 2) + "\"><title>" + names[i].text + ", " + who + ": " +
                grouped(list.items[i].integer()) + "</title></rect>";
      };
      draw(draft, x, "d", say("draft"));
      if (live_) draw(live, x + bar, "l", say("live"));
    }
    const std::size_t apart = std::max<std::size_t>(1, (names.size() + 7) / 8);
    for (std::size_t i = 0; i < names.size(); i += apart) {
      out_ += "<text x=\"" + fixed(kLeft + step * static_cast<double>(i)) + "\" y=\"" + fixed(kTop + kHigh + kBottom - 4) + "\">" +
              names[i].text + "</text>";
    }
    out_ += "</svg>";
  }

  void people(const std::string& title, const Json& side, const char* style) {
    const auto& list = side["people"].items;
    if (list.empty()) return;
    std::int64_t most = 1;
    for (const Json& person : list) most = std::max(most, person["tasks"].integer());
    out_ += "<h3>" + title + "</h3><table><tr>";
    for (const std::string& head : {say("Person"), say("Team"), say("Tasks"), say("Most on a day")}) out_ += "<th>" + head + "</th>";
    out_ += "<th style=\"width:40%\"></th></tr>";
    for (const Json& person : list) {
      std::int64_t peak = 0;
      for (const Json& n : person["per_day"].items) peak = std::max(peak, n.integer());
      std::string who = person["name"].text.empty() ? person["id"].text : person["name"].text;
      if (who.empty()) who = say("(nobody: the team's pool)");
      out_ += "<tr><td>" + escape(who) + "</td><td>" + escape(person["team"].text) + "</td>" + cell(person["tasks"]) + "<td>" +
              grouped(peak) + "</td><td><svg viewBox=\"0 0 300 10\"><rect class=\"" + style + "\" width=\"" +
              fixed(300.0 * static_cast<double>(person["tasks"].integer()) / static_cast<double>(most)) +
              "\" height=\"10\"/></svg></td></tr>";
    }
    out_ += "</table>";
  }

  void goal(const std::string& title, const Json& side) {
    const Json& goal = side["goal"];
    if (goal.is_null()) return;
    out_ += "<h3>" + title + ": " + say("{1} within {2}", {escape(goal["event"].text), escape(goal["within"].text)}) + "</h3><table><tr>";
    for (const std::string& head : {say("Group"), say("Firings"), say("Converted"), say("Rate"), say("Value")})
      out_ += "<th>" + head + "</th>";
    out_ += "</tr>";
    for (const Json& group : goal["groups"].items) {
      const double n = static_cast<double>(group["firings"].integer());
      out_ += "<tr><td>" +
              escape(group["group"].text == "held" ? say("held: {1}", {say(group["reason"].text)}) : say(group["group"].text)) + "</td>" +
              cell(group["firings"]) + cell(group["converted"]) + "<td>" +
              fixed(n == 0 ? 0 : 100.0 * static_cast<double>(group["converted"].integer()) / n) + " %</td><td>" +
              escape(group["value"].shown()) + "</td></tr>";
    }
    out_ += "</table>";
  }

  void ids(const std::string& label, const Json& list) {
    const std::int64_t total = list["total"].integer();
    if (total == 0) return;
    const auto named = static_cast<std::int64_t>(list["customers"].items.size());
    out_ += "<details><summary>" + label + ": " + counted(total, "customer") +
            (named < total ? say(", the first {1}", {grouped(named)}) : "") + "</summary><p class=\"ids\">";
    bool first = true;
    for (const Json& id : list["customers"].items) {
      if (!first) out_ += ", ";
      first = false;
      out_ += escape(id.text);
    }
    out_ += "</p></details>";
  }
  void difference(const Json& d) {
    out_ += "<h3>" + say("Customers") + "</h3>";
    ids(live_ ? say("Only under the draft") : say("All"), d["only_draft"]);
    ids(say("Only live"), d["only_live"]);
    ids(say("Both"), d["both"]);
  }

  void show_rule(const Json& rule) {
    const Json &draft = rule["draft"], &live = rule["live"];
    heading(say("Rule"), rule);
    if (!rule["description"].text.empty()) out_ += "<p class=\"soft\">" + escape(rule["description"].text) + "</p>";
    table();
    row(say("Fired"), draft["fired"], live["fired"]);
    row(say("Customers"), draft["customers"], live["customers"]);
    row(say("Actions"), draft["actions"], live["actions"]);
    rows(draft["kinds"], live["kinds"]);
    row(say("Held back"), draft["held"], live["held"]);
    rows(draft["held_by"], live["held_by"]);
    rows(draft["steps_held_by"], live["steps_held_by"], say("later step: "));
    rows(draft["held_by_policies"], live["held_by_policies"], say("policies: "));
    out_ += "</table>";
    days(say("Fired per day"), draft["fired_per_day"], live["fired_per_day"]);
    days(say("Held back per day"), draft["held_per_day"], live["held_per_day"]);
    people(live_ ? say("Tasks by person, draft") : say("Tasks by person"), draft, "d");
    if (live_) people(say("Tasks by person, live"), live, "l");
    goal(live_ ? say("Goal, draft") : say("Goal"), draft);
    if (live_) goal(say("Goal, live"), live);
    difference(rule["difference"]);
    out_ += "</section>";
  }

  void show_segment(const Json& segment) {
    const Json &draft = segment["draft"], &live = segment["live"];
    heading(say("Segment"), segment);
    table();
    row(say("Members at the start"), draft["members_at_start"], live["members_at_start"]);
    row(say("Entered"), draft["entered"], live["entered"]);
    row(say("Left"), draft["left"], live["left"]);
    row(say("Members at the end"), draft["members_at_end"], live["members_at_end"]);
    out_ += "</table>";
    days(say("Entered per day"), draft["entered_per_day"], live["entered_per_day"]);
    difference(segment["difference"]);
    out_ += "</section>";
  }

  const Json& report_;
  const bool live_;
  std::string out_;
};

}  // namespace

std::string backtest_html(const Json& report) { return Page(report).run(); }

}  // namespace nudge::cli
