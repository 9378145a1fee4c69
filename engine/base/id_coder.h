// Ids in few bytes: most ids of a record, or of a block of the log, are like the one before them. One byte says how an id is written; what
// differs from the one before follows.
//
// Writer and reader must go through the same ids in the same order, each with a coder of its own. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.h"

namespace nudge {

class IdCoder {
 public:
  // `plain`: every id as a length and its bytes, the form that came before this one.
  explicit IdCoder(bool plain = false) : plain_(plain) {}

  void write(Writer& out, std::string_view id);
  // Valid until the next call. Bad bytes make the reader bad.
  std::string_view read(Reader& in);

 private:
  // Where the digits at the end of an id begin, and their number.
  struct Numbered {
    std::size_t head;
    std::uint64_t number;
  };
  static Numbered numbered(std::string_view id);

  bool plain_;
  std::string last_;
  // Of last_; a head as long as it: it does not end with digits.
  Numbered last_number_{0, 0};
};

}  // namespace nudge
