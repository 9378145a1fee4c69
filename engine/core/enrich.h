// The action `enrich`: somebody outside is asked, and the answer becomes facts about the customer (docs/decisions/enrich.md).
//
// What to do with the answer stands in the action's payload beside the question, so it holds however the rules change until the answer
// comes. Pure; used by the daemon and by tests of rules alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/effects.h"

namespace nudge {

inline constexpr std::string_view kEnrich = "enrich";
inline constexpr std::size_t kAnswerBytes = 64 * 1024;
inline constexpr std::size_t kAnswerTags = 32;

// The payload of an `enrich` action: its parameters, and behind them the id of the fact that its answer becomes.
std::string enrich_payload(std::string params, std::string_view fact);

// What an answer makes.
struct Enriched {
  std::vector<Input> facts;  // dated `now`; ids that follow from the action, so that to tell one twice is a duplicate
  std::string written;       // the same for people: {"churn_risk":0.82,"add_tags":["at-risk"]}
};
// `answer`: a JSON object. Error: what does not fit the catalog, with the name of the attribute; then nothing is to be written at all.
Result<Enriched> enriched(const Catalog& catalog, const ActionOut& action, std::string_view answer, TimeMs now);

}  // namespace nudge
