// Live tails: what is stored and decided, as server-sent events, read from the log behind the committer by one thread for all who listen.
// Somebody who listens slowly waits for himself alone; who does not read at all is cut off with a word.
//
// Thread-safety: open() from any thread. Ownership: refers to the Runtime; stop() before that stops.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/app/personal.h"
#include "daemon/app/pipe.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

// Where in the log: the event `index` (counted from 1, of what this tail shows) of a block. As text "BLOCK-INDEX", the id of an event.
struct TailPlace {
  std::uint64_t block = 0, index = 0;
  static std::optional<TailPlace> parse(std::string_view text);
  std::string text() const { return std::to_string(block) + "-" + std::to_string(index); }
};

struct TailRequest {
  enum What : unsigned { events = 1, decisions = 2, actions = 4, edges = 8 };
  unsigned what = events;
  std::string customer, rule, event, segment;  // only of these; empty: any
  bool full = false;                           // personal data as it is
  TailPlace after;                             // what comes behind this
  std::function<bool()> still;                 // asked now and then: may the listener still listen?
};

class Tails {
 public:
  static constexpr std::size_t kListeners = 64;
  explicit Tails(Runtime& runtime) : runtime_(runtime) {}
  ~Tails() { stop(); }
  void stop();
  // Answers with the stream. Error: unavailable, when there are too many; `responder` is then left as it was.
  Result<void> open(TailRequest request, http::Responder& responder);
  std::size_t listeners() const;

 private:
  struct Listener {
    TailRequest request;
    std::shared_ptr<Pipe> pipe;
    TailPlace at;            // the last that was written
    std::uint64_t next = 0;  // block to be read; its first at.index are written when it is at.block
    TimeMs spoken = 0;  // when something was written last
    TimeMs stuck = 0;   // since when there has been no room; 0: there is
    TimeMs asked = 0;   // when `still` was asked last
  };
  void run();
  // Writes what there is to write to one of them. False: it is to go.
  bool serve(Listener& listener, std::uint64_t last, TimeMs now, bool& more);
  bool read_block(Listener& listener, std::uint64_t sequence, std::string_view bytes, std::string& out);

  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::shared_ptr<Listener>> listeners_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace nudge::daemon
