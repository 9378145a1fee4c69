// What the runtime keeps beside customers: actions on their way out, tasks, and what was set aside. Plain data with versioned codecs, and
// the keys they lie under (docs/storage.md). Not thread-safe; the committer is the only writer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/work.h"

namespace nudge::daemon {

// Where an action is. Numbers are stored: append only.
enum class ActionState : std::uint8_t {
  waiting = 1,    // not tried yet
  in_flight = 2,  // handed to the connector, no outcome yet
  retrying = 3,   // provably not sent (or safe to repeat); tried again at next_at
  unknown = 4,    // may have arrived; held for a person
  accepted = 5,   // the provider took it over; a task is in the list
  dead = 6,       // will not be tried again by itself
  discarded = 7,  // a person gave it up
  cancelled = 8,  // expired before it was sent
  held = 9,       // a policy held it back; it will not be sent
  kept = 10,      // the brake or a budget keeps it until a person releases or discards it
};
std::string_view action_state_name(ActionState s);
std::optional<ActionState> find_action_state(std::string_view name);
// True while something is still to happen by itself or by a person's retry of an unknown one.
bool is_pending(ActionState s);

struct Attempt {
  TimeMs at = 0;
  std::string status;  // accepted, not_sent, unknown, bad_config, or lost (a restart came between)
  std::string detail;
  std::string provider_ref;
  std::int32_t http_status = 0;
};
inline constexpr std::size_t kAttemptsKept = 20;

struct ActionRecord {
  std::uint64_t number = 0;  // order of decision within the data directory
  ActionState state = ActionState::waiting;
  TimeMs next_at = 0;  // waiting, retrying: when to try
  TimeMs changed_at = 0;
  std::uint32_t tries = 0;        // attempts in all
  std::string connector;          // that was chosen
  std::string note;               // why it is dead, discarded, waits …
  std::vector<Attempt> attempts;  // the last kAttemptsKept
  ActionOut action;
  Held held = Held::none;  // held, kept, cancelled: which policy it was; the note has the words
  bool ask = false;          // the attempt under way, or the next one, asks the provider instead of sending
  bool perhaps = false;      // an attempt may have arrived, and nothing has said otherwise
  TimeMs sent_at = 0;        // when it was last handed over to be sent (not to ask); 0: never
  TimeMs first_sent_at = 0;  // … and first, since a person last asked for it
};

using TaskRecord = Task;  // engine/core/work.h has its codec

struct QuarantineRecord {
  std::uint64_t number = 0;
  TimeMs at = 0;
  bool import = false;
  std::string customer;  // from the address of the request, when there was one there
  std::string code;
  std::string field;
  std::string reason;
  std::string raw;  // the document's bytes as received
};

void encode_record(std::string& out, const ActionRecord& r);
Result<ActionRecord> decode_action_record(std::string_view bytes);
void encode_record(std::string& out, const QuarantineRecord& r);
Result<QuarantineRecord> decode_quarantine_record(std::string_view bytes);

// Keys. An action lies under its id, apart by whether anything is still to happen; two indexes list them by customer and by number.
std::string action_key(bool pending, std::string_view id_bytes);
std::string action_customer_key(std::string_view customer, std::uint64_t number);  // value: the id's bytes
std::string action_number_key(std::uint64_t number);                               // value: the id's bytes
std::string task_key(bool open, std::string_view id_bytes);
// Of an earlier form: there while a task's `task_created` event is not stored yet.
std::string task_untold_key(std::string_view id_bytes);
// There while the `message_held` event of a dropped action is not stored yet.
std::string held_untold_key(std::string_view id_bytes);
std::string decision_key(std::string_view customer, std::uint64_t first_number);  // value: a list of decisions
std::string quarantine_key(std::uint64_t number);
// In Family::audit: a record that somebody gave up at an instant. The value begins with kGivenUp; its first line says why, the rest is the
// record.
std::string given_up_key(TimeMs at, std::uint64_t number);
inline constexpr std::string_view kGivenUp = "discarded quarantine record ";

// The sixteen bytes of an action's id, and from 32 hexadecimal digits; nothing when they are none.
std::string id_bytes(const Hash128& id);
std::optional<std::string> id_from_hex(std::string_view hex);

}  // namespace nudge::daemon
