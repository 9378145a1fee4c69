// A slow, separate judge of who gets which task and what becomes of it: it knows no clocks, no queues and no running sums. Every minute it
// looks at everything there is, and every number it needs it counts from the whole journal. It shares no code with engine/core.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/base/time.h"

namespace nudge::work_reference {

struct Person {
  std::string id;
  int capacity = 0, per_day = 0, weight = 1;
  std::set<std::string> skills;
  std::vector<std::pair<int, int>> absent;  // first and last day since the start
  int from = 0, to = 24;                    // hours of work, every weekday; 0 to 24: always
};
struct Group {
  std::string name, manager, overflow;
  std::vector<Person> people;
  int from = 0, to = 24;
};
enum class Way { round_robin, least_loaded, owner, weighted, most_available, by_skill, sticky };
enum class Off { prefer, only, ignore };
struct Entry {
  Way way = Way::round_robin;
  Off off = Off::prefer;
  std::string team, skill, owner;
  int within = 0;  // sticky: minutes since the last task was theirs; 0: however long
};
enum class When { age, before_due, overdue };
enum class What { remind, manager, reassign, pool, ticket };
struct Step {
  When when;
  int after;  // minutes
  What what;
};
struct Job {
  std::string rule, team, customer;
  std::vector<Entry> entries;
  int units = 1, urgency = 2, priority = 50;
  bool mandatory = false;
  int due_in = 0, accept_within = 0, expires_in = 0;  // minutes; 0: none
  std::vector<Step> ladder;
  std::string last_owner;
  int last_owned = 0;
};
// What can be said of a call.
struct Outcome {
  bool closes = true, asks_time = false;
  int again_after = 0, tries_most = 0;
};

struct Row {
  Job job;
  std::string key;  // orders tasks whose clocks strike at one instant
  int made = 0, number = 0;
  std::string state = "open", owner, team, home, due_home;  // whose hours the ladder reckons with: by age, and by the deadline
  int tries = 0, tried = 0;  // tried: when the deadline was set last
  bool waits = false, overdue = false;
  int due = -1, offer_until = -1;
  std::set<std::string> refused;
  std::vector<int> climbed;  // indexes of the ladder that are done
  bool alive() const { return state == "open" || state == "offered" || state == "accepted"; }
};

class Judge {
 public:
  explicit Judge(std::vector<Group> groups) : groups_(std::move(groups)) {}

  void add(const Job& job, const std::string& key, int number, int now);
  // People's words. False: refused.
  bool accept(std::size_t row, const std::string& by, int now);
  bool decline(std::size_t row, int now);
  // `at`: when to try again, where the outcome asks for it.
  bool done(std::size_t row, const Outcome& outcome, int at, int now);
  // A customer's open tasks are withdrawn; of one rule, or of all (empty).
  void withdraw(const std::string& customer, const std::string& rule, int now);
  void merged(const std::string& alias, const std::string& customer);
  bool reassign(std::size_t row, const std::string& to, int now);
  // All that time brings about at this minute.
  void minute(int now);

  const std::vector<Row>& rows() const { return rows_; }
  int load(const std::string& person) const;
  int choices = 0, waited = 0, climbs = 0, again = 0, withdrawn = 0;

 private:
  struct Given {
    std::string person, ring;
    int units = 0, at = 0;
    bool in_turn = false;                           // took a turn of the ring …
    std::vector<std::pair<std::string, int>> open;  // … or by weight: who could have, and their weights
  };
  const Person* find(const Group& group, const std::string& id) const;
  const Group* group(const std::string& name) const;
  bool at_work(const Group& g, const Person& p, int now) const;
  int working_after(const Group& g, int from, int length) const;
  int today(const std::string& person, int now) const;
  int last_given(const std::string& person) const;
  std::string choose(const Row& row, int now, std::string& team);
  std::string pick(const Group& g, const Entry& e, const Row& row, const std::vector<const Person*>& open, int now, Given& given) const;
  void give(Row& row, const std::string& person, const std::string& team, int now);
  bool pass_on(Row& row, int now);
  void hand_out(int now);
  void strike(Row& row, int now);
  void climb(Row& row, const Step& step, int now);

  std::vector<Group> groups_;
  std::vector<Row> rows_;
  std::vector<Given> journal_;
  Given pending_;
};

}  // namespace nudge::work_reference
