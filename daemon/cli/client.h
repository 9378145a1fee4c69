// Talks to a running nudged over its HTTP API. Not thread-safe; keeps its connection between requests.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/cli/json.h"
#include "engine/base/status.h"

namespace nudge::cli {

struct Reply {
  int status = 0;
  std::string body;
  std::chrono::milliseconds retry_after{0};  // 0: not said
};

class Client {
 public:
  // `url`: "http://127.0.0.1:8650". `token` may be empty. `authorities`: PEM file of those that may have signed the daemon's certificate;
  // empty: the system's.
  // `personal`: lists and customers are asked for with their personal data as it is.
  Client(std::string url, std::string token, std::string authorities = {}, bool personal = false);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& url() const { return url_; }
  // The daemon has the certificate of this PEM file, whatever names it has, and no other is taken. Before the first request.
  void pin(std::string certificate) { pinned_ = std::move(certificate); }
  // Another one for the same daemon, without the token.
  std::unique_ptr<Client> without_token() const;
  // `path` begins with '/'. unavailable: no connection, or no answer in time; the message says what to do.
  Result<Reply> send(std::string_view method, std::string_view path, std::string_view body = {},
                     std::string_view content_type = "application/json");
  // An answer without an end, piece by piece, until `each` answers false; the body of an HTTP error is in the reply. `headers`: lines.
  // unavailable: as send(), and when the answer was cut off.
  Result<Reply> stream(std::string_view path, const std::vector<std::string>& headers, const std::function<bool(std::string_view)>& each);
  // The answer's JSON. An HTTP error becomes an Error with the daemon's own sentence.
  Result<Json> get(std::string_view path);
  Result<Json> post(std::string_view path, std::string_view body, std::string_view content_type = "application/json");

 private:
  struct Impl;
  // Sets what holds for every request: which certificates are taken, and how long a connection may take.
  void secure();
  std::string url_;
  std::string token_;
  std::string authorities_;
  std::string pinned_;
  bool personal_ = false;
  std::unique_ptr<Impl> impl_;
};

inline constexpr const char* kDefaultUrl = "http://127.0.0.1:8650";
// How the command line says where nudged is.
struct Door {
  std::string url;          // empty: NUDGE_URL, else kDefaultUrl
  std::string local;        // data directory of the nudged on this machine; empty: by url, with NUDGE_TOKEN
  std::string authorities;  // empty: NUDGE_CA
  bool personal = false;    // ask for personal data as it is
};
// A client for that door. Nothing is sent. Error: not_found, no nudged runs on `local`, or its token can't be read.
Result<std::unique_ptr<Client>> connect(const Door& door);

// The daemon's error as a sentence, from its JSON body.
Error error_of(const Reply& reply);
// "a b" -> "a%20b": for one segment of a path or one value of a query.
std::string url_escape(std::string_view text);
// "?a=1&b=2" of the pairs whose value is not empty.
std::string query(const std::vector<std::pair<std::string_view, std::string>>& pairs);
// The members given, without those that are empty, as a JSON object.
std::string body_of(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace nudge::cli
