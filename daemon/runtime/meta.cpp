#include "daemon/runtime/meta.h"

namespace nudge::daemon {

std::string encode_stats(const StoredStats& stats) {
  std::string out;
  Writer w(out);
  w.u8(1);
  w.varint(stats.sequence);
  w.fixed64(static_cast<std::uint64_t>(stats.latest));
  stats.sums.encode(w);
  return out;
}

Result<StoredStats> decode_stats(std::string_view bytes) {
  Reader in(bytes);
  StoredStats stats;
  const bool known = in.u8() == 1;
  stats.sequence = in.varint();
  stats.latest = static_cast<TimeMs>(in.fixed64());
  if (!known || !stats.sums.decode(in)) return fail(Code::corrupt, "the stored counters can't be read: damaged or of a newer version");
  return stats;
}

std::string encode_number(std::uint64_t n) {
  std::string out;
  Writer(out).varint(n);
  return out;
}

Result<std::uint64_t> decode_number(std::string_view bytes) {
  Reader in(bytes);
  const std::uint64_t n = in.varint();
  if (in.bad() || !in.at_end()) return fail(Code::corrupt, "a stored number can't be read");
  return n;
}

}  // namespace nudge::daemon
