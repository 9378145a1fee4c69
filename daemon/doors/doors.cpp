#include "daemon/doors/doors.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "daemon/doors/cloudevents.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/segment.h"
#include "daemon/doors/webhook.h"
#include "rules/doc/reader.h"

namespace nudge::doors {
namespace {

// The first line of a file beside `doors_file`, or a variable of the environment.
Result<Secret> read_secret(const std::string& doors_file, bool from_file, const std::string& name) {
  std::string value;
  if (from_file) {
    const std::size_t slash = doors_file.find_last_of('/');
    const std::string path = name.starts_with('/') || slash == std::string::npos ? name : doors_file.substr(0, slash + 1) + name;
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(Code::not_found, "the secret's file " + path + " can't be read: check its name and permissions");
    std::getline(in, value);
    if (value.ends_with('\r')) value.pop_back();
  } else if (const char* given = std::getenv(name.c_str()); given != nullptr) {
    value = given;
  }
  if (value.empty()) return fail(Code::not_found, "the secret " + doc::quoted(name) + " is empty");
  return Secret(std::move(value));
}

}  // namespace

std::shared_ptr<const Mapping> read_doors(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics) {
  return read_mapping(document, catalog, [](bool /*from_file*/, const std::string& /*name*/) { return Secret("unknown"); }, diagnostics);
}

Result<void> Doors::load(const std::string& file, const Catalog& catalog) {
  auto fresh = std::make_shared<const Mapping>();
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
      return fail(Code::not_found,
                  "the doors' file " + file + " can't be read: check its name and permissions (`doors` in the configuration)");
    doc::Diagnostics diagnostics;
    const auto document = doc::read_document(file, std::string(std::istreambuf_iterator<char>(in), {}), diagnostics);
    if (diagnostics.ok()) {
      const ReadSecret secret = [&file](bool from_file, const std::string& name) { return read_secret(file, from_file, name); };
      fresh = read_mapping(*document, catalog, secret, diagnostics);
    }
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
  if (door == "cloudevents") return reopen_cloud_event(mapping()->cloud_events.messages, schema, kept);
  if (door == "webhook") return reopen_webhook(*mapping(), schema, kept);
  return fail(Code::invalid, "no door is called `" + door + "`");
}

}  // namespace nudge::doors
