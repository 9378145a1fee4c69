// What a rule would send to a customer: each action of it rendered as at an instant, with what the policies say. Pure; for people, not for
// the hot path.
#pragma once

#include <string>
#include <vector>

#include "engine/base/sms.h"
#include "engine/core/effects.h"
#include "engine/core/policy.h"

namespace nudge {

// What else would stop it or send it elsewhere.
struct PreviewStop {
  std::string_view what;  // asked, kept, held, waits, elsewhere, dead
  std::string words;
};

struct PreviewStep {
  std::uint32_t step = 0;
  std::string label;       // its place as written: "2.then.1"
  bool reached = true;     // the branches, exits and only_if before it let it through, as things stand now
  bool waits = false;      // a step before it waits for a condition: `at` is the earliest instant
  TimeMs at = 0;           // when it would be done
  std::string kind, channel, connector, team;
  std::string payload;     // as it would go out; without what only the desk knows
  SmsCount sms;            // of an SMS with a `text`
  bool has_assignee = false;  // the payload has such places
  std::string error;       // it can't be rendered, and why
  bool judged = false;     // policies speak of it: a message
  PolicyVerdict verdict;   // when judged
  ActionOut action;        // when judged: as it would be handed on
  std::vector<PreviewStop> stops;
};

struct Preview {
  TimeMs at = 0;
  std::string cause;  // what is taken for the trigger, in words
  std::vector<PreviewStep> steps;
};

// As if the rule fired at `now`; an event trigger takes the newest event of its type up to then, and without one the event's variables
// are missing.
Preview preview_rule(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now);

class Desk;
// What the desk would say of it at this moment, of each step that is reached: silences, the brake, budgets. `desk` is changed by being asked:
// give a copy.
void ask_desk(const Plan& plan, Desk& desk, Preview& preview);

// The preview as a JSON object. Texts of SMS come with their alphabet and segments.
void append_json(std::string& out, const Preview& preview);

}  // namespace nudge
