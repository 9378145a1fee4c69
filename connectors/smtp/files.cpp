#include "connectors/smtp/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nudge::connectors {

namespace {

constexpr std::size_t kFilesMax = 20;
constexpr std::size_t kNameBytesMax = 255;

// One name below the folder, opened step by step without following a link: a name can't lead out of it.
int open_below(const std::string& folder, std::string_view name, std::string& problem) {
  int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) {
    problem = "the folder of files " + folder + " can't be opened: " + std::strerror(errno);
    return -1;
  }
  while (at >= 0 && !name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string step(name.substr(0, slash));
    name.remove_prefix(std::min(slash + 1, name.size()));
    const bool last = name.empty();
    const int next = step.empty() || step == "." || step == ".."
                         ? -1
                         : ::openat(at, step.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
    ::close(at);
    at = next;
  }
  return at;
}

std::string read_one(const std::string& folder, const std::string& name, std::int64_t room, std::string& bytes) {
  std::string problem;
  if (name.empty() || name.size() > kNameBytesMax || has_control(name) || name.find('\\') != std::string::npos)
    return "a file's name is empty, too long, or holds a character that no name has";
  const int file = open_below(folder, name, problem);
  if (!problem.empty()) return problem;
  struct stat info{};
  if (file < 0 || ::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    if (file >= 0) ::close(file);
    return "there is no file \"" + name + "\" in the connector's folder `files` (links and .. are not followed)";
  }
  if (info.st_size > room) {
    ::close(file);
    return "\"" + name + "\" makes the files of this message larger than files_bytes_max";
  }
  bytes.resize(static_cast<std::size_t>(info.st_size));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t part = ::read(file, bytes.data() + got, bytes.size() - got);
    if (part <= 0) break;
    got += static_cast<std::size_t>(part);
  }
  ::close(file);
  return got == bytes.size() ? "" : "the file \"" + name + "\" can't be read to its end";
}

// Names that can be a Content-ID, which stands between angle brackets and in an address of the HTML.
bool content_id(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '@';
  });
}

}  // namespace

std::string read_mail_files(const Payload& payload, const std::string& folder, std::int64_t bytes_max, Email& email) {
  std::int64_t room = bytes_max;
  for (const char* list : {"inline", "attachments"}) {
    const bool shown = std::string_view(list) == "inline";
    const auto* names = payload.find(list);
    if (names == nullptr || names->is_null()) continue;
    if (!names->is_array()) return std::string(list) + ": must be a list of names";
    for (const auto& one : names->get_array()) {
      if (!one.is_string()) return std::string(list) + ": each entry is the name of a file";
      if (one.get_string().empty()) continue;  // a template that came out empty: nothing to attach
      if (folder.empty()) return std::string(list) + ": the connector has no folder of files; set `files` in its configuration";
      if (email.files.size() >= kFilesMax) return "over " + std::to_string(kFilesMax) + " files in one message";
      MailFile file;
      const std::string name(one.get_string());
      if (std::string problem = read_one(folder, name, room, file.bytes); !problem.empty()) return std::string(list) + ": " + problem;
      room -= static_cast<std::int64_t>(file.bytes.size());
      file.name = name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
      file.type = media_type_of(file.name);
      file.inline_image = shown;
      if (shown && !content_id(file.name))
        return "inline: the name of an inline image has letters, digits, dots, hyphens and underscores only, not \"" + file.name + "\"";
      if (shown && email.html.empty()) return "inline: there is no html that could show it";
      email.files.push_back(std::move(file));
    }
  }
  return {};
}

}  // namespace nudge::connectors
