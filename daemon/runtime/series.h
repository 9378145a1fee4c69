// What the rules and segments did, hour by hour: the figures behind the small curves that people look at.
//
// The committer adds each batch's difference (StatsDelta) to the hour in which it was put on disk, and stores the hours under way together
// with the sums, so that both survive a kill to the last commit. Hours begin at whole hours of UTC and are kept for kSeriesKept. Nothing of
// a single customer is in them.
//
// Thread-safety: plain data; the committer guards what it owns. read_series() from any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/runtime/stats.h"
#include "daemon/store/store.h"

namespace nudge::daemon {

inline constexpr DurationMs kSeriesKept = 400 * kDay;

struct RuleHour {
  std::int64_t fired = 0, held = 0;                             // decisions
  std::int64_t actions = 0, dropped = 0, accepted = 0, failed = 0;  // dropped: held back by a policy, kept ones too
  void add(const RuleHour& other);
  friend bool operator==(const RuleHour&, const RuleHour&) = default;
};

struct SeriesHour {
  std::map<RuleId, RuleHour> rules;
  std::map<RootId, RootStats> roots;  // differences
  void add(const StatsDelta& delta);
  void encode(std::string& out) const;
  static Result<SeriesHour> decode(std::string_view bytes);
  friend bool operator==(const SeriesHour&, const SeriesHour&) = default;
};

// Hours by their first instant.
using SeriesHours = std::map<TimeMs, SeriesHour>;

// The hours under way.
class OpenSeries {
 public:
  // At the start, before anything is added: the newest stored hour goes on, or the first one begins.
  Result<void> load(const Store& store, TimeMs now);
  void add(TimeMs now, const StatsDelta& delta);
  // Puts the hours as they will be once `delta` is in too, and takes those off that are too old.
  Result<void> put(WriteSet& set, const Store& store, TimeMs now, const StatsDelta& delta) const;
  // What put() wrote is on disk: only the newest hour goes on.
  void written();
  const SeriesHours& hours() const { return hours_; }

 private:
  SeriesHours hours_;
};

// What is kept of hours that begin in [from, to); `since`: the first hour that is kept at all, kNever when there is none.
struct StoredSeries {
  SeriesHours hours;
  TimeMs since = kNever;
};
Result<StoredSeries> read_series(const Store& store, TimeMs from, TimeMs to);

TimeMs hour_of(TimeMs t);

}  // namespace nudge::daemon
