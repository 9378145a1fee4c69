// JSON documents to typed inputs, checked against the catalog. What does not fit comes back with the reason; nothing is guessed, nothing is
// lost.
//
// A document is one of (docs/api.md):
//   {"customer": …, "event": TYPE, "data": {…}, "id": …, "time": …}     an event; "type" and "ts" are read as "event" and "time"
//   {"customer": …, "attributes": {…}, "id": …, "time": …}              an upsert of attributes; null removes one
//   {"customer": …, "tag": …, "remove": true, "expires": …, …}          a tag set or removed
//   {"customer": …, "merge": ID, "unless_merged": true}                 the customer was known as ID before: one person
//
// Thread-safety: an Intake holds scratch memory; one per thread. The schema may be shared.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ingest/frame.h"
#include "daemon/ingest/schema.h"
#include "engine/model/convert.h"
#include "engine/model/input.h"

namespace nudge::daemon {

// Bytes that must be readable behind the body (their value does not matter).
inline constexpr std::size_t kIntakePadding = 64;

// Ids for what comes without one: unique in a data directory for ever, because `first` grows from start to start.
class IdSource {
 public:
  // `start`: an instant later than every one used before in this data directory.
  explicit IdSource(TimeMs start) : next_(static_cast<std::uint64_t>(start) << 20) {}
  // "g" and 13 characters.
  std::string next();

 private:
  std::atomic<std::uint64_t> next_;  // at most 2^20 a millisecond since the start, so two starts never meet
};

struct IntakeOptions {
  TimeMs now = 0;                 // the time of documents that say none
  DurationMs skew = 5 * kMinute;  // how far ahead of the clock a time may be
  bool import = false;            // history: fires nothing
  std::string_view customer;      // from the path; a document may leave its own out, and must not name another
  IdSource* ids = nullptr;        // must be given
};

struct IntakeLine {
  Span span;              // where in the body
  Input input;            // when it fits
  Problem problem;        // set: it does not fit
  bool has_time = false;  // the document said when it happened
  // Not empty: the document is a merge, input.customer the one who stays, and this the id that becomes another name of him.
  std::string merge;
  bool unless_merged = false;  // an id that is merged already stays what it is, and that is no conflict
};

class Intake {
 public:
  Intake();
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // Reads the document at `span` of `body`, behind which kIntakePadding bytes are readable, into `line`. Never fails: what is wrong with
  // the document is the line's problem.
  void read(const IntakeSchema& schema, std::string_view body, Span span, const IntakeOptions& options, IntakeLine& line);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::daemon
