// What one block of the log says: which customers were stepped with what at which instant, under which plan, and what was decided.
// Layout in docs/storage.md. Pure functions; the store frames and checksums the bytes.
//
//   block   := version u8, first decision number, first action number, units, edges (length-prefixed), stats delta, decisions,
//              actions
//   unit    := plan sequence, entries (length-prefixed)
//   entry   := kind and flags u8, customer, instant, and for a step the inputs that were stored
//   edge    := customer, root, flags u8 (1 entered, 2 silent), instant
//
// Version 1 wrote every customer, id and time of an entry in full, later ones by what went before in the unit; edges are there since 3.
#pragma once

#include <compare>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/stats.h"
#include "engine/model/input.h"

namespace nudge::daemon {

inline constexpr std::uint8_t kLogVersion = 3;

enum class EntryKind : std::uint8_t {
  step = 1,       // Engine::step at the instant
  advance = 2,    // Engine::advance to the instant
  reconcile = 3,  // Engine::reconcile to the unit's plan
  merge = 4,      // Engine::advance to the instant, then take_out; `text` is who it is now
  absorb = 5,     // Engine::absorb at the instant; `text` is the portion
  erase = 6,      // nothing is known of the customer any more (docs/decisions/erasure.md)
};

// Puts the entries of one unit behind one another. Not thread-safe.
class EntryWriter {
 public:
  // `inputs` are those that were stored, all of the customer.
  void step(std::string_view customer, TimeMs instant, std::span<const Input* const> inputs);
  // advance, reconcile, erase
  void mark(EntryKind kind, std::string_view customer, TimeMs instant);
  // merge, absorb
  void merge(EntryKind kind, std::string_view customer, TimeMs instant, std::string_view text);
  const std::string& bytes() const { return out_; }
  bool empty() const { return out_.empty(); }
  std::size_t size() const { return out_.size(); }

 private:
  void begin(EntryKind kind, std::uint8_t flags, std::string_view customer, TimeMs instant);
  std::string out_;
  IdCoder customers_;
  InputContext inputs_;
  TimeMs instant_ = 0;
};

// Before unit `unit` (from 0) of block `block`.
struct LogPlace {
  std::uint64_t block = 0, unit = 0;
  friend auto operator<=>(const LogPlace&, const LogPlace&) = default;
};

struct LogUnit {
  std::uint64_t plan = 0;
  std::string_view entries;
  bool plain = false;  // as version 1 wrote them
};
struct LogBlock {
  std::uint64_t first_decision = 0;
  std::uint64_t first_action = 0;
  std::vector<LogUnit> units;  // views into the block
  std::string_view edges;      // who entered and left segments; a view too
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
Result<void> read_entries(const LogUnit& unit, const std::function<void(LogEntry&)>& each);

// A customer entered or left a segment. Nothing is decided from these: they are for people who look.
struct LogEdge {
  std::string_view customer;
  RootId root = kNone;
  bool entered = false, silent = false;
  TimeMs at = 0;
};
void append_edges(std::string& out, std::string_view customer, std::span<const Edge> edges);
// Calls `each` for every edge in order; the views are of `edges`. Error: corrupt.
Result<void> read_edges(std::string_view edges, const std::function<void(const LogEdge&)>& each);

}  // namespace nudge::daemon
