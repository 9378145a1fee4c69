// Row filters of the simple kind, compiled for speed: a conjunction of `field op literal` on one row. What is not simple goes through the
// Evaluator. Built once per plan; immutable afterwards.
#pragma once

#include <vector>

#include "engine/plan/plan.h"

namespace nudge {

struct Predicate {
  FieldId field = kNoField;
  Kind kind = Kind::missing;
  Op op = Op::equals;
  std::int64_t i = 0;  // integer, decimal, boolean
  double d = 0;        // number
  std::string text;    // text: equals only

  bool holds(const Rows& rows, std::size_t row) const {
    if (!rows.has_field(row, field)) return false;
    const ValueView v = rows.field(row, field, kind);
    if (kind == Kind::text) return (v.bytes == text) == (op == Op::equals);
    const int order = kind == Kind::number ? (v.d > d) - (v.d < d) : (v.i > i) - (v.i < i);
    switch (op) {
      case Op::equals: return order == 0;
      case Op::not_equals: return order != 0;
      case Op::greater_than: return order > 0;
      case Op::at_least: return order >= 0;
      case Op::less_than: return order < 0;
      case Op::at_most: return order <= 0;
      default: return false;
    }
  }
};

class FilterTable {
 public:
  void build(const Plan& plan);
  // The conjunction that the node stands for; null when it is not simple.
  const std::vector<Predicate>* find(NodeId node) const {
    return node < simple_.size() && simple_[node].usable ? &simple_[node].all : nullptr;
  }

 private:
  struct Entry {
    bool usable = false;
    std::vector<Predicate> all;
  };
  std::vector<Entry> simple_;  // by node
};

}  // namespace nudge
