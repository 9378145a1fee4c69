// The body of a request as it comes in: framing (length or chunks), gunzip, and limits before work.
// Not thread-safe; one per connection, used again for each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nudge::http {

// Strict reader of chunked framing. Chunk extensions are skipped, trailers are read and dropped (never merged into headers).
class ChunkReader {
 public:
  enum class Status : std::uint8_t { more, done, bad };

  void reset() { *this = ChunkReader(); }
  // Takes bytes off the front of `in`. Each call sets `data` to the next piece of body (may be empty). `more` with an empty
  // `in` means: wait for bytes.
  Status next(std::string_view& in, std::string_view& data);

 private:
  enum class State : std::uint8_t { size, extension, size_lf, data, data_cr, data_lf, trailer, trailer_lf, done };

  bool step(char c);

  State state_ = State::size;
  std::uint64_t left_ = 0;
  unsigned digits_ = 0;
  unsigned extension_bytes_ = 0;
  unsigned trailer_bytes_ = 0;
  bool line_empty_ = true;
};

// Gunzips (all members of) a gzip stream piece by piece.
class Gunzip {
 public:
  enum class Status : std::uint8_t { ok, bad, too_large };

  Gunzip();
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  void reset();
  // Appends what `in` unpacks to; stops at `limit` bytes in `out`.
  Status append(std::string_view in, std::size_t limit, std::string& out);
  // True if the stream has ended where it should.
  bool finished() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Makes room for `more` bytes and the padding behind them, growing by doubling, not beyond what `limit` needs.
void reserve_body(std::string& body, std::size_t more, std::size_t limit);

}  // namespace nudge::http
