// Inputs from any bytes, one after the other as in a block of the log: refused, or written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "tests/unit/model_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nudge;
  Reader in(std::string_view(reinterpret_cast<const char*>(data), size));
  Input input;
  while (!in.at_end() && decode_input(in, input)) {
    std::string bytes;
    Writer out(bytes);
    encode_input(out, input);
    Reader back(bytes);
    Input same;
    if (!decode_input(back, same) || !back.at_end() || !(same == input) || !same_content(same, input)) std::abort();
  }
  return 0;
}
