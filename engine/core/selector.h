// Which segments can an input touch? Bitmaps over the plan's segments, so that an event costs little more with 10,000 rules than with ten.
//
//   by event   for each event type and each distinct row filter, the segments with an aggregate over rows that pass it: new rows touch only
//              those whose filter they pass (equality filters are found by hashing the row's value), and of those that ask for plain
//              thresholds only those whose threshold they cross (crossing.h)
//   by attribute   for each attribute and each of its values, the segments that this value alone does not rule out: a segment whose
//              conjunction fails on an attribute is false until that attribute changes, whatever else happens
//   residual   for each segment what is left to be judged once the attributes do not rule it out
//
// The literature: indexing Boolean expressions (Whang et al., VLDB 2009), BE-Tree (Sadoghi and Jacobsen, SIGMOD 2011). One per engine; not
// thread-safe.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/bits.h"
#include "engine/core/crossing.h"
#include "engine/core/evaluate.h"
#include "engine/core/filter.h"

namespace nudge {

// Looked up by a view, without making a string.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <class T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

class Selector {
 public:
  // Builds the tables for the evaluator's plan; called whenever that was prepared anew (Evaluator::prepared), whose filters it refers to.
  void build(const Evaluator& evaluator);

  // Adds the segments that new rows of one type may flip: ascending places of rows that are not later than the evaluator's instant.
  void by_rows(Evaluator& evaluator, EventTypeId type, const Rows& rows, std::span<const std::uint32_t> fresh, Bits& touched);
  // Takes out the segments that the customer's attributes rule out at the evaluator's instant.
  void rule_out(Evaluator& evaluator, Bits& touched);
  // The same for a few segments, of which the attributes are known by themselves (RuledOut). Whose conditions on which attributes they have,
  // ascending:
  std::vector<AttributeId> attributes_of(std::span<const std::uint32_t> segments) const;
  // Takes out the segments that this value rules out; false when that is not known yet: rule_out with a customer who has it makes it known.
  bool rule_out_by(AttributeId attribute, const ValueView& value, Bits& touched) const;
  // The parts of the segment's conjunction that are still open when rule_out has left the segment in; none: it holds.
  std::span<const NodeId> residual(std::size_t segment) const { return residual_[segment]; }

 private:
  struct Group {
    NodeId filter = kNone;
    const std::vector<Predicate>* simple = nullptr;  // null: every row passes
    bool any = false;
    Bits segments;        // that every row which passes touches; when `any`
    Crossings crossings;  // of the others
  };
  struct TypeIndex {
    bool any = false;
    bool any_always = false;
    Bits always;                // segments that every row of the type touches; when any_always
    std::vector<Group> groups;  // asked one by one
    // Groups with an equality on a text field, by that field and value.
    struct Equal {
      FieldId field;
      TextMap<std::vector<Group>> by_value;
    };
    std::vector<Equal> equal;
  };
  struct AttributeIndex {
    AttributeId attribute = kNoAttribute;
    std::vector<std::pair<std::uint32_t, NodeId>> conditions;  // segment, a part of its conjunction
    TextMap<Bits> by_text;
    std::unordered_map<std::int64_t, Bits> by_number;
    Bits when_missing;
    bool missing_known = false;
  };
  const Bits& allowed(AttributeIndex& index, Evaluator& evaluator);
  static const Bits* known(const AttributeIndex& index, const ValueView& value);
  bool index_part(const Plan& plan, std::uint32_t segment, NodeId part);
  void index_conjunction(const Plan& plan, std::uint32_t segment, NodeId root);
  void index_events(const Plan& plan, const LeafTable& leaves, std::uint32_t segment, NodeId root);
  Group& group_of(TypeIndex& type, NodeId filter);
  void by_group(const Group& group, Evaluator& evaluator, const Rows& rows, std::span<const std::uint32_t> fresh, Bits& touched);

  const FilterTable* filters_ = nullptr;
  std::size_t segments_ = 0;
  std::vector<TypeIndex> types_;
  std::vector<AttributeIndex> attributes_;
  std::vector<std::vector<NodeId>> residual_;  // by segment
  std::vector<std::uint32_t> passing_;         // scratch
  Crossings::Scratch scratch_;
};

}  // namespace nudge
