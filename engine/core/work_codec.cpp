// How a task is kept and told.
#include <algorithm>

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/core/approved.h"
#include "engine/core/telling.h"
#include "engine/core/work.h"

namespace nudge {

namespace {

constexpr std::uint8_t kTaskVersion = 1;  // what came later stands at the end, with a version of its own
constexpr std::uint8_t kLifeVersion = 1;
// Bits of the first form's byte, which had the first only.
constexpr std::uint8_t kOverdue = 1, kSoleRecord = 2, kDecidedFor = 4;
constexpr std::size_t kPayloadBytes = 4U << 20;
constexpr int kFilterDepth = 32;

void encode_filter(Writer& out, const MemberFilter& f) {
  out.u8(static_cast<std::uint8_t>(f.kind));
  out.string(f.property);
  out.u8(static_cast<std::uint8_t>(f.op));
  out.varint(f.customer_attribute);
  out.varint(f.literals.size());
  for (const Value& v : f.literals) encode_value(out, v.view());
  out.varint(f.children.size());
  for (const MemberFilter& child : f.children) encode_filter(out, child);
}

bool decode_filter(Reader& in, MemberFilter& f, int depth) {
  if (depth > kFilterDepth) return false;
  f.kind = static_cast<MemberFilter::Kind>(in.u8());
  f.property = in.string();
  f.op = static_cast<Op>(in.u8());
  f.customer_attribute = static_cast<AttributeId>(in.varint());
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    ValueView v;
    if (!decode_value(in, v)) return false;
    f.literals.emplace_back(v);
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    if (!decode_filter(in, f.children.emplace_back(), depth + 1)) return false;
  }
  return !in.bad();
}

void encode_texts(Writer& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& t : texts) out.string(t);
}

void decode_texts(Reader& in, std::vector<std::string>& texts) {
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) texts.emplace_back(in.string());
}

void encode_life(Writer& out, const Task& t) {
  out.u8(kLifeVersion);
  out.u8(t.waits ? 1 : 0);
  out.svarint(t.given_at);
  out.fixed64(static_cast<std::uint64_t>(t.offer_until));
  out.svarint(t.not_before);
  out.fixed64(static_cast<std::uint64_t>(t.expires_at));
  out.varint(t.tries);
  out.varint(t.told);
  encode_texts(out, t.refused);
  out.varint(t.rungs.size());
  for (const TimeMs rung : t.rungs) out.fixed64(static_cast<std::uint64_t>(rung));
  out.varint(t.steps.size());
  for (const TaskStep& step : t.steps) {
    out.svarint(step.at);
    out.string(step.what);
    out.string(step.who);
    out.string(step.words);
  }
  encode_choice(out, t.action);
}

bool decode_life(Reader& in, Task& t) {
  if (in.u8() != kLifeVersion) return false;
  t.waits = in.u8() != 0;
  t.given_at = in.svarint();
  t.offer_until = static_cast<TimeMs>(in.fixed64());
  t.not_before = in.svarint();
  t.expires_at = static_cast<TimeMs>(in.fixed64());
  t.tries = static_cast<std::uint32_t>(in.varint());
  t.told = static_cast<std::uint32_t>(in.varint());
  decode_texts(in, t.refused);
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) t.rungs.push_back(static_cast<TimeMs>(in.fixed64()));
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    TaskStep& step = t.steps.emplace_back();
    step.at = in.svarint();
    step.what = in.string();
    step.who = in.string();
    step.words = in.string();
  }
  return decode_choice(in, t.action);
}

// A task of before ladders: its manager still hears of it when its time is over.
void take_old_escalation(Task& task) {
  Result<JsonValue> payload = parse_json(task.action.payload, kPayloadBytes);
  const JsonValue* escalate = payload ? payload->find("escalate") : nullptr;
  if (escalate == nullptr || escalate->find("when_overdue") == nullptr || task.action.due == 0 || task.overdue) return;
  Rung rung;
  rung.what = Rung::What::manager;
  task.action.terms.ladder.push_back(rung);
  task.rungs.push_back(task.action.due);
}

void append_tree(std::string& out, const JsonValue& v) {
  switch (v.kind) {
    case JsonValue::Kind::null: out += "null"; break;
    case JsonValue::Kind::boolean: out += v.truth ? "true" : "false"; break;
    case JsonValue::Kind::number: out += v.text; break;
    case JsonValue::Kind::text: append_json_string(out, v.text); break;
    case JsonValue::Kind::list:
      out += '[';
      for (std::size_t i = 0; i < v.items.size(); ++i) {
        if (i > 0) out += ',';
        append_tree(out, v.items[i]);
      }
      out += ']';
      break;
    case JsonValue::Kind::object:
      out += '{';
      for (std::size_t i = 0; i < v.items.size(); ++i) {
        if (i > 0) out += ',';
        append_json_string(out, v.names[i]);
        out += ':';
        append_tree(out, v.items[i]);
      }
      out += '}';
      break;
  }
}

}  // namespace

// How to choose somebody, with what it compares; the team stands in the action.
void encode_choice(Writer& out, const ActionOut& a) {
  out.u8(a.assigns ? 1 : 0);
  out.varint(a.assignment.entries.size());
  for (const AssignEntry& e : a.assignment.entries) {
    out.u8(static_cast<std::uint8_t>(e.strategy));
    out.u8(static_cast<std::uint8_t>(e.off_hours));
    out.varint(e.owner_attribute);
    out.string(e.team);
    encode_texts(out, e.skills);
    out.varint(e.skill_attribute);
    out.svarint(e.within);
    encode_filter(out, e.where);
  }
  out.varint(a.customer_values.size());
  for (const auto& [attribute, value] : a.customer_values) {
    out.varint(attribute);
    encode_value(out, value.view());
  }
  out.string(a.last_owner);
  out.svarint(a.last_owned);
}

bool decode_choice(Reader& in, ActionOut& a) {
  a.assigns = in.u8() != 0;
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    AssignEntry& e = a.assignment.entries.emplace_back();
    e.strategy = static_cast<AssignEntry::Strategy>(in.u8());
    e.off_hours = static_cast<AssignEntry::OffHours>(in.u8());
    e.owner_attribute = static_cast<AttributeId>(in.varint());
    e.team = in.string();
    decode_texts(in, e.skills);
    e.skill_attribute = static_cast<AttributeId>(in.varint());
    e.within = in.svarint();
    if (!decode_filter(in, e.where, 0)) return false;
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    const auto attribute = static_cast<AttributeId>(in.varint());
    ValueView v;
    if (!decode_value(in, v)) return false;
    a.customer_values.emplace_back(attribute, Value(v));
  }
  a.last_owner = in.string();
  a.last_owned = in.svarint();
  return !in.bad();
}

void encode_terms(Writer& out, const TaskTerms& terms) {
  out.varint(terms.units);
  out.u8(terms.rank);
  out.u8(terms.due_working ? 1 : 0);
  out.svarint(terms.due_in);
  out.svarint(terms.accept_within);
  out.svarint(terms.expires_in);
  out.varint(terms.ladder.size());
  for (const Rung& rung : terms.ladder) {
    out.u8(static_cast<std::uint8_t>(rung.when));
    out.svarint(rung.after);
    out.u8(static_cast<std::uint8_t>(rung.what));
  }
}

bool decode_terms(Reader& in, TaskTerms& terms) {
  terms.units = static_cast<std::uint32_t>(in.varint());
  terms.rank = in.u8();
  terms.due_working = in.u8() != 0;
  terms.due_in = in.svarint();
  terms.accept_within = in.svarint();
  terms.expires_in = in.svarint();
  terms.ladder.clear();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Rung& rung = terms.ladder.emplace_back();
    rung.when = static_cast<Rung::When>(in.u8());
    rung.after = in.svarint();
    rung.what = static_cast<Rung::What>(in.u8());
  }
  return !in.bad();
}

void encode_task(std::string& out, const Task& t) {
  Writer w(out);
  w.u8(kTaskVersion);
  w.varint(t.number);
  w.u8(static_cast<std::uint8_t>(t.state));
  w.u8(static_cast<std::uint8_t>((t.overdue ? kOverdue : 0) | (t.sole_record ? kSoleRecord : 0) | (t.decided_for.empty() ? 0 : kDecidedFor)));
  if (!t.decided_for.empty()) w.string(t.decided_for);
  w.svarint(t.done_at);
  w.string(t.disposition);
  w.string(t.note);
  w.string(t.done_by);
  encode_action(w, t.action);
  encode_life(w, t);
}

Result<Task> decode_task(std::string_view bytes) {
  const auto damaged = [] { return fail(Code::corrupt, "a stored task can't be read: it is damaged or was written by a newer version"); };
  Reader in(bytes);
  Task t;
  if (in.u8() != kTaskVersion) return damaged();
  t.number = in.varint();
  t.state = static_cast<TaskState>(in.u8());
  const std::uint8_t marks = in.u8();
  t.overdue = (marks & kOverdue) != 0;
  t.sole_record = (marks & kSoleRecord) != 0;
  if ((marks & kDecidedFor) != 0) t.decided_for = in.string();
  t.done_at = in.svarint();
  t.disposition = in.string();
  t.note = in.string();
  t.done_by = in.string();
  if (t.state < TaskState::open || t.state > TaskState::expired || !decode_action(in, t.action) || in.bad()) return damaged();
  if (in.at_end()) {
    take_old_escalation(t);
    return t;
  }
  if (!decode_life(in, t)) return damaged();
  return t;
}

std::string json_text(std::string_view json, std::string_view name) {
  const Result<JsonValue> value = parse_json(json, kPayloadBytes);
  const JsonValue* member = value ? value->find(name) : nullptr;
  return member != nullptr && member->kind == JsonValue::Kind::text ? member->text : std::string();
}

Withdrawal withdrawal_of(const ActionOut& action) {
  Withdrawal out;
  const Result<JsonValue> payload = parse_json(action.payload, kPayloadBytes);
  if (!payload) return out;
  if (const JsonValue* of = payload->find("of")) {
    for (const JsonValue& rule : of->items) out.rules.push_back(rule.text);
  }
  if (const JsonValue* reason = payload->find("reason")) out.reason = reason->text;
  if (out.reason.empty()) out.reason = "withdrawn by the rule " + action.rule;
  return out;
}

std::string ticket_payload(std::string_view subject, std::string_view body) {
  std::string out = "{\"subject\":";
  append_json_string(out, subject);
  out += ",\"body\":";
  append_json_string(out, body);
  return out + ",\"priority\":\"high\"}";
}

Input task_event(const Catalog& catalog, const ActionOut& action, std::string_view type, std::string_view suffix, TimeMs at,
                 const std::vector<std::pair<std::string_view, Value>>& more) {
  Telling event(catalog, type, action.customer, "nudge:" + to_hex(action.id) + ":" + std::string(suffix), at);
  event.text("task", to_hex(action.id)).text("rule", action.rule).text("kind", action.kind).text("team", action.assignment.team).text("owner", action.owner);
  event.text("subject", json_text(action.payload, "subject")).set("mandatory", Value::of_boolean(action.mandatory));
  if (action.due != 0) event.set("due", Value::of_timestamp(action.due));
  for (const auto& [field, value] : more) event.set(field, value);
  return event.take();
}

Task manager_task(const Plan& plan, const Task& about, std::string_view suffix, std::string subject, TimeMs now) {
  Task task;
  task.number = about.number;
  task.action = about.action;
  ActionOut& action = task.action;
  std::string bytes;
  Writer out(bytes);
  for (const std::uint64_t part : {about.action.id.hi, about.action.id.lo}) {
    for (int shift = 56; shift >= 0; shift -= 8) out.u8(static_cast<std::uint8_t>(part >> static_cast<unsigned>(shift)));
  }
  bytes += suffix;
  action.id = hash128(bytes);
  action.at = now;
  action.due = 0;
  action.mandatory = true;
  action.terms = {};
  action.assigns = false;
  action.assignment.entries.clear();
  action.customer_values.clear();
  const std::string who = !about.action.owner_name.empty() ? about.action.owner_name : about.action.owner;
  action.reason = "A task" + (who.empty() ? "" : " of " + who) +
                  (about.action.due != 0 && about.action.due <= now ? " was due " + format_timestamp(about.action.due) : " was made " + format_timestamp(about.action.at)) +
                  " and is still open";
  JsonValue payload;
  if (Result<JsonValue> read = parse_json(about.action.payload, kPayloadBytes)) payload = *std::move(read);
  std::string json = "{\"subject\":";
  append_json_string(json, subject);
  for (std::size_t i = 0; i < payload.names.size(); ++i) {
    if (payload.names[i] == "escalate" || payload.names[i] == "subject" || payload.names[i] == "overdue_task") continue;
    json += ',';
    append_json_string(json, payload.names[i]);
    json += ':';
    append_tree(json, payload.items[i]);
  }
  json += ",\"overdue_task\":\"" + to_hex(about.action.id) + "\"}";
  action.payload = std::move(json);
  // A team without a manager, or one that is gone: the task lies in the team's pool, where somebody sees it.
  const Team* team = plan.find_team(action.assignment.team);
  action.owner = team != nullptr ? team->manager : "";
  action.owner_name.clear();
  if (const Member* manager = team != nullptr ? team->find(team->manager) : nullptr) action.owner_name = manager->name;
  return task;
}

}  // namespace nudge
