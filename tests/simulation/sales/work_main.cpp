// Random teams, tasks and people, with the engine's desk and the slow reference side by side: owners, states and what waits must be the same
// at every tick, whatever was declined, done, given away, ran out or was restarted in between.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "engine/core/desk.h"
#include "tests/simulation/sales/reference.h"
#include "tests/simulation/sales/support.h"

namespace {

using namespace nudge;
using namespace nudge::sales_simulation;
namespace ref = nudge::work_reference;

constexpr int kDays = 9;
constexpr std::size_t kTasksMost = 1'000'000;


class Case {
 public:
  // Every other seed keeps the tasks elsewhere, and every third takes the clocks in small portions.
  explicit Case(std::uint64_t seed)
      : random_{std::mt19937_64(seed)}, elsewhere_(seed % 2 == 1), portion_(seed % 3 == 0 ? 2 : static_cast<std::size_t>(-1)), judge_(make_groups()) {
    keep_elsewhere(desk_);
    auto catalog = std::make_shared<Catalog>();
    catalog->add_built_in();
    catalog->index();
    plan_.catalog = catalog;
    make_plan();
  }

  // The first difference; empty: none. With NUDGE_TRACE in the environment every act and what both sides hold after it are printed.
  std::string run() {
    for (int now = 0; now < kDays * 24 * 60; now += kTick) {
      constexpr int kPortionsMost = 10'000;
      for (int i = 0; i < kPortionsMost && (i == 0 || desk_.work().next() <= instant(now)); ++i) {
        WorkOut out;
        desk_.work().run(plan_, desk_.roster(), instant(now), out, portion_);
        keep(out);
        if (portion_ > kTasksMost) break;
      }
      if (desk_.work().next() <= instant(now)) return "a clock of the engine stands still";
      judge_.minute(now);
      if (std::string wrong = compare(now, "by time"); !wrong.empty()) return wrong;
      const int acts = random_.below(4) == 0 ? random_.below(4) : 0;
      for (int i = 0; i < acts; ++i) {
        const std::string what = act(now);
        if (std::getenv("NUDGE_TRACE") != nullptr) trace(now, what);
        if (std::string wrong = compare(now, what); !wrong.empty()) return wrong;
      }
      if (random_.chance(1)) {
        if (std::string wrong = restart(now); !wrong.empty()) return wrong;
      }
    }
    return {};
  }

  std::size_t compared = 0;
  const ref::Judge& judge() const { return judge_; }

 private:
  void trace(int now, const std::string& what) {
    std::printf("%d %s\n", now, what.c_str());
    for (std::size_t r = 0; r < judge_.rows().size(); ++r) {
      const auto& row = judge_.rows()[r];
      if (!row.alive()) continue;
      std::printf("    %zu %s %s ref %s %s engine %s\n", r + 1, row.job.rule.c_str(), row.team.c_str(), row.state.c_str(), row.owner.c_str(),
                  seen_[ids_[r]].action.owner.c_str());
    }
  }

  std::vector<ref::Group> make_groups() {
    const int n = 1 + random_.below(3);
    int person = 0;
    for (int g = 0; g < n; ++g) {
      ref::Group group;
      group.name = "g" + std::to_string(g);
      group.manager = "boss" + std::to_string(g);
      if (random_.chance(50)) group.from = 8 + random_.below(3), group.to = 16 + random_.below(4);
      if (g + 1 < n && random_.chance(50)) group.overflow = "g" + std::to_string(g + 1);
      for (int p = 1 + random_.below(4); p > 0; --p) {
        ref::Person one;
        one.id = "p" + std::to_string(person++);
        if (random_.chance(70)) one.capacity = 1 + random_.below(6);
        if (random_.chance(40)) one.per_day = 1 + random_.below(5);
        one.weight = random_.below(4);
        if (random_.chance(60)) one.skills.insert("s0");
        if (random_.chance(40)) one.skills.insert("s1");
        if (random_.chance(30)) {
          const int first = random_.below(kDays);
          one.absent.emplace_back(first, first + random_.below(3));
        }
        if (random_.chance(25)) one.from = 6 + random_.below(8), one.to = one.from + 4 + random_.below(6);
        group.people.push_back(one);
      }
      groups_.push_back(group);
    }
    return groups_;
  }

  static WorkHours hours(int from, int to) {
    WorkHours h;
    if (from == 0 && to == 24) return h;
    Calendar times;
    times.weekdays = 0x1f;
    times.hours.push_back({from * kHour, to * kHour});
    h.open.push_back(times);
    return h;
  }

  void make_plan() {
    for (const ref::Group& g : groups_) {
      Team team;
      team.name = g.name;
      team.manager = g.manager;
      team.overflow = g.overflow;
      team.hours = hours(g.from, g.to);
      for (const ref::Person& p : g.people) {
        Member m;
        m.id = m.name = p.id;
        m.capacity = static_cast<std::uint32_t>(p.capacity);
        m.per_day = static_cast<std::uint32_t>(p.per_day);
        m.weight = static_cast<std::uint32_t>(p.weight);
        m.properties.emplace_back("skills", Value::of_list(std::vector<std::string>(p.skills.begin(), p.skills.end())));
        const auto day = static_cast<DateDays>(kStart / kDay);
        for (const auto& [first, last] : p.absent) m.absences.push_back({day + first, day + last});
        m.own_hours = p.from != 0 || p.to != 24;
        m.hours = hours(p.from, p.to);
        team.members.push_back(std::move(m));
      }
      plan_.teams.push_back(std::move(team));
    }
    static constexpr const char* kNames[] = {"won", "busy", "back"};
    for (int i = 0; i < 3; ++i) {
      ref::Outcome& o = outcomes_.emplace_back();
      o.closes = i == 0;
      o.asks_time = i == 2;
      if (i == 1) o.again_after = random_.ticks(0, 30);
      if (i != 0 && random_.chance(60)) o.tries_most = 1 + random_.below(3);
      plan_.dispositions.push_back({kNames[i], {}, o.closes, o.again_after * kMinute, o.asks_time, static_cast<std::uint32_t>(o.tries_most)});
    }
  }

  std::string somebody() {
    const ref::Group& g = groups_[static_cast<std::size_t>(random_.below(static_cast<int>(groups_.size())))];
    return g.people[static_cast<std::size_t>(random_.below(static_cast<int>(g.people.size())))].id;
  }

  ref::Job make_job() {
    ref::Job job;
    job.rule = "r" + std::to_string(random_.below(3));
    job.team = groups_[static_cast<std::size_t>(random_.below(static_cast<int>(groups_.size())))].name;
    for (int n = random_.below(3); n > 0; --n) {
      ref::Entry e;
      e.way = static_cast<ref::Way>(random_.below(7));
      e.off = static_cast<ref::Off>(random_.below(3));
      if (random_.chance(20)) e.team = groups_[static_cast<std::size_t>(random_.below(static_cast<int>(groups_.size())))].name;
      if (e.way == ref::Way::by_skill) e.skill = "s" + std::to_string(random_.below(2));
      if (e.way == ref::Way::owner || e.way == ref::Way::sticky) e.owner = somebody();
      if (e.way == ref::Way::sticky && random_.chance(50)) e.within = random_.ticks(1, 60);
      job.entries.push_back(e);
    }
    job.units = random_.chance(80) ? 1 : 2;
    job.urgency = 1 + random_.below(4);
    job.priority = random_.below(3) * 10;
    job.mandatory = random_.chance(20);
    if (random_.chance(60)) job.due_in = random_.ticks(1, 100);
    if (random_.chance(40)) job.accept_within = random_.ticks(1, 20);
    if (random_.chance(20)) job.expires_in = random_.ticks(4, 400);
    const bool sticky = std::ranges::any_of(job.entries, [](const ref::Entry& e) { return e.way == ref::Way::sticky; });
    if (random_.chance(sticky ? 85 : 30)) job.last_owner = somebody();
    for (int n = random_.below(3); n > 0; --n) {
      ref::Step step{static_cast<ref::When>(random_.below(3)), random_.ticks(1, 60), static_cast<ref::What>(random_.below(5))};
      if (step.when != ref::When::age && job.due_in == 0) continue;
      job.ladder.push_back(step);
    }
    return job;
  }

  std::string add(int now) {
    ref::Job job = make_job();
    job.customer = "c" + std::to_string(random_.below(5));
    if (!job.last_owner.empty()) job.last_owned = now - random_.ticks(0, 60);
    const int number = static_cast<int>(judge_.rows().size()) + 1;
    ActionOut a;
    a.id = hash128(std::to_string(number) + "/" + std::to_string(random_.source()));
    a.kind = "call_task";
    a.rule = job.rule;
    a.rule_id = static_cast<RuleId>(job.rule[1] - '0');
    // Equal steps of one rule say the same: what differs here is a step of its own.
    a.step = static_cast<std::uint32_t>(number);
    if (random_.chance(50)) a.step = 0;
    a.customer = job.customer;
    a.priority = job.priority;
    a.mandatory = job.mandatory;
    a.at = instant(now);
    a.assigns = true;
    a.assignment.team = job.team;
    a.last_owner = job.last_owner;
    if (!job.last_owner.empty()) a.last_owned = instant(job.last_owned);
    std::uint16_t attribute = 0;
    for (const ref::Entry& e : job.entries) {
      AssignEntry entry;
      static constexpr AssignEntry::Strategy kWays[] = {AssignEntry::Strategy::round_robin,    AssignEntry::Strategy::least_loaded,
                                                        AssignEntry::Strategy::owner,          AssignEntry::Strategy::weighted,
                                                        AssignEntry::Strategy::most_available, AssignEntry::Strategy::by_skill,
                                                        AssignEntry::Strategy::sticky};
      entry.strategy = kWays[static_cast<std::size_t>(e.way)];
      entry.off_hours = static_cast<AssignEntry::OffHours>(e.off);
      entry.where.kind = MemberFilter::Kind::all;
      entry.team = e.team;
      entry.within = e.within * kMinute;
      if (!e.skill.empty()) entry.skills.push_back(e.skill);
      if (!e.owner.empty()) {
        entry.owner_attribute = attribute;
        a.customer_values.emplace_back(attribute++, Value::of_text(e.owner));
      }
      a.assignment.entries.push_back(std::move(entry));
    }
    if (a.step == 0) a.step = static_cast<std::uint32_t>(hash128(describe(job)).hi % 1'000'000) + 1'000'000;  // what is alike has one step
    a.terms.units = static_cast<std::uint32_t>(job.units);
    a.terms.rank = static_cast<std::uint8_t>(job.urgency);
    if (job.due_in > 0) a.due = instant(now + job.due_in);
    a.terms.due_in = job.due_in * kMinute;
    a.terms.accept_within = job.accept_within * kMinute;
    a.terms.expires_in = job.expires_in * kMinute;
    for (const ref::Step& s : job.ladder)
      a.terms.ladder.push_back({static_cast<Rung::When>(s.when), s.after * kMinute, static_cast<Rung::What>(s.what)});
    a.payload = R"({"subject":"Call"})";
    ids_.push_back(a.id);
    judge_.add(job, to_hex(a.id), number, now);
    Effects effects;
    effects.actions.push_back(std::move(a));
    desk_.settle(plan_, effects);
    WorkOut out;
    desk_.work().add(plan_, std::move(effects.actions[0]), static_cast<std::uint64_t>(number), instant(now), out);
    keep(out);
    return "task " + std::to_string(number) + " was made";
  }

  static std::string describe(const ref::Job& job) {
    std::string s = job.team + std::to_string(job.accept_within) + job.last_owner;
    for (const ref::Entry& e : job.entries)
      s += "|" + std::to_string(static_cast<int>(e.way)) + std::to_string(static_cast<int>(e.off)) + e.team + e.skill + e.owner + std::to_string(e.within);
    return s;
  }

  std::string act(int now) {
    std::vector<std::size_t> alive;
    for (std::size_t i = 0; i < judge_.rows().size(); ++i) {
      if (judge_.rows()[i].alive()) alive.push_back(i);
    }
    if (alive.empty() || random_.chance(45)) return add(now);
    if (random_.chance(6)) return of_customer(now);
    const std::size_t row = alive[static_cast<std::size_t>(random_.below(static_cast<int>(alive.size())))];
    TaskCommand command;
    command.task = ids_[row];
    bool accepted = true;
    const int what = random_.below(4);
    const std::string before = judge_.rows()[row].owner;
    if (what == 0) {
      command.kind = TaskCommand::Kind::accept;
      command.by = before.empty() || random_.chance(20) ? somebody() : before;
      accepted = judge_.accept(row, command.by, now);
    } else if (what == 1) {
      command.kind = TaskCommand::Kind::decline;
      command.by = before;
      accepted = judge_.decline(row, now);
    } else if (what == 2) {
      command.kind = TaskCommand::Kind::complete;
      command.by = before;
      const std::size_t outcome = random_.chance(40) ? 0 : 1 + static_cast<std::size_t>(random_.below(2));
      command.disposition = plan_.dispositions[outcome].name;
      int at = 0;
      if (outcomes_[outcome].asks_time ? random_.chance(90) : random_.chance(5)) at = now + random_.ticks(-2, 60);
      command.at = at == 0 ? 0 : instant(at);
      accepted = judge_.done(row, outcomes_[outcome], at, now);
    } else {
      command.kind = TaskCommand::Kind::reassign;
      command.to = somebody();
      accepted = judge_.reassign(row, command.to, now);
    }
    WorkOut out;
    const bool done = desk_.work().apply(plan_, desk_.roster(), command, instant(now), out).has_value();
    keep(out);
    static constexpr const char* kWords[] = {"accept", "decline", "complete", "reassign"};
    const std::string words = std::string(kWords[what]) + " of task " + std::to_string(row + 1) + " by " + command.by + command.to;
    return done == accepted ? words : words + (done ? ", which the reference refuses" : ", which the engine refuses");
  }

  std::string of_customer(int now) {
    const std::string customer = "c" + std::to_string(random_.below(5)), other = "c" + std::to_string(random_.below(5));
    WorkOut out;
    if (random_.chance(50)) {
      judge_.merged(customer, other);
      desk_.work().merged(customer, other, instant(now), out);
      keep(out);
      return customer + " is " + other;
    }
    const std::string rule = random_.chance(50) ? "" : "r" + std::to_string(random_.below(3));
    const int before = judge_.withdrawn;
    judge_.withdraw(customer, rule, now);
    desk_.work().withdraw(plan_, desk_.roster(), customer, rule.empty() ? std::vector<std::string>() : std::vector{rule}, "bought", instant(now), out);
    keep(out);
    // A manager's tasks go, too; the reference knows none.
    const auto closed = std::ranges::count_if(out.touched, [&](const Task& t) { return t.state == TaskState::cancelled && std::ranges::find(ids_, t.action.id) != ids_.end(); });
    const std::string words = "withdrawal of " + customer + "'s";
    return static_cast<std::size_t>(closed) == static_cast<std::size_t>(judge_.withdrawn - before) ? words : words + ", which the engine does to others";
  }

  void keep(const WorkOut& out) {
    for (const Task& task : out.made) seen_[task.action.id] = task;
    for (const Task& task : out.touched) seen_[task.action.id] = task;
    desk_.work().rest();
  }

  void keep_elsewhere(Desk& desk) {
    if (!elsewhere_) return;
    desk.work().keep_elsewhere([this](const Hash128& id) {
      std::string record;
      encode_task(record, seen_.at(id));
      return decode_task(record).value_or(Task{});
    });
  }

  // Another process reads what this one kept.
  std::string restart(int now) {
    std::string bytes;
    desk_.encode(bytes);
    Result<Desk> desk = Desk::decode(bytes);
    if (!desk) return "the desk does not decode";
    keep_elsewhere(*desk);
    for (const auto& [id, task] : seen_) {
      if (!is_open(task.state)) continue;
      std::string record;
      encode_task(record, task);
      Result<Task> back = decode_task(record);
      if (!back) return "a task does not decode";
      desk->work().load(*std::move(back));
    }
    if (desk->work().size() != desk_.work().size()) return "the records do not hold all open tasks";
    desk_ = *std::move(desk);
    WorkOut out;
    desk_.work().hand_out(plan_, desk_.roster(), instant(now), out);
    return out.touched.empty() ? std::string() : "a restart gave something out";
  }

  std::string compare(int now, const std::string& after) {
    const auto wrong = [&](std::size_t row, const std::string& what, const std::string& expected, const std::string& got) {
      std::string story;
      for (const TaskStep& step : seen_[ids_[row]].steps)
        story += "\n  minute " + std::to_string((step.at - kStart) / kMinute) + " " + step.what + " " + step.who + ": " + step.words;
      return "minute " + std::to_string(now) + ", after " + after + ": " + what + " of task " + std::to_string(row + 1) + ": reference `" +
             expected + "`, engine `" + got + "`" + story;
    };
    if (after.find(", which the ") != std::string::npos) return after;
    for (std::size_t i = 0; i < judge_.rows().size(); ++i) {
      const ref::Row& r = judge_.rows()[i];
      const Task& t = seen_[ids_[i]];
      compared += 5;
      if (r.state != task_state_name(t.state)) return wrong(i, "state", r.state, std::string(task_state_name(t.state)));
      if (!r.alive()) continue;
      if (r.owner != t.action.owner) return wrong(i, "owner", r.owner, t.action.owner);
      if (r.team != t.action.assignment.team) return wrong(i, "team", r.team, t.action.assignment.team);
      if (r.waits != t.waits) return wrong(i, "waiting", r.waits ? "yes" : "no", t.waits ? "yes" : "no");
      if (r.job.customer != t.action.customer) return wrong(i, "customer", r.job.customer, t.action.customer);
      if ((r.due < 0 ? 0 : instant(r.due)) != t.action.due) return wrong(i, "due", std::to_string(r.due), std::to_string((t.action.due - kStart) / kMinute));
      if (r.overdue != t.overdue) return wrong(i, "overdue", r.overdue ? "yes" : "no", t.overdue ? "yes" : "no");
      if (r.refused != std::set<std::string>(t.refused.begin(), t.refused.end())) return wrong(i, "who refused", "", "");
    }
    for (const ref::Group& g : groups_) {
      for (const ref::Person& p : g.people) {
        ++compared;
        if (static_cast<std::uint64_t>(judge_.load(p.id)) != desk_.roster().load(p.id))
          return "minute " + std::to_string(now) + ", after " + after + ": load of " + p.id + ": reference " + std::to_string(judge_.load(p.id)) +
                 ", engine " + std::to_string(desk_.roster().load(p.id));
      }
    }
    return {};
  }

  Random random_;
  const bool elsewhere_;
  const std::size_t portion_;
  std::vector<ref::Group> groups_;
  std::vector<ref::Outcome> outcomes_;
  ref::Judge judge_;
  Plan plan_;
  Desk desk_;
  std::vector<Hash128> ids_;
  std::map<Hash128, Task> seen_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  std::size_t compared = 0;
  int choices = 0, waited = 0, climbs = 0, again = 0, withdrawn = 0;
  const bool agree = all_agree<Case>(options, compared, [&](const Case& one) {
    choices += one.judge().choices;
    waited += one.judge().waited;
    climbs += one.judge().climbs;
    again += one.judge().again;
    withdrawn += one.judge().withdrawn;
  });
  if (!agree) return 1;
  std::printf("%llu seeds, %zu comparisons, %d choices, %d waited, %d rungs, %d tried again, %d withdrawn: no difference\n", static_cast<unsigned long long>(options.seeds), compared,
              choices, waited, climbs, again, withdrawn);
  return compared >= options.at_least && waited > 0 && climbs > 0 && again > 0 && withdrawn > 0 ? 0 : 1;
}
