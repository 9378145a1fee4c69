// An HTTP server on the loopback interface that misbehaves as it is told: what a connector is tried against. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nudge::cli {

class FaultyPeer {
 public:
  enum class Mood : std::uint8_t {
    well,      // answers 200 with the given body
    slow,      // the same, a second and a half later
    limited,   // 429 with Retry-After: 7
    broken,    // 500
    garbage,   // 200 with a page of HTML
    redirect,  // 302 to /elsewhere of its own
    hangs,     // takes the request and says nothing
    silent,    // takes the request and closes
  };
  // Listens on a free port; `{{provider}}` in the answer becomes its own address. Throws std::runtime_error when it can't.
  explicit FaultyPeer(std::string answer);
  ~FaultyPeer();
  FaultyPeer(const FaultyPeer&) = delete;
  FaultyPeer& operator=(const FaultyPeer&) = delete;

  std::string url() const;
  // From the next request on. What was asked before is forgotten.
  void be(Mood mood);
  struct Seen {
    std::string head, body;
  };
  std::vector<Seen> seen() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The address of a port where nobody listens.
std::string nobody_url();

}  // namespace nudge::cli
