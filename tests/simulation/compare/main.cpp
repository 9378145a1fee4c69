// compare [--seeds N] [--from SEED] [--at-least COMPARISONS] [--seconds S] [--keep-going | --first]
// Random rules over random histories: the engine against the slow reference. Exits with 1 and a small case when they differ, with 2 when
// too little was compared. --keep-going lists every failing seed, --first stops at one; neither makes it small.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simulation/compare/case.h"

using namespace nudge::reference;

int main(int argc, char** argv) {
  std::uint64_t seeds = 200, from = 1, at_least = 0;
  double seconds = 0;
  bool keep_going = false, first = false;
  for (int i = 1; i < argc; ++i) {
    const auto number = [&]() -> std::uint64_t { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (std::strcmp(argv[i], "--seeds") == 0)
      seeds = number();
    else if (std::strcmp(argv[i], "--from") == 0)
      from = number();
    else if (std::strcmp(argv[i], "--at-least") == 0)
      at_least = number();
    else if (std::strcmp(argv[i], "--seconds") == 0)
      seconds = static_cast<double>(number());
    else if (std::strcmp(argv[i], "--keep-going") == 0)
      keep_going = true;
    else if (std::strcmp(argv[i], "--first") == 0)
      first = true;
    else {
      std::fprintf(stderr, "usage: compare [--seeds N] [--from SEED] [--at-least COMPARISONS] [--seconds S] [--keep-going | --first]\n");
      return 2;
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Counts counts;
  std::uint64_t done = 0;
  int failures = 0;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed, ++done) {
    if (seconds > 0 && elapsed() > seconds) break;
    const Case one = generate(seed);
    const auto wrong = run(one, counts);
    if (!wrong) continue;
    ++failures;
    if (keep_going || first) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong->c_str());
      if (first) return 1;
      continue;
    }
    std::printf("seed %llu fails: %s\nThe smallest case found:\n", static_cast<unsigned long long>(seed), wrong->c_str());
    const Case least = shrink(one);
    Counts unused;
    std::printf("%s=> %s\n", describe(least).c_str(), run(least, unused).value_or("(passes)").c_str());
    return 1;
  }
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf(
      "%llu seeds, %llu comparisons: %llu answers, %llu lengths of validity, %llu values, %llu memberships, %llu edges and decisions, %llu "
      "receipts; "
      "%llu restarts, %llu reloads; %.1f s\n",
      n(done), n(counts.total()), n(counts.answers), n(counts.untils), n(counts.values), n(counts.memberships), n(counts.happenings),
      n(counts.receipts), n(counts.restarts), n(counts.reloads), elapsed());
  if (failures > 0) return 1;
  if (counts.total() < at_least) {
    std::printf("that is too little: at least %llu comparisons were asked for\n", n(at_least));
    return 2;
  }
  return 0;
}
