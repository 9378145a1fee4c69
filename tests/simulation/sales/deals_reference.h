// A slow, separate judge of opportunities: it keeps nothing but the journal of what was done, and reads every answer off it from the
// beginning, minute by minute. It shares no code with engine/core.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nudge::deals_reference {

struct Stage {
  std::string name;
  int percent = 0, stalled_after = 0;  // minutes; 0: never
  std::set<std::string> tasks;
};

// One line of the journal.
struct Line {
  int at = 0;
  std::string what;  // opened, moved, changed, task_done, task_undone, stalled, won, lost; followed, merged, forgotten
  std::string deal, customer, stage, text;  // text: the owner, the task, or the other name
  std::optional<long long> amount;
};

// An opportunity as the journal tells.
struct View {
  bool known = false, stalled = false;
  std::string state, customer, stage, owner;
  int opened = 0, since = 0, active = 0;
  std::set<std::string> seen;  // stages that it was in
  std::set<std::pair<std::string, std::string>> done;
  std::optional<long long> amount;
  bool open() const { return state == "open"; }
};

struct Count {
  int open = 0, stalled = 0, reached = 0, moved_on = 0;
  long long amount = 0, expected = 0, age = 0;  // expected: in hundredths of the amounts' unit
};

// What is told to the rules of a customer.
struct Told {
  int at = 0;
  std::string what, deal, customer, stage, previous;
  bool operator==(const Told&) const = default;
};

class Judge {
 public:
  Judge(std::vector<Stage> stages, bool wants_reasons, std::set<std::string> people)
      : stages_(std::move(stages)), wants_reasons_(wants_reasons), people_(std::move(people)) {}

  // Each: false when it is refused.
  bool open(const Line& line);
  bool move(const std::string& deal, const std::string& stage, int now);
  bool change(const std::string& deal, const std::string& owner, std::optional<long long> amount, int now);
  bool task(const std::string& deal, const std::string& stage, const std::string& task, bool done, int now);
  bool end(const std::string& deal, bool won, const std::string& reason, int now);
  void followed(const std::string& customer, int at) { journal_.push_back({at, "followed", {}, customer, {}, {}, {}}); }
  void merged(const std::string& alias, const std::string& customer, int now) { journal_.push_back({now, "merged", {}, customer, {}, alias, {}}); }
  void forgotten(const std::string& customer, int now) { journal_.push_back({now, "forgotten", {}, customer, {}, {}, {}}); }
  // Other terms of the same stages.
  void reload(std::vector<Stage> stages, int now);
  // What time brings about up to this minute.
  void minute(int now);

  View look(const std::string& deal) const;
  std::set<std::string> deals() const;
  // When it counts as stalled unless something happens; nothing: never, or it does.
  std::optional<int> stalls(const std::string& deal) const;
  std::vector<Count> funnel(int now) const;
  const std::vector<Told>& told() const { return told_; }
  int refused = 0, alarms = 0;

 private:
  int place(const std::string& stage) const;
  void write(Line line, const std::string& previous = {});
  bool refuse() {
    ++refused;
    return false;
  }

  std::vector<Stage> stages_;
  bool wants_reasons_;
  std::set<std::string> people_;
  std::vector<Line> journal_;
  std::vector<Told> told_;
  std::map<std::string, int> cut_;  // by new terms, to this instant; until the next minute
};

}  // namespace nudge::deals_reference
