// Files to sources. The only place of the language that touches the file system.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "rules/doc/reader.h"
#include "rules/lang/load.h"

namespace nudge::lang {
namespace {

namespace fs = std::filesystem;

enum class Pick : std::uint8_t { catalogs, rules, tests };

bool is_yaml(std::string_view name) { return name.ends_with(".yaml") || name.ends_with(".yml"); }
bool is_test(std::string_view name) { return name.ends_with(".test.yaml") || name.ends_with(".test.yml"); }

Result<std::string> read_text_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(Code::io, "can't open " + path.string() + "; check that it exists and may be read");
  // One byte more than the reader takes, so that a huge file is refused there with its own message and never read whole.
  std::string text(doc::ReadLimits{}.bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return fail(Code::io, "can't read " + path.string());
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

Result<std::vector<Source>> read_directory(const std::string& directory, Pick pick) {
  const fs::path root(directory);
  std::error_code error;
  if (!fs::is_directory(root, error))
    return fail(Code::not_found, "there is no directory " + directory + "; create it or name another one");
  std::vector<std::string> names;
  fs::recursive_directory_iterator i(root, fs::directory_options::none, error);  // does not follow links to directories
  while (!error && i != fs::recursive_directory_iterator()) {
    const std::string name = i->path().filename().string();
    const bool hidden = name.starts_with('.');
    std::error_code ignored;
    const bool directory_entry = i->is_directory(ignored);
    if (directory_entry && (hidden || pick == Pick::catalogs)) i.disable_recursion_pending();
    const bool wanted = !hidden && !directory_entry && is_yaml(name) && (pick == Pick::tests) == is_test(name);
    if (wanted) names.push_back(fs::relative(i->path(), root, ignored).generic_string());
    if (names.size() > kFilesMax) return fail(Code::too_large, directory + " holds more than " + std::to_string(kFilesMax) + " files");
    i.increment(error);
  }
  if (error) return fail(Code::io, "can't list " + directory + ": " + error.message());
  std::sort(names.begin(), names.end());
  std::vector<Source> sources;
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    NUDGE_ASSIGN(std::string text, read_text_file(root / name));
    bytes += text.size();
    if (bytes > kSourceBytesMax)
      return fail(Code::too_large, "the files of " + directory + " have more than " + std::to_string(kSourceBytesMax) + " bytes together");
    sources.push_back({name, std::move(text)});
  }
  return sources;
}

/// The file system library may throw (out of memory, bad names); that must not leave this room.
Result<std::vector<Source>> guarded(const std::string& directory, Pick pick) {
  try {
    return read_directory(directory, pick);
  } catch (const std::exception& e) {
    return fail(Code::io, "can't read " + directory + ": " + e.what());
  }
}

}  // namespace

Result<std::vector<Source>> read_catalog_directory(const std::string& directory) { return guarded(directory, Pick::catalogs); }
Result<std::vector<Source>> read_rule_directory(const std::string& directory) { return guarded(directory, Pick::rules); }
Result<std::vector<Source>> read_test_directory(const std::string& directory) { return guarded(directory, Pick::tests); }

}  // namespace nudge::lang
