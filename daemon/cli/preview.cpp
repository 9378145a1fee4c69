// What a rule would send to a customer.
#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

std::string segments_of(const Json& sms) {
  const std::int64_t n = sms["segments"].integer();
  const bool gsm7 = sms["alphabet"].text == "GSM-7";
  const std::string count = std::to_string(n);
  const std::string units = sms["units"].shown();
  return gsm7 ? say("segments: {1}, {2} septets of GSM-7", {count, units})
              : say("segments: {1}, {2} characters of {3}", {count, units, sms["alphabet"].text});
}

// A text of several lines stands below its name.
void show_text(const Terminal& t, const std::string& name, const std::string& text) {
  if (text.find('\n') == std::string::npos) {
    t.line("    " + name + ": " + text);
    return;
  }
  t.line("    " + name + ":");
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    t.line("      " + text.substr(from, end - from));
    from = end + 1;
  }
}

// Of the customer's policies, and behind them of whatever else stops it.
void show_policy(const Terminal& t, const Json& policy, const Json& stops) {
  if (policy.is_null()) return;
  const std::string& verdict = policy["verdict"].text;
  if (verdict == "allow" && stops.items.empty()) return t.line("    " + say("policy: {1}", {t.paint(say("goes out"), Color::green)}));
  if (verdict != "allow") {
    const std::string line = verdict == "defer" ? say("waits until {1}", {moment(policy["until"])}) : say("is dropped");
    t.line("    " + say("policy: {1}", {t.paint(line, Color::yellow)}) + ": " + policy["words"].shown());
  }
  for (const Json& stop : stops.items) {
    const std::string& what = stop["what"].text;
    const std::string line = what == "asked"       ? say("waits for a yes")
                             : what == "kept"      ? say("is kept until a person lets it go")
                             : what == "held"      ? say("is dropped")
                             : what == "waits"     ? say("waits")
                             : what == "elsewhere" ? say("goes elsewhere")
                                                   : say("never leaves");
    t.line("    " + say("policy: {1}", {t.paint(line, Color::yellow)}) + ": " + stop["words"].shown());
  }
}

void show_step(const Terminal& t, const Json& s) {
  std::string head = "  " + say("step {1}: {2}", {s["step"].shown(), s["kind"].shown()});
  if (!s["connector"].is_null()) head += ", " + say("by {1}", {s["connector"].shown()});
  if (!s["team"].is_null()) head += ", " + say("for the team {1}", {s["team"].shown()});
  head += ", " + (s["waits"].truth ? say("not before {1}", {moment(s["at"])}) : moment(s["at"]));
  t.line(t.paint(head, Color::bold));
  if (!s["reached"].truth) t.line("    " + t.paint(say("not reached: a condition before it does not hold now"), Color::yellow));
  if (!s["error"].is_null()) return t.line("    " + t.paint(say("can't be made: {1}", {s["error"].shown()}), Color::red));
  for (const JsonMember& m : s["payload"].members) show_text(t, m.key, m.value.shown());
  if (s["assignee_later"].truth) t.line("    " + say("what the texts say of the assignee is filled in when the task is given to somebody"));
  if (!s["sms"].is_null()) t.line("    " + segments_of(s["sms"]));
  show_policy(t, s["policy"], s["stops"]);
}

}  // namespace

Exit preview(const Output& out, Client& client, const ExplainOptions& options) {
  std::string at;
  if (!options.at.empty()) {
    const auto instant = read_instant(options.at);
    if (!instant) return report(out, instant.error());
    at = format_timestamp(*instant);
  }
  const auto answer = client.get("/v1/preview" + query({{"customer", options.customer}, {"rule", options.name}, {"at", at}}));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  const Terminal& t = out.terminal;
  const Json& p = (*answer)["preview"];
  t.line(say("{1} (version {2}) for {3} at {4}",
             {t.paint(options.name, Color::bold), (*answer)["version"].shown(), options.customer, moment(p["at"])}));
  tell_unseen(out, *answer);
  t.line("  " + say("fired by: {1}", {p["cause"].shown()}));
  for (const Json& step : p["steps"].items) show_step(t, step);
  return Exit::ok;
}

}  // namespace nudge::cli
