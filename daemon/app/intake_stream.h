// Documents of any number in one request: taken in by parts while they come, in bounded memory, as fast as the disk takes them.
//
// The parts are in order; how each document ended is told at the end (as for any request), or line by line while it goes on
// (`?results=stream`). When something ends it early, the answer says up to which document everything is on disk: nothing behind
// that was taken in.
#pragma once

#include <memory>
#include <string>

#include "daemon/http/message.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct StreamOptions {
  bool import = false;
  std::string customer;  // from the address
  bool array = false;    // one JSON array; else a document a line
  bool all = true;       // results of what was stored, too
  bool live = false;     // told as it goes on
  std::size_t document_bytes_max = 16U << 20;
};

// Refers to the runtime, which must outlive the server.
std::unique_ptr<http::BodySink> open_intake_stream(Runtime& runtime, StreamOptions options, http::Responder responder,
                                                   http::StreamHandle body);

}  // namespace nudge::daemon
