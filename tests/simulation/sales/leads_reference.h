// A slow, separate judge of who has which lead: it keeps nothing but the journal of what was done, and reads every answer off it from the
// beginning, minute by minute. It shares no code with engine/core.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace nudge::leads_reference {

struct Pool {
  std::string name, team, recycle_to;
  bool everybody = false;
  int per_day = 0, owned_most = 0, again_after = 0, recycle_after = 0;  // minutes; 0: none
  bool wants_reasons = false;                                           // only "good" is one
};

struct Entry {
  int at = 0;
  std::string lead, what, pool, owner, previous;
  bool closed = false;
  int since = 0;         // whoever has it has it since then
  std::string loser;     // who had it last before it came to lie in a pool …
  int lost = 0;          // … until then
};

class Judge {
 public:
  Judge(std::vector<Pool> pools, std::map<std::string, std::set<std::string>> teams, std::map<std::string, std::string> managers)
      : pools_(std::move(pools)), teams_(std::move(teams)), managers_(std::move(managers)) {}

  // Each: false when it is refused.
  bool put(const std::string& lead, const std::string& pool, int now);
  bool claim(const std::string& lead, const std::string& by, int now);
  bool give(const std::string& lead, const std::string& by, const std::string& to, bool transfer, int now);
  bool give_back(const std::string& lead, const std::string& by, const std::string& reason, int now);
  bool close(const std::string& lead, const std::string& by, const std::string& reason, int now);
  void followed(const std::string& lead, int at) {
    if (last(lead) != nullptr && !closed(lead)) follow_ups_.emplace_back(lead, at);
  }
  void merged(const std::string& alias, const std::string& customer, int now);
  void record_says(const std::string& lead, const std::string& owner, int now);
  // What time brings about at this minute. The empty name for `by` above is the manager's.
  void minute(int now);
  // The teams are others now: who is in none loses their leads.
  void teams(std::map<std::string, std::set<std::string>> teams, int now);

  // The newest entry; null: no lead.
  const Entry* last(const std::string& lead) const;
  bool owned(const std::string& lead) const { return last(lead) != nullptr && !last(lead)->owner.empty(); }
  bool closed(const std::string& lead) const { return last(lead) != nullptr && last(lead)->closed; }
  int recycled = 0, refused = 0, joined = 0;
  const std::vector<Entry>& journal() const { return journal_; }

 private:
  const Pool* pool(const std::string& name) const;
  bool member(const std::string& person) const;
  void write(const std::string& lead, const std::string& what, const std::string& pool, const std::string& owner, int now);
  bool refuse() {
    ++refused;
    return false;
  }

  std::vector<Pool> pools_;
  std::map<std::string, std::set<std::string>> teams_;
  std::map<std::string, std::string> managers_;
  std::vector<Entry> journal_;
  std::map<std::string, std::size_t> gone_;  // are another's: nothing before this line of the journal is about them
  std::vector<std::pair<std::string, int>> follow_ups_;
  std::set<std::string> strangers_;  // leads whose owner was in no team when they got it
};

}  // namespace nudge::leads_reference
