// How fast a robot may speak: so many messages in a sliding time, and a pause when it was told to be quiet. A message that has to wait
// is given an instant of its own, so a crowd of them comes back one after the other and not all at once. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::connectors {

class Pace {
 public:
  struct Limit {
    std::size_t messages = 0;
    std::int64_t in_ms = 0;
  };
  explicit Pace(std::vector<Limit> limits) : limits_(std::move(limits)) {}

  // When the message may go: `now` or earlier means at once, and takes the place; later means to ask again then, under the same id.
  std::int64_t ask(std::string_view id, std::int64_t now);
  // Nothing goes before `until`: the provider asked for a pause.
  void quiet(std::int64_t until);

 private:
  std::int64_t next(std::int64_t now) const;

  const std::vector<Limit> limits_;
  std::mutex mutex_;
  std::deque<std::int64_t> given_;  // instants, ascending, as many as the widest limit looks at
  std::map<std::string, std::int64_t, std::less<>> waiting_;
  std::int64_t quiet_until_ = 0;
};

}  // namespace nudge::connectors
