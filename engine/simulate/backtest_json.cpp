// The report of a backtest as JSON.
#include "engine/base/text.h"
#include "engine/simulate/backtest_report.h"

namespace nudge {
namespace {

class Out {
 public:
  Out& open(char c) {
    comma();
    text_ += c;
    return *this;
  }
  Out& close(char c) {
    text_ += c;
    return *this;
  }
  Out& key(std::string_view name) {
    comma();
    append_json_string(text_, name);
    text_ += ':';
    after_key_ = true;
    return *this;
  }
  Out& raw(std::string_view json) {
    comma();
    text_ += json;
    return *this;
  }
  Out& text(std::string_view value) {
    comma();
    append_json_string(text_, value);
    return *this;
  }
  Out& number(std::uint64_t n) { return raw(std::to_string(n)); }
  Out& field(std::string_view name, std::uint64_t n) { return key(name).number(n); }
  Out& field(std::string_view name, std::string_view value) { return key(name).text(value); }
  std::string take() { return std::move(text_); }

 private:
  void comma() {
    if (after_key_)
      after_key_ = false;
    else if (!text_.empty() && text_.back() != '{' && text_.back() != '[')
      text_ += ',';
  }
  std::string text_;
  bool after_key_ = false;
};

void numbers(Out& out, std::string_view name, const std::vector<std::uint64_t>& values) {
  out.key(name).open('[');
  for (const std::uint64_t n : values) out.number(n);
  out.close(']');
}

void write_ids(Out& out, std::string_view name, const BacktestReport::Ids& ids) {
  out.key(name).open('{').field("total", ids.total).key("customers").open('[');
  for (const std::string& id : ids.ids) out.text(id);
  out.close(']').close('}');
}

std::string_view reason(Held held) { return held == Held::none ? "fired" : held_text(held); }

void write_held(Out& out, std::string_view name, const std::map<Held, std::uint64_t>& held) {
  out.key(name).open('{');
  for (const auto& [why, count] : held) out.field(held_text(why), count);
  out.close('}');
}

void write_goal(Out& out, const BacktestReport::Side& side) {
  out.key("goal");
  if (!side.has_goal) {
    out.raw("null");
    return;
  }
  out.open('{').field("event", side.goal_event).field("within", format_duration(side.goal_within)).key("groups").open('[');
  for (const auto& [held, outcome] : side.outcomes) {
    out.open('{').field("group", held == Held::none ? "fired" : held == Held::holdout ? "holdout" : "held").field("reason", reason(held));
    out.field("firings", outcome.firings).field("converted", outcome.converted);
    out.key("value").raw(format_decimal(outcome.value)).close('}');
  }
  out.close(']').close('}');
}

void write_side(Out& out, std::string_view name, const BacktestReport::Side& side) {
  out.key(name);
  if (!side.there) {
    out.raw("null");
    return;
  }
  std::uint64_t held = 0;
  for (const auto& [why, count] : side.held) held += count;
  out.open('{').field("state", side.state).field("fired", side.fired).field("customers", side.customers).field("held", held);
  write_held(out, "held_by", side.held);
  write_held(out, "steps_held_by", side.held_step);
  write_held(out, "held_by_policies", side.held_by_policies);
  out.field("actions", side.actions).field("busiest_hour", side.busiest_hour).key("kinds").open('{');
  for (const auto& [kind, count] : side.kinds) out.field(kind, count);
  out.close('}');
  numbers(out, "fired_per_day", side.fired_per_day);
  numbers(out, "held_per_day", side.held_per_day);
  numbers(out, "actions_per_day", side.actions_per_day);
  out.key("people").open('[');
  for (const BacktestReport::Person& person : side.people) {
    out.open('{').field("team", person.team).field("id", person.id).field("name", person.name).field("tasks", person.total);
    numbers(out, "per_day", person.per_day);
    out.close('}');
  }
  out.close(']');
  write_goal(out, side);
  out.close('}');
}

void write_segment_side(Out& out, std::string_view name, const BacktestReport::SegmentSide& side) {
  out.key(name);
  if (!side.there) {
    out.raw("null");
    return;
  }
  out.open('{').field("members_at_start", side.members_from).field("entered", side.entered).field("left", side.left);
  out.field("members_at_end", side.members_to);
  numbers(out, "entered_per_day", side.entered_per_day);
  write_ids(out, "who_entered", side.customers);
  out.close('}');
}

}  // namespace

std::string backtest_json(const BacktestReport& report) {
  Out out;
  out.open('{').field("from", format_timestamp(report.from)).field("to", format_timestamp(report.to)).field("zone", report.zone);
  out.key("compared_with_live").raw(report.has_live ? "true" : "false");
  out.field("customers", report.customers).field("events", report.events).key("days").open('[');
  for (const DateDays day : report.days) out.text(format_date(day));
  out.close(']').key("rules").open('[');
  for (const BacktestReport::Rule& rule : report.rules) {
    out.open('{').field("name", rule.name).field("description", rule.description).field("change", change_name(rule.change));
    write_side(out, "draft", rule.draft);
    write_side(out, "live", rule.live);
    out.key("difference").open('{');
    out.field("firings_only_draft", rule.firings_only_draft).field("firings_only_live", rule.firings_only_live);
    out.field("firings_both", rule.firings_both);
    write_ids(out, "only_draft", rule.only_draft);
    write_ids(out, "only_live", rule.only_live);
    write_ids(out, "both", rule.both);
    out.close('}').close('}');
  }
  out.close(']').key("segments").open('[');
  for (const BacktestReport::Segment& segment : report.segments) {
    out.open('{').field("name", segment.name).field("change", change_name(segment.change));
    write_segment_side(out, "draft", segment.draft);
    write_segment_side(out, "live", segment.live);
    out.key("difference").open('{');
    write_ids(out, "only_draft", segment.only_draft);
    write_ids(out, "only_live", segment.only_live);
    write_ids(out, "both", segment.both);
    out.close('}').close('}');
  }
  out.close(']').key("not_whole").open('[');
  for (const Faded& f : report.not_whole) {
    out.open('{').field("event", f.event).field("keep", format_duration(f.keep)).field("whole_since", format_timestamp(f.whole_since));
    out.close('}');
  }
  out.close(']').key("notes").open('[');
  out.text(
      "Each fact is taken as arrived at its own time, in order. A fact that came in late is told here as if it had been there in time: "
      "where many came late, the live engine knew less when it decided.");
  out.text(
      "Both versions are switched on at the start: who is in a segment then counts as a member and does not enter, and once_per and "
      "at_most count from there.");
  out.text(
      "Tasks and messages that the draft would have made did not happen: rules that wait for what becomes of them see only what history "
      "holds.");
  out.text(
      "Policies of the rules hold back here as they do live. What people set by hand (silences, the suppression list, stop-all, test mode) is "
      "not part of a backtest.");
  out.close(']').close('}');
  return out.take();
}

}  // namespace nudge
