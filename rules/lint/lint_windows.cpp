// R1003: a window that reaches further back than events of the type are kept.
#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

/// How far back a window reaches; 0: it has no length of its own.
DurationMs reach(const Window& w) {
  switch (w.kind) {
    case Window::Kind::within:
    case Window::Kind::from_to: return w.a;
    case Window::Kind::since:
      switch (w.unit) {
        case Window::Unit::day: return kDay;
        case Window::Unit::week: return kWeek;
        case Window::Unit::month: return 31 * kDay;
        case Window::Unit::quarter: return 92 * kDay;
        case Window::Unit::year: return 366 * kDay;
      }
      return 0;
    case Window::Kind::ever:
    case Window::Kind::fixed: return 0;
  }
  return 0;
}

}  // namespace

void lint_windows(Findings& f) {
  for (const lang::WindowSpot& spot : f.sources.windows) {
    if (spot.event == kNoEventType) continue;
    const EventTypeDef& event = f.plan.catalog->events[spot.event];
    const auto kept = f.options.kept.find(event.name);
    if (kept == f.options.kept.end() || reach(spot.window) <= kept->second) continue;
    f.warn("R1003", spot.where, {spot.owner},
           "this window reaches back " + format_duration(reach(spot.window)) + ", and the catalog says that " + quoted(event.name) +
               " is kept for " + format_duration(kept->second),
           "shorten the window, or keep the events longer (`keep` in the catalog)");
  }
}

}  // namespace nudge::lint
