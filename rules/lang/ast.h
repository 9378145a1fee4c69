// What the read pass makes of the files: plain structs with places, nothing looked up yet. The border between `read` and `compile`.
//
// Views point into the documents of the load. Plain data without behaviour.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan/action.h"
#include "engine/plan/lead.h"
#include "engine/plan/rule.h"
#include "rules/lang/shape.h"

namespace nudge::lang {

/// An operator as written: `at_least: 5`. `size`, `days_since`, `changed`, `has_been` and `band` stand beside the plan's operators.
struct Comparison {
  std::string_view op;  // empty: none written (an error where one is needed has been reported by the compile pass)
  Raw operand;
  bool ignore_case = false;
  Where ignore_case_at;
};

struct WindowAst {
  Raw within, from, to, since;
  Raw zone;
  std::optional<std::size_t> unit;  // of `since`
  bool company_zone = false;
};

struct Condition;

/// `event: TYPE` with what may stand beside it.
struct EventQuery {
  Name event;
  std::unique_ptr<Condition> filter;
  WindowAst window;
  bool before_trigger = false;
  Where before_at;
  Name same;
  std::string_view aggregate;  // `count`, `sum` …; empty: at least one row
  Where aggregate_at;
  Name field;  // empty: the row's time (first and last), or none (count)
  bool days_since = false;
  Comparison comparison;
};

struct SequenceItem {
  Name event;
  bool absent = false;
  std::unique_ptr<Condition> filter;
  std::optional<DurationMs> within, lasting;
  Where where;
};

struct SequenceAst {
  std::vector<SequenceItem> items;
  Name same;
  std::optional<DurationMs> within;
};

struct Condition {
  enum class Kind : std::uint8_t {
    broken,  // reported already; compiles to a constant
    all,
    any,
    negate,
    attribute,
    field,
    event,
    trait,
    score,
    segment,
    tag,
    sequence,
    calendar,
  };
  Kind kind = Kind::broken;
  Where where;  // of the key that gives the form
  std::vector<Condition> children;
  Name subject;  // name after `attribute:`, `trait:` …
  Comparison comparison;
  std::unique_ptr<EventQuery> query;
  std::unique_ptr<SequenceAst> sequence;
  Calendar calendar;
};

struct SegmentAst {
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  std::string_view description;
  Condition where;
};

struct TraitAst {
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  std::string_view description;
  std::unique_ptr<EventQuery> query;  // or
  Name attribute;
  std::string_view attribute_of;  // `days_since` or `size` of the attribute; empty: its value
  Where attribute_of_at;
};

struct ScoreAst {
  struct Points {
    Where where;
    std::optional<Condition> condition;
    Name trait;
    Decimal add;
    std::optional<Decimal> at_most;
  };
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  std::string_view description;
  std::vector<Points> points;
  std::vector<std::pair<Name, Decimal>> bands;
};

struct TriggerAst {
  std::optional<Trigger::Kind> kind;  // absent: missing, wrong or not available; reported
  Where where;
  Name subject;
  std::unique_ptr<Condition> filter;
  Name same;
  Raw to, from;
  DurationMs hold_for = 0;
  std::string_view cron;
  Name zone;
  DurationMs offset = 0;
  DurationMs time_of_day = 0;
  bool time_given = false;
  // `task: …` and `message: …`: `kind` is event, `subject` the built-in event; fields of it that must be equal to these.
  std::vector<std::pair<std::string_view, Name>> equals;
};

struct MemberFilterAst {
  MemberFilter::Kind kind = MemberFilter::Kind::all;
  std::vector<MemberFilterAst> children;
  Name property;
  Comparison comparison;
  Where where;
};

struct ActionAst {
  Name kind;  // the key; empty: reported
  const doc::Node* body = nullptr;
};

struct StepAst {
  Where where;
  Step::Kind kind = Step::Kind::act;  // an `if` is a branch; `jump` is never written
  DurationMs after = 0;
  std::optional<Condition> condition;  // until, if
  DurationMs timeout = 0;
  bool stop_on_timeout = false;
  std::vector<StepAst> then, otherwise;
  std::optional<Condition> only_if;
  ActionAst action;
};

struct RuleAst {
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  std::string_view description;
  Category category = Category::sales;
  std::optional<Purpose> purpose;
  std::int32_t priority = 50;
  RuleState state = RuleState::active;
  TriggerAst trigger;
  std::optional<Condition> condition;
  std::vector<StepAst> steps;
  std::optional<Condition> exit;
  Limits limits;
  std::uint32_t percent = 100;
  std::uint32_t holdout = 0;
  bool existing_fire = false;
  Where existing_at;
  std::optional<DurationMs> max_age;
  Where max_age_at;
  Name goal_event;
  std::unique_ptr<Condition> goal_filter;
  DurationMs goal_within = 0;
  Name goal_value;
  bool goal_stop = true;
};

struct TemplateAst {
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  std::string_view channel;
  Where where;
  struct Part {
    std::string_view name;  // subject, text, html, body
    std::string_view text;
    Where where;
  };
  std::vector<Part> parts;
  std::string_view language;  // of `parts`
  struct Translation {
    Name language;
    std::vector<Part> parts;
  };
  std::vector<Translation> translations;
};

struct MemberAst {
  Member member;
  Name calendar, zone;
};

struct TeamAst {
  Name name;
  std::vector<Name> allow;  // warnings that are meant to be so
  Team team;
  Name overflow, calendar, zone;
  std::vector<Name> member_calendars, member_zones;  // by place in team.members
};

struct DispositionAst {
  Name name;
  Disposition disposition;
};

struct PoolAst {
  Name name;
  Pool pool;  // the plain values
  Name team, recycle_to, owner;
  std::vector<Name> follow_ups;
};

struct FunnelAst {
  Name name;
  Funnel funnel;  // the plain values
  std::vector<Name> follow_ups;
};

/// `for:` or `by:` of a policy: what it binds.
struct PolicyMatchAst {
  std::vector<Name> channels, rules;
  std::vector<Purpose> purposes;
  std::vector<std::uint8_t> categories;
};

struct PolicyAst {
  Name name;
  std::optional<Policy::Kind> kind;  // absent: missing or wrong; reported
  PolicyMatchAst match;
  std::vector<Name> by;                // inhibit
  std::optional<Condition> condition;  // consent
  Policy policy;                       // the plain values
  Name calendar, zone, zone_by;
  std::vector<std::pair<std::string_view, Name>> zones;
};

struct CalendarAst {
  Name name;
  BusinessCalendar calendar;
};

/// Everything one file defines.
struct FileAst {
  const doc::Document* document = nullptr;
  std::vector<SegmentAst> segments;
  std::vector<TraitAst> traits;
  std::vector<ScoreAst> scores;
  std::vector<RuleAst> rules;
  std::vector<TemplateAst> templates;
  std::vector<TeamAst> teams;
  std::vector<DispositionAst> dispositions;
  std::vector<PoolAst> pools;
  std::vector<FunnelAst> funnels;
  std::vector<PolicyAst> policies;
  std::vector<CalendarAst> calendars;
  Name language;  // of the company: of customers who have none of their own
};

}  // namespace nudge::lang
