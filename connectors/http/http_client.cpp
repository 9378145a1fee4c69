#include "connectors/http/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "connectors/http/address_guard.h"

namespace nudge::connectors {

namespace {

constexpr std::size_t kHeaderBytesMax = 64u << 10;
constexpr std::int64_t kRetryAfterMsMax = 7ll * 24 * 3600 * 1000;
constexpr std::size_t kIdleHandlesMax = 16;

struct Transfer {
  const HttpRequest* request = nullptr;
  HttpReply* reply = nullptr;
  std::size_t header_bytes = 0;
  bool too_large = false;
  bool begun = false;     // the request was written, or is being
  bool repeated = false;  // libcurl wanted to write it once more
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.reply->body.size() + size * count > transfer.request->reply_bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.reply->body.append(data, size * count);
  return size * count;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kHeaderBytesMax) {
    transfer.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) transfer.reply->headers.clear();  // a 1xx before the answer
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r' || value.back() == ' ')) value.remove_suffix(1);
  transfer.reply->headers.emplace_back(std::move(name), std::string(value));
  return line.size();
}

curl_socket_t on_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.request->public_addresses_only && !is_public_address(&address->addr)) {
    transfer.reply->forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// libcurl sends again, unasked, when a kept connection ends before a byte of the answer came. Whether the server had read the request by
// then nobody knows: that is an unknown, and whether it is repeated is not libcurl's to say.
int before_request(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.repeated = std::exchange(transfer.begun, true) && transfer.request->method != "GET";
  return transfer.repeated ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

void configure(CURL* curl, const HttpRequest& request, Transfer& transfer, curl_slist* headers, char* error) {
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca_file.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout_ms));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout_ms));
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, request.repeatable ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, request.repeatable ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, 50L);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, before_request);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, &transfer);
  if (request.method == "GET") {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
  }
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// An answer that was too long still had its status line: the server has judged. One that broke off is no answer.
void conclude(CURL* curl, CURLcode code, const Transfer& transfer, const char* error, HttpReply& reply) {
  long status = 0, request_bytes = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
  reply.status = static_cast<int>(status);
  if (code == CURLE_OK || (transfer.too_large && status >= 200)) {
    reply.transport = HttpReply::Transport::answered;
    if (transfer.too_large) reply.error = "the answer was over " + std::to_string(transfer.request->reply_bytes_max) + " bytes and was cut";
    reply.retry_after_ms = parse_retry_after(reply.header("retry-after"), wall_ms());
    return;
  }
  if (transfer.repeated) {
    reply.transport = HttpReply::Transport::unknown;
    reply.error = "the kept connection was closed before an answer came";
    return;
  }
  reply.transport = request_bytes > 0 ? HttpReply::Transport::unknown : HttpReply::Transport::not_sent;
  reply.error = *error != '\0' ? error : curl_easy_strerror(code);
  if (reply.forbidden) reply.error = "the address is not public; set allow_private: true if the receiver is in your own network";
}

}  // namespace

// Handles that have been used before, with their kept connections. A handle serves one transfer at a time.
struct HttpClient::Pool {
  std::mutex mutex;
  std::vector<CURL*> idle;
};

void start_curl() {
  static const CURLcode kGlobal = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kGlobal != CURLE_OK) throw std::runtime_error("libcurl can't be started");
}

HttpClient::HttpClient() : pool_(std::make_unique<Pool>()) { start_curl(); }

HttpClient::~HttpClient() {
  for (CURL* curl : pool_->idle) curl_easy_cleanup(curl);
}

HttpReply HttpClient::send(const HttpRequest& request) {
  HttpReply reply;
  CURL* curl = nullptr;
  {
    const std::lock_guard lock(pool_->mutex);
    if (!pool_->idle.empty()) {
      curl = pool_->idle.back();
      pool_->idle.pop_back();
    }
  }
  if (curl == nullptr) curl = curl_easy_init();
  if (curl == nullptr) {
    reply.error = "out of memory";
    return reply;
  }
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");  // no waiting for 100-continue
  for (const auto& [name, value] : request.headers) headers = curl_slist_append(headers, (name + ": " + value).c_str());
  Transfer transfer{.request = &request, .reply = &reply};
  char error[CURL_ERROR_SIZE] = {};
  configure(curl, request, transfer, headers, error);
  const CURLcode code = curl_easy_perform(curl);
  conclude(curl, code, transfer, error, reply);
  curl_easy_reset(curl);
  curl_slist_free_all(headers);
  const std::lock_guard lock(pool_->mutex);
  if (pool_->idle.size() < kIdleHandlesMax)
    pool_->idle.push_back(curl);
  else
    curl_easy_cleanup(curl);
  return reply;
}

std::string_view HttpReply::header(std::string_view lower_case_name) const {
  for (auto it = headers.rbegin(); it != headers.rend(); ++it)
    if (it->first == lower_case_name) return it->second;
  return {};
}

std::int64_t parse_retry_after(std::string_view value, std::int64_t now_ms) {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  if (value.empty() || value.size() > 64) return 0;
  if (value.find_first_not_of("0123456789") == std::string_view::npos) {
    std::int64_t seconds = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (problem != std::errc() || seconds > kRetryAfterMsMax / 1000) return kRetryAfterMsMax;
    return seconds * 1000;
  }
  const std::int64_t when = parse_http_date(value);
  return when == 0 ? 0 : std::clamp<std::int64_t>(when - now_ms, 0, kRetryAfterMsMax);
}

std::int64_t parse_http_date(std::string_view value) {
  if (value.empty() || value.size() > 64) return 0;
  const std::time_t when = curl_getdate(std::string(value).c_str(), nullptr);
  return when < 0 ? 0 : static_cast<std::int64_t>(when) * 1000;
}

std::string excerpt(std::string_view body) {
  std::string out(body.substr(0, 300));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (body.size() > 300) out += " …";
  return out;
}

sdk::Outcome outcome_of(const HttpReply& reply) {
  using sdk::Outcome;
  if (reply.transport == HttpReply::Transport::not_sent)
    return reply.forbidden ? Outcome::refused(reply.error) : Outcome::retry(reply.error);
  if (reply.transport == HttpReply::Transport::unknown)
    return Outcome::unknown("the request left, but no whole answer came: " + reply.error, reply.status);
  const int status = reply.status;
  const std::string text = "HTTP " + std::to_string(status) + (reply.body.empty() ? "" : ": " + excerpt(reply.body));
  if (status >= 200 && status < 300) return Outcome::accepted({}, reply.error, status);
  if (status == 502 || status == 504) {
    Outcome outcome = Outcome::unknown(text, status);
    outcome.retry_after_ms = reply.retry_after_ms;
    return outcome;
  }
  if (status == 408 || status == 425 || status == 429 || status >= 500) return Outcome::retry(text, reply.retry_after_ms, status);
  if (status >= 300 && status < 400)
    return Outcome::refused("HTTP " + std::to_string(status) + ": redirects are never followed; configure the final URL", status);
  if (status == 401 || status == 403) return Outcome::bad_config(text + "; check the credentials", status);
  return Outcome::refused(text, status);
}

std::int64_t attempt_ms(std::int64_t configured_ms, std::int64_t deadline_ms, std::int64_t now_ms) {
  if (deadline_ms <= 0) return configured_ms;
  const std::int64_t left = deadline_ms - now_ms;
  return std::clamp<std::int64_t>(left - std::min<std::int64_t>(500, left / 10), 1, configured_ms);
}

}  // namespace nudge::connectors
