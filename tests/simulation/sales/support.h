// What the simulations of sales work share: their clock of minutes, their dice, and what their command line says.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "engine/base/time.h"

namespace nudge::sales_simulation {

constexpr TimeMs kStart = 1769990400000;  // Monday, 2 February 2026, 00:00 UTC
constexpr int kTick = 15;                 // minutes

inline TimeMs instant(int minute) { return kStart + minute * kMinute; }

struct Random {
  std::mt19937_64 source;
  int below(int n) { return static_cast<int>(source() % static_cast<std::uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  int ticks(int least, int most) { return kTick * (least + below(most - least + 1)); }
};

// --seeds N --from N --at-least N: how many cases, from which on, and how much has to be compared for it to count as a test.
struct Options {
  std::uint64_t seeds = 100, from = 1;
  std::size_t at_least = 0;
};
inline Options options_of(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view word = argv[i];
    const std::uint64_t n = std::strtoull(argv[i + 1], nullptr, 10);
    if (word == "--seeds") options.seeds = n;
    if (word == "--from") options.from = n;
    if (word == "--at-least") options.at_least = n;
  }
  return options;
}

// Runs a case for each seed, and `count` on it; false once one differs, which it says.
template <class Case, class Count>
bool all_agree(const Options& options, std::size_t& compared, Count&& count) {
  for (std::uint64_t seed = options.from; seed < options.from + options.seeds; ++seed) {
    Case one(seed);
    const std::string wrong = one.run();
    compared += one.compared;
    count(one);
    if (wrong.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
    return false;
  }
  return true;
}

}  // namespace nudge::sales_simulation
