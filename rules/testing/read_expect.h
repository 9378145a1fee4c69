// Reads `expect:` and the names that tests refer to.
#pragma once

#include "engine/plan/plan.h"
#include "rules/testing/test_case.h"

namespace nudge::testing {

/// Names that tests refer to, looked up in the plan; unknown ones are reported with the nearest known one.
class NameReader {
 public:
  NameReader(const lang::Context& context, const Plan& plan) : context_(context), plan_(plan) {}
  Name rule(lang::MapReader& map, std::string_view key);
  Name rule(const doc::Node& node);
  Name event(lang::MapReader& map, std::string_view key);
  Name segment(lang::MapReader& map, std::string_view key);
  Name segment(const doc::Node& node);
  /// False, and reported, when there is no such trait or score.
  bool check_trait(const Name& name);
  const Score* check_score(const Name& name);

  [[nodiscard]] const lang::Context& context() const { return context_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  void unknown(const Name& name, std::string_view what, const std::vector<std::string_view>& known);

  const lang::Context& context_;
  const Plan& plan_;
};

Expectation read_expectation(NameReader& names, const doc::Node& node, const doc::Mark& key_mark);

/// The word for a reason in `held:`, e.g. "once_per"; empty for none.
std::string_view held_word(Held reason);

}  // namespace nudge::testing
