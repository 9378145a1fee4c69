#include "connectors/host/plugin.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "connectors/host/protocol.h"

namespace nudge::connectors {

namespace {

constexpr std::size_t kSecretBytesMax = 64 * 1024;
constexpr std::size_t kSecretBytesHiddenMin = 6;  // a shorter one would blot out ordinary words
constexpr std::size_t kErrorBytesMax = 16 * 1024;

std::string version_text(std::uint32_t major, std::uint32_t minor) { return std::to_string(major) + "." + std::to_string(minor); }

std::expected<std::string, std::string> read_secret_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return std::unexpected("the secret file " + path + " can't be opened: " + std::strerror(errno));
  struct stat info{};
  std::string problem;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    problem = "the secret " + path + " is no regular file";
  else if ((info.st_mode & 0007) != 0)
    problem = "the secret file " + path + " can be read by everybody; run: chmod 600 " + path;
  else if (info.st_size > static_cast<off_t>(kSecretBytesMax))
    problem = "the secret file " + path + " is over 64 KiB";
  std::string value;
  if (problem.empty()) {
    value.resize(static_cast<std::size_t>(info.st_size));
    const ssize_t got = ::read(fd, value.data(), value.size());
    if (got < 0) problem = "the secret file " + path + " can't be read: " + std::strerror(errno);
    value.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
  ::close(fd);
  if (!problem.empty()) return std::unexpected(problem);
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
  if (value.empty()) return std::unexpected("the secret file " + path + " is empty");
  return value;
}

void host_log(void* context, std::int32_t level, const char* text, std::size_t size) {
  (*static_cast<std::function<void(int, std::string)>*>(context))(std::clamp<int>(level, 0, 3), std::string(text, size));
}

}  // namespace

std::string version_problem(const nudge_connector_api& api, std::uint32_t host_major, std::uint32_t host_minor) {
  const std::string plugin = version_text(api.abi_major, api.abi_minor);
  const std::string host = version_text(host_major, host_minor);
  if (api.abi_major != host_major)
    return "the plugin was built for connector ABI " + plugin + ", this host speaks ABI " + host +
           "; build the plugin anew with this version's headers";
  if (api.struct_size < offsetof(nudge_connector_api, query))
    return "the plugin's table of ABI " + plugin + " is shorter than ABI " + version_text(host_major, 0) + " demands (host: ABI " + host +
           ")";
  if (api.needs_minor > host_minor)
    return "the plugin of ABI " + plugin + " needs a host of ABI " + version_text(host_major, api.needs_minor) +
           " or later, this host speaks ABI " + host + "; update nudge";
  return {};
}

std::expected<std::string, std::string> Secrets::resolve(std::string_view reference_json) {
  boost::json::error_code error;
  const auto value = boost::json::parse({reference_json.data(), reference_json.size()}, error);
  if (error || !value.is_object() || value.get_object().size() != 1 || !value.get_object().begin()->value().is_string())
    return std::unexpected(R"(a secret is referred to as {"file": "/path"} or {"env": "NAME"})");
  const auto& member = *value.get_object().begin();
  const std::string name(member.value().get_string());
  std::expected<std::string, std::string> found;
  if (member.key() == "file") {
    found = read_secret_file(name);
  } else if (member.key() == "env") {
    const char* text = ::getenv(name.c_str());
    if (text == nullptr || *text == '\0') return std::unexpected("the environment variable " + name + " is not set");
    found = std::string(text);
  } else {
    return std::unexpected(R"(a secret is referred to as {"file": "/path"} or {"env": "NAME"})");
  }
  if (found && found->size() >= kSecretBytesHiddenMin) {
    const std::lock_guard lock(mutex_);
    if (std::find(known_.begin(), known_.end(), *found) == known_.end()) known_.push_back(*found);
  }
  return found;
}

std::string Secrets::redact(std::string text) const {
  const std::lock_guard lock(mutex_);
  for (const std::string& secret : known_)
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) text.replace(at, secret.size(), "***");
  return text;
}

std::expected<std::unique_ptr<Plugin>, std::string> Plugin::load(const std::string& path, std::function<void(int, std::string)> log) {
  if (!path.starts_with('/')) return std::unexpected("the plugin must be given by its absolute path, not \"" + path + "\"");
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::unexpected("no plugin at " + path + ": " + std::strerror(errno));
  if ((info.st_mode & S_IWOTH) != 0) return std::unexpected("the plugin " + path + " can be written by everybody; run: chmod o-w " + path);
  const std::string directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  if (::stat(directory.c_str(), &info) == 0 && (info.st_mode & S_IWOTH) != 0)
    return std::unexpected("the plugin's directory " + directory + " can be written by everybody; run: chmod o-w " + directory);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: see law 6 of nudge/connector.h
  if (library == nullptr) return std::unexpected(std::string("the plugin can't be loaded: ") + ::dlerror());
  auto* const entry = reinterpret_cast<nudge_connector_entry_fn>(::dlsym(library, NUDGE_ENTRY_SYMBOL));
  if (entry == nullptr) return std::unexpected(path + " is no connector plugin: it does not export " NUDGE_ENTRY_SYMBOL);
  const nudge_connector_api* api = entry();
  if (api == nullptr) return std::unexpected(path + " returned no function table");
  if (std::string problem = version_problem(*api, NUDGE_ABI_MAJOR, NUDGE_ABI_MINOR); !problem.empty())
    return std::unexpected(path + ": " + problem);
  if (api->describe == nullptr || api->validate == nullptr || api->create == nullptr || api->deliver == nullptr || api->close == nullptr)
    return std::unexpected(path + ": its table leaves out a required function");
  std::unique_ptr<Plugin> plugin(new Plugin);
  plugin->api_ = api;
  plugin->log_ = [raw = plugin.get(), log = std::move(log)](int level, std::string text) {
    log(level, raw->secrets_.redact(std::move(text)));
  };
  return plugin;
}

Plugin::~Plugin() {
  if (instance_ != nullptr) api_->close(instance_);
}

std::string Plugin::describe() const {
  const char* text = nullptr;
  std::size_t size = 0;
  api_->describe(&text, &size);
  return text == nullptr ? std::string() : std::string(text, size);
}

std::vector<std::string> Plugin::validate(std::string_view config_json) const {
  std::string room(kErrorBytesMax, '\0');
  nudge_text text{room.data(), room.size(), 0};
  const std::int32_t count = api_->validate(config_json.data(), config_json.size(), &text);
  const std::string_view all(room.data(), std::min(text.size, text.capacity));
  std::vector<std::string> problems;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    if (end > begin) problems.push_back(clean_text(all.substr(begin, end - begin), kDetailBytesMax));
    begin = end + 1;
  }
  if (count != 0 && problems.empty()) problems.emplace_back("the plugin refuses the configuration without a reason");
  if (count == 0) problems.clear();
  return problems;
}

std::expected<void, std::string> Plugin::create(std::string_view config_json) {
  host_.struct_size = sizeof host_;
  host_.abi_major = NUDGE_ABI_MAJOR;
  host_.abi_minor = NUDGE_ABI_MINOR;
  host_.context = this;
  host_.log = [](void* context, std::int32_t level, const char* text, std::size_t size) {
    host_log(&static_cast<Plugin*>(context)->log_, level, text, size);
  };
  host_.now_ms = [](void*) {
    return static_cast<std::int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  };
  host_.get_secret = [](void* context, const char* reference, std::size_t size, nudge_text* value) -> std::int32_t {
    const auto found = static_cast<Plugin*>(context)->secrets_.resolve({reference, size});
    const std::string& text = found ? *found : found.error();
    value->size = std::min(text.size(), value->capacity);
    std::memcpy(value->data, text.data(), value->size);
    return found && text.size() <= value->capacity ? 0 : 1;
  };
  std::string room(kErrorBytesMax, '\0');
  nudge_text error{room.data(), room.size(), 0};
  if (api_->create(&host_, config_json.data(), config_json.size(), &error, &instance_) == 0 && instance_ != nullptr) return {};
  instance_ = nullptr;
  const std::string reason = secrets_.redact(clean_text({room.data(), std::min(error.size, error.capacity)}, kDetailBytesMax));
  return std::unexpected(reason.empty() ? "the plugin refuses its configuration without a reason" : reason);
}

Outcome Plugin::deliver(const nudge_request& request) const { return call(api_->deliver, request, kResultBytesMax); }

Outcome Plugin::query(const nudge_request& request) const {
  if (!NUDGE_HAS_FIELD(api_, nudge_connector_api, query) || api_->query == nullptr) {
    Outcome outcome;
    outcome.detail = "this plugin can't ask its provider";
    return outcome;
  }
  return call(api_->query, request, kResultBytesMax);
}

Outcome Plugin::receive(const nudge_request& request) const {
  if (!NUDGE_HAS_FIELD(api_, nudge_connector_api, receive) || api_->receive == nullptr) {
    Outcome outcome;
    outcome.status = OutcomeStatus::not_sent;
    outcome.http_status = 404;
    outcome.detail = "this plugin takes no callbacks";
    return outcome;
  }
  return call(api_->receive, request, kReportsBytesMax);
}

Outcome Plugin::call(void (*function)(nudge_connector*, const nudge_request*, nudge_result*), const nudge_request& request,
                     std::size_t result_bytes_max) const {
  std::array<char, kProviderRefBytesMax> ref{};
  std::array<char, kDetailBytesMax> detail{};
  nudge_result result{};
  result.struct_size = sizeof result;
  result.abi_major = NUDGE_ABI_MAJOR;
  result.abi_minor = NUDGE_ABI_MINOR;
  result.provider_ref = {ref.data(), ref.size(), 0};
  result.detail = {detail.data(), detail.size(), 0};
  std::string answer(result_bytes_max, '\0');
  result.result = {answer.data(), answer.size(), 0};
  function(instance_, &request, &result);
  Outcome outcome;
  outcome.detail = secrets_.redact(clean_text({detail.data(), std::min(result.detail.size, detail.size())}, kDetailBytesMax));
  if (result.status < NUDGE_ACCEPTED || result.status > NUDGE_BAD_CONFIG) {
    outcome.detail = "the plugin answered with the invalid status " + std::to_string(result.status);
    return outcome;
  }
  outcome.status = static_cast<OutcomeStatus>(result.status);
  outcome.retryable = result.status == NUDGE_NOT_SENT && result.retryable != 0;
  outcome.http_status = std::clamp(result.http_status, 0, 999);
  outcome.retry_after_ms = std::clamp<std::int64_t>(result.retry_after_ms, 0, kRetryAfterMsMax);
  outcome.provider_ref = secrets_.redact(clean_text({ref.data(), std::min(result.provider_ref.size, ref.size())}, kProviderRefBytesMax));
  if (outcome.status == OutcomeStatus::accepted) outcome.result_json = secrets_.redact(answer.substr(0, result.result.size));
  if (const std::string problem = outcome.result_json.empty() ? std::string() : result_problem(outcome.result_json, result_bytes_max);
      !problem.empty()) {
    outcome = Outcome{};
    outcome.detail = "the plugin accepted, but its result " + problem;
  }
  return outcome;
}

}  // namespace nudge::connectors
