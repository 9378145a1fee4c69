#include "daemon/doors/doors.h"

#include <fstream>
#include <iterator>

#include "daemon/doors/raw_json.h"
#include "daemon/doors/segment.h"
#include "rules/doc/reader.h"

namespace nudge::doors {

Result<void> Doors::load(const std::string& file, const Catalog& catalog) {
  auto fresh = std::make_shared<const Mapping>();
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
      return fail(Code::not_found,
                  "the doors' file " + file + " can't be read: check its name and permissions (`doors` in the configuration)");
    doc::Diagnostics diagnostics;
    const auto document = doc::read_document(file, std::string(std::istreambuf_iterator<char>(in), {}), diagnostics);
    if (diagnostics.ok()) fresh = read_mapping(*document, catalog, diagnostics);
    if (!diagnostics.ok()) return fail(Code::invalid, "the doors' file has mistakes\n" + doc::render_text(diagnostics));
  }
  const std::lock_guard lock(mutex_);
  mapping_ = std::move(fresh);
  return {};
}

std::shared_ptr<const Mapping> Doors::mapping() const {
  const std::lock_guard lock(mutex_);
  return mapping_;
}

Result<std::vector<daemon::DoorDocument>> Doors::reopen(const daemon::IntakeSchema& schema, std::string_view kept, TimeMs received) const {
  NUDGE_ASSIGN(const std::vector<RawMember> members, raw_object(kept));
  const std::string door = raw_text(raw_member(members, "door")).value_or("");
  if (door == "segment") return reopen_segment(mapping()->segment, schema, kept, received);
  return fail(Code::invalid, "no door is called `" + door + "`");
}

}  // namespace nudge::doors
