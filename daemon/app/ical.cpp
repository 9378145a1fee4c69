#include "daemon/app/ical.h"

#include "daemon/runtime/payload.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kLineOctets = 75;
constexpr DurationMs kEventLength = 15 * kMinute;

// 20260102T030405Z out of 2026-01-02T03:04:05Z.
std::string utc_time(TimeMs at) {
  std::string out;
  for (const char c : format_timestamp(at / 1000 * 1000))
    if (c != '-' && c != ':') out += c;
  if (const std::size_t fraction = out.find('.'); fraction != std::string::npos) out = out.substr(0, fraction) + "Z";
  return out;
}

int priority_of(std::string_view name) {
  if (name == "urgent") return 1;
  if (name == "high") return 3;
  return name == "low" ? 9 : 5;
}

std::string description_of(const TaskRecord& task) {
  std::string out = task.action.reason;
  const std::string script = member_text(task.action.payload, "script");
  if (!script.empty()) out += (out.empty() ? "" : "\n\n") + script;
  return out + (out.empty() ? "" : "\n\n") + "Customer " + task.action.customer;
}

std::string entry_of(const TaskRecord& task, CalendarForm form) {
  const ActionOut& action = task.action;
  const char* kind = form == CalendarForm::tasks ? "VTODO" : "VEVENT";
  std::string out = ical_line(std::string("BEGIN:") + kind);
  out += ical_line("UID:" + to_hex(action.id) + (form == CalendarForm::tasks ? "@nudge" : "-event@nudge"));
  out += ical_line("DTSTAMP:" + utc_time(action.at));
  out += ical_line("SUMMARY:" + ical_text(member_text(action.payload, "subject")));
  out += ical_line("DESCRIPTION:" + ical_text(description_of(task)));
  out += ical_line("PRIORITY:" + std::to_string(priority_of(member_text(action.payload, "priority"))));
  if (!action.rule.empty()) out += ical_line("CATEGORIES:" + ical_text(action.rule));
  if (form == CalendarForm::tasks) {
    if (action.due != 0) out += ical_line("DUE:" + utc_time(action.due));
    out += ical_line("STATUS:NEEDS-ACTION");
  } else {
    out += ical_line("DTSTART:" + utc_time(action.due - kEventLength)) + ical_line("DTEND:" + utc_time(action.due)) +
           ical_line("TRANSP:TRANSPARENT");
  }
  if (action.due != 0) {
    out += ical_line("BEGIN:VALARM") + ical_line("ACTION:DISPLAY") +
           ical_line("DESCRIPTION:" + ical_text(member_text(action.payload, "subject")));
    out += ical_line("TRIGGER;RELATED=END:-PT15M") + ical_line("END:VALARM");
  }
  return out + ical_line(std::string("END:") + kind);
}

}  // namespace

std::string ical_line(std::string_view text) {
  std::string out;
  std::size_t room = kLineOctets;
  while (text.size() > room) {
    std::size_t cut = room;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
    out.append(text.substr(0, cut)).append("\r\n ");
    text.remove_prefix(cut);
    room = kLineOctets - 1;  // the space counts
  }
  return out.append(text).append("\r\n");
}

std::string ical_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == ';' || c == ',') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
    }
  }
  return out;
}

// Without METHOD: one that says PUBLISH must name an organizer (RFC 5546), and there is none.
std::string calendar_of(std::string_view owner, std::span<const TaskRecord> tasks, CalendarForm form) {
  std::string out = ical_line("BEGIN:VCALENDAR") + ical_line("VERSION:2.0") + ical_line("PRODID:-//nudge//tasks//EN") +
                    ical_line("CALSCALE:GREGORIAN") + ical_line("X-WR-CALNAME:" + ical_text("nudge: " + std::string(owner))) +
                    ical_line("REFRESH-INTERVAL;VALUE=DURATION:PT15M") + ical_line("X-PUBLISHED-TTL:PT15M");
  for (const TaskRecord& task : tasks)
    if (form == CalendarForm::tasks || task.action.due != 0) out += entry_of(task, form);
  return out + ical_line("END:VCALENDAR");
}

}  // namespace nudge::daemon
