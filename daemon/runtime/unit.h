// What travels between intake, shards and the committer. Plain data; each object has one owner at a time, named below.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ingest/door.h"
#include "daemon/ingest/intake.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/records.h"
#include "daemon/runtime/stats.h"
#include "daemon/store/store.h"
#include "engine/core/desk.h"
#include "engine/core/engine.h"

namespace nudge::daemon {

// How one document of a request ended.
enum class LineOutcome : std::uint8_t { pending, stored, duplicate, conflict, quarantined };
std::string_view line_outcome_name(LineOutcome outcome);

struct LineResult {
  LineOutcome outcome = LineOutcome::pending;
  std::uint64_t quarantine = 0;      // the record it was set aside under, 0: none
  std::unique_ptr<Problem> problem;  // why, when it was set aside or is in conflict
};

// One request under way. Made by the caller of Runtime::ingest, given away with it; deletes itself after `done` has run.
// `results[i]` is written by the one who decides on document i; the last part_done() makes all of them visible to `done`.
struct Job {
  std::string body;  // with kIntakePadding spare bytes
  std::vector<Span> spans;
  bool single = false;
  bool import = false;
  std::string customer;  // from the address of the request
  // When a door made the documents: one for each span of the body (see add_document). Empty: the documents are what came in.
  std::vector<DoorDocument> opened;
  std::vector<LineResult> results;
  std::optional<Error> failure;    // the commit failed: what became of the documents is unknown
  std::function<void(Job&)> done;  // on the committer's thread; must not block

  // Adds a document that a door made.
  void add_document(DoorDocument document) {
    spans.push_back({static_cast<std::uint32_t>(body.size()), static_cast<std::uint32_t>(document.json.size())});
    body += document.json;
    body.push_back('\n');
    document.json.clear();
    opened.push_back(std::move(document));
  }
  // Document `i` as it came in, for the quarantine.
  std::string received(std::uint32_t i) const { return opened.empty() ? body.substr(spans[i].offset, spans[i].length) : opened[i].message; }

  void part_done(std::uint32_t parts) {
    if (remaining.fetch_sub(parts, std::memory_order_acq_rel) != parts) return;
    done(*this);
    delete this;
  }
  std::atomic<std::uint32_t> remaining{0};  // documents without an outcome on disk
};

// What is to be told of tasks because of one batch. `key` is there on disk until all of it is stored with its customers.
struct News {
  std::string key;
  std::vector<Input> inputs;
};

// What a change may do while a batch is put together.
struct CommitContext {
  WriteSet& set;
  StatsDelta& delta;
  Desk& desk;
  bool& desk_changed;
  TimeMs now;
  std::vector<std::function<void()>>& after;  // run once the batch is on disk, on the committer's thread
  WorkOut& work;                              // what the change did to tasks: booked, and told, with this batch
  ApprovalOut& approvals;                     // … and to what waits for a yes
  LogPlace place{};  // where entries of the change's own unit would begin; 0: not said (what the committer does by itself)
};

using Change = std::function<void(CommitContext&)>;
// A change that goes into the same batch as an input, and is told how the input ended.
using Attachment = std::function<void(CommitContext&, Receipt)>;

// A merge on its way (docs/decisions/merge.md). Its item's customer is, for a request, the id that becomes another name, else the one who
// takes a portion in.
struct MergeItem {
  enum class Kind : std::uint8_t {
    request,   // to be asked about: may these two become one?
    go,        // yes: the alias gives its facts away
    known,     // they are one already
    conflict,  // the alias is another customer's
    portion,   // what an alias was known by
    landed,    // to the merger alone: the alias's state shows its way, on disk
    erase,     // nothing is to be known of this id any more
  };
  Kind kind = Kind::request;
  std::string into;  // request, go: who stays
  bool unless_merged = false;
  std::string portion;      // see engine/core/merge.h
  bool queued = false;      // portion: counted among the inputs under way
  std::string pending_key;  // portion: where it waits on disk until it is taken in
  std::function<void(CommitContext&, TimeMs)> erased;  // erase: goes into the same batch, and is told the instant
};

// An input on its way to its shard.
struct Item {
  Input input;
  Job* job = nullptr;  // null: made by nudge itself
  std::uint32_t line = 0;
  std::uint8_t slot = 0;
  bool has_time = true;  // the sender said when it happened
  std::unique_ptr<Attachment> attachment;
  std::unique_ptr<MergeItem> merge;
  bool with_next = false;           // goes into the same batch as the item behind it, which is of the same customer
  std::uint32_t next = 0xffffffff;  // the shard's: the next item of the same customer
};

struct SetAside {
  QuarantineRecord record;  // the committer gives the number
  Job* job = nullptr;
  std::uint32_t line = 0;
};

// What a shard (or anybody else) hands to the committer: settled, written and completed as a whole, in the order of arrival.
struct Unit {
  static constexpr std::uint32_t kNoShard = 0xffffffff;
  std::uint32_t shard = kNoShard;
  std::uint64_t number = 0;  // of the shard, ascending
  std::shared_ptr<const Plan> plan;
  EntryWriter entries;           // see log_block.h
  std::uint32_t steps = 0;       // entries in it
  std::uint64_t work_ns = 0;     // processor time that they took; about as much again after a crash
  std::string edges;             // the same, of segments entered and left
  std::vector<Effects> effects;  // of one step each, those that have any
  std::vector<LeadSignal> heard;  // by leads, before the effects are settled
  StatsDelta delta;
  WriteSet states;  // checkpoints of customers
  std::vector<SetAside> aside;
  std::vector<Change> changes;
  std::vector<std::pair<Job*, std::uint32_t>> jobs;  // parts done
  std::uint32_t items = 0;                           // inputs that leave the queue with this unit
  TimeMs latest = kAlways;                           // the highest instant used
  std::function<void(const Error* failure)> done;

  bool empty() const {
    return entries.empty() && effects.empty() && heard.empty() && delta.empty() && states.empty() && aside.empty() && changes.empty() && jobs.empty() &&
           !done;
  }
};

}  // namespace nudge::daemon
