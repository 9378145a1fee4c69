// What is kept of customers outside of their states: decisions, actions with what belongs to them, tasks, quarantine.
#include <algorithm>
#include <set>

#include "daemon/runtime/actions.h"
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/erasure.h"
#include "daemon/runtime/deals.h"
#include "daemon/runtime/leads.h"
#include "daemon/runtime/payload.h"
#include "daemon/runtime/receipts.h"
#include "daemon/runtime/records.h"
#include "daemon/runtime/tasks.h"
#include "daemon/store/keys.h"
#include "engine/base/text.h"

namespace nudge::daemon {
namespace {

constexpr std::string_view kErasedError = "an action of a customer who was erased";
constexpr std::size_t kTellingBytes = 8;  // an id of so many bytes is not met by chance

bool goes_on(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '@';
}

// True when the id is in the text, and not as a part of a longer one.
bool stands_alone(std::string_view text, std::string_view id) {
  for (std::size_t at = text.find(id); at != std::string_view::npos; at = text.find(id, at + 1)) {
    const std::size_t end = at + id.size();
    if ((at == 0 || !goes_on(text[at - 1])) && (end == text.size() || !goes_on(text[end]))) return true;
  }
  return false;
}

class Kept {
 public:
  Kept(const Store& store, const std::vector<std::string>& ids, const ErasedIds& gone, const StatsDelta& sums, CommitContext* context)
      : store_(store), ids_(ids), gone_(gone), sums_(sums), context_(context) {}

  Result<ErasureCounts> all() {
    for (const std::string& id : ids_) {
      NUDGE_TRY(decisions(id));
      NUDGE_TRY(actions(id));
    }
    NUDGE_TRY(ways_back());
    NUDGE_TRY(tasks());
    NUDGE_TRY(quarantine());
    NUDGE_TRY(given_up());
    return counts_;
  }

 private:
  void erase(Family family, std::string_view key) {
    if (context_ != nullptr) context_->set.erase(family, key);
  }
  void move(Counter from, Counter to) {
    if (context_ == nullptr) return;
    --context_->delta[from];
    ++context_->delta[to];
  }
  // The words of a rule's last error, when they are of an action or decision that goes.
  void forget_error(RuleId rule, const std::string& words) {
    if (context_ == nullptr || words.empty()) return;
    const auto found = sums_.rules.find(rule);
    if (found == sums_.rules.end() || found->second.last_error != words) return;
    context_->delta.rules[rule].last_error = kErasedError;
    context_->delta.rules[rule].last_error_at = context_->now;
  }

  Result<void> decisions(const std::string& customer) {
    const std::string first = decision_key(customer, 0);
    bool whole = true;
    NUDGE_TRY(store_.scan(Family::decision, first, decision_key(customer, UINT64_MAX), [&](std::string_view key, std::string_view value) {
      Reader in(value);
      Decision d;
      std::uint64_t n = 0;
      TimeMs at = kAlways;
      while (!in.at_end()) {
        if (!decode_decision(in, d)) return whole = false;
        at = std::max(at, d.at);
        forget_error(d.rule_id, d.detail);
        ++n;
      }
      if (!gone_.covers(customer, at)) return true;
      counts_.decisions += n;
      erase(Family::decision, key);
      return true;
    }));
    if (!whole) return fail(Code::corrupt, "a stored decision is damaged; restore the last backup");
    return {};
  }

  Result<void> actions(const std::string& customer) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    NUDGE_TRY(scan_actions(store_, customer, 0, [&](std::uint64_t number, std::string_view id) {
      found.emplace_back(number, id);
      return true;
    }));
    Unlisting lists(store_);
    for (const auto& [number, id] : found) {
      NUDGE_ASSIGN(const bool theirs, action(customer, id));
      if (theirs) NUDGE_TRY(lists.take_out(customer, number));
    }
    if (context_ != nullptr) lists.write(context_->set);
    return {};
  }

  // False: it is younger than the erasure, and stays.
  Result<bool> action(const std::string& customer, const std::string& id) {
    const Result<ActionRecord> record = find_action(store_, id);
    if (!record && record.error().code != Code::not_found) return std::unexpected(record.error());
    if (record) {
      if (!gone_.covers(customer, record->action.at)) return false;
      ++counts_.actions;
      if (record->state == ActionState::in_flight) ++counts_.in_flight;
      switch (record->state) {  // nothing waits for it any more
        case ActionState::waiting: move(Counter::waiting, Counter::discarded); break;
        case ActionState::in_flight: move(Counter::in_flight, Counter::discarded); break;
        case ActionState::retrying: move(Counter::retrying, Counter::discarded); break;
        case ActionState::unknown: move(Counter::unknown, Counter::discarded); break;
        case ActionState::kept: move(Counter::kept, Counter::discarded); break;
        default: break;
      }
      forget_error(record->action.rule_id, record->note);
    }
    for (const bool pending : {true, false}) erase(Family::outbox, action_key(pending, id));
    erase(Family::outbox, receipt_key(id));
    erase(Family::outbox, held_untold_key(id));
    actions_.insert(id);
    return true;
  }

  // By what the provider calls them and by address: keys that only their values tell the customer of.
  Result<void> ways_back() {
    if (actions_.empty()) return {};
    for (const char kind : {'r', 'w'}) {
      const std::string prefix(1, kind);
      NUDGE_TRY(store_.scan(Family::outbox, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view id) {
        if (actions_.contains(std::string(id))) erase(Family::outbox, key);
        return true;
      }));
    }
    return {};
  }

  Result<void> tasks() {
    std::optional<Error> error;
    for (const bool open : {true, false}) {
      const std::string prefix = task_key(open, "");
      NUDGE_TRY(store_.scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        const Result<TaskRecord> task = decode_task(value);
        if (!task) {
          error = task.error();
          return false;
        }
        if (!gone_.covers(task->action.customer, task->action.at) || std::ranges::find(ids_, task->action.customer) == ids_.end())
          return true;
        ++counts_.tasks;
        erase(Family::task, key);
        erase(Family::task, task_untold_key(id_bytes(task->action.id)));
        return true;
      }));
      if (error) return std::unexpected(*std::move(error));
    }
    if (context_ == nullptr) return {};
    for (const std::string& id : ids_) {
      // Without a lead there may be the history of one that became another's.
      if (const Result<Lead> lead = lead_of(store_, id); !lead || gone_.covers(id, lead->since)) NUDGE_TRY(erase_lead(store_, context_->set, id));
      NUDGE_TRY(erase_deals(store_, context_->set, id));
    }
    // Decided requests for a yes; open ones were decided before this.
    const std::string decided = approval_key(false, "");
    NUDGE_TRY(store_.scan(Family::task, decided, prefix_end(decided), [&](std::string_view key, std::string_view value) {
      const Result<Request> request = decode_request(value);
      if (request && gone_.covers(request->action.customer, request->action.at) &&
          std::ranges::find(ids_, request->action.customer) != ids_.end())
        erase(Family::task, key);
      return true;
    }));
    return forget_news(store_, context_->set, [this](const Input& input) {
      return gone_.covers(input.customer, input.time) && std::ranges::find(ids_, input.customer) != ids_.end();
    });
  }

  // True when a document names one of the ids as whom it is about. A long id anywhere will do; a short one has to stand where ids stand.
  bool names(std::string_view document) const {
    std::string plain(document);
    std::erase(plain, '\\');  // a message inside a message
    std::erase(plain, ' ');
    return std::ranges::any_of(ids_, [&](const std::string& id) {
      if (id.size() >= kTellingBytes && stands_alone(plain, id)) return true;
      std::string quoted;
      append_json_string(quoted, id);
      std::erase(quoted, '\\');
      std::erase(quoted, ' ');
      for (std::size_t at = plain.find(quoted); at != std::string::npos; at = plain.find(quoted, at + 1)) {
        for (const std::string_view name : {"\"customer\":", "\"merge\":", "\"into\":", "\"userId\":", "\"anonymousId\":", "\"previousId\":",
                                            "\"user_id\":", "\"subject\":", "\"groupId\":"}) {
          if (at >= name.size() && std::string_view(plain).substr(at - name.size(), name.size()) == name) return true;
        }
      }
      return false;
    });
  }

  Result<void> quarantine() {
    std::optional<Error> error;
    NUDGE_TRY(store_.scan(Family::quarantine, "", "", [&](std::string_view key, std::string_view value) {
      const Result<QuarantineRecord> record = decode_quarantine_record(value);
      if (!record) {
        error = record.error();
        return false;
      }
      const bool in_time = std::ranges::any_of(ids_, [&](const std::string& id) { return gone_.covers(id, record->at); });
      if (!in_time || (std::ranges::find(ids_, record->customer) == ids_.end() && !names(record->raw) && !names(record->reason))) return true;
      ++counts_.quarantine;
      erase(Family::quarantine, key);
      if (context_ == nullptr) return true;
      ++context_->delta[Counter::quarantine_discarded];
      context_->delta[Counter::quarantine_bytes] -= static_cast<std::int64_t>(record->raw.size());
      return true;
    }));
    if (error) return std::unexpected(*std::move(error));
    return {};
  }

  // Records of the quarantine that a person gave up; they are kept as they were.
  Result<void> given_up() {
    return store_.scan(Family::audit, "", "", [&](std::string_view key, std::string_view value) {
      if (key.starts_with('c') || !names(value)) return true;  // c: the chain, which knows pseudonyms only
      ++counts_.quarantine;
      erase(Family::audit, key);
      return true;
    });
  }

  const Store& store_;
  const std::vector<std::string>& ids_;
  const ErasedIds& gone_;
  const StatsDelta& sums_;
  CommitContext* const context_;
  ErasureCounts counts_;
  std::set<std::string> actions_;
};

}  // namespace

Result<ErasureCounts> kept_records(const Store& store, const std::vector<std::string>& ids, const ErasedIds& gone, const StatsDelta& sums,
                                   CommitContext* context) {
  return Kept(store, ids, gone, sums, context).all();
}

}  // namespace nudge::daemon
