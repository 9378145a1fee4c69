// A bounded pipe from a thread that makes text to a streamed answer: whoever writes waits for the client, and never the other way round.
// Thread-safe: one writer, and the server's thread that reads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/http/message.h"

namespace nudge::daemon {

class Pipe {
 public:
  static constexpr std::size_t kBytes = 256U << 10;

  // Answers with `head` and then what is written here.
  static std::shared_ptr<Pipe> open(http::Responder responder, http::Response head);

  // Waits until there is room. False: the client has gone, or stop() was called.
  bool write(std::string_view text);
  // Written whatever the room: for who looks at waiting() before.
  void push(std::string_view text);
  // A last word, whatever the room.
  void write_last(std::string_view text);
  // That was all.
  void end();
  // Cuts the connection, so that the client sees that the answer is not whole.
  void cut();
  bool gone() const;
  // Bytes that the client has not taken.
  std::size_t waiting() const;

 private:
  void wake() const;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string text_;
  bool ended_ = false, cut_ = false;
  http::StreamHandle handle_;
};

}  // namespace nudge::daemon
