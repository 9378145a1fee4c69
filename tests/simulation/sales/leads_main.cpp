// Random pools, people and words, with the engine's leads and the slow reference side by side: who has each lead, where it lies and how it came
// there must be the same after each act and each minute, whatever is claimed, lost, said by the record, reloaded or restarted in between.
#include <cstdio>
#include <random>

#include "engine/core/desk.h"
#include "tests/simulation/sales/leads_reference.h"
#include "tests/simulation/sales/support.h"

namespace {

using namespace nudge;
using namespace nudge::sales_simulation;
namespace ref = nudge::leads_reference;

constexpr int kDays = 6, kLeads = 12;


class Case {
 public:
  explicit Case(std::uint64_t seed) : random_{std::mt19937_64(seed)}, judge_(make()) {}

  // The first difference; empty: none.
  std::string run() {
    for (int now = kTick; now < kDays * 24 * 60; now += kTick) {
      LeadOut out;
      desk_.leads().run(plan_, instant(now), out);
      if (desk_.leads().next() <= instant(now)) return "a clock of the engine stands still";
      keep(out);
      judge_.minute(now);
      if (std::string wrong = compare(now, "time"); !wrong.empty()) return wrong;
      // One act in a minute: instants of one lead ascend strictly in the engine, and the reference counts minutes.
      if (random_.chance(60)) {
        const std::string what = act(now);
        if (std::string wrong = compare(now, what); !wrong.empty()) return wrong;
      }
      if (random_.chance(2)) restart();
    }
    return {};
  }

  std::size_t compared = 0;
  const ref::Judge& judge() const { return judge_; }

 private:
  ref::Judge make() {
    auto catalog = std::make_shared<Catalog>();
    LeafDef owner;
    owner.name = "owner";
    catalog->attributes.push_back(owner);
    catalog->add_built_in();
    catalog->index();
    plan_.catalog = catalog;
    const int groups = 1 + random_.below(3);
    int person = 0;
    for (int g = 0; g < groups; ++g) {
      Team team;
      team.name = "g" + std::to_string(g);
      team.manager = "boss" + std::to_string(g);
      managers_[team.name] = team.manager;
      for (int p = 1 + random_.below(3); p > 0; --p) people_.emplace_back("p" + std::to_string(person++), team.name);
      plan_.teams.push_back(std::move(team));
    }
    std::vector<ref::Pool> pools;
    const int count = 1 + random_.below(3);
    for (int i = 0; i < count; ++i) {
      ref::Pool p;
      p.name = "pool" + std::to_string(i);
      p.everybody = random_.chance(40);
      if (!p.everybody || random_.chance(50)) p.team = "g" + std::to_string(random_.below(groups));
      if (random_.chance(50)) p.per_day = 1 + random_.below(4);
      if (random_.chance(50)) p.owned_most = 1 + random_.below(4);
      if (random_.chance(40)) p.again_after = kTick * (1 + random_.below(100));
      if (random_.chance(70)) p.recycle_after = kTick * (1 + random_.below(150));
      if (random_.chance(40)) p.recycle_to = "pool" + std::to_string(random_.below(count));
      p.wants_reasons = random_.chance(40);
      pools.push_back(p);
      Pool pool;
      pool.name = p.name;
      pool.team = p.team;
      pool.everybody = p.everybody;
      pool.per_day = static_cast<std::uint32_t>(p.per_day);
      pool.owned_most = static_cast<std::uint32_t>(p.owned_most);
      pool.again_after = p.again_after * kMinute;
      pool.recycle_after = p.recycle_after * kMinute;
      pool.recycle_to = p.recycle_to;
      if (p.wants_reasons) pool.return_reasons = pool.close_reasons = {"good"};
      pool.follow_ups = {catalog->find_event("follow_up")};
      pool.owner_attribute = 0;
      plan_.pools.push_back(std::move(pool));
    }
    return ref::Judge(pools, hire(), managers_);
  }

  // Whoever works here now, into the plan; and the same for the reference.
  std::map<std::string, std::set<std::string>> hire() {
    std::map<std::string, std::set<std::string>> teams;
    for (Team& team : plan_.teams) {
      team.members.clear();
      teams[team.name];
      for (const auto& [id, group] : people_) {
        if (group != team.name || gone_.contains(id)) continue;
        Member m;
        m.id = m.name = id;
        team.members.push_back(std::move(m));
        teams[team.name].insert(id);
      }
    }
    return teams;
  }

  std::string somebody() { return random_.chance(5) ? "boss0" : people_[static_cast<std::size_t>(random_.below(static_cast<int>(people_.size())))].first; }
  std::string a_pool() { return plan_.pools[static_cast<std::size_t>(random_.below(static_cast<int>(plan_.pools.size())))].name; }

  std::string act(int now) {
    const std::string lead = "c" + std::to_string(random_.below(kLeads));
    const ref::Entry* is = judge_.last(lead);
    if (is != nullptr && is->at == now) return "nothing";  // its clock has just struck
    if (random_.chance(4)) {
      const std::string other = "c" + std::to_string(random_.below(kLeads));
      if (other == lead || (judge_.last(other) != nullptr && judge_.last(other)->at == now)) return "nothing";
      judge_.merged(lead, other, now);
      LeadOut out;
      desk_.leads().merged(plan_, lead, other, instant(now), out);
      keep(out);
      return lead + " is " + other;
    }
    const int what = random_.below(12);
    if (what == 0) {
      const std::string& id = people_[static_cast<std::size_t>(random_.below(static_cast<int>(people_.size())))].first;
      if (!gone_.erase(id)) gone_.insert(id);
      judge_.teams(hire(), now);
      LeadOut out;
      desk_.leads().plan_changed(plan_, instant(now), out);
      keep(out);
      return id + " came or went";
    }
    if (what <= 2) {
      // Also late ones.
      const int at = std::max(0, now - kTick * random_.below(20));
      judge_.followed(lead, at);
      hear({lead, instant(at), plan_.catalog->find_event("follow_up"), kNoAttribute, {}, "f"});
      return "follow-up of " + lead;
    }
    if (what == 3) {
      const std::string owner = random_.chance(30) ? "" : random_.chance(20) ? "stranger" : somebody();
      const TimeMs older = is == nullptr ? 0 : instant(is->since) - 1;
      judge_.record_says(lead, owner, now);
      hear({lead, instant(now), kNoEventType, 0, owner, "zz"});
      // An older word of the record is none.
      hear({lead, older, kNoEventType, 0, "old", "zz"});
      return "the record of " + lead + " says " + owner;
    }
    LeadCommand command;
    command.customer = lead;
    command.reason = random_.chance(60) ? "good" : random_.chance(50) ? "bad" : "";
    command.as_manager = random_.chance(30);
    command.by = command.as_manager ? "" : is != nullptr && !is->owner.empty() && random_.chance(70) ? is->owner : somebody();
    const std::string by = command.by;
    bool fine = false;
    if (is == nullptr || what == 4) {
      command.kind = LeadCommand::Kind::put;
      command.pool = a_pool();
      fine = judge_.put(lead, command.pool, now);
    } else if (what <= 7) {
      command.kind = LeadCommand::Kind::claim;
      command.by = somebody();
      command.as_manager = false;
      fine = judge_.claim(lead, command.by, now);
    } else if (what <= 9) {
      const bool transfer = what == 9;
      command.kind = transfer ? LeadCommand::Kind::transfer : LeadCommand::Kind::assign;
      command.to = somebody();
      fine = judge_.give(lead, by, command.to, transfer, now);
    } else if (what == 10) {
      command.kind = LeadCommand::Kind::give_back;
      fine = judge_.give_back(lead, by, command.reason, now);
    } else {
      command.kind = LeadCommand::Kind::close;
      fine = judge_.close(lead, by, command.reason, now);
    }
    LeadOut out;
    const bool done = desk_.leads().apply(plan_, command, instant(now), out).has_value();
    keep(out);
    static constexpr const char* kWords[] = {"put", "claim", "assign", "give back", "transfer", "close"};
    const std::string words = std::string(kWords[static_cast<int>(command.kind)]) + " of " + lead + " by " + command.by + " to " + command.to;
    return done == fine ? words : words + (done ? ", which the reference refuses" : ", which the engine refuses");
  }

  void hear(const LeadSignal& signal) {
    LeadOut out;
    desk_.leads().hear(plan_, signal, out);
    keep(out);
  }

  // What a store would have.
  void keep(const LeadOut& out) {
    for (const Lead& gone : out.gone) leads_.erase(gone.customer);
    for (const auto& touched : out.touched) {
      std::string bytes;
      encode_lead(bytes, touched.now);
      leads_[touched.now.customer] = bytes;
    }
    for (const LeadClaims& claims : out.claims) {
      std::string bytes;
      encode_claims(bytes, claims);
      claims_[claims.pool + "/" + claims.person] = bytes;
    }
    for (const LeadChange& change : out.changes) {
      std::string bytes;
      encode_lead_change(bytes, change);
      history_.push_back(*decode_lead_change(bytes));
    }
    for (const Input& input : out.news) {
      if (input.kind == InputKind::attributes) attribute_[input.customer] = input.attributes[0].value.bytes;
    }
  }

  // Another process reads what this one kept.
  void restart() {
    Desk desk;
    for (const auto& [customer, bytes] : leads_) desk.leads().load(*decode_lead(bytes));
    for (const auto& [key, bytes] : claims_) desk.leads().load(*decode_claims(bytes));
    desk_ = std::move(desk);
  }

  std::string compare(int now, const std::string& after) {
    const auto wrong = [&](const std::string& what, const std::string& expected, const std::string& got) {
      return "minute " + std::to_string(now) + ", after " + after + ": " + what + ": reference `" + expected + "`, engine `" + got + "`";
    };
    if (after.find(", which the ") != std::string::npos) return "minute " + std::to_string(now) + ": " + after;
    const auto& journal = judge_.journal();
    if (journal.size() != history_.size()) return wrong("changes", std::to_string(journal.size()), std::to_string(history_.size()));
    for (; checked_ < journal.size(); ++checked_) {
      const ref::Entry& r = journal[checked_];
      const LeadChange& e = history_[checked_];
      compared += 6;
      const std::string expected = r.lead + " " + r.what + " " + r.pool + " " + r.owner + " " + r.previous + " " + std::to_string(r.at);
      const std::string got = e.customer + " " + e.what + " " + e.pool + " " + e.owner + " " + e.previous + " " + std::to_string((e.at - kStart) / kMinute);
      if (expected != got) return wrong("a change", expected, got);
      if (e.at != instant(r.at)) return wrong("its instant", std::to_string(instant(r.at)), std::to_string(e.at));
    }
    for (int i = 0; i < kLeads; ++i) {
      const std::string lead = "c" + std::to_string(i);
      const Lead* e = desk_.leads().find(lead);
      const ref::Entry* r = judge_.last(lead);
      if ((e == nullptr) != (r == nullptr)) return wrong("lead " + lead, r == nullptr ? "none" : "one", e == nullptr ? "none" : "one");
      if (r == nullptr) continue;
      compared += 4;
      if (e->since != instant(r->since)) return wrong("lead " + lead + " since", std::to_string(r->since), std::to_string((e->since - kStart) / kMinute));
      if (e->owner != r->owner || e->pool != r->pool) return wrong("owner of " + lead, r->pool + " " + r->owner, e->pool + " " + e->owner);
      const std::string state = judge_.closed(lead) ? "closed" : judge_.owned(lead) ? "owned" : "pooled";
      if (state != lead_state_name(e->state)) return wrong("state of " + lead, state, std::string(lead_state_name(e->state)));
    }
    return {};
  }

  Random random_;
  std::map<std::string, std::string> managers_;
  std::vector<std::pair<std::string, std::string>> people_;
  std::set<std::string> gone_;
  Plan plan_;
  Desk desk_;
  std::map<std::string, std::string> leads_, claims_, attribute_;
  std::vector<LeadChange> history_;
  std::size_t checked_ = 0;
  ref::Judge judge_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  std::size_t compared = 0;
  int recycled = 0, refused = 0, joined = 0;
  std::size_t changes = 0;
  const bool agree = all_agree<Case>(options, compared, [&](const Case& one) {
    recycled += one.judge().recycled;
    refused += one.judge().refused;
    joined += one.judge().joined;
    changes += one.judge().journal().size();
  });
  if (!agree) return 1;
  std::printf("%llu cases, %zu comparisons; %zu changes, %d of them recycled, %d words refused, %d merged\n", static_cast<unsigned long long>(options.seeds), compared, changes,
              recycled, refused, joined);
  if (compared < options.at_least || (options.at_least > 0 && (recycled == 0 || refused == 0 || joined == 0))) {
    std::printf("too few: the generator has lost its bite\n");
    return 1;
  }
  return 0;
}
