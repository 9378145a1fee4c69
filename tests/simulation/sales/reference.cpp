#include "tests/simulation/sales/reference.h"

#include <algorithm>
#include <tuple>

namespace nudge::work_reference {

namespace {
constexpr int kTick = 15;  // all lengths are multiples of it
constexpr int kDayMinutes = 24 * 60;
int day_of(int now) { return now / kDayMinutes; }
}  // namespace

const Group* Judge::group(const std::string& name) const {
  for (const Group& g : groups_) {
    if (g.name == name) return &g;
  }
  return nullptr;
}

const Person* Judge::find(const Group& g, const std::string& id) const {
  for (const Person& p : g.people) {
    if (p.id == id) return &p;
  }
  return nullptr;
}

int Judge::load(const std::string& person) const {
  int units = 0;
  for (const Row& row : rows_) units += row.alive() && row.owner == person ? row.job.units : 0;
  return units;
}

int Judge::today(const std::string& person, int now) const {
  int units = 0;
  for (const Given& g : journal_) units += g.person == person && day_of(g.at) == day_of(now) ? g.units : 0;
  return units;
}

int Judge::last_given(const std::string& person) const {
  for (std::size_t i = journal_.size(); i-- > 0;) {
    if (journal_[i].person == person) return static_cast<int>(i) + 1;
  }
  return 0;
}

// The start is a Monday at midnight.
bool Judge::at_work(const Group& g, const Person& p, int now) const {
  int from = p.from, to = p.to;
  if (from == 0 && to == 24) from = g.from, to = g.to;
  if (from == 0 && to == 24) return true;
  const int hour = now % kDayMinutes / 60;
  return day_of(now) % 7 < 5 && hour >= from && hour < to;
}

// Tick by tick.
int Judge::working_after(const Group& g, int from, int length) const {
  if ((g.from == 0 && g.to == 24) || length == 0) return from + length;
  int now = from;
  for (int left = length; left > 0; now += kTick) {
    const int hour = now % kDayMinutes / 60;
    if (day_of(now) % 7 < 5 && hour >= g.from && hour < g.to) left -= kTick;
  }
  return now;
}

std::string Judge::pick(const Group& g, const Entry& e, const Row& row, const std::vector<const Person*>& open, int now, Given& given) const {
  const auto has = [&](const std::string& id) { return std::ranges::any_of(open, [&](const Person* p) { return p->id == id; }); };
  const auto best = [&](auto better) {
    const Person* found = open[0];
    for (const Person* p : open) {
      if (better(*p, *found)) found = p;
    }
    return found->id;
  };
  const auto room = [&](const Person& p) { return p.capacity == 0 ? 1'000'000'000 : p.capacity - load(p.id); };
  if (e.way == Way::sticky && has(row.job.last_owner) && (e.within == 0 || row.job.last_owned > now - e.within)) return row.job.last_owner;
  if ((e.way == Way::owner || e.way == Way::sticky) && has(e.owner)) return e.owner;
  if (e.way == Way::least_loaded) {
    return best([&](const Person& a, const Person& b) {
      return std::make_tuple(load(a.id), last_given(a.id)) < std::make_tuple(load(b.id), last_given(b.id));
    });
  }
  if (e.way == Way::most_available || e.way == Way::by_skill) {
    return best([&](const Person& a, const Person& b) {
      return std::make_tuple(-room(a), last_given(a.id)) < std::make_tuple(-room(b), last_given(b.id));
    });
  }
  if (e.way == Way::weighted) {
    // All turns of this ring from the beginning.
    std::map<std::string, int> credit;
    for (const Person* p : open) {
      if (p->weight > 0) given.open.emplace_back(p->id, p->weight);
    }
    if (given.open.empty()) return {};
    std::string winner;
    const auto turn = [&](const std::vector<std::pair<std::string, int>>& who) {
      int total = 0;
      winner.clear();
      for (const auto& [id, weight] : who) {
        credit[id] += weight;
        total += weight;
        if (winner.empty() || credit[id] > credit[winner]) winner = id;
      }
      credit[winner] -= total;
    };
    for (const Given& old : journal_) {
      if (old.ring == given.ring && !old.open.empty()) turn(old.open);
    }
    turn(given.open);
    return winner;
  }
  // In turns: the first after whoever had the last turn of this ring.
  given.in_turn = true;
  std::size_t start = 0;
  for (const Given& old : journal_) {
    if (old.ring != given.ring || !old.in_turn) continue;
    for (std::size_t i = 0; i < g.people.size(); ++i) {
      if (g.people[i].id == old.person) start = i + 1;
    }
  }
  for (std::size_t i = 0; i < g.people.size(); ++i) {
    const Person& p = g.people[(start + i) % g.people.size()];
    if (has(p.id)) return p.id;
  }
  return {};
}

std::string Judge::choose(const Row& row, int now, std::string& team) {
  ++choices;
  std::vector<Entry> entries = row.job.entries;
  if (entries.empty()) entries.emplace_back();
  for (const Entry& e : entries) {
    std::string name = e.team.empty() ? row.team : e.team;
    for (int hop = 0; hop < 8 && !name.empty(); ++hop) {
      const Group* g = group(name);
      if (g == nullptr) break;
      std::vector<const Person*> open, off;
      for (const Person& p : g->people) {
        if (row.refused.contains(p.id)) continue;
        if (e.way == Way::by_skill && !p.skills.contains(e.skill)) continue;
        if (std::ranges::any_of(p.absent, [&](const auto& a) { return day_of(now) >= a.first && day_of(now) <= a.second; })) continue;
        if (p.capacity != 0 && load(p.id) + row.job.units > p.capacity) continue;
        const int most = p.per_day != 0 ? p.per_day : p.capacity;
        if (most != 0 && today(p.id, now) + row.job.units > most) continue;
        (e.off == Off::ignore || at_work(*g, p, now) ? open : off).push_back(&p);
      }
      if (open.empty() && e.off == Off::prefer) open = off;
      Given given;
      given.ring = g->name + "/" + row.job.rule;
      const std::string person = open.empty() ? "" : pick(*g, e, row, open, now, given);
      if (!person.empty()) {
        team = g->name;
        pending_ = given;
        return person;
      }
      name = g->overflow;
    }
  }
  return {};
}

void Judge::give(Row& row, const std::string& person, const std::string& team, int now) {
  row.owner = person;
  row.team = team;
  row.waits = false;
  pending_.person = person;
  pending_.units = row.job.units;
  pending_.at = now;
  journal_.push_back(pending_);
  pending_ = {};
  row.state = "open";
  row.offer_until = -1;
  if (row.job.accept_within > 0) {
    row.state = "offered";
    row.offer_until = working_after(*group(team), now, row.job.accept_within);
  }
}

bool Judge::pass_on(Row& row, int now) {
  std::string team;
  const std::string person = choose(row, now, team);
  if (person.empty()) return false;
  give(row, person, team, now);
  return true;
}

void Judge::hand_out(int now) {
  while (true) {
    std::vector<Row*> waiting;
    for (Row& row : rows_) {
      if (row.waits) waiting.push_back(&row);
    }
    const auto rank = [](const Row* r) {
      return std::make_tuple(-(r->job.urgency * 2 + (r->job.mandatory ? 1 : 0)), -r->job.priority, r->due < 0 ? 1'000'000'000 : r->due, r->number);
    };
    std::ranges::sort(waiting, [&](const Row* a, const Row* b) { return rank(a) < rank(b); });
    bool any = false;
    for (Row* row : waiting) {
      if (pass_on(*row, now)) {
        any = true;
        break;  // from the top: the world is another
      }
    }
    if (!any) return;
  }
}

void Judge::add(const Job& job, const std::string& key, int number, int now) {
  Row row;
  row.job = job;
  row.key = key;
  row.team = job.team;
  row.made = now;
  row.number = number;
  if (job.due_in > 0) row.due = now + job.due_in;
  rows_.push_back(row);
  Row& kept = rows_.back();
  if (!pass_on(kept, now)) {
    kept.waits = true;
    ++waited;
  }
  kept.home = kept.due_home = kept.team;
  kept.tried = now;
}

bool Judge::accept(std::size_t index, const std::string& by, int now) {
  Row& row = rows_[index];
  if (!row.alive() || (!row.owner.empty() && row.owner != by)) return false;
  if (row.state == "accepted") return true;
  if (row.owner.empty()) {
    const Group* g = group(row.team);
    const Person* p = find(*g, by);
    if (p == nullptr && g->manager != by) return false;
    const int most = p == nullptr ? 0 : p->per_day != 0 ? p->per_day : p->capacity;
    if (p != nullptr && p->capacity != 0 && load(by) + row.job.units > p->capacity) return false;
    if (most != 0 && today(by, now) + row.job.units > most) return false;
    pending_ = {};
    const std::string team = row.team;
    give(row, by, team, now);
  }
  row.state = "accepted";
  row.offer_until = -1;
  return true;
}

bool Judge::decline(std::size_t index, int now) {
  Row& row = rows_[index];
  if (!row.alive() || row.owner.empty()) return false;
  row.refused.insert(row.owner);
  const std::string before = row.owner;
  if (!pass_on(row, now)) {
    row.owner.clear();
    row.state = "open";
    row.offer_until = -1;
    row.waits = true;
  }
  hand_out(now);
  return true;
}

bool Judge::done(std::size_t index, const Outcome& outcome, int at, int now) {
  Row& row = rows_[index];
  if (!row.alive() || (outcome.asks_time ? at <= now : at != 0)) return false;
  if (!outcome.closes && (++row.tries < outcome.tries_most || outcome.tries_most == 0)) {
    ++again;
    const int next = outcome.asks_time ? at : now + outcome.again_after;
    row.state = row.owner.empty() ? "open" : "accepted";
    row.offer_until = -1;
    // A call that was asked for at a time is late an hour after that; else there is as much time as at first.
    if (outcome.asks_time)
      row.due = next + 60;
    else if (row.due >= 0)
      row.due = next + (row.job.due_in > 0 ? row.job.due_in : 60);
    row.overdue = false;
    row.tried = now;
    row.due_home = row.team;
    std::erase_if(row.climbed, [&](int i) { return row.job.ladder[static_cast<std::size_t>(i)].when != When::age; });
    return true;
  }
  row.state = "done";
  row.waits = false;
  hand_out(now);
  return true;
}

void Judge::withdraw(const std::string& customer, const std::string& rule, int now) {
  std::vector<Row*> theirs;
  for (Row& row : rows_) {
    if (row.alive() && row.job.customer == customer && (rule.empty() || row.job.rule == rule)) theirs.push_back(&row);
  }
  std::ranges::sort(theirs, {}, &Row::key);
  for (Row* row : theirs) {
    row->state = "cancelled";
    row->waits = false;
    ++withdrawn;
    hand_out(now);
  }
}

void Judge::merged(const std::string& alias, const std::string& customer) {
  for (Row& row : rows_) {
    if (row.alive() && row.job.customer == alias) row.job.customer = customer;
  }
}

bool Judge::reassign(std::size_t index, const std::string& to, int now) {
  Row& row = rows_[index];
  if (!row.alive() || row.owner == to) return false;
  const Group* g = group(row.team);
  if (find(*g, to) == nullptr) {
    g = nullptr;
    for (const Group& other : groups_) {
      if (g == nullptr && find(other, to) != nullptr) g = &other;
    }
  }
  if (g == nullptr) return false;
  pending_ = {};
  const int within = row.job.accept_within;
  row.job.accept_within = 0;  // a manager's word is no offer
  give(row, to, g->name, now);
  row.job.accept_within = within;
  hand_out(now);
  return true;
}

void Judge::climb(Row& row, const Step& step, int now) {
  ++climbs;
  if (step.what == What::reassign) {
    const std::string before = row.owner;
    const bool first = !before.empty() && row.refused.insert(before).second;
    if (!pass_on(row, now) && first) row.refused.erase(before);
  } else if (step.what == What::pool && !row.owner.empty()) {
    row.refused.insert(row.owner);
    row.owner.clear();
    row.state = "open";
    row.offer_until = -1;
  }
}

void Judge::strike(Row& row, int now) {
  if (row.state == "offered" && row.offer_until >= 0 && row.offer_until <= now) {
    row.refused.insert(row.owner);
    if (!pass_on(row, now)) {
      row.owner.clear();
      row.state = "open";
      row.offer_until = -1;
      row.waits = true;
    }
    hand_out(now);
  }
  if (row.due >= 0 && row.due <= now) row.overdue = true;
  for (std::size_t i = 0; i < row.job.ladder.size(); ++i) {
    if (std::ranges::find(row.climbed, static_cast<int>(i)) != row.climbed.end()) continue;
    const Step& step = row.job.ladder[i];
    int at = -1;
    const Group& home = *group(step.when == When::age ? row.home : row.due_home);
    if (step.when == When::age) at = working_after(home, row.made, step.after);
    if (step.when == When::before_due && row.due >= 0 && row.due - step.after > row.tried) at = row.due - step.after;
    if (step.when == When::overdue && row.due >= 0) at = working_after(home, row.due, step.after);
    if (at < 0 || at > now) continue;
    row.climbed.push_back(static_cast<int>(i));
    climb(row, step, now);
    hand_out(now);
  }
  if (row.job.expires_in > 0 && row.made + row.job.expires_in <= now) {
    row.state = "expired";
    row.waits = false;
    hand_out(now);
  }
}

void Judge::minute(int now) {
  hand_out(now);
  std::vector<std::size_t> order(rows_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return rows_[i].key; });
  for (const std::size_t i : order) {
    if (rows_[i].alive()) strike(rows_[i], now);
  }
}

}  // namespace nudge::work_reference
