// Recency against the plain way: going back from the newest place and counting values that were not met yet.
#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/core/recency.h"

using namespace nudge;

namespace {

std::size_t plainly(const std::vector<std::string>& values, std::size_t k) {
  std::set<std::string> met;
  for (std::size_t place = values.size(); place-- > 0;) {
    if (met.insert(values[place]).second && met.size() == k) return place;
  }
  return values.size();
}

}  // namespace

TEST_CASE("the k-th value from the newest back is where the plain way finds it, through additions and cuts") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const unsigned kinds = 1 + seed % 13;
    Recency recency;
    std::vector<std::string> values;
    for (int act = 0; act < 300; ++act) {
      if (random() % 8 == 0) {
        values.resize(random() % (values.size() + 1));
        recency.cut(values.size());
      } else {
        values.push_back("value " + std::to_string(random() % kinds));
        recency.add(values.back());
      }
      REQUIRE(recency.size() == values.size());
      for (std::size_t k = 1; k <= kinds + 1; ++k) REQUIRE(recency.nth_newest(k) == plainly(values, k));
    }
  }
}

TEST_CASE("nothing is the nothing-th newest, and an empty column has no value") {
  Recency recency;
  CHECK(recency.nth_newest(0) == 0);
  CHECK(recency.nth_newest(1) == 0);
  recency.add("a");
  CHECK(recency.nth_newest(0) == recency.size());
  CHECK(recency.nth_newest(1) == 0);
  CHECK(recency.nth_newest(2) == recency.size());
  recency.cut(0);
  CHECK(recency.nth_newest(1) == recency.size());
}
