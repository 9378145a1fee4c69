#include "tests/simulation/sales/deals_reference.h"

#include <algorithm>

namespace nudge::deals_reference {

int Judge::place(const std::string& stage) const {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].name == stage) return static_cast<int>(i);
  }
  return -1;
}

// From the first line to the last, as if it were read for the first time.
View Judge::look(const std::string& deal) const {
  View v;
  const auto something = [&](int at) {
    v.active = std::max(v.active, at);
    v.stalled = false;
  };
  for (const Line& line : journal_) {
    if (line.deal == deal && line.what == "opened") {
      v = View{};
      v.known = true;
      v.state = "open";
      v.customer = line.customer;
      v.stage = line.stage;
      v.seen.insert(line.stage);
      v.owner = line.text;
      v.amount = line.amount;
      v.opened = v.since = v.active = line.at;
    }
    if (!v.known) continue;
    if (line.what == "forgotten" && line.customer == v.customer) v = View{};
    if (!v.open()) continue;
    if (line.what == "merged" && line.text == v.customer) v.customer = line.customer;
    if (line.what == "followed" && line.customer == v.customer && line.at > v.active) something(line.at);
    if (line.deal != deal) continue;
    if (line.what == "moved") {
      v.stage = line.stage;
      v.seen.insert(line.stage);
      v.since = line.at;
      something(line.at);
    } else if (line.what == "changed") {
      if (!line.text.empty()) v.owner = line.text;
      if (line.amount) v.amount = line.amount;
    } else if (line.what == "task_done") {
      v.done.emplace(line.stage, line.text);
      something(line.at);
    } else if (line.what == "task_undone") {
      v.done.erase({line.stage, line.text});
    } else if (line.what == "stalled") {
      v.stalled = true;
    } else if (line.what == "won" || line.what == "lost") {
      v.state = line.what;
    }
  }
  return v;
}

std::set<std::string> Judge::deals() const {
  std::set<std::string> all;
  for (const Line& line : journal_) {
    if (line.what == "opened") all.insert(line.deal);
  }
  return all;
}

void Judge::write(Line line, const std::string& previous) {
  journal_.push_back(line);
  if (line.what == "task_undone") return;
  const View v = look(line.deal);
  told_.push_back({line.at, line.what, line.deal, v.customer, v.stage, previous});
}

bool Judge::open(const Line& line) {
  if (place(line.stage) < 0 || look(line.deal).open() || (!line.text.empty() && !people_.contains(line.text))) return refuse();
  write(line);
  return true;
}

bool Judge::move(const std::string& deal, const std::string& stage, int now) {
  const View v = look(deal);
  if (!v.open() || place(stage) < 0) return refuse();
  if (v.stage != stage) write({now, "moved", deal, {}, stage, {}, {}}, v.stage);
  return true;
}

bool Judge::change(const std::string& deal, const std::string& owner, std::optional<long long> amount, int now) {
  if (!look(deal).open() || (owner.empty() && !amount) || (!owner.empty() && !people_.contains(owner))) return refuse();
  write({now, "changed", deal, {}, {}, owner, amount});
  return true;
}

bool Judge::task(const std::string& deal, const std::string& stage, const std::string& task, bool done, int now) {
  const View v = look(deal);
  const std::string of = stage.empty() ? v.stage : stage;
  if (!v.open() || place(of) < 0 || !stages_[static_cast<std::size_t>(place(of))].tasks.contains(task)) return refuse();
  if (v.done.contains({of, task}) != done) write({now, done ? "task_done" : "task_undone", deal, {}, of, task, {}});
  return true;
}

bool Judge::end(const std::string& deal, bool won, const std::string& reason, int now) {
  if (!look(deal).open()) return refuse();
  if (!won && (reason.empty() || (wants_reasons_ && reason != "good"))) return refuse();
  write({now, won ? "won" : "lost", deal, {}, {}, reason, {}});
  return true;
}

std::optional<int> Judge::stalls(const std::string& deal) const {
  const View v = look(deal);
  if (!v.open() || v.stalled) return std::nullopt;
  const int after = stages_[static_cast<std::size_t>(place(v.stage))].stalled_after;
  if (after == 0) return std::nullopt;
  const auto cut = cut_.find(deal);
  return cut != cut_.end() ? std::max(cut->second, v.active + after) : v.active + after;
}

void Judge::reload(std::vector<Stage> stages, int now) {
  stages_ = std::move(stages);
  for (const std::string& deal : deals()) {
    const std::optional<int> at = stalls(deal);
    if (at && *at <= now) cut_[deal] = now;
  }
}

void Judge::minute(int now) {
  std::vector<std::pair<int, std::string>> due;
  for (const std::string& deal : deals()) {
    const std::optional<int> at = stalls(deal);
    if (at && *at <= now) due.emplace_back(*at, deal);
  }
  std::ranges::sort(due);
  for (const auto& [at, deal] : due) {
    ++alarms;
    write({at, "stalled", deal, {}, {}, {}, {}});
  }
  cut_.clear();
}

std::vector<Count> Judge::funnel(int now) const {
  std::vector<Count> counts;
  for (std::size_t i = 0; i <= stages_.size(); ++i) {  // the last: all, and of those `reached` the won ones
    Count c;
    for (const std::string& deal : deals()) {
      const View v = look(deal);
      if (!v.known) continue;
      int furthest = -1;
      for (const std::string& stage : v.seen) furthest = std::max(furthest, place(stage));
      if (v.state == "won") furthest = static_cast<int>(stages_.size());
      if (furthest >= static_cast<int>(i)) ++c.reached;
      if (furthest > static_cast<int>(i) || (i + 1 == stages_.size() && v.state == "won")) ++c.moved_on;
      if (!v.open() || (i < stages_.size() && place(v.stage) != static_cast<int>(i))) continue;
      ++c.open;
      c.stalled += v.stalled ? 1 : 0;
      c.amount += v.amount.value_or(0);
      c.expected += v.amount.value_or(0) * stages_[static_cast<std::size_t>(place(v.stage))].percent;
      c.age += now - v.since;
    }
    counts.push_back(c);
  }
  return counts;
}

}  // namespace nudge::deals_reference
