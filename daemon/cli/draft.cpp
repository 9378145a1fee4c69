#include "daemon/cli/draft.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/cli/words.h"
#include "engine/base/text.h"
#include "rules/lang/load.h"

namespace nudge::cli {

namespace {

void append_sources(std::string& out, std::string_view key, const std::vector<lang::Source>& sources) {
  append_json_string(out, key);
  out += ":[";
  for (const lang::Source& source : sources) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":";
    append_json_string(out, source.name);
    out += ",\"text\":";
    append_json_string(out, source.text);
    out += '}';
  }
  out += ']';
}

}  // namespace

Result<DraftFiles> read_draft(const std::string& path, const std::string& schemas) {
  DraftFiles files;
  std::error_code error;
  const std::filesystem::path place(path);
  std::string catalog = schemas;
  if (std::filesystem::is_directory(place / "rules", error)) {
    NUDGE_ASSIGN(files.rules, lang::read_rule_directory((place / "rules").string()));
    if (catalog.empty() && std::filesystem::is_directory(place / "schemas", error)) catalog = (place / "schemas").string();
  } else if (std::filesystem::is_directory(place, error)) {
    NUDGE_ASSIGN(files.rules, lang::read_rule_directory(path));
  } else {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(Code::not_found, say("cannot read {1}: name a file of rules, or a directory of them", {path}));
    files.rules.push_back({place.lexically_normal().generic_string(), std::string(std::istreambuf_iterator<char>(in), {})});
    files.overlay = true;
  }
  if (!catalog.empty()) {
    NUDGE_ASSIGN(files.catalog, lang::read_catalog_directory(catalog));
  }
  return files;
}

std::string draft_members(const DraftFiles& files) {
  std::string out;
  append_sources(out, "rules", files.rules);
  if (!files.catalog.empty()) {
    out += ',';
    append_sources(out, "catalog", files.catalog);
  }
  out += files.overlay ? ",\"overlay\":true" : ",\"overlay\":false";
  return out;
}

}  // namespace nudge::cli
