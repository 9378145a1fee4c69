#include "connectors/smtp/smtp.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "connectors/http/http_client.h"
#include "connectors/http/payload.h"
#include "connectors/smtp/files.h"
#include "connectors/smtp/incoming.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::uint32_t kMailboxFullAttemptsMax = 4;
constexpr std::size_t kLinesMax = 16;                // kept connections
constexpr std::size_t kMessagesPerLine = 100;        // servers like to see a new one now and then
constexpr auto kIdleMax = std::chrono::seconds(20);  // below the shortest patience of common servers

bool host_name(std::string_view text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == std::string_view::npos;
}

struct Talk {
  const std::string* message = nullptr;
  std::size_t sent = 0;
  bool needs_auth = false, authenticated = false, ended = false, refused = false;
  bool fresh = false;  // the greeting of a new connection was seen
  std::string last_line;
  std::chrono::steady_clock::time_point deadline, answered_at = std::chrono::steady_clock::time_point::max();
};

std::size_t on_reply(char* data, std::size_t size, std::size_t count, void* user) {
  auto& talk = *static_cast<Talk*>(user);
  std::string_view line(data, size * count);
  if (talk.last_line.empty() && line.starts_with("220")) {
    talk.fresh = true;
    talk.authenticated = false;  // what an earlier connection had proved
  }
  if (line.starts_with("235")) talk.authenticated = true;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (!line.empty() && !line.starts_with("221")) talk.last_line = line.substr(0, 400);  // 221 answers QUIT: not about the message
  if (talk.sent == talk.message->size() && !line.starts_with("354"))
    talk.answered_at = std::min(talk.answered_at, std::chrono::steady_clock::now());
  return size * count;
}

// libcurl asks for the message only after the server's 354. Stopping here means that nothing was delivered.
std::size_t on_upload(char* room, std::size_t size, std::size_t count, void* user) {
  auto& talk = *static_cast<Talk*>(user);
  if (talk.needs_auth && !talk.authenticated) {
    talk.refused = true;
    return CURL_READFUNC_ABORT;
  }
  const std::size_t part = std::min(size * count, talk.message->size() - talk.sent);
  std::memcpy(room, talk.message->data() + talk.sent, part);
  talk.sent += part;
  if (part == 0) talk.ended = true;
  return part;
}

// libcurl waits up to two minutes for the answer to its QUIT, whatever the timeout: it must not hold up an outcome that is known.
int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& talk = *static_cast<const Talk*>(user);
  const auto now = std::chrono::steady_clock::now();
  return now > talk.deadline || (talk.answered_at < now && now - talk.answered_at > std::chrono::milliseconds(500)) ? 1 : 0;
}

// "250 2.0.0 Ok: queued as ABC" -> the words after the code; servers put their queue id there.
std::string reference_of(const std::string& line) { return line.size() > 4 ? line.substr(4) : std::string(); }

}  // namespace

const sdk::Manifest& Smtp::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "smtp",
      .version = "1.0",
      .channels = {"email"},
      .idempotency = "none",
      .default_on_unknown = "retry",
      .fields = with_http_fields({{.name = "host", .help = "the submission server's name", .required = true},
                                  {.name = "port",
                                   .type = FieldType::integer,
                                   .help = "587 for starttls, 465 for tls",
                                   .default_json = "587",
                                   .min = 1,
                                   .max = 65'535},
                                  {.name = "security",
                                   .help = "starttls (refused when the server doesn't offer it), tls, or none",
                                   .default_json = "\"starttls\"",
                                   .one_of = {"starttls", "tls", "none"}},
                                  {.name = "username", .help = "for AUTH; with password"},
                                  {.name = "password", .type = FieldType::secret, .help = "for AUTH; with username"},
                                  {.name = "allow_clear_password",
                                   .type = FieldType::boolean,
                                   .help = "let the password cross the net with security: none",
                                   .default_json = "false"},
                                  {.name = "from", .help = "the sender: a@b or Name <a@b>", .required = true},
                                  {.name = "envelope_from", .help = "where bounces go; the sender's address when absent"},
                                  {.name = "ehlo_name", .help = "how we call ourselves; this machine's name when absent"},
                                  {.name = "message_id_domain", .help = "right side of Message-ID; the sender's domain when absent"},
                                  {.name = "files", .help = "the folder with the files that messages may carry (attachments, inline)"},
                                  {.name = "files_bytes_max",
                                   .type = FieldType::integer,
                                   .help = "all files of one message together; mail grows by a third on its way",
                                   .default_json = "7000000",
                                   .min = 1,
                                   .max = 30'000'000},
                                  callback_key_field()},
                                 "25000", "10000"),
      .receives = true};
  return kManifest;
}

void Smtp::check(sdk::Config& config) {
  for (const char* name : {"from", "envelope_from"})
    if (config.has(name))
      if (const auto mailbox = parse_mailbox(config.text(name)); !mailbox) config.problem(std::string(name) + ": " + mailbox.error());
  if (config.has("files") && !config.text("files").starts_with('/')) config.problem("files: must be an absolute path");
  for (const char* name : {"host", "ehlo_name", "message_id_domain"})
    if (!host_name(config.text(name))) config.problem(std::string(name) + ": must be a host name of letters, digits, dots and hyphens");
  if (config.has("username") != config.has("password")) config.problem("password: give username and password, or neither");
  if (config.has("password") && config.text("security") == "none" && !config.flag("allow_clear_password"))
    config.problem("security: none would send the password in clear; use starttls or tls, or set allow_clear_password: true");
}

struct Smtp::Line {
  CURL* curl = curl_easy_init();
  bool authenticated = false;
  std::size_t messages = 0;
  std::chrono::steady_clock::time_point used = {};

  Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    if (curl == nullptr) return;
    // libcurl says QUIT and waits two minutes for the answer. It is said; nobody needs to hear it.
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK && socket != CURL_SOCKET_BAD) ::shutdown(socket, SHUT_RD);
    curl_easy_cleanup(curl);
  }
};

struct Smtp::Lines {
  std::mutex mutex;
  std::vector<std::unique_ptr<Line>> idle;  // the last used at the end
};

Smtp::~Smtp() = default;

Smtp::Smtp(const sdk::Host& host, const sdk::Config& config)
    : setup_(host, config),
      security_(config.text("security")),
      username_(config.text("username")),
      password_(config.secret("password", host)),
      callback_key_(config.secret("callback_key", host)),
      files_(config.text("files")),
      files_bytes_max_(config.integer("files_bytes_max")),
      from_(*parse_mailbox(config.text("from"))),
      lines_(std::make_unique<Lines>()) {
  start_curl();
  const std::string name = config.text("host");
  url_ = (security_ == "tls" ? "smtps://" : "smtp://") + (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" +
         std::to_string(config.integer("port"));
  if (config.has("ehlo_name")) url_ += "/" + config.text("ehlo_name");
  envelope_from_ = config.has("envelope_from") ? parse_mailbox(config.text("envelope_from"))->address : from_.address;
  message_id_domain_ =
      config.has("message_id_domain") ? config.text("message_id_domain") : from_.address.substr(from_.address.rfind('@') + 1);
}

SmtpConversation Smtp::send(const std::string& recipient, const std::string& message, std::int64_t timeout_ms) {
  std::unique_ptr<Line> line;
  std::vector<std::unique_ptr<Line>> old;  // closed without the lock
  {
    const std::lock_guard lock(lines_->mutex);
    auto& idle = lines_->idle;
    const auto now = std::chrono::steady_clock::now();
    while (!idle.empty() && now - idle.front()->used > kIdleMax) {
      old.push_back(std::move(idle.front()));
      idle.erase(idle.begin());
    }
    if (!idle.empty()) {
      line = std::move(idle.back());
      idle.pop_back();
    }
  }
  old.clear();
  if (!line) line = std::make_unique<Line>();
  SmtpConversation out = talk(*line, recipient, message, timeout_ms);
  if (out.stale) {
    line = std::make_unique<Line>();
    out = talk(*line, recipient, message, timeout_ms);
  }
  if (out.curl_code != CURLE_OK || ++line->messages >= kMessagesPerLine) return out;
  line->used = std::chrono::steady_clock::now();
  const std::lock_guard lock(lines_->mutex);
  if (lines_->idle.size() < kLinesMax) lines_->idle.push_back(std::move(line));
  return out;
}

SmtpConversation Smtp::talk(Line& line, const std::string& recipient, const std::string& message, std::int64_t timeout_ms) const {
  SmtpConversation out;
  CURL* curl = line.curl;
  if (curl == nullptr) {
    out.curl_code = CURLE_OUT_OF_MEMORY;
    return out;
  }
  curl_easy_reset(curl);  // the options; the connection stays
  Talk talk{.message = &message,
            .needs_auth = !username_.empty(),
            .authenticated = line.authenticated,
            .deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms)};
  char error[CURL_ERROR_SIZE] = {};
  curl_slist* recipients = curl_slist_append(nullptr, recipient.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  if (security_ == "starttls") curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!setup_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, setup_.ca_file.c_str());
  if (!username_.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, username_.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password_.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, ("<" + envelope_from_ + ">").c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
  curl_easy_setopt(curl, CURLOPT_READDATA, &talk);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(message.size()));
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_reply);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &talk);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &talk);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(setup_.connect_timeout_ms));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  out.curl_code = static_cast<int>(curl_easy_perform(curl));
  long code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  out.reply_code = static_cast<int>(code);
  out.reply_text = talk.last_line;
  out.error = *error != '\0' ? error : curl_easy_strerror(static_cast<CURLcode>(out.curl_code));
  // libcurl knows the size, so it may send the final dot without asking for more.
  out.message_sent = talk.ended || talk.sent == message.size();
  out.not_authenticated = talk.refused;
  // 421: "I close this connection", the answer to the first command on one that idled too long.
  out.stale = line.messages > 0 && !talk.fresh && out.curl_code != CURLE_OK && talk.sent == 0 && !talk.refused &&
              (talk.last_line.empty() || talk.last_line.starts_with("421"));
  line.authenticated = talk.authenticated;
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, nullptr);
  curl_slist_free_all(recipients);
  return out;
}

sdk::Outcome smtp_outcome(const SmtpConversation& c, std::uint32_t attempt) {
  const int code = c.reply_code;
  const std::string text = c.reply_text.empty() ? c.error : c.reply_text;
  if (c.not_authenticated)
    return Outcome::bad_config("not sent: username and password are set, but the server offers no way to log in (AUTH)", code);
  if (c.curl_code == CURLE_OK && code >= 200 && code < 300) return Outcome::accepted(reference_of(c.reply_text), {}, code);
  const bool login = code == 530 || code == 534 || code == 535 || code == 538;
  if (login || (c.curl_code == CURLE_LOGIN_DENIED && code >= 500))
    return Outcome::bad_config("the server refuses the login: " + text, code);
  if (c.curl_code == CURLE_USE_SSL_FAILED)
    return Outcome::bad_config("the server offers no STARTTLS; use security: tls or another port", code);
  if (code >= 400 && code < 500) return Outcome::retry(text, 0, code);
  if (code == 552 && attempt < kMailboxFullAttemptsMax) return Outcome::retry(text, 0, code);
  if (code == 500 || (code >= 502 && code <= 504)) return Outcome::bad_config("the server doesn't understand us: " + text, code);
  if (code >= 500) return Outcome::refused(text, code);
  if (c.message_sent) return Outcome::unknown("the message left, but no answer came: " + c.error, code);
  return Outcome::retry("no answer that counts: " + c.error, 0, code);
}

// A mail that came back, whole or its first 128 KiB: by `nudge callback`, or by a mail system that can POST.
Outcome Smtp::receive(const sdk::Request& request) {
  const auto inbound = Inbound::read(request.payload);
  if (!inbound) return not_understood("the callback can't be read");
  std::string why;
  if (!called_with_key(*inbound, callback_key_, why)) return not_from_provider(why);
  const auto reports = mail_reports(inbound->body, message_id_domain_);
  return reports ? reported(*reports) : not_understood("the body is no mail: it does not begin with header fields");
}

Outcome Smtp::deliver(const sdk::Request& request) {
  const Payload payload(request.payload);
  const auto to = parse_mailbox(payload.text("to"));
  if (!to) return Outcome::refused("to: " + to.error());
  Email email;
  email.from = from_;
  email.to = *to;
  email.subject = payload.text("subject");
  email.text = payload.text("text");
  email.html = payload.text("html");
  email.unsubscribe_url = payload.text("unsubscribe_url");
  if (email.text.empty() && email.html.empty()) return Outcome::refused("the message has neither text nor html");
  if (breaks_header(email.subject)) return Outcome::refused("subject: holds a line break or control character");
  if (!email.unsubscribe_url.empty() &&
      (!email.unsubscribe_url.starts_with("https://") || email.unsubscribe_url.find_first_of(" <>") != std::string::npos ||
       breaks_header(email.unsubscribe_url)))
    return Outcome::refused("unsubscribe_url: must be an https URL");
  if (const std::string reply_to = payload.text("reply_to"); !reply_to.empty()) {
    const auto mailbox = parse_mailbox(reply_to);
    if (!mailbox) return Outcome::refused("reply_to: " + mailbox.error());
    email.reply_to = format_mailbox(*mailbox);
  }
  if (request.action_id.find_first_not_of("0123456789abcdefABCDEF.-_") != std::string_view::npos)
    return Outcome::refused("the action id can't stand in a Message-ID");
  if (std::string problem = read_mail_files(payload, files_, files_bytes_max_, email); !problem.empty()) return Outcome::refused(problem);
  email.message_id = std::string(request.action_id) + "@" + message_id_domain_;
  email.date_ms = request.created_ms;
  std::int64_t timeout = attempt_ms(setup_.timeout_ms, request.deadline_ms, setup_.host.now_ms());
  if (timeout > 3'000) timeout -= 1'000;  // libcurl looks at on_progress once a second
  Outcome outcome = smtp_outcome(send("<" + to->address + ">", build_message(email), timeout), request.attempt);
  if (outcome.status == sdk::Status::accepted && outcome.provider_ref.empty()) outcome.provider_ref = email.message_id;
  return outcome;
}

}  // namespace nudge::connectors
