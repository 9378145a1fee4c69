// The state of one customer: what is known (facts) and what was decided (memory). Truth values of conditions are not stored: they follow
// from the facts at an instant.
//
// One shard thread owns a state; nothing here is thread-safe. The codec is versioned (kCustomerVersion) and exact: decode(encode(s)) == s.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/hash.h"
#include "engine/base/id_coder.h"
#include "engine/model/derived.h"
#include "engine/model/id_index.h"
#include "engine/model/input.h"
#include "engine/model/lean_vector.h"
#include "engine/model/rows.h"
#include "engine/model/seldom.h"

namespace nudge {

// Stable for the life of a data directory (see plan/registry.h).
using RootId = std::uint32_t;
using RuleId = std::uint32_t;

// Every accepted update of every attribute, by (attribute, time, id): the greatest at or before an instant is the value at that instant,
// whatever the order of arrival. Removal is an update with a missing value. Compact: 24 bytes an update, texts lie in one arena. Views are
// valid until the next insert.
//
// Invariants: (1) updates are strictly ascending in (attribute, time, id); (2) every text reference is one of the arena.
class AttributeHistory {
 public:
  // The value at `now`; missing when there is none. `until`: when the value changes by an update dated ahead (else kNever).
  ValueView at(AttributeId attribute, TimeMs now, TimeMs& until) const;
  // Since when the value at `now` has been what it is (repeated equal values do not restart it); kNever when missing and never set.
  TimeMs since(AttributeId attribute, TimeMs now) const;
  // The value that held before the last change at or before `now`; missing when there is none.
  ValueView previous(AttributeId attribute, TimeMs now) const;

  // False when an update with this (attribute, time, id) is there already.
  bool insert(AttributeId attribute, TimeMs time, std::string_view id, const Value& value);

  // The updates, in order.
  std::size_t size() const { return updates_.size(); }
  bool empty() const { return updates_.empty(); }
  AttributeId attribute(std::size_t update) const { return updates_[update].attribute; }
  TimeMs time(std::size_t update) const { return updates_[update].time; }
  std::string_view id(std::size_t update) const { return texts_.at(updates_[update].id); }
  ValueView value(std::size_t update) const;
  // Any update with this id; size() when there is none. Looks at every update.
  std::size_t find(std::string_view id) const;

  // Earliest time of an update after `now`, or kNever.
  TimeMs next_after(TimeMs now) const;
  // The time of the latest update, or kAlways. Looks at every update.
  TimeMs latest() const;
  std::size_t memory_bytes() const { return updates_.memory_bytes() + texts_.memory_bytes(); }
  // Brings the updates near the processor.
  void prefetch() const { __builtin_prefetch(updates_.data()); }
  void encode(Writer& out, IdCoder& ids) const;
  bool decode(Reader& in, IdCoder& ids);
  friend bool operator==(const AttributeHistory& a, const AttributeHistory& b);

 private:
  struct Update {
    TimeMs time;
    std::uint64_t value;  // text and list: the reference; number: its bits; else as ValueView::i
    TextRef id;
    AttributeId attribute;
    Kind kind;
  };

  bool before(std::size_t update, AttributeId attribute, TimeMs time, std::string_view id) const;
  // Puts an update before update `at`, where it must belong.
  void place(std::size_t at, AttributeId attribute, TimeMs time, std::string_view id, const ValueView& value);
  // Where the updates of one attribute at or before `now` end, and where they start.
  std::size_t end_at(AttributeId attribute, TimeMs now) const;
  std::size_t group_start(std::size_t end) const;
  // The start of the run of equal values that ends at `end` (exclusive).
  std::size_t run_start(std::size_t end) const;

  CompactArray<Update> updates_;
  TextArena texts_;  // ids and texts
};

struct TagUpdate {
  std::string tag;
  TimeMs time;
  std::string id;
  bool removed;
  TimeMs expires;  // kNever: stays
  friend bool operator==(const TagUpdate&, const TagUpdate&) = default;
};

// The customer is in the root's segment since then.
struct Membership {
  RootId root;
  TimeMs since;
  friend bool operator==(const Membership&, const Membership&) = default;
};

// The root's truth cannot change by time alone before `until`.
struct Wake {
  RootId root;
  TimeMs until;
  friend bool operator==(const Wake&, const Wake&) = default;
};

// The rule last fired for this customer (and key, for rules that fire per value) then.
struct LastFired {
  RuleId rule;
  std::string key;
  TimeMs at;
  friend bool operator==(const LastFired&, const LastFired&) = default;
};

// What made a rule fire: kept by a run so that later steps can still speak of the event.
struct Cause {
  enum class Kind : std::uint8_t { event = 1, enters = 2, leaves = 3, attribute = 4, schedule = 5 };
  Kind kind = Kind::event;
  TimeMs at = 0;                    // the instant judged
  EventTypeId type = kNoEventType;  // event: which row
  TimeMs row_time = 0;
  std::string row_id;
  std::string key;  // per-value key, empty otherwise
  friend bool operator==(const Cause&, const Cause&) = default;
};

// A firing whose later steps are still to come.
struct Run {
  RuleId rule;
  std::uint32_t step;  // the next step
  TimeMs due;          // when it is to be looked at: its wait is over, or a condition that it waits for may change by time alone
  TimeMs started;      // the instant of the firing
  Cause cause;
  TimeMs deadline = kAlways;  // when its wait is over, whatever the conditions say; kAlways: at `due`
  std::uint64_t mark = 0;     // of the step (Step::mark), to find it again in another version of the rule; 0: known by its number alone
  TimeMs since = kAlways;     // since when a policy has made the step wait; kAlways: none does
  TimeMs waits_until() const { return deadline == kAlways ? due : deadline; }
  friend bool operator==(const Run&, const Run&) = default;
};

// A message that was let through to the customer: what caps and inhibitions count. Kept as long as any of them can look back. Its instant
// is that of the decision, and once the provider has taken the message, that of the message_accepted event.
struct Contact {
  TimeMs at;
  std::uint8_t channel;  // see plan/policy.h
  std::uint8_t purpose;
  RuleId rule;
  Hash128 action;
  friend bool operator==(const Contact&, const Contact&) = default;
};

// Of a million customers each has one: 192 bytes, so every list is of eight.
struct CustomerState {
  std::string id;
  TimeMs clock = kAlways;     // the last instant judged; rows after it are still to come
  std::uint64_t plan = 0;     // sequence number of the plan that memberships and wakes are those of
  std::uint64_t applied = 0;  // sequence number of the last log block in this state (kept by the runtime)

  AttributeHistory attributes;
  LeanVector<TagUpdate> tags;                        // by (tag, time, id)
  LeanVector<std::pair<EventTypeId, Rows>> events;   // by type
  LeanVector<Membership> members;                    // by root
  LeanVector<Wake> wakes;                            // by root; only those that ever come
  LeanVector<LastFired> fired;                       // by (rule, key)
  LeanVector<Run> runs;                              // by (due, rule, step, cause)
  LeanVector<Contact> contacts;                      // by (at, action)
  Seldom seldom;                                     // see merged_into() and engine/core/keep.h
  LeanVector<std::string> aliases;                   // ids whose facts are here, ascending
  IdIndex ids;                                       // of the facts above once they are many, else empty; derived
  TimeMs latest = kAlways;                           // no row, update or tag is dated later; derived
  mutable DerivedSlot derived;                       // of the evaluator; see core/columns.h

  bool known() const { return clock != kAlways; }
  bool merged() const { return !merged_into().empty(); }
  // Not empty: this id is another name of that customer, who has all its facts.
  const std::string& merged_into() const { return seldom.merged_into(); }
  const Rows* rows(EventTypeId type) const;  // null: none
  Rows& rows_for(EventTypeId type);          // made when absent
  bool is_member(RootId root) const;
  // Takes an input's facts in (rows, attribute updates, tags). False, and nothing changes, when its id is there already.
  bool store(const Input& input, const Catalog& catalog);
  // The stored input with this id, put together again from the facts; nothing when the id is new. For telling a duplicate from a conflict.
  std::optional<Input> find(std::string_view input_id, const Catalog& catalog) const;
  // What is derived from the facts, read anew: to be called after facts were put in or taken out by other ways than `store`.
  void rebuild_ids();
  std::size_t memory_bytes() const;

 private:
  std::size_t facts() const;  // rows, updates and tags
  bool has_id(const Input& input) const;
};

inline constexpr std::uint8_t kCustomerVersion = 3;
void encode_customer(std::string& out, const CustomerState& state, const Catalog& catalog);
Result<CustomerState> decode_customer(std::string_view bytes, const Catalog& catalog);

}  // namespace nudge
