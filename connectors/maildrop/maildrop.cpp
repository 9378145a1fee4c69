#include "connectors/maildrop/maildrop.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "connectors/sdk/config.h"

namespace nudge::connectors {

namespace {

bool hexadecimal(std::string_view id) {
  return !id.empty() && id.size() <= 128 && id.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

// Why messages can't be kept in `path`; empty = they can, or the directory can be made. Changes nothing: a check of a
// configuration by one user must not leave a directory that another one can't write to.
std::string directory_problem(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return path + " can't be used: " + std::strerror(errno);
    const std::size_t slash = path.find_last_not_of('/') == std::string::npos ? 0 : path.rfind('/', path.find_last_not_of('/'));
    return slash == 0 || slash == std::string::npos ? std::string() : directory_problem(path.substr(0, slash));
  }
  if (!S_ISDIR(info.st_mode)) return path + " is no directory";
  if (::access(path.c_str(), W_OK | X_OK) != 0) return path + " can't be written to: " + std::strerror(errno);
  return {};
}

bool make_directories(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    if (::mkdir(path.substr(0, at).c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (at != std::string::npos) ++at;
  }
  return true;
}

// Makes the names in a directory durable.
bool sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool good = ::fsync(fd) == 0;
  ::close(fd);
  return good;
}

}  // namespace

const sdk::Manifest& Maildrop::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "maildrop",
      .version = "1.0",
      .channels = {"*"},
      .idempotency = "key",
      .default_on_unknown = "retry",
      .fields = {{.name = "directory",
                  .help = "absolute path of the directory that gets <action_id>.json; made when it is missing",
                  .required = true},
                 {.name = "sync", .type = sdk::FieldType::boolean, .help = "wait until the disk has the file", .default_json = "true"}}};
  return kManifest;
}

void Maildrop::check(sdk::Config& config) {
  if (const std::string directory = config.text("directory"); !directory.empty() && !directory.starts_with('/'))
    config.problem("directory: must be an absolute path, not \"" + directory + "\"");
}

Maildrop::Maildrop(const sdk::Host& host, const sdk::Config& config)
    : host_(host), directory_(config.text("directory")), sync_(config.flag("sync")) {
  if (const std::string problem = directory_problem(directory_); !problem.empty()) throw std::runtime_error("directory: " + problem);
}

std::string maildrop_record(const sdk::Request& request, std::int64_t now_ms) {
  const auto quote = [](std::string_view text) { return boost::json::serialize(boost::json::string(text.data(), text.size())); };
  std::string payload(request.payload);
  for (char& c : payload)
    if (c == '\n' || c == '\r') c = ' ';
  return "{\"action_id\":" + quote(request.action_id) + ",\"kind\":" + quote(request.kind) + ",\"channel\":" + quote(request.channel) +
         ",\"customer_id\":" + quote(request.customer_id) + ",\"attempt\":" + std::to_string(request.attempt) +
         ",\"created_ms\":" + std::to_string(request.created_ms) + ",\"dropped_ms\":" + std::to_string(now_ms) + ",\"payload\":" + payload +
         "}\n";
}

sdk::Outcome Maildrop::deliver(const sdk::Request& request) {
  if (!hexadecimal(request.action_id)) return sdk::Outcome::refused("the action id is not hexadecimal, so it can't name a file");
  const std::string name = std::string(request.action_id) + ".json";
  const std::string path = directory_ + "/" + name;
  if (::access(path.c_str(), F_OK) == 0) {
    if (sync_ && !sync_directory(directory_))
      return sdk::Outcome::retry(std::string("the directory can't be synced: ") + std::strerror(errno));
    return sdk::Outcome::accepted(name, "it lay there already");
  }
  // Written aside and linked into place: readers see whole files only, and the first of two writers wins.
  static std::atomic<unsigned> counter{0};
  const std::string aside = directory_ + "/." + name + "." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  const auto open_aside = [&aside] { return ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); };
  int fd = open_aside();
  if (fd < 0 && errno == ENOENT && make_directories(directory_)) fd = open_aside();
  if (fd < 0) return sdk::Outcome::retry("no file in " + directory_ + ": " + std::strerror(errno));
  bool good = write_all(fd, maildrop_record(request, host_.now_ms())) && (!sync_ || ::fdatasync(fd) == 0);
  good = (::close(fd) == 0) && good;
  if (good) good = ::link(aside.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const std::string problem = good ? "" : std::strerror(errno);
  ::unlink(aside.c_str());
  if (!good) return sdk::Outcome::retry("the message can't be written to " + directory_ + ": " + problem);
  if (sync_ && !sync_directory(directory_))
    return sdk::Outcome::unknown(std::string("the directory can't be synced: ") + std::strerror(errno));
  return sdk::Outcome::accepted(name);
}

sdk::Outcome Maildrop::query(const sdk::Request& request) {
  if (!hexadecimal(request.action_id)) return sdk::Outcome::refused("the action id is not hexadecimal");
  const std::string name = std::string(request.action_id) + ".json";
  if (::access((directory_ + "/" + name).c_str(), F_OK) == 0) return sdk::Outcome::accepted(name);
  if (errno == ENOENT) return sdk::Outcome::retry("it is not there");
  return sdk::Outcome::unknown(std::string("the directory can't be read: ") + std::strerror(errno));
}

}  // namespace nudge::connectors
