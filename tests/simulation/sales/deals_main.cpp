// Random funnels, opportunities and words, with the engine and the slow reference side by side: where each one stands, when it counts as
// stalled, what is told and what the funnel counts must be the same after each act and each minute, whatever is merged, erased, reloaded or
// restarted in between.
#include <cstdio>
#include <random>
#include <string_view>

#include "engine/core/desk.h"
#include "engine/core/funnel.h"
#include "tests/simulation/sales/deals_reference.h"
#include "tests/simulation/sales/support.h"

namespace {

using namespace nudge;
using namespace nudge::sales_simulation;
namespace ref = nudge::deals_reference;

constexpr int kDays = 4, kCustomers = 5;
constexpr std::size_t kDeals = 25;

int minute_of(TimeMs at) { return static_cast<int>((at - kStart) / kMinute); }

class Case {
 public:
  explicit Case(std::uint64_t seed) : random_{std::mt19937_64(seed)}, judge_(make()) {}

  // The first difference; empty: none.
  std::string run() {
    for (int now = kTick; now < kDays * 24 * 60; now += kTick) {
      DealOut out;
      desk_.deals().run(plan_, instant(now), out);
      if (desk_.deals().next() <= instant(now)) return "a clock of the engine stands still";
      keep(out);
      judge_.minute(now);
      if (std::string wrong = compare(now, "time"); !wrong.empty()) return wrong;
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
    catalog->add_built_in();
    catalog->index();
    plan_.catalog = catalog;
    Team team;
    team.name = "g";
    for (const char* id : {"p0", "p1"}) {
      Member m;
      m.id = m.name = id;
      team.members.push_back(std::move(m));
    }
    plan_.teams.push_back(std::move(team));
    for (int i = 0, n = 1 + random_.below(5); i < n; ++i) {
      ref::Stage stage;
      stage.name = "s" + std::to_string(i);
      if (random_.chance(50)) stage.tasks.insert("call");
      if (random_.chance(30)) stage.tasks.insert("quote");
      stages_.push_back(stage);
    }
    wants_reasons_ = random_.chance(50);
    terms();
    return {stages_, wants_reasons_, {"p0", "p1"}};
  }

  // Other terms, into the plan and for the reference.
  void terms() {
    Funnel funnel;
    funnel.name = "deals";
    funnel.follow_ups = {plan_.catalog->find_event("follow_up")};
    if (wants_reasons_) funnel.lost_reasons = {"good"};
    for (ref::Stage& stage : stages_) {
      stage.percent = random_.below(101);
      stage.stalled_after = random_.chance(30) ? 0 : kTick * (1 + random_.below(80));
      funnel.stages.push_back({stage.name, {}, static_cast<std::uint32_t>(stage.percent), stage.stalled_after * kMinute,
                               std::vector<std::string>(stage.tasks.begin(), stage.tasks.end())});
    }
    plan_.funnels = {funnel};
  }

  std::string customer() { return "c" + std::to_string(random_.below(kCustomers)); }
  std::string a_stage() { return random_.chance(5) ? "nowhere" : "s" + std::to_string(random_.below(static_cast<int>(stages_.size()))); }
  std::string somebody() { return random_.chance(10) ? "stranger" : random_.chance(50) ? "p0" : "p1"; }

  std::string act(int now) {
    const int what = random_.below(20);
    if (what == 0) {
      terms();
      judge_.reload(stages_, now);
      DealOut out;
      desk_.deals().plan_changed(plan_, instant(now), out);
      keep(out);
      return "other terms";
    }
    if (what == 1) {
      const std::string alias = customer(), into = customer();
      if (alias == into) return "nothing";
      judge_.merged(alias, into, now);
      DealOut out;
      desk_.deals().merged(alias, into, instant(now), out);
      keep(out);
      return alias + " is " + into;
    }
    if (what == 2 && random_.chance(20)) {
      const std::string gone = customer();
      judge_.forgotten(gone, now);
      desk_.deals().forget(gone);
      std::erase_if(kept_, [&](const auto& k) { return decode_deal(k.second)->customer == gone; });
      return gone + " is forgotten";
    }
    if (what <= 5) {
      const std::string who = customer();
      const int at = std::max(0, now - kTick * random_.below(30));  // also late ones
      judge_.followed(who, at);
      DealOut out;
      desk_.deals().hear(plan_, {who, instant(at), plan_.catalog->find_event("follow_up"), kNoAttribute, {}, "f"}, out);
      // Not everything that comes in is a follow-up.
      desk_.deals().hear(plan_, {who, instant(now), plan_.catalog->find_event("task_created"), kNoAttribute, {}, "g"}, out);
      keep(out);
      return "follow-up of " + who + " at minute " + std::to_string(at);
    }
    return word(now, what);
  }

  std::string word(int now, int what) {
    DealCommand command;
    command.id = "d" + std::to_string(random_.below(static_cast<int>(made_) + 1));
    bool fine = false;
    if (made_ == 0 || (what <= 9 && made_ < kDeals)) {
      command.kind = DealCommand::Kind::open;
      if (random_.chance(90)) command.id = "d" + std::to_string(made_++);
      if (const ref::View is = judge_.look(command.id); is.known ? !is.open() : judge_.deals().contains(command.id)) return "nothing";  // the store keeps ids apart
      command.customer = customer();
      command.stage = a_stage();
      if (random_.chance(60)) command.owner = somebody();
      std::optional<long long> amount = some_amount(command);
      fine = judge_.open({now, "opened", command.id, command.customer, command.stage, command.owner, amount});
    } else if (what <= 13) {
      command.kind = DealCommand::Kind::move;
      command.stage = a_stage();
      fine = judge_.move(command.id, command.stage, now);
    } else if (what <= 15) {
      command.kind = DealCommand::Kind::change;
      if (random_.chance(50)) command.owner = somebody();
      std::optional<long long> amount = some_amount(command);
      fine = judge_.change(command.id, command.owner, amount, now);
    } else if (what <= 18) {
      const bool done = random_.chance(70);
      command.kind = done ? DealCommand::Kind::task_done : DealCommand::Kind::task_undone;
      if (random_.chance(30)) command.stage = a_stage();
      command.task = random_.chance(60) ? "call" : "quote";
      fine = judge_.task(command.id, command.stage, command.task, done, now);
    } else {
      const bool won = random_.chance(50);
      command.kind = won ? DealCommand::Kind::win : DealCommand::Kind::lose;
      command.reason = random_.chance(60) ? "good" : random_.chance(50) ? "bad" : "";
      fine = judge_.end(command.id, won, command.reason, now);
    }
    DealOut out;
    const bool took = desk_.deals().apply(plan_, command, instant(now), out).has_value();
    keep(out);
    static constexpr const char* kWords[] = {"open", "move", "change", "win", "lose", "task done", "task undone"};
    const std::string words = std::string(kWords[static_cast<int>(command.kind)]) + " of " + command.id + " " + command.stage + " " + command.task;
    return took == fine ? words : words + (took ? ", which the reference refuses" : ", which the engine refuses");
  }

  std::optional<long long> some_amount(DealCommand& command) {
    if (random_.chance(40)) return std::nullopt;
    const long long amount = random_.below(100'000);
    command.has_amount = true;
    command.amount = Decimal{amount};
    return amount;
  }

  // What a store would have.
  void keep(const DealOut& out) {
    for (const Opportunity& deal : out.touched) {
      std::string bytes;
      encode_deal(bytes, deal);
      kept_[deal.id] = bytes;
    }
    for (const Input& input : out.news) {
      const EventTypeDef& type = plan_.catalog->events[input.type];
      const auto field = [&](std::string_view name) {
        const Value& v = input.fields[type.find(name)];
        return std::string(v.bytes);
      };
      told_.push_back({minute_of(input.time), type.name.substr(std::string_view("opportunity_").size()), field("opportunity"), input.customer, field("stage"), field("previous")});
      if (!ids_.insert(input.id).second) told_.back().what += " (its id is not its own)";
    }
  }

  // Another process reads what this one kept.
  void restart() {
    Desk desk;
    for (const auto& [id, bytes] : kept_) desk.deals().load(*decode_deal(bytes));
    desk_ = std::move(desk);
  }

  std::string compare(int now, const std::string& after) {
    const std::string when = "minute " + std::to_string(now) + ", after " + after + ": ";
    const auto wrong = [&](const std::string& what, const auto& expected, const auto& got) {
      return when + what + ": reference `" + std::to_string(static_cast<long long>(expected)) + "`, engine `" + std::to_string(got) + "`";
    };
    if (after.find(", which the ") != std::string::npos) return when;
    const auto& told = judge_.told();
    for (; checked_ < std::min(told.size(), told_.size()); ++checked_, ++compared) {
      const ref::Told &r = told[checked_], &e = told_[checked_];
      if (r != e)
        return when + "told: reference " + std::to_string(r.at) + " " + r.what + " " + r.deal + " " + r.customer + " " + r.stage + "; engine " + std::to_string(e.at) + " " + e.what +
               " " + e.deal + " " + e.customer + " " + e.stage;
    }
    if (told.size() != told_.size()) return wrong("how much is told", told.size(), told_.size());
    std::vector<Opportunity> all;
    std::size_t open = 0;
    for (const std::string& id : judge_.deals()) {
      const ref::View r = judge_.look(id);
      const auto bytes = kept_.find(id);
      if (r.known != (bytes != kept_.end())) return wrong("there is " + id, r.known, bytes != kept_.end());
      if (!r.known) continue;
      const Opportunity& e = all.emplace_back(*decode_deal(bytes->second));
      open += r.open() ? 1U : 0U;
      compared += 9;
      const std::string text = r.state + " " + r.customer + " " + r.stage + " " + r.owner, got = std::string(deal_state_name(e.state)) + " " + e.customer + " " + e.stage + " " + e.owner;
      if (text != got) return when + id + ": reference " + text + "; engine " + got;
      if (minute_of(e.since) != r.since) return wrong(id + " is in its stage since", r.since, minute_of(e.since));
      if (minute_of(e.active_at) != r.active) return wrong(id + " was active", r.active, minute_of(e.active_at));
      if (e.stalled != r.stalled) return wrong(id + " is stalled", r.stalled, e.stalled);
      if (e.has_amount != r.amount.has_value() || e.amount.units != r.amount.value_or(0)) return wrong("amount of " + id, r.amount.value_or(-1), e.amount.units);
      std::set<std::pair<std::string, std::string>> done;
      for (const DealDone& d : e.done) done.emplace(d.stage, d.task);
      if (done != r.done) return wrong("tasks done of " + id, r.done.size(), done.size());
      const int stalls = judge_.stalls(id).value_or(-1), stalls_engine = e.stall_at == kNever ? -1 : minute_of(e.stall_at);
      if (stalls != stalls_engine) return wrong(id + " stalls", stalls, stalls_engine);
    }
    if (open != desk_.deals().open().size()) return wrong("open ones", open, desk_.deals().open().size());
    return random_.chance(5) ? compare_funnel(now, when, all) : std::string();
  }

  std::string compare_funnel(int now, const std::string& when, const std::vector<Opportunity>& all) {
    const std::vector<ref::Count> r = judge_.funnel(now);
    const FunnelCount e = count_funnel(plan_.funnels[0], all, instant(now));
    for (std::size_t i = 0; i < r.size(); ++i) {
      const bool whole = i + 1 == r.size();
      const StageCount& count = whole ? e.open : e.stages[i];
      compared += 7;
      const std::string what = when + "funnel at " + (whole ? "all" : stages_[i].name) + ": ";
      if (count.open != static_cast<std::uint64_t>(r[i].open) || count.stalled != static_cast<std::uint64_t>(r[i].stalled)) return what + "how many";
      // Each share is cut off to the unit.
      const Int128 least = static_cast<Int128>(r[i].expected) / 100 - static_cast<Int128>(count.open);
      if (count.amount != r[i].amount || count.expected > static_cast<Int128>(r[i].expected) / 100 || count.expected < least) return what + "amount";
      if (count.age != r[i].age * kMinute) return what + "age";
      if (!whole && (count.reached != static_cast<std::uint64_t>(r[i].reached) || count.moved_on != static_cast<std::uint64_t>(r[i].moved_on))) return what + "how many got through";
      if (whole && e.won != static_cast<std::uint64_t>(r[i].reached)) return what + "won";
    }
    return {};
  }

  Random random_;
  std::vector<ref::Stage> stages_;
  bool wants_reasons_ = false;
  Plan plan_;
  Desk desk_;
  std::map<std::string, std::string> kept_;
  std::vector<ref::Told> told_;
  std::set<std::string> ids_;
  std::size_t checked_ = 0, made_ = 0;
  ref::Judge judge_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  std::size_t compared = 0;
  int alarms = 0, refused = 0;
  const bool agree = all_agree<Case>(options, compared, [&](const Case& one) {
    alarms += one.judge().alarms;
    refused += one.judge().refused;
  });
  if (!agree) return 1;
  std::printf("%llu seeds, %zu comparisons; %d alarms, %d words refused: no difference\n", static_cast<unsigned long long>(options.seeds), compared, alarms, refused);
  if (compared < options.at_least || (options.at_least > 0 && (alarms == 0 || refused == 0))) {
    std::printf("too few: the generator has lost its bite\n");
    return 1;
  }
  return 0;
}
