#include "daemon/runtime/versions.h"

#include "daemon/store/keys.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

std::string_view plan_origin_name(PlanOrigin origin) {
  switch (origin) {
    case PlanOrigin::directory: return "directory";
    case PlanOrigin::applied: return "applied";
    case PlanOrigin::rollback: return "rollback";
  }
  return "";
}

std::string version_key(std::uint64_t sequence) { return std::string(kVersionPrefix) + Key{}.u64(sequence).take(); }

std::string encode_version(const PlanVersion& version) {
  std::string bytes;
  Writer out(bytes);
  out.u8(1);
  out.varint(version.sequence);
  out.svarint(version.at);
  out.u8(static_cast<std::uint8_t>(version.note.origin));
  out.string(version.note.author);
  out.string(version.note.comment);
  out.varint(version.note.rolled_back_to);
  out.varint(version.rules);
  out.varint(version.segments);
  out.string(version.digest);
  return bytes;
}

Result<PlanVersion> decode_version(std::string_view bytes) {
  Reader in(bytes);
  PlanVersion version;
  const bool known = in.u8() == 1;
  version.sequence = in.varint();
  version.at = in.svarint();
  version.note.origin = static_cast<PlanOrigin>(in.u8());
  version.note.author = in.string();
  version.note.comment = in.string();
  version.note.rolled_back_to = in.varint();
  version.rules = in.varint();
  version.segments = in.varint();
  version.digest = in.string();
  if (!known || in.bad()) return fail(Code::corrupt, "the record of a version of the rules is damaged or of a newer version of nudge");
  return version;
}

}  // namespace nudge::daemon
