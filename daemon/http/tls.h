// TLS over a non-blocking socket, with OpenSSL.
//
// TlsFiles: thread-safe. TlsSession: one owner at a time; the socket is the caller's and outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge::http {

enum class TlsResult : std::uint8_t { ok, wait_read, wait_write, end, failed };

class TlsSession {
 public:
  struct Impl;
  explicit TlsSession(std::unique_ptr<Impl> impl);
  ~TlsSession();
  // Reads or writes what is possible now; does the handshake on the way. `done`: how many bytes.
  TlsResult read(char* to, std::size_t size, std::size_t& done);
  TlsResult write(const char* from, std::size_t size, std::size_t& done);
  bool established() const;
  // Tells the other side that nothing more comes; tries once.
  void shut_down();

 private:
  std::unique_ptr<Impl> impl_;
};

// The certificate and key on disk, loaded again when they change.
class TlsFiles {
 public:
  // Error: which file can't be used, why, and what to do; a key that others can read is refused.
  static Result<std::shared_ptr<TlsFiles>> load(std::string certificate, std::string key,
                                                std::function<void(const std::optional<Error>&)> changed);
  ~TlsFiles();
  // A session for a connection that was just accepted on `socket`; looks at the files at most once a second.
  std::unique_ptr<TlsSession> accept(int socket);
  // When the certificate in use expires, in seconds since 1970.
  std::int64_t expires();

 private:
  TlsFiles();
  struct Impl;
  void look();
  std::mutex mutex_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::http
