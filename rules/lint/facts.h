// Comparisons that have to hold together: is there any customer, or row, for which they do? What is asked of one value is put together as
// the set of values that is left, what is asked of rows as bounds on their number.
//
// One Facts answers one question. Not thread-safe.
#pragma once

#include <map>
#include <vector>

#include "rules/lint/ranges.h"
#include "rules/lint/rows.h"
#include "rules/lint/solver.h"

namespace nudge::lint {

class Facts {
 public:
  Facts(const Plan& plan, Solver& solver) : plan_(plan), solver_(solver) {}

  // False only when the leaves (comparisons, tags …; no all, any, not) and what is known beside them can't all hold at once.
  bool consistent(const std::vector<Literal>& leaves, const Known& known);

 private:
  // What is left of one value.
  struct Subject {
    ExprId expr = kNone;
    Type type = Type::text;
    bool present = false;  // must be there
    bool missing = false;  // must not be
    bool always_there = false;
    Ranges numbers = Ranges::everything();  // numbers; booleans as 0 and 1; dates and timestamps as days and milliseconds
    Ranges age = Ranges::everything();      // dates and timestamps: now − t
    std::vector<const Node*> yes, no;       // texts and lists: comparisons that hold, or do not when it is there
    bool impossible() const;                // no value is left, so it must be missing
  };
  // How one value stands to another: 1 below, 2 equal, 4 above.
  struct Pair {
    std::uint32_t left = 0, right = 0;
    unsigned signs = 7;
    bool present = false;
  };

  bool add(Literal leaf);
  bool add_compare(const Node& node, bool holds);
  bool add_pair(const Node& node, bool holds);
  void add_times(Subject& subject, const Node& node, bool holds);
  void add_sequence(const Sequence& sequence);
  bool calendars_fit() const;
  // The key under which comparisons of the same value meet. `opaque` values (per value of a field) have none.
  std::uint32_t key_of(ExprId expr) const;
  bool opaque(ExprId expr) const;
  Subject& subject(std::uint32_t key, ExprId expr);
  void begin(Subject& subject) const;
  Ranges score_bounds(std::uint32_t score) const;
  void settle_children();
  bool settle_pairs();
  void settle_rows(std::vector<RowFact>& rows) const;

  const Plan& plan_;
  Solver& solver_;
  std::map<NodeId, bool> said_;
  std::map<std::uint32_t, Subject> subjects_;
  std::map<std::vector<std::uint64_t>, Pair> pairs_;
  std::vector<const Calendar*> calendars_;
  std::vector<RowFact> rows_;
};

// True when some text is left that all of `yes` and none of `no` hold for; `one_of`: the only texts there are, when not empty.
bool text_left(const std::vector<const Node*>& yes, const std::vector<const Node*>& no, const std::vector<std::string>& one_of);
bool list_left(const std::vector<const Node*>& yes, const std::vector<const Node*>& no);

}  // namespace nudge::lint
