// Digests: many hits in one message. What falls into one group waits for the group's next message, which lists it all. Grouped as
// Alertmanager groups: a group's first message comes `wait` after its first hit, the next ones not before `every` has passed. Decided here
// alone, in the order of the log. Pure: no clock, no I/O. Not thread-safe; owns the groups, and the caller keeps what is touched.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/effects.h"

namespace nudge {

// What `digest` of an action says, as it was rendered for one hit. It stands at the end of the payload, as the member `digest`.
struct Gather {
  std::string line;
  std::string to;
  std::vector<std::string> by;
  DurationMs wait = 0, every = 0;
};
// True for a hit; quick. A text that a value brought in never looks like it.
bool is_hit(const ActionOut& action);
// Of a hit; nothing when it is none.
std::optional<Gather> gather_of(const ActionOut& action);
// The payload as it goes out when its hit is a message of its own: released by a person after a brake, say.
std::string digest_of_one(const ActionOut& action);

// One hit: an action that goes out as a line of a message.
struct DigestPart {
  std::uint64_t number = 0;  // of the action
  ActionOut action;
  std::string line;
};

struct DigestGroup {
  std::string key;          // all that its hits have in common
  TimeMs last = kAlways;    // when its last message was made
  TimeMs due = 0;           // when the next one is made; with nothing in it, when the group is forgotten
  DurationMs every = 0;
  std::vector<DigestPart> parts;  // in the order of the log
};
inline constexpr std::size_t kDigestLines = 100;  // listed; the rest is counted

// What a change did.
struct DigestOut {
  struct Message {
    ActionOut action;
    std::vector<DigestPart> parts;  // that it lists or counts
  };
  std::vector<DigestGroup> touched;  // as they are to be kept, without their parts; `due` kNever: it is over
  std::vector<std::pair<std::string, DigestPart>> added;  // hits, each with its group's key
  std::vector<Message> messages;
  bool empty() const { return touched.empty() && added.empty() && messages.empty(); }
};

class Digests {
 public:
  // A hit (is_hit). `number` is the action's. The instant at which its message is made.
  TimeMs add(ActionOut action, std::uint64_t number, DigestOut& out);
  // As they were kept: first the groups, then their hits in the order of their numbers.
  void load(DigestGroup group);
  void load(const std::string& key, DigestPart part);
  // Lets go of hits that are to be in no message; their numbers. A group that is empty then is forgotten when it would have been sent.
  std::vector<std::uint64_t> forget(std::string_view customer);
  // Every message due at or before `now`, each at its own instant, in order.
  void run(TimeMs now, DigestOut& out);
  TimeMs next() const { return clocks_.empty() ? kNever : clocks_.begin()->first; }

  const std::map<std::string, DigestGroup>& groups() const { return groups_; }

 private:
  void set_due(DigestGroup& group, TimeMs due);
  static DigestGroup head_of(const DigestGroup& group) { return {group.key, group.last, group.due, group.every, {}}; }

  std::map<std::string, DigestGroup> groups_;
  std::set<std::pair<TimeMs, std::string>> clocks_;
};

// The codec; append only.
void encode_digest_group(std::string& out, const DigestGroup& group);  // without its parts
Result<DigestGroup> decode_digest_group(std::string_view bytes);
void encode_digest_part(std::string& out, std::string_view key, const DigestPart& part);
Result<std::pair<std::string, DigestPart>> decode_digest_part(std::string_view bytes);

}  // namespace nudge
