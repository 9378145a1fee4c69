// Approvals: actions that wait for somebody's yes. Each is decided once, here alone and in the order of the log: by a person's word, or by
// its deadline. Pure: no clock, no I/O. Not thread-safe; owns what is still open, and the caller keeps what is touched.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/core/effects.h"
#include "engine/model/input.h"

namespace nudge {

// Numbers are stored: append only.
enum class ApprovalState : std::uint8_t { open = 1, given = 2, refused = 3, expired = 4 };
// "open", "approved", "rejected", "expired".
std::string_view approval_state_name(ApprovalState s);

// One action and the question that it waits for.
struct Request {
  std::uint64_t number = 0;  // of the action
  ApprovalState state = ApprovalState::open;
  std::string team;    // its manager is asked; empty: `person`
  std::string person;  // who was asked: a member's id
  TimeMs deadline = 0;  // kNever: none
  bool otherwise_send = false;
  std::string subject;
  bool sent = false;  // it goes out; once it is decided
  TimeMs decided_at = 0;
  std::string decided_by;  // empty: the deadline did
  std::string reason;      // of whoever decided
  ActionOut action;        // once it is decided without its payload, which lies with the action itself
};

struct ApprovalCommand {
  Hash128 id;  // of the action
  bool yes = false;
  std::string by;
  std::string reason;
  bool as_admin = false;  // may answer for anybody
};

// What a change did.
struct ApprovalOut {
  std::vector<Request> touched;     // as they are to be kept, in the order of what happened
  std::vector<ActionOut> asks;      // messages to those who are asked
  // What was decided, with the whole action: it goes out, or not.
  std::vector<Request> decided;
  std::vector<Input> news;          // events about it, for the rules
  bool empty() const { return touched.empty() && asks.empty() && news.empty(); }
};

class Approvals {
 public:
  // An action with a question. `number` is the action's.
  void add(const Plan& plan, ActionOut action, std::uint64_t number, ApprovalOut& out);
  // A request as it was kept.
  void load(Request request);
  // A person's word. Error: not_found (nothing open has this id), denied (another is asked).
  Result<void> apply(const Plan& plan, const ApprovalCommand& command, TimeMs now, ApprovalOut& out);
  // Both names are one customer's: what waits of `alias` is about this customer from now on. Again: nothing.
  void merged(std::string_view alias, std::string_view customer, ApprovalOut& out);
  // Every deadline at or before `now`, each at its own instant, in order.
  void run(const Plan& plan, TimeMs now, ApprovalOut& out);
  // The next deadline; kNever: none.
  TimeMs next() const { return clocks_.empty() ? kNever : clocks_.begin()->first; }

  const std::map<Hash128, Request>& open() const { return open_; }

 private:
  void decide(const Plan& plan, Request request, ApprovalState state, std::string by, std::string reason, TimeMs now, ApprovalOut& out);

  std::map<Hash128, Request> open_;
  std::set<std::pair<TimeMs, Hash128>> clocks_;
};

// Who may say yes now: the team's manager as the plan has it, else who was asked.
std::string asked_now(const Plan& plan, const Request& request);

// What became of it, or what it waits for: a clause for people.
std::string decision_words(const Request& request);

// What a message that asks carries (ActionOut::asks_for), and what its link says.
struct Asking {
  Hash128 id;
  TimeMs deadline = 0;
  std::string person;
};
std::string encode_asking(const Asking& asking);
std::optional<Asking> decode_asking(std::string_view bytes);
// Stands in the text of such a message where the link is to be.
inline constexpr std::string_view kApprovalLink = "nudge-approval-link";

// The codec; append only.
void encode_request(std::string& out, const Request& request);
Result<Request> decode_request(std::string_view bytes);

}  // namespace nudge
