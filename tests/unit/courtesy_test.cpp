// A reader beside intake rests while something comes in, and only then.
#include "daemon/app/courtesy.h"

#include <doctest/doctest.h>

using nudge::daemon::Courtesy;

namespace {

// Works until `courtesy` has been asked to rest for a while; the nanoseconds that it was to sleep.
std::uint64_t work(Courtesy& courtesy) {
  std::uint64_t slept = 0;
  volatile std::uint64_t sum = 0;
  for (int call = 0; call < 400; ++call) {
    for (std::uint64_t i = 0; i < 20'000; ++i) sum = sum + i;
    slept += courtesy.rest();
  }
  return slept;
}

}  // namespace

TEST_CASE("whoever reads much rests four times as long as it works while intake goes on, and not at all while it does not") {
  std::uint64_t committed = 0;
  Courtesy busy([&committed] { return ++committed; });
  CHECK(work(busy) >= Courtesy::kSliceNs * Courtesy::kRestPerWork);
  CHECK(committed > 1);
  Courtesy quiet([] { return std::uint64_t{0}; });
  CHECK(work(quiet) == 0);
}
