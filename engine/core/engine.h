// The engine: step(plan, customer state, input, now) -> new state, effects. A pure function (docs/architecture.md, law 1): no clock, no
// randomness, no I/O.
//
// An Engine object holds scratch memory only; one per thread. Same plan, state, inputs and instants give the same effects, bit for bit.
//
// Instants. Each customer has a logical clock (CustomerState::clock). A caller hands in everything that arrived for a customer at one
// millisecond in ONE call of step, and never a `now` at or before the customer's clock. Boundaries due before `now` are judged first, each
// at its own instant, in order; those due at `now` are judged together with the inputs.
#pragma once

#include <memory>
#include <span>

#include "engine/core/effects.h"
#include "engine/core/policy.h"
#include "engine/model/customer.h"
#include "engine/plan/plan.h"

namespace nudge {

class Evaluator;
struct Portion;

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Takes the inputs in at `now` and judges that instant. `receipts` gets one entry per input. Appends to `effects`.
  // Inputs must fit plan.catalog and belong to `state.id`; a state never heard of before is a fresh CustomerState with its id set.
  void step(const Plan& plan, CustomerState& state, std::span<const Input> inputs, TimeMs now, std::vector<Receipt>& receipts,
            Effects& effects);

  // Judges every boundary due strictly before `now`, each at its own instant, in order. The customer's clock is then the last of them.
  void advance(const Plan& plan, CustomerState& state, TimeMs now, Effects& effects);

  // Brings a state that was judged under an earlier plan to this one: segments that are new since are seeded with the answer at their
  // activation (fired on where a rule says `existing: fire`), those gone are dropped, then time catches up to the customer's clock. step
  // and advance do this by themselves; the background sweep calls it with no input.
  void reconcile(const Plan& plan, CustomerState& state, Effects& effects);

  // Empties the state of an alias, once all that was due before `now` is judged, and leaves the way to `into` in it: what it was known by, for
  // absorb. `left`: the memberships that ended so.
  std::vector<std::string> give_away(const Plan& plan, CustomerState& alias, std::string_view into, TimeMs now, Effects& effects,
                                     LeanVector<Membership>& left);
  // Takes in what an alias of this customer was known by (engine/core/merge.h) at `now`. Facts of the past fire nothing; what was dated ahead
  // fires at its own time. `receipts` gets one entry per input of the portion. Doing it twice changes nothing more.
  void absorb(const Plan& plan, CustomerState& state, const Portion& portion, TimeMs now, std::vector<Receipt>& receipts, Effects& effects);

  // For a state that holds all its facts and was never judged (a fresh clock): judges `now`, the time of its oldest fact, as the instant at
  // which the customer was first heard of. What is dated later comes in at its own time, by advance.
  void hear(const Plan& plan, CustomerState& state, TimeMs now, Effects& effects);

  // The earliest instant at which something is due by time alone; kNever when nothing is.
  static TimeMs next_due(const CustomerState& state);

  // The answer of a condition at any instant, from what is known now (`nudge segment NAME --at TIME`). Does not change the state.
  bool holds(const Plan& plan, const CustomerState& state, NodeId node, TimeMs now);
  // What the policies say at `now` to an action that was let through earlier and has not left yet.
  PolicyVerdict policies(const Plan& plan, const CustomerState& state, const ActionOut& action, TimeMs now);
  // The value of a trait or score expression at an instant.
  Value value(const Plan& plan, const CustomerState& state, ExprId expr, TimeMs now);
  // The same for plan.scores[index], which no condition needs to use.
  Value score(const Plan& plan, const CustomerState& state, std::uint32_t index, TimeMs now);
  // See Evaluator: for tests, which have few rows.
  void use_columns_from(std::size_t rows);
  // Segments judged by this engine since it was made: what steps cost, told without a clock.
  std::uint64_t judged() const;

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace nudge
