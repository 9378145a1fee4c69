// Where everything of a compiled plan stands in its files, for whoever has something to say about it afterwards (rules/lint). Recorded only
// when a load asks for it (CompileOptions::map_sources); the daemon does not.
//
// Owns the documents; names and places point into them. Immutable after the load; safe to read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/lang/shape.h"

namespace nudge::lang {

/// A segment, trait, score, rule, template or team as written.
struct Definition {
  enum class Kind : std::uint8_t { segment, trait, score, rule, template_, team };
  Kind kind = Kind::segment;
  std::string_view name;
  Where where;              // of the name
  std::vector<Name> allow;  // codes of warnings that are meant to be so
};

inline constexpr std::uint32_t kNoDefinition = 0xffffffff;

/// One condition, or part of one. Parts come before what they are part of.
struct Spot {
  enum class Role : std::uint8_t { part, segment, points, trigger_filter, rule_if, only_if, step, goal_filter };
  Role role = Role::part;  // what the whole condition is for
  NodeId node = kNone;
  Where where;                           // of the key that gives the form
  std::uint32_t owner = kNoDefinition;   // index into SourceMap::definitions
  std::uint32_t first = 0;               // its parts are spots [first, its own index) with the same owner
  EventTypeId row_event = kNoEventType;  // a filter of this event's rows; else asked of the customer
  bool reference = false;                // `segment: NAME`: what is wrong with it is said where that is defined
};

/// A window as written.
struct WindowSpot {
  EventTypeId event = kNoEventType;
  Window window;
  Where where;
  std::uint32_t owner = kNoDefinition;
};

/// A placeholder of a template as written.
struct VariableSpot {
  ExprId expr = kNone;
  std::string written;  // `customer.name`
  bool has_default = false;  // … or an `if` around it says that it is there
  Where where;
  std::uint32_t owner = kNoDefinition;        // the rule, or a template that no rule uses
  std::uint32_t of_template = kNoDefinition;  // the template it stands in, when it does not stand in the rule
  std::string_view action;                    // kind of the action that it is rendered for …
  std::string_view param;                     // … and the key, where it stands in the rule
};

struct SourceMap {
  std::vector<std::unique_ptr<doc::Document>> documents;
  std::vector<Definition> definitions;  // each kind in the order of names
  std::vector<Spot> spots;
  std::vector<WindowSpot> windows;
  std::vector<VariableSpot> variables;
  std::vector<std::string_view> used_templates;  // by an action, or by `render` of another template
  // Where a rule's `when` stands, in the order of the names of rules.
  std::vector<Where> triggers;
};

}  // namespace nudge::lang
