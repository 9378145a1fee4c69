// A salesperson's open tasks as a calendar that calendar programs subscribe to (RFC 5545). Pure functions, thread-safe. The same tasks give
// the same bytes, so that a program which has them already is told so.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemon/runtime/records.h"

namespace nudge::daemon {

// One content line with its CRLF, folded at 75 octets, never inside a character.
std::string ical_line(std::string_view text);
// TEXT as it stands in a value: backslash, comma, semicolon and line breaks escaped, other control characters left out.
std::string ical_text(std::string_view text);
// As tasks (VTODO), or as appointments of a quarter of an hour that end when the task is due (VEVENT) for programs that show no tasks;
// one without a due time has no place among those.
enum class CalendarForm : std::uint8_t { tasks, events };
std::string calendar_of(std::string_view owner, std::span<const TaskRecord> tasks, CalendarForm form);

}  // namespace nudge::daemon
