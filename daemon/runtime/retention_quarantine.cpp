// The end of what was set aside: records that nobody replayed or gave up in time, and the content of those that somebody gave up.
#include <future>

#include "daemon/runtime/records.h"
#include "daemon/runtime/retention.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kAtOnce = 1000;

}  // namespace

// Numbers go up with time, so that what is young ends it.
Result<std::uint64_t> Retention::trim_quarantine(TimeMs before) {
  std::uint64_t gone = 0;
  std::string from;
  for (bool more = true; more;) {
    if (ending()) return fail(Code::unavailable, "nudge stops");
    std::vector<std::uint64_t> old;
    std::optional<Error> error;
    more = false;
    NUDGE_TRY(store_.scan(Family::quarantine, from, "", [&](std::string_view key, std::string_view value) {
      const Result<QuarantineRecord> record = decode_quarantine_record(value);
      if (!record) error = record.error();
      if (error || record->at >= before) return false;
      old.push_back(record->number);
      from = std::string(key) + '\0';
      return !(more = old.size() >= kAtOnce);
    }));
    if (error) return std::unexpected(*std::move(error));
    std::vector<std::future<Result<void>>> answers;
    for (const std::uint64_t number : old) {
      auto done = std::make_shared<std::promise<Result<void>>>();
      answers.push_back(done->get_future());
      expire_(number, [done](Result<void> result) { done->set_value(std::move(result)); });
    }
    for (std::future<Result<void>>& answer : answers) {
      const Result<void> result = answer.get();
      if (result) ++gone;
      // Somebody was faster, or is at it now: that one has its end.
      if (!result && result.error().code != Code::not_found && result.error().code != Code::conflict) return std::unexpected(result.error());
    }
  }
  return gone;
}

// Who gave it up, when and why stays; what it said goes.
Result<std::uint64_t> Retention::trim_given_up(TimeMs before) {
  std::vector<std::pair<std::string, std::string>> shorter;
  const std::string to = given_up_key(before, 0);
  NUDGE_TRY(store_.scan(Family::audit, "", to, [&](std::string_view key, std::string_view value) {
    const std::size_t line = value.find('\n');
    if (value.starts_with(kGivenUp) && line + 1 < value.size()) shorter.emplace_back(key, value.substr(0, line + 1));
    return !ending();
  }));
  for (std::size_t i = 0; i < shorter.size();) {
    if (ending()) return fail(Code::unavailable, "nudge stops");
    const std::size_t end = std::min(shorter.size(), i + kAtOnce);
    NUDGE_TRY(committer_.change_and_wait([&](CommitContext& c) {
      for (std::size_t k = i; k < end; ++k) c.set.put(Family::audit, shorter[k].first, shorter[k].second);
    }));
    i = end;
  }
  return shorter.size();
}

}  // namespace nudge::daemon
