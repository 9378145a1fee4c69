// The report of a backtest as text.
#include <algorithm>
#include <array>
#include <cstdio>

#include "daemon/cli/backtest_show.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kWidth = 80, kSpark = 60, kIdsShown = 8;

std::string pad(std::string text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : text + std::string(width - wide, ' ');
}
std::string right(const std::string& text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : std::string(width - wide, ' ') + text;
}

class Text {
 public:
  Text(const Json& report, const Terminal& terminal) : report_(report), terminal_(terminal), live_(report["compared_with_live"].truth) {}

  std::string run() {
    line(say("Backtest from {1} to {2}", {report_["from"].text, report_["to"].text}));
    line(say("over {1} and {2}; days are those of {3}",
             {counted(report_["customers"].integer(), "customer"), counted(report_["events"].integer(), "event"), report_["zone"].text}));
    if (report_["rules"].items.empty() && report_["segments"].items.empty()) {
      line();
      wrap(say("There is nothing to compare: the draft is what is in force. --rule NAME runs a rule that did not change."), "");
    }
    for (const Json& rule : report_["rules"].items) show_rule(rule);
    for (const Json& segment : report_["segments"].items) show_segment(segment);
    line();
    line(terminal_.paint(say("Please note"), Color::bold));
    for (const std::string& note : unseen(report_)) wrap(note, "- ");
    for (const Json& note : report_["notes"].items) wrap(say(note.text), "- ");
    return std::move(out_);
  }

 private:
  void line(const std::string& text = {}) { out_ += text + "\n"; }

  void wrap(std::string_view text, const std::string& first) {
    std::string current = first;
    const std::string indent(first.size(), ' ');
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      const std::string word(text.substr(0, end));
      if (display_width(current) + 1 + display_width(word) > kWidth && current.size() > indent.size()) {
        line(current);
        current = indent;
      }
      if (current.size() > indent.size() && current != first) current += ' ';
      current += word;
      text = end == text.size() ? std::string_view() : text.substr(end + 1);
    }
    line(current);
  }

  void heading(const std::string& kind, const Json& one) {
    const std::string change = one["change"].text;
    line();
    line(terminal_.paint(fit(kind + " " + one["name"].text, kWidth - 12), Color::bold) + (live_ ? "  (" + say(change) + ")" : ""));
  }

  // One figure of both versions.
  void row(const std::string& label, const Json& draft, const Json& live) {
    const auto cell = [](const Json& n) { return n.is_null() ? std::string("-") : grouped(n.integer()); };
    line("  " + pad(fit(label, 44), 44) + right(cell(draft), 12) + (live_ ? right(cell(live), 12) : ""));
  }
  void columns() { line("  " + std::string(44, ' ') + right(say("DRAFT"), 12) + (live_ ? right(say("LIVE"), 12) : "")); }

  // The members of two maps of counts, side by side.
  void rows(const std::string& indent, const Json& draft, const Json& live) {
    std::vector<std::string> keys;
    for (const Json* map : {&draft, &live}) {
      for (const JsonMember& member : map->members) {
        if (std::ranges::find(keys, member.key) == keys.end()) keys.push_back(member.key);
      }
    }
    for (const std::string& key : keys) row(indent + say(key), draft[key], live[key]);
  }

  void spark(const std::string& label, const Json& counts) {
    if (counts.items.empty()) return;
    const std::size_t per = (counts.items.size() + kSpark - 1) / kSpark;
    std::vector<std::int64_t> bins((counts.items.size() + per - 1) / per);
    std::size_t busiest = 0;
    for (std::size_t i = 0; i < counts.items.size(); ++i) {
      bins[i / per] += counts.items[i].integer();
      if (counts.items[i].integer() > counts.items[busiest].integer()) busiest = i;
    }
    const std::int64_t most = *std::ranges::max_element(bins);
    static constexpr std::array<const char*, 9> kBars = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    std::string bars;
    for (const std::int64_t n : bins) bars += n == 0 ? "·" : kBars[static_cast<std::size_t>(1 + (n * 7) / most)];
    if (most == 0) return;
    line("  " + pad(label, 8) + bars);
    const std::string &day = report_["days"].items[busiest].text, most_text = grouped(counts.items[busiest].integer());
    line("          " + (per == 1 ? say("a day a bar; busiest {1} with {2}", {day, most_text})
                                  : say("{3} days a bar; busiest {1} with {2}", {day, most_text, std::to_string(per)})));
  }

  void ids(const std::string& label, const Json& list) {
    if (list["total"].integer() == 0) return;
    std::string text = "  " + pad(label, 18) + right(grouped(list["total"].integer()), 9) + "  ";
    std::size_t shown = 0;
    for (const Json& id : list["customers"].items) {
      const std::string next = (shown == 0 ? "" : ", ") + fit(id.text, 24);
      if (shown == kIdsShown || display_width(text) + display_width(next) + 3 > kWidth) break;
      text += next;
      ++shown;
    }
    if (shown < static_cast<std::size_t>(list["total"].integer())) text += " …";
    line(text);
  }

  void people(const std::string& label, const Json& side) {
    if (side["people"].items.empty()) return;
    line("  " + say("{1}, tasks by person", {label}));
    const auto days = static_cast<double>(std::max<std::size_t>(1, report_["days"].items.size()));
    for (const Json& person : side["people"].items) {
      std::int64_t most = 0;
      for (const Json& n : person["per_day"].items) most = std::max(most, n.integer());
      char average[32];
      std::snprintf(average, sizeof average, "%.1f", static_cast<double>(person["tasks"].integer()) / days);
      std::string who = person["name"].text.empty() ? person["id"].text : person["name"].text;
      if (who.empty()) who = say("(nobody: the team's pool)");
      line("    " + pad(fit(who + "  " + person["team"].text, 34), 34) + right(grouped(person["tasks"].integer()), 8) + right(average, 9) +
           say(" a day, at most {1}", {grouped(most)}));
    }
  }

  void goal(const std::string& label, const Json& side) {
    const Json& goal = side["goal"];
    if (goal.is_null()) return;
    line("  " + say("{1}, goal {2} within {3}", {label, goal["event"].text, goal["within"].text}));
    for (const Json& group : goal["groups"].items) {
      const double n = static_cast<double>(group["firings"].integer());
      char rate[32];
      std::snprintf(rate, sizeof rate, "%.1f %%", n == 0 ? 0.0 : 100.0 * static_cast<double>(group["converted"].integer()) / n);
      const std::string name = group["group"].text == "held" ? say("held: {1}", {say(group["reason"].text)}) : say(group["group"].text);
      line("    " + pad(fit(name, 30), 30) +
           say("{1} of {2}{3}  value {4}", {right(grouped(group["converted"].integer()), 9), right(grouped(group["firings"].integer()), 9),
                                            right(rate, 9), group["value"].shown()}));
    }
  }

  void show_rule(const Json& rule) {
    heading(say("Rule"), rule);
    if (!rule["description"].text.empty()) wrap(rule["description"].text, "  ");
    const Json &draft = rule["draft"], &live = rule["live"], &difference = rule["difference"];
    columns();
    row(say("fired"), draft["fired"], live["fired"]);
    row(say("customers"), draft["customers"], live["customers"]);
    row(say("actions"), draft["actions"], live["actions"]);
    if (draft["busiest_hour"].integer() != 0 || live["busiest_hour"].integer() != 0)
      row("  " + say("in the busiest hour"), draft["busiest_hour"], live["busiest_hour"]);
    rows("  ", draft["kinds"], live["kinds"]);
    row(say("held back"), draft["held"], live["held"]);
    rows("  ", draft["held_by"], live["held_by"]);
    rows("  " + say("later step: "), draft["steps_held_by"], live["steps_held_by"]);
    rows("  " + say("policies: "), draft["held_by_policies"], live["held_by_policies"]);
    spark(say("draft"), draft["fired_per_day"]);
    if (live_) spark(say("live"), live["fired_per_day"]);
    people(say("draft"), draft);
    if (live_) people(say("live"), live);
    goal(say("draft"), draft);
    if (live_) goal(say("live"), live);
    if (!live_) return ids(say("customers"), difference["only_draft"]);
    line("  " + say("firings: {1} under both, {2} under the draft only, {3} live only",
                    {grouped(difference["firings_both"].integer()), grouped(difference["firings_only_draft"].integer()),
                     grouped(difference["firings_only_live"].integer())}));
    ids(say("only draft"), difference["only_draft"]);
    ids(say("only live"), difference["only_live"]);
    ids(say("both"), difference["both"]);
  }

  void show_segment(const Json& segment) {
    heading(say("Segment"), segment);
    const Json &draft = segment["draft"], &live = segment["live"], &difference = segment["difference"];
    columns();
    row(say("members at the start"), draft["members_at_start"], live["members_at_start"]);
    row(say("entered"), draft["entered"], live["entered"]);
    row(say("left"), draft["left"], live["left"]);
    row(say("members at the end"), draft["members_at_end"], live["members_at_end"]);
    if (!live_) return ids(say("entered"), difference["only_draft"]);
    ids(say("only draft"), difference["only_draft"]);
    ids(say("only live"), difference["only_live"]);
    ids(say("both"), difference["both"]);
  }

  const Json& report_;
  const Terminal& terminal_;
  const bool live_;
  std::string out_;
};

}  // namespace

std::string backtest_text(const Json& report, const Terminal& terminal) { return Text(report, terminal).run(); }

}  // namespace nudge::cli
