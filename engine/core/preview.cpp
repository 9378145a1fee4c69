#include "engine/core/preview.h"

#include <set>

#include "engine/base/text.h"
#include "engine/core/desk.h"
#include "engine/core/judge.h"
#include "engine/core/render.h"

namespace nudge {

namespace {

// What stands for the trigger: the newest row of the event that the rule waits for.
Cause cause_of(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now, RowRef& row, std::string& words) {
  Cause cause;
  cause.at = now;
  const Trigger& trigger = rule.trigger;
  switch (trigger.kind) {
    case Trigger::Kind::enters: cause.kind = Cause::Kind::enters; break;
    case Trigger::Kind::leaves: cause.kind = Cause::Kind::leaves; break;
    case Trigger::Kind::attribute_changes: cause.kind = Cause::Kind::attribute; break;
    case Trigger::Kind::schedule:
    case Trigger::Kind::date: cause.kind = Cause::Kind::schedule; break;
    case Trigger::Kind::event: break;
  }
  if (trigger.kind != Trigger::Kind::event) {
    words = "as if it fired now";
    return cause;
  }
  const EventTypeDef& type = plan.catalog->events[trigger.event];
  const Rows* rows = state.rows(trigger.event);
  const std::size_t end = rows == nullptr ? 0 : rows->upper_bound(now);
  if (end == 0) {
    words = "the customer has no " + type.name + " up to then: what the texts take from it is missing";
    return cause;
  }
  row = {rows, end - 1, trigger.event};
  cause.type = trigger.event;
  cause.row_time = rows->time(row.row);
  cause.row_id = rows->id(row.row);
  if (trigger.same != kNoField) {
    Writer out(cause.key);
    encode_value(out, rows->field(row.row, trigger.same, kind_of(type.fields[trigger.same].type)));
  }
  words = "the newest " + type.name + ", " + cause.row_id + " of " + format_timestamp(cause.row_time);
  return cause;
}

// Goes through the rule's program as if it fired at one instant.
class Previewer {
 public:
  Previewer(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now) : plan_(plan), state_(state), rule_(rule) {
    preview_.at = now;
    at_ = now;
    cause_ = cause_of(plan, state, rule, now, row_, preview_.cause);
  }

  Preview run() {
    std::set<std::uint32_t> skipped;  // steps inside branches not taken
    bool ended = false;
    for (std::uint32_t i = 0; i < rule_.steps.size(); ++i) {
      const Step& step = rule_.steps[i];
      const bool reached = !ended && !skipped.contains(i);
      switch (step.kind) {
        case Step::Kind::act:
          if (reached) at_ += step.after;
          act(step, i, reached);
          break;
        case Step::Kind::wait:
          if (reached) at_ += step.after;
          break;
        case Step::Kind::until:
          if (reached) waits_ = true;
          break;
        case Step::Kind::branch:
          if (reached && !holds(step.condition)) skip(skipped, i + 1, step.target);
          break;
        case Step::Kind::jump:
          if (reached) skip(skipped, i + 1, step.target);
          break;
        case Step::Kind::stop: ended = ended || reached; break;
      }
    }
    return std::move(preview_);
  }

 private:
  static void skip(std::set<std::uint32_t>& skipped, std::uint32_t from, std::uint32_t to) {
    for (; from < to; ++from) skipped.insert(from);
  }

  void begin() { evaluator_.begin(plan_, state_, at_, row_, cause_.key); }
  bool holds(NodeId node) {
    begin();
    return node == kNone || evaluator_.truth(node).truth;
  }

  void act(const Step& step, std::uint32_t number, bool reached) {
    const Action& action = step.action;
    PreviewStep out;
    out.step = number;
    out.label = step.label.empty() ? std::to_string(number + 1) : step.label;
    out.reached = reached && holds(step.only_if);
    out.waits = waits_;
    out.at = at_;
    out.kind = action.kind;
    out.channel = action.channel;
    out.connector = action.connector;
    out.team = action.assigns ? action.assignment.team : "";
    begin();
    if (action.write.kind == Write::Kind::none) {
      Result<RenderedParams> rendered = render_params({plan_, state_, evaluator_, rule_, cause_, at_}, action);
      if (rendered) {
        count(action, out);
        out.payload = std::move(rendered->json);
        out.has_assignee = !rendered->late.empty();
      } else {
        out.error = rendered.error().message;
      }
      out.action = outline(action, number);
      out.action.payload = out.payload;
      out.judged = true;
      out.verdict = judge_policies(evaluator_, subject_of(out.action));
      if (out.error.empty()) find_stops(action, out);
    }
    preview_.steps.push_back(std::move(out));
  }

  ActionOut outline(const Action& action, std::uint32_t number) const {
    ActionOut out;
    out.id = action_id(rule_, state_.id, cause_, number);
    out.rule = rule_.name;
    out.rule_id = rule_.id;
    out.rule_version = rule_.version;
    out.customer = state_.id;
    out.cause = cause_;
    out.step = number;
    out.priority = rule_.priority;
    out.at = at_;
    out.category = action.category;
    out.purpose = rule_.purpose;
    out.kind = action.kind;
    out.channel = action.channel;
    out.connector = action.connector;
    if (action.expires_after > 0) out.expires_at = at_ + action.expires_after;
    return out;
  }

  void find_stops(const Action& action, PreviewStep& out) const {
    const bool needs_address = action.kind == "email" || action.kind == "sms";
    if (needs_address && json_text(out.payload, "to").find_first_not_of(" \t\r\n") == std::string::npos)
      out.stops.push_back({"held", "no address: `to` of this " + action.kind + " is empty"});
    if (action.approval == nullptr) return;
    const Approval& asked = *action.approval;
    out.stops.push_back({"asked", "waits for the yes of " + (asked.team.empty() ? asked.person : "the manager of " + asked.team) +
                                      ", at most " + format_duration(asked.within) + (asked.working ? " of working time" : "") +
                                      "; without an answer it " + (asked.otherwise_send ? "goes out" : "does not go out")});
  }

  void count(const Action& action, PreviewStep& out) {
    if (action.channel != "sms") return;
    for (const Param& param : action.params) {
      if (param.name != "text" || param.kind != Param::Kind::text) continue;
      const Result<std::string> text = render({plan_, state_, evaluator_, rule_, cause_, at_}, param.text, Escape::sms);
      if (text) out.sms = count_sms(*text);
    }
  }

  const Plan& plan_;
  const CustomerState& state_;
  const Rule& rule_;
  Evaluator evaluator_;
  RowRef row_;
  Cause cause_;
  TimeMs at_ = 0;
  bool waits_ = false;
  Preview preview_;
};

void append_field(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"" + std::string(name) + "\":";
  if (text.empty())
    out += "null";
  else
    append_json_string(out, text);
}

}  // namespace

Preview preview_rule(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now) {
  return Previewer(plan, state, rule, now).run();
}

void ask_desk(const Plan& plan, Desk& desk, Preview& preview) {
  for (PreviewStep& step : preview.steps) {
    if (!step.judged || !step.reached || !step.error.empty()) continue;
    Effects effects;
    effects.actions.push_back(step.action);
    desk.settle(plan, effects);
    for (const HeldAction& held : effects.held_actions) step.stops.push_back({held.kept ? "kept" : "held", held.reason});
  }
}

void append_json(std::string& out, const Preview& preview) {
  out += "{\"at\":\"" + format_timestamp(preview.at) + "\"";
  append_field(out, "cause", preview.cause);
  out += ",\"steps\":[";
  for (std::size_t i = 0; i < preview.steps.size(); ++i) {
    const PreviewStep& s = preview.steps[i];
    out += i == 0 ? "{" : ",{";
    out += "\"step\":";
    append_json_string(out, s.label);
    out += std::string(",\"reached\":") + (s.reached ? "true" : "false") + ",\"waits\":" + (s.waits ? "true" : "false");
    append_field(out, "at", format_timestamp(s.at));
    append_field(out, "kind", s.kind);
    append_field(out, "channel", s.channel);
    append_field(out, "connector", s.connector);
    append_field(out, "team", s.team);
    out += std::string(",\"assignee_later\":") + (s.has_assignee ? "true" : "false");
    out += ",\"payload\":" + (s.payload.empty() ? "null" : s.payload);
    out += ",\"sms\":";
    if (s.sms.segments == 0)
      out += "null";
    else
      out += std::string("{\"alphabet\":\"") + (s.sms.gsm7 ? "GSM-7" : "UCS-2") + "\",\"units\":" + std::to_string(s.sms.units) +
             ",\"segments\":" + std::to_string(s.sms.segments) + "}";
    append_field(out, "error", s.error);
    out += ",\"stops\":[";
    for (std::size_t n = 0; n < s.stops.size(); ++n) {
      out += n == 0 ? "{\"what\":" : ",{\"what\":";
      append_json_string(out, s.stops[n].what);
      append_field(out, "words", s.stops[n].words);
      out += '}';
    }
    out += "],\"policy\":";
    if (!s.judged) {
      out += "null}";
      continue;
    }
    const PolicyVerdict& v = s.verdict;
    out += std::string("{\"verdict\":\"") +
           (v.kind == PolicyVerdict::Kind::allow   ? "allow"
            : v.kind == PolicyVerdict::Kind::defer ? "defer"
                                                   : "drop") +
           "\"";
    append_field(out, "policy", v.policy);
    append_field(out, "words", v.words);
    append_field(out, "until", v.kind == PolicyVerdict::Kind::defer ? format_timestamp(v.until) : "");
    out += "}}";
  }
  out += "]}";
}

}  // namespace nudge
