// Which segments can an input touch? Bitmaps over the plan's segments, so that an event costs little more with 10,000 rules than with ten.
//
//   by event   for each event type and each distinct row filter, the segments with an aggregate over rows that pass it: a new row touches
//   only those
//              whose filter it passes (equality filters are found by hashing the row's value)
//   by attribute   for each attribute and each of its values, the segments that this value alone does not rule out: a segment whose
//   conjunction
//              fails on an attribute is false until that attribute changes, whatever else happens
//   residual   for each segment what is left to be judged once the attributes do not rule it out
//
// The literature: indexing Boolean expressions (Whang et al., VLDB 2009), BE-Tree (Sadoghi and Jacobsen, SIGMOD 2011). One per engine; not
// thread-safe.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/evaluate.h"
#include "engine/core/filter.h"

namespace nudge {

class Bits {
 public:
  void reset(std::size_t bits, bool value = false) { words_.assign((bits + 63) / 64, value ? ~std::uint64_t{0} : 0); }
  void set(std::size_t bit) { words_[bit / 64] |= std::uint64_t{1} << (bit % 64); }
  void clear(std::size_t bit) { words_[bit / 64] &= ~(std::uint64_t{1} << (bit % 64)); }
  bool test(std::size_t bit) const { return ((words_[bit / 64] >> (bit % 64)) & 1U) != 0; }
  void merge(const Bits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= o.words_[i];
  }
  void mask(const Bits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= o.words_[i];
  }
  bool any() const {
    for (const std::uint64_t word : words_)
      if (word != 0) return true;
    return false;
  }
  // Calls f(bit) for each set bit, ascending.
  template <class F>
  void each(std::size_t bits, F&& f) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
        const std::size_t bit = i * 64 + static_cast<std::size_t>(__builtin_ctzll(word));
        if (bit < bits) f(bit);
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

// Looked up by a view, without making a string.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <class T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

class Selector {
 public:
  // Builds the tables for a plan; called when the plan is another one. `filters` are the plan's and stay alive and unchanged.
  void build(const Plan& plan, const FilterTable& filters);

  // Adds the segments that a new row may flip.
  void by_row(const RowRef& row, Bits& touched) const;
  // Takes out the segments that the customer's attributes rule out at the evaluator's instant.
  void rule_out(Evaluator& evaluator, Bits& touched);
  // The parts of the segment's conjunction that are still open when rule_out has left the segment in; none: it holds.
  std::span<const NodeId> residual(std::size_t segment) const { return residual_[segment]; }

 private:
  struct Group {
    NodeId filter = kNone;
    const std::vector<Predicate>* simple = nullptr;
    Bits segments;
  };
  struct TypeIndex {
    bool any = false;
    Bits always;                // segments that every row of the type touches
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
  bool index_part(const Plan& plan, std::uint32_t segment, NodeId part);
  void index_conjunction(const Plan& plan, std::uint32_t segment, NodeId root);
  void index_events(const Plan& plan, std::uint32_t segment, NodeId root);

  const FilterTable* filters_ = nullptr;
  std::size_t segments_ = 0;
  std::vector<TypeIndex> types_;
  std::vector<AttributeIndex> attributes_;
  std::vector<std::vector<NodeId>> residual_;  // by segment
};

}  // namespace nudge
