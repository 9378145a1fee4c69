// Fingerprints of definitions: what a segment or rule means, in names of attributes, events and fields and never in numeric ids, so that
// the same definition has the same fingerprint in every data directory and under every plan. Used by PlanBuilder::finish; not thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge {

class Definitions {
 public:
  explicit Definitions(const Plan& plan);

  Hash128 segment(const Segment& segment);  // of name and definition
  Hash128 rule(const Rule& rule);           // of everything but the description; its trigger's segment must have its key
  // The marks of the rule's steps, in order (Step::mark).
  std::vector<std::uint64_t> marks(const Rule& rule);
  // Of all definitions in the plan, whatever their order; segments and rules must have theirs.
  Hash128 digest();

 private:
  using Memo = std::vector<std::optional<Hash128>>;

  Hash128 node(NodeId id);
  Hash128 expr(ExprId id);
  Hash128 aggregate(AggregateId id);
  Hash128 sequence(std::uint32_t id);
  Hash128 calendar(std::uint32_t id);
  Hash128 rendered(TemplateId id);
  Hash128 score(std::uint32_t id);
  Hash128 team(const Team& team) const;
  Hash128 disposition(std::size_t index) const;
  Hash128 pool(const Pool& pool) const;
  Hash128 funnel(const Funnel& funnel) const;
  Hash128 policy(const Policy& policy);
  Hash128 business_calendar(const BusinessCalendar& calendar) const;

  void put_node(Writer& out, const Node& node);
  void put_expr(Writer& out, const Expr& expr);
  void put_trigger(Writer& out, const Trigger& trigger);
  void put_step(Writer& out, const Step& step);
  void put_write(Writer& out, const Write& write);
  void put_task(Writer& out, const Action& action);
  void put_approval(Writer& out, const Approval& approval);
  void put_param(Writer& out, const Param& param);
  void put_members(Writer& out, const MemberFilter& filter);
  void put_attribute(Writer& out, std::uint32_t id) const;
  void put_event(Writer& out, EventTypeId event) const;
  void put_field(Writer& out, EventTypeId event, std::uint32_t field) const;
  template <class F>
  Hash128 once(Memo& memo, std::uint32_t id, F write);

  const Plan& plan_;
  Memo nodes_, exprs_, aggregates_, sequences_, calendars_, templates_, scores_;
};

// Shared with the builder's own keys.
void put_window(Writer& out, const Window& window);
void put_values(Writer& out, const std::vector<Value>& values);
void put_hash(Writer& out, Hash128 hash);

}  // namespace nudge
