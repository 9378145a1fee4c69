// What one block of the log says: which customers were stepped with what at which instant, under which plan, and what was decided.
// Layout in docs/storage.md. Pure functions; the store frames and checksums the bytes.
//
//   block   := version u8, first decision number, first action number, units, decisions, actions, stats delta
//   unit    := plan sequence, entries (length-prefixed)
//   entry   := kind u8, customer, instant, and for a step the inputs that were stored
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/stats.h"
#include "engine/model/input.h"

namespace nudge::daemon {

inline constexpr std::uint8_t kLogVersion = 1;

enum class EntryKind : std::uint8_t {
  step = 1,       // Engine::step at the instant
  advance = 2,    // Engine::advance to the instant
  reconcile = 3,  // Engine::reconcile to the unit's plan
  merge = 4,      // Engine::advance to the instant, then take_out; `text` is who it is now
  absorb = 5,     // Engine::absorb at the instant; `text` is the portion
};

// Appends one entry. `inputs` are those that were stored, for a step.
void append_entry(std::string& out, EntryKind kind, std::string_view customer, TimeMs instant, std::span<const Input* const> inputs);
void append_merge_entry(std::string& out, EntryKind kind, std::string_view customer, TimeMs instant, std::string_view text);

struct LogUnit {
  std::uint64_t plan = 0;
  std::string_view entries;
};
struct LogAction {
  std::uint64_t number = 0;
  ActionOut action;
};
struct LogBlock {
  std::uint64_t first_decision = 0;
  std::uint64_t first_action = 0;
  std::vector<LogUnit> units;  // views into the block
  std::vector<Decision> decisions;
  std::vector<ActionOut> actions;  // numbered from first_action
  StatsDelta stats;
};

void encode_block(std::string& out, const LogBlock& block);
// What to read: the units (and stats) alone are enough for recovery.
enum class BlockPart : std::uint8_t { units, all };
Result<LogBlock> decode_block(std::string_view bytes, BlockPart part);

struct LogEntry {
  EntryKind kind = EntryKind::step;
  std::string customer;
  TimeMs instant = 0;
  std::vector<Input> inputs;
  std::string text;
};
// Calls `each` for every entry in order. Error: corrupt.
Result<void> read_entries(std::string_view entries, const std::function<void(LogEntry&)>& each);

}  // namespace nudge::daemon
