// nudge-workload customers|events|rules|rules-yaml|catalog [--customers N] [--events N] [--rules N] [--seed S] [--zipf Z] [--attr-rate P]
// [--strict F] [--shift MS] [--part K] Prints the benchmark workload. Same arguments, same bytes. --shift moves the events' time; --part K
// prints the rules from the K-th thousand on, counted from 0, for a file of their own.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/bench/workload.h"

int main(int argc, char** argv) {
  using namespace nudge::bench;
  WorkloadOptions o;
  std::size_t part = 0;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    if (key == "--part")
      part = static_cast<std::size_t>(value);
    else if (!read_option(o, key, value)) {
      std::fprintf(stderr, "nudge-workload: unknown option %s\n", key.c_str());
      return 2;
    }
  }
  const std::string what = argc > 1 ? argv[1] : "";
  const auto print = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); };
  if (what == "customers")
    generate_customers(o, print);
  else if (what == "events")
    generate_events(o, print);
  else if (what == "rules")
    print(generate_rules_json(o));
  else if (what == "rules-yaml")
    print(generate_rules_yaml(o).at(part));
  else if (what == "catalog")
    print(workload_catalog_yaml());
  else {
    std::fprintf(stderr,
                 "usage: nudge-workload customers|events|rules|rules-yaml|catalog [--customers N] [--events N] [--rules N] [--seed S] "
                 "[--strict F] [--shift MS] [--part K]\n");
    return 2;
  }
  return 0;
}
