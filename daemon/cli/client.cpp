#include "daemon/cli/client.h"
#include "daemon/cli/words.h"

#include <curl/curl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <mutex>

namespace nudge::cli {
namespace {

constexpr long kConnectSeconds = 5;
constexpr long kAnswerSeconds = 120;
constexpr std::size_t kBodyBytesMax = std::size_t{1} << 30U;

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  return text;
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* out) {
  auto& body = *static_cast<std::string*>(out);
  if (body.size() + size * count > kBodyBytesMax) return 0;
  body.append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* out) {
  const std::string_view line(data, size * count);
  constexpr std::string_view kName = "retry-after:";
  if (line.size() > kName.size() && curl_strnequal(line.data(), kName.data(), kName.size()) != 0) {
    const long seconds = std::strtol(std::string(line.substr(kName.size())).c_str(), nullptr, 10);
    static_cast<Reply*>(out)->retry_after = std::chrono::seconds(seconds > 0 ? seconds : 0);
  }
  return size * count;
}

}  // namespace

struct Client::Impl {
  CURL* handle = nullptr;
};

Client::Client(std::string url, std::string token, std::string authorities, bool personal)
    : url_(std::move(url)),
      token_(std::move(token)),
      authorities_(std::move(authorities)),
      personal_(personal),
      impl_(std::make_unique<Impl>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  while (url_.ends_with('/')) url_.pop_back();
  impl_->handle = curl_easy_init();
}

Client::~Client() {
  if (impl_->handle != nullptr) curl_easy_cleanup(impl_->handle);
}

void Client::secure() {
  CURL* curl = impl_->handle;
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (!authorities_.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, authorities_.c_str());
  if (!pinned_.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, pinned_.c_str());
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
}

Result<Reply> Client::send(std::string_view method, std::string_view path, std::string_view body, std::string_view content_type) {
  CURL* curl = impl_->handle;
  if (curl == nullptr) return fail(Code::internal, say("libcurl could not be set up"));
  curl_easy_reset(curl);
  Reply reply;
  const std::string target = url_ + std::string(path), verb(method);
  curl_easy_setopt(curl, CURLOPT_URL, target.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb.c_str());
  secure();
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, kAnswerSeconds);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  if (method != "GET") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    headers = curl_slist_append(headers, ("Content-Type: " + std::string(content_type)).c_str());
  }
  if (!token_.empty()) headers = curl_slist_append(headers, ("Authorization: Bearer " + token_).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code != CURLE_OK) {
    std::string message = say("nudged does not answer at {1}: {2}", {url_, curl_easy_strerror(code)});
    if (code == CURLE_COULDNT_CONNECT)
      message += say(". Is it running? Start it with `nudged`, or say where it is with --url or NUDGE_URL");
    return fail(Code::unavailable, std::move(message));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  return reply;
}

namespace {

struct Streaming {
  CURL* curl;
  Reply reply;
  const std::function<bool(std::string_view)>& each;
  bool enough = false;
};

std::size_t take_piece(char* data, std::size_t size, std::size_t count, void* to) {
  auto& streaming = *static_cast<Streaming*>(to);
  long status = 0;
  curl_easy_getinfo(streaming.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return take_body(data, size, count, &streaming.reply.body);
  streaming.enough = !streaming.each(std::string_view(data, size * count));
  return streaming.enough ? 0 : size * count;
}

}  // namespace

Result<Reply> Client::stream(std::string_view path, const std::vector<std::string>& lines, const std::function<bool(std::string_view)>& each) {
  CURL* curl = impl_->handle;
  if (curl == nullptr) return fail(Code::internal, say("libcurl could not be set up"));
  curl_easy_reset(curl);
  Streaming streaming{curl, {}, each};
  std::string target = url_ + std::string(path);
  if (personal_) target.append(path.find('?') == std::string_view::npos ? "?" : "&").append("personal=full");
  curl_easy_setopt(curl, CURLOPT_URL, target.c_str());
  secure();
  // A tail says something every 15 seconds.
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &streaming);
  curl_slist* headers = nullptr;
  for (const std::string& line : lines) headers = curl_slist_append(headers, line.c_str());
  if (!token_.empty()) headers = curl_slist_append(headers, ("Authorization: Bearer " + token_).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code != CURLE_OK && !streaming.enough)
    return fail(Code::unavailable, say("nudged does not answer at {1}: {2}", {url_, curl_easy_strerror(code)}));
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  streaming.reply.status = static_cast<int>(status);
  return std::move(streaming.reply);
}

Result<Json> Client::get(std::string_view path) {
  std::string whole(path);
  if (personal_) whole.append(path.find('?') == std::string_view::npos ? "?" : "&").append("personal=full");
  NUDGE_ASSIGN(const Reply reply, send("GET", whole));
  if (reply.status < 200 || reply.status > 299) return std::unexpected(error_of(reply));
  return Json::parse(reply.body);
}

Result<Json> Client::post(std::string_view path, std::string_view body, std::string_view content_type) {
  NUDGE_ASSIGN(const Reply reply, send("POST", path, body, content_type));
  if (reply.status < 200 || reply.status > 299) return std::unexpected(error_of(reply));
  if (reply.body.empty()) return Json{};
  return Json::parse(reply.body);
}

std::unique_ptr<Client> Client::without_token() const {
  auto other = std::make_unique<Client>(url_, std::string(), authorities_);
  other->pin(pinned_);
  return other;
}

Result<std::unique_ptr<Client>> connect(const Door& door) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string url = door.url.empty() ? variable("NUDGE_URL") : door.url;
  std::string token = variable("NUDGE_TOKEN"), authorities = door.authorities.empty() ? variable("NUDGE_CA") : door.authorities;
  std::string pinned;
  if (!door.local.empty()) {
    token = first_line_of(door.local + "/nudged.token");
    if (door.url.empty()) url = first_line_of(door.local + "/nudged.url");
    if (token.empty())
      return fail(
          Code::not_found,
          say("no nudged runs on {1}, or this user may not read its nudged.token; give --local its data_dir, as its user", {door.local}));
    if (authorities.empty() && ::access((door.local + "/nudged.crt").c_str(), R_OK) == 0) pinned = door.local + "/nudged.crt";
  }
  auto client = std::make_unique<Client>(url.empty() ? kDefaultUrl : url, std::move(token), std::move(authorities), door.personal);
  client->pin(std::move(pinned));
  return client;
}

Error error_of(const Reply& reply) {
  Error error{Code::invalid, {}};
  if (reply.status == 404) error.code = Code::not_found;
  if (reply.status == 409) error.code = Code::conflict;
  if (reply.status == 401 || reply.status == 403) error.code = Code::denied;
  if (reply.status == 429 || reply.status == 502 || reply.status == 503 || reply.status == 504) error.code = Code::unavailable;
  if (const auto json = Json::parse(reply.body)) {
    const Json& inner = (*json)["error"];
    const Json& source = inner.kind == Json::Kind::object ? inner : *json;
    error.message = source.first_of({"message", "reason", "detail", "title"}).shown();
    if (error.message.empty()) error.message = inner.shown();
    if (const std::string hint = source["hint"].shown(); !hint.empty()) error.message += " (" + hint + ")";
  }
  if (error.message.empty())
    error.message =
        say("nudged answered {1}", {std::to_string(reply.status) + (reply.body.empty() ? "" : ": " + reply.body.substr(0, 300))});
  return error;
}

std::string url_escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                       byte == '_' || byte == '.' || byte == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::string query(const std::vector<std::pair<std::string_view, std::string>>& pairs) {
  std::string out;
  for (const auto& [key, value] : pairs) {
    if (value.empty()) continue;
    out += out.empty() ? "?" : "&";
    out += std::string(key) + "=" + url_escape(value);
  }
  return out;
}

std::string body_of(const std::vector<std::pair<std::string, std::string>>& members) {
  Json body;
  body.kind = Json::Kind::object;
  for (const auto& [key, text] : members) {
    Json value;
    value.kind = Json::Kind::text;
    value.text = text;
    if (!text.empty()) body.members.push_back({key, std::move(value)});
  }
  return body.compact();
}

}  // namespace nudge::cli
