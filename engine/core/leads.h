// Leads: customers that lie in pools or are somebody's. Who has a lead is decided here alone, in the order of the log: people's words one
// after the other, clocks at their own instants; so of many who claim one lead exactly one gets it. The customer's owner attribute follows
// (docs/decisions/leads.md). Pure: no clock, no I/O. Not thread-safe; the caller keeps what is touched.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/core/effects.h"
#include "engine/model/input.h"

namespace nudge {

// Numbers are stored: append only.
enum class LeadState : std::uint8_t { pooled = 1, owned = 2, closed = 3 };
std::string_view lead_state_name(LeadState s);

struct Lead {
  std::string customer;
  std::string pool;   // that it lies in, or came from
  std::string owner;  // owned: a member's id
  LeadState state = LeadState::pooled;
  bool member = false;            // the owner was in a team when they got it
  TimeMs since = kAlways;         // in this state, with this owner; instants of one lead ascend strictly
  TimeMs followed_at = kAlways;   // the last follow-up there was
  TimeMs recycle_at = kNever;     // owned: when it goes back unless somebody follows up
  std::uint32_t changes = 0;      // of its owner or state so far
  std::uint32_t facts = 0;        // changes that the owner attribute was told of
  std::string last_owner;         // who had it before it came to lie in the pool …
  TimeMs last_owned = kAlways;    // … until then
  std::string reason;             // of the last change
};

// One change of a lead's owner or state: all of them are kept.
struct LeadChange {
  std::string customer;
  std::uint32_t number = 0;  // from 1
  TimeMs at = 0;
  std::string what;  // pooled, claimed, assigned, returned, transferred, recycled, closed, merged
  std::string pool, owner, previous, by, reason;
};

struct LeadCommand {
  enum class Kind : std::uint8_t { put, claim, assign, give_back, transfer, close };
  Kind kind = Kind::claim;
  std::string customer;
  std::string pool;  // put: the pool; give_back: another than its own, may be empty
  std::string by;    // who says so: a member's id, or a name
  std::string to;    // assign, transfer: the member who gets it
  std::string reason;
  bool as_manager = false;  // may do it to other people's leads
};

// What came in for a customer that leads have to hear of.
struct LeadSignal {
  std::string customer;
  TimeMs at = 0;
  EventTypeId event = kNoEventType;       // a row of this type; or
  AttributeId attribute = kNoAttribute;   // this attribute got a value:
  std::string owner;                      // who has the customer now; empty: nobody
  std::string id;                         // of the input
};

// Claims of one person from one pool on the day that starts at `day`.
struct LeadClaims {
  std::string pool, person;
  TimeMs day = kAlways;
  std::uint32_t count = 0;
};

// What a change did. `touched` are leads as they are now, with what they were before; several entries of one lead in the order of the changes.
struct LeadOut {
  struct Touched {
    std::optional<Lead> before;
    Lead now;
  };
  std::vector<Touched> touched;
  std::vector<LeadChange> changes;
  std::vector<LeadClaims> claims;
  std::vector<Lead> gone;   // were merged into another, as they were
  std::vector<Input> news;  // the owner attribute and the events, in this order, for the customer
  bool empty() const { return touched.empty() && changes.empty() && claims.empty() && gone.empty() && news.empty(); }
};

class Leads {
 public:
  // A person's word, or a rule's. Error: not_found (no such lead), conflict (somebody else has it, a limit), invalid.
  Result<void> apply(const Plan& plan, const LeadCommand& command, TimeMs now, LeadOut& out);
  // What came in for a customer. Others than leads are none of ours.
  void hear(const Plan& plan, const LeadSignal& signal, LeadOut& out);
  // Everything whose instant is at or before `now`, each at its own, in order.
  void run(const Plan& plan, TimeMs now, LeadOut& out);
  // When run() has something to do; kNever: nothing is due by time alone.
  TimeMs next() const { return clocks_.empty() ? kNever : clocks_.begin()->first; }
  // The plan is another: other terms; and leads of people who are in no team any more go back.
  void plan_changed(const Plan& plan, TimeMs now, LeadOut& out);

  // As they were kept.
  void load(Lead lead);
  void load(LeadClaims claims);
  // Nothing is known of this customer any more.
  void forget(std::string_view customer);
  // Both names are one customer's. The lead of `alias` is the customer's from now on; of two the one that goes further stays: owned before
  // pooled before closed, else the customer's own. Again: nothing.
  void merged(const Plan& plan, std::string_view alias, std::string_view customer, TimeMs now, LeadOut& out);

  const Lead* find(std::string_view customer) const;
  const std::map<std::string, Lead, std::less<>>& all() const { return leads_; }
  // How many leads of the pool lie in it, and how many are this person's.
  std::size_t waiting(std::string_view pool) const { return owned(pool, {}); }
  std::size_t owned(std::string_view pool, std::string_view person) const;
  // Of the pool, by person; "" stands for the pool itself.
  std::map<std::string, std::size_t> counts(std::string_view pool) const;
  std::uint32_t claimed_today(const Plan& plan, std::string_view pool, std::string_view person, TimeMs now) const;

 private:
  // One change under way: the lead as it is to be, and what is told of it.
  struct Change {
    std::string_view what;
    std::string_view by, reason;
    bool tell_owner = true;  // the owner attribute does not know yet
  };
  Result<void> put(const Plan& plan, const LeadCommand& command, TimeMs now, LeadOut& out);
  Result<void> claim(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out);
  Result<void> give(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out);
  Result<void> give_back(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out);
  Result<void> close(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out);
  void become(const Plan& plan, Lead& lead, LeadState state, std::string_view owner, std::string_view pool, const Change& change, TimeMs now,
              LeadOut& out);
  void tell_owner(const Pool& pool, Lead& lead, TimeMs at, LeadOut& out);
  void take_in(Lead& lead);
  void take_out(const Lead& lead);
  void set_clock(const Plan& plan, Lead& lead, TimeMs not_before);

  std::map<std::string, Lead, std::less<>> leads_;
  std::set<std::pair<TimeMs, std::string>> clocks_;  // of those with a recycle_at
  std::map<std::pair<std::string, std::string>, std::size_t> counts_;  // pool, owner ("": lies in it) -> leads
  std::map<std::pair<std::string, std::string>, LeadClaims> claims_;   // pool, person
};

// What leads have to hear of these inputs. Cheap when the plan has no pools.
void lead_signals(const Plan& plan, std::span<const Input> inputs, std::span<const Receipt> receipts, std::vector<LeadSignal>& out);
// The same of what a rule wrote, or had somebody chosen for; nothing when it is about no owner.
void lead_signals(const Plan& plan, const ActionOut& action, std::vector<LeadSignal>& out);
// What `move_to_pool` and `close_lead` ask for; nothing for other actions.
std::optional<LeadCommand> lead_command_of(const ActionOut& action);

void encode_lead(std::string& out, const Lead& lead);
Result<Lead> decode_lead(std::string_view bytes);
void encode_lead_change(std::string& out, const LeadChange& change);
Result<LeadChange> decode_lead_change(std::string_view bytes);
void encode_claims(std::string& out, const LeadClaims& claims);
Result<LeadClaims> decode_claims(std::string_view bytes);

}  // namespace nudge
