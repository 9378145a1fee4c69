// One random case: definitions, and a history that arrives in some order. Made from a seed, run against the engine and the reference,
// shrunk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/reference/condition.h"

namespace nudge::reference {

struct Happen {
  enum class Kind : std::uint8_t {
    arrive,   // the inputs arrive at `now`
    advance,  // the clock passes
    restart,  // the state is encoded and decoded
    reload,   // the other definitions take over
  };
  Kind kind = Kind::arrive;
  TimeMs now = 0;
  std::vector<Input> inputs;
};

struct Case {
  std::uint64_t seed = 0;
  Definitions first, second;
  std::vector<Happen> history;  // `now` strictly ascending
};

Case generate(std::uint64_t seed);

// How much was compared.
struct Counts {
  std::uint64_t receipts = 0, happenings = 0, memberships = 0, answers = 0, values = 0, untils = 0, restarts = 0, reloads = 0;
  std::uint64_t total() const { return receipts + happenings + memberships + answers + values + untils + restarts; }
  void add(const Counts& other);
};

// Nothing when the engine and the reference agree; else what differs and where.
std::optional<std::string> run(const Case& one, Counts& counts);

// A smaller case that still fails, as small as one gets by taking things out one at a time.
Case shrink(Case failing);

std::string describe(const Case& one);

}  // namespace nudge::reference
