// A plan: everything that was switched on together, compiled. Immutable after PlanBuilder::finish and bind; shared by all shard threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/zone.h"
#include "engine/plan/lead.h"
#include "engine/plan/policy.h"
#include "engine/plan/rule.h"

namespace nudge {

struct Plan {
  std::shared_ptr<const Catalog> catalog;
  std::vector<Node> nodes;
  std::vector<Expr> exprs;
  std::vector<Aggregate> aggregates;
  std::vector<Sequence> sequences;
  std::vector<Calendar> calendars;
  std::vector<Template> templates;
  std::vector<Segment> segments;  // in the order they were added; triggers and nodes refer to them by index
  std::vector<Trait> traits;
  std::vector<Score> scores;
  std::vector<Rule> rules;  // by priority descending, then by name: the order of firing within an instant
  std::vector<Team> teams;                            // by name
  std::vector<Disposition> dispositions;              // in the order written; empty: any word will do
  std::vector<Pool> pools;                            // by name
  std::vector<Funnel> funnels;                        // by name
  std::vector<Policy> policies;                       // by name
  std::vector<BusinessCalendar> business_calendars;   // by name
  DurationMs contact_horizon = 0;                     // how long a contact can count for a cap or an inhibition; 0: none is kept
  // Where opt-outs and opt-ins are read from: the built-in events and their fields.
  struct ConsentEvents {
    EventTypeId type = kNoEventType;
    FieldId channel = kNoField, purpose = kNoField, text = kNoField;
  } opt_out, opt_in, reply;  // a reply that says no more than STOP or START is an opt-out or opt-in of its channel
  EventTypeId told_accepted = kNoEventType, told_failed = kNoEventType, told_held = kNoEventType;  // message_accepted …
  std::unordered_map<std::string, std::string> named_templates;  // name -> as written, for showing
  Zone zone;                                                     // the company's
  AttributeId zone_attribute = kNoAttribute;                     // the customer's `timezone`
  Hash128 digest;                                                // of all definitions: what `replay` and decisions name
  std::uint64_t sequence = 0;                                    // 1, 2, 3 … in a data directory; given by bind
  TimeMs activated = kAlways;                                    // when it was switched on; given by bind

  // What an input can touch. Indexed by id; values are indexes into segments / rules.
  std::vector<std::vector<std::uint32_t>> segments_by_event;
  std::vector<std::vector<std::uint32_t>> segments_by_attribute;
  std::vector<std::uint32_t> segments_by_tag;
  std::vector<std::vector<std::uint32_t>> rules_by_event;      // event triggers
  std::vector<std::vector<std::uint32_t>> rules_by_attribute;  // attribute_changes triggers
  std::vector<std::vector<std::uint32_t>> rules_by_segment;    // enters and leaves triggers
  // Rules with a step `until` or an `exit` whose condition the input can touch.
  std::vector<std::vector<std::uint32_t>> waits_by_event;
  std::vector<std::vector<std::uint32_t>> waits_by_attribute;
  std::vector<std::uint32_t> waits_by_tag;
  std::unordered_map<RootId, std::uint32_t> segment_of_root;   // after bind
  std::unordered_map<RuleId, std::uint32_t> rule_of_id;        // after bind

  const Segment* find_segment(std::string_view name) const;
  const Rule* find_rule(std::string_view name) const;
  const Team* find_team(std::string_view name) const;
  const Disposition* find_disposition(std::string_view name) const;
  const Pool* find_pool(std::string_view name) const;
  const Funnel* find_funnel(std::string_view name) const;
};

// Builds a plan bottom-up; equal nodes, expressions, aggregates … get one id (hash-consing). Not thread-safe.
class PlanBuilder {
 public:
  explicit PlanBuilder(std::shared_ptr<const Catalog> catalog);

  NodeId constant(bool truth);
  // all/any with flattening of same-kind children, removal of repeated ones and of constants; one child stands for itself. The order stays
  // as written, because it is shown.
  NodeId all(std::vector<NodeId> children);
  NodeId any(std::vector<NodeId> children);
  NodeId negate(NodeId child);  // of a negation: what that negates
  NodeId add(Node node);        // every other kind
  ExprId add(Expr expr);
  AggregateId add(Aggregate aggregate);
  std::uint32_t add(Sequence sequence);
  std::uint32_t add(Calendar calendar);
  TemplateId add(Template t);

  ExprId literal(Value value, Type type);
  ExprId attribute(AttributeId id);
  ExprId field(EventTypeId event, FieldId id);
  ExprId trigger_field(EventTypeId event, FieldId id);
  ExprId aggregate(AggregateId id);  // of the field's type; counts are integers, an average of integers is a decimal

  const Node& node(NodeId id) const { return plan_->nodes[id]; }
  const Expr& expr(ExprId id) const { return plan_->exprs[id]; }
  const Aggregate& aggregate_at(AggregateId id) const { return plan_->aggregates[id]; }
  Plan& plan() { return *plan_; }  // for segments, traits, scores, rules, teams, zone: fill in, then finish

  // Sorts the rules, hashes definitions, builds the indexes. The builder is spent afterwards.
  std::unique_ptr<Plan> finish();

 private:
  NodeId junction(Node::Kind kind, const std::vector<NodeId>& children);
  ExprId row_field(Expr::Kind kind, EventTypeId event, FieldId id);

  std::unique_ptr<Plan> plan_;
  std::unordered_map<std::string, std::uint32_t> ids_;  // canonical bytes -> id, one table for all sorts
};

}  // namespace nudge
