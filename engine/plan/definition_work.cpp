// What is said about work: assignments, tasks, teams, dispositions.
#include <algorithm>

#include "engine/base/codec.h"
#include "engine/plan/definition.h"

namespace nudge {

namespace {

void put_bool(Writer& out, bool b) { out.u8(b ? 1 : 0); }
template <class E>
void put_enum(Writer& out, E e) {
  out.u8(static_cast<std::uint8_t>(e));
}

void put_hours(Writer& out, const WorkHours& h) {
  out.string("hours");
  out.varint(h.open.size());
  for (const Calendar& c : h.open) {
    out.u8(c.weekdays);
    out.varint(c.hours.size());
    for (const Calendar::Hours& hours : c.hours) {
      out.svarint(hours.from);
      out.svarint(hours.to);
    }
  }
  out.string(h.calendar_name);
  out.string(h.has_zone ? h.zone.name() : "");
}

}  // namespace

// Additions: an assignment and a task of the first form keep their fingerprint.
void Definitions::put_task(Writer& out, const Action& a) {
  const auto plain = [](const AssignEntry& e) {
    return e.condition == kNone && e.off_hours == AssignEntry::OffHours::prefer && e.team.empty() && e.skills.empty() &&
           e.skill_attribute == kNoAttribute && e.within == 0;
  };
  if (a.assignment.entries.size() > 1 || !std::ranges::all_of(a.assignment.entries, plain)) {
    out.string("entries");
    for (const AssignEntry& e : a.assignment.entries) {
      put_hash(out, node(e.condition));
      put_enum(out, e.strategy);
      put_enum(out, e.off_hours);
      put_attribute(out, e.owner_attribute);
      put_members(out, e.where);
      out.string(e.team);
      out.varint(e.skills.size());
      for (const std::string& skill : e.skills) out.string(skill);
      put_attribute(out, e.skill_attribute);
      out.svarint(e.within);
    }
  }
  const TaskTerms& t = a.task;
  const bool old_ladder = t.ladder.empty() || std::ranges::any_of(a.params, [](const Param& p) { return p.name == "escalate"; });
  if (t.units == 1 && !t.due_working && t.accept_within == 0 && t.expires_in == 0 && old_ladder) return;
  out.string("task");
  out.varint(t.units);
  put_bool(out, t.due_working);
  out.svarint(t.accept_within);
  out.svarint(t.expires_in);
  out.varint(t.ladder.size());
  for (const Rung& rung : t.ladder) {
    put_enum(out, rung.when);
    out.svarint(rung.after);
    put_enum(out, rung.what);
  }
}

void Definitions::put_approval(Writer& out, const Approval& a) {
  out.string("approval");
  out.string(a.team);
  out.string(a.person);
  out.svarint(a.within);
  put_bool(out, a.working);
  put_bool(out, a.otherwise_send);
  put_hash(out, rendered(a.subject));
  out.varint(a.asks.size());
  for (const Action& ask : a.asks) {
    out.string(ask.kind);
    out.string(ask.connector);
    out.string(ask.template_name);
    out.varint(ask.params.size());
    for (const Param& p : ask.params) put_param(out, p);
  }
}

Hash128 Definitions::team(const Team& t) const {
  std::string bytes;
  Writer out(bytes);
  out.string(t.manager);
  out.varint(t.members.size());
  for (const Member& m : t.members) {
    out.string(m.id);
    out.string(m.name);
    out.string(m.email);
    out.varint(m.properties.size());
    for (const auto& [name, value] : m.properties) {
      out.string(name);
      encode_value(out, value.view());
    }
    // Additions: a team of the first form keeps its fingerprint.
    if (m.per_day != 0) out.string("per_day " + std::to_string(m.per_day));
    if (m.weight != 1) out.string("weight " + std::to_string(m.weight));
    if (m.own_hours) put_hours(out, m.hours);
    for (const Absence& absence : m.absences) out.string("absent " + std::to_string(absence.from) + " to " + std::to_string(absence.to));
  }
  if (!t.overflow.empty()) out.string("overflow " + t.overflow);
  if (!t.hours.always() || t.hours.has_zone) put_hours(out, t.hours);
  return hash128(bytes);
}

Hash128 Definitions::pool(const Pool& p) const {
  std::string bytes;
  Writer out(bytes);
  out.string(p.team);
  put_bool(out, p.everybody);
  out.varint(p.per_day);
  out.varint(p.owned_most);
  out.svarint(p.again_after);
  for (const auto* list : {&p.return_reasons, &p.close_reasons}) {
    out.varint(list->size());
    for (const std::string& reason : *list) out.string(reason);
  }
  out.svarint(p.recycle_after);
  out.string(p.recycle_to);
  out.varint(p.follow_ups.size());
  for (const EventTypeId event : p.follow_ups) put_event(out, event);
  put_attribute(out, p.owner_attribute);
  return hash128(bytes);
}

Hash128 Definitions::funnel(const Funnel& f) const {
  std::string bytes;
  Writer out(bytes);
  out.varint(f.stages.size());
  for (const FunnelStage& stage : f.stages) {
    out.string(stage.name);
    out.varint(stage.percent);
    out.svarint(stage.stalled_after);
    out.varint(stage.tasks.size());
    for (const std::string& task : stage.tasks) out.string(task);
  }
  out.varint(f.lost_reasons.size());
  for (const std::string& reason : f.lost_reasons) out.string(reason);
  out.varint(f.follow_ups.size());
  for (const EventTypeId event : f.follow_ups) put_event(out, event);
  return hash128(bytes);
}

Hash128 Definitions::disposition(std::size_t index) const {
  const Disposition& d = plan_.dispositions[index];
  std::string bytes;
  Writer out(bytes);
  out.varint(index);
  put_bool(out, d.closes);
  out.svarint(d.retry_after);
  put_bool(out, d.asks_time);
  out.varint(d.tries_most);
  return hash128(bytes);
}

}  // namespace nudge
