// Cuts a body that comes piece by piece into parts of whole documents: lines, or the items of one JSON array. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge::daemon {

class Splitter {
 public:
  static constexpr std::size_t kPartBytes = 128 * 1024;  // a part has at least so many, unless it is the last

  // `document_bytes_max`: of one document; a longer one ends it.
  Splitter(bool array, std::size_t document_bytes_max) : array_(array), most_(document_bytes_max) {}

  void feed(std::string_view bytes);
  // The body is whole: what is left becomes the last part.
  void end();

  struct Part {
    std::string text;  // lines, or an array
    std::uint64_t lines = 0;
  };
  bool has_part() const { return cut_ != 0; }
  // The next part; stays the same until it is taken.
  const Part& part();
  void take_part();
  // Set when no more parts can come (after those that are there): a document too long, an array that is none or does not end.
  const std::optional<Error>& failed() const { return failed_; }

 private:
  void scan();
  void scan_array();
  void fail_with(Code code, std::string message);
  std::string where() const;

  const bool array_;
  const std::size_t most_;
  std::string rest_;         // not taken yet
  std::size_t cut_ = 0;      // a part ends before this byte of `rest_`; 0: there is none
  std::size_t scanned_ = 0;  // of rest_
  std::size_t last_ = 0;     // where the last whole document ends
  Part part_;
  bool made_ = false;  // part_ is the next one
  bool ended_ = false;
  std::uint64_t lines_ = 0;  // taken
  std::optional<Error> failed_;
  // Of an array.
  enum class Place : std::uint8_t { before, inside, after };
  Place place_ = Place::before;
  std::size_t depth_ = 0;
  bool quoted_ = false, escaped_ = false;
};

}  // namespace nudge::daemon
