// Tokens of machines, accounts of people and their sessions, kept in the store (Family::meta, access/…), hashed. When a session was last
// used is written every few minutes only.
//
// Thread-safety: all functions from any thread. identify_token and identify_session are quick; those that hash a password (log_in,
// add_user, change_user) take a tenth of a second and those that change something wait for the disk: call them on a worker.
// Ownership: refers to the store, which must outlive it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/access/limits.h"
#include "daemon/access/roles.h"
#include "daemon/log/secret.h"
#include "daemon/store/store.h"
#include "engine/base/time.h"

namespace nudge::access {

// Whether credentials are asked for: `automatic` from the moment on in which there are any.
enum class Demand : std::uint8_t { automatic, required, open };

inline constexpr std::string_view kSessionPrefix = "access/session/";  // and the SHA-256 of its id

struct AccountsOptions {
  Demand demand = Demand::automatic;
  Secret fixed_token;             // of the configuration (http.token): an admin
  std::function<TimeMs()> clock;  // milliseconds since 1970
  TimeMs idle_ms = 30LL * 60 * 1000;
  TimeMs session_ms = 12LL * 60 * 60 * 1000;
};

// Whom a request comes from.
struct Identity {
  std::string actor;  // "token:crm", "user:lin", "local", "anybody"
  Roles roles = 0;
  std::string csrf;  // of a session: what a change must bring along
};

struct TokenInfo {
  std::string id, name;
  Roles roles = 0;
  TimeMs created = 0, expires = 0, revoked = 0;  // 0: never
  std::string created_by;
  TimeMs previous_until = 0;  // until when the secret before the last rotation is taken too
};

struct UserInfo {
  std::string name;
  Roles roles = 0;
  bool disabled = false;
  TimeMs created = 0, changed = 0;
};

struct NewSession {
  Secret id;  // for the cookie
  Identity identity;
  TimeMs expires = 0;
};

class Accounts {
 public:
  // Reads what is in the store. Error: the store's, or a record that is broken.
  static Result<std::unique_ptr<Accounts>> open(daemon::Store& store, AccountsOptions options);

  // True while nobody is asked for credentials.
  bool is_open() const;
  // A secret that is an admin's for the life of this process; for a file that only this user can read.
  Secret local_token() const { return local_; }

  // Before requests come: where to do what waits for the disk and has time. Without it, it is done at once.
  void use_background(std::function<void(std::function<void()>)> post) { background_ = std::move(post); }
  // True while this session may be used; asking is no use of it. For what goes on for long after it was let in.
  bool session_lives(std::string_view id) const;
  std::optional<Identity> identify_token(std::string_view text) const;
  // Moves the end of the idle time on.
  std::optional<Identity> identify_session(std::string_view id);

  struct NewToken {
    TokenInfo info;
    Secret secret;  // shown once
  };
  // `expires` 0: never. Error (invalid): name or roles.
  Result<NewToken> create_token(const std::string& name, Roles roles, TimeMs expires, const std::string& by);
  // A new secret for it; the old one is taken for `overlap_ms` more.
  Result<NewToken> rotate_token(const std::string& id, TimeMs overlap_ms);
  Result<void> revoke_token(const std::string& id);
  std::vector<TokenInfo> tokens() const;

  Result<UserInfo> add_user(const std::string& name, Roles roles, const Secret& password);
  struct UserChange {
    std::optional<Roles> roles;
    std::optional<Secret> password;  // ends the person's sessions
    std::optional<bool> disabled;
  };
  // Takes effect on live sessions at once. Error (conflict): nobody would be left who may manage accounts.
  Result<UserInfo> change_user(const std::string& name, const UserChange& change);
  Result<void> remove_user(const std::string& name);
  std::vector<UserInfo> users() const;

  // Error (denied): wrong, in the same words for a wrong name and a wrong password; (unavailable): too many mistakes, `retry_ms` says how
  // long.
  Result<NewSession> log_in(const std::string& name, const Secret& password, const std::string& address, std::int64_t& retry_ms);
  void log_out(std::string_view id);

 private:
  struct Token {
    TokenInfo info;
    std::string hash, previous_hash;
  };
  struct User {
    UserInfo info;
    std::string password;  // its hash
  };
  struct Session {
    std::string user, csrf;
    TimeMs created = 0, used = 0;
    TimeMs saved = 0;  // `used` as the store has it
  };

  Accounts(daemon::Store& store, AccountsOptions options);
  Result<void> load();
  Result<void> save(const Token& token);
  Result<void> save(const User& user);
  Result<void> erase(const std::string& key);
  static Result<Token> read_token(std::string_view json);
  static Result<User> read_user(std::string_view json);
  Result<void> load_sessions();  // with the mutex held
  Result<void> save(const std::string& hash, const Session& session);
  Result<void> erase_sessions(const std::string& user);
  bool over(const Session& session, TimeMs now) const {
    return now - session.used >= options_.idle_ms || now - session.created >= options_.session_ms;
  }
  bool last_admin(const std::string& name) const;  // with the mutex held

  daemon::Store& store_;
  const AccountsOptions options_;
  std::function<void(std::function<void()>)> background_;
  Secret local_;
  std::string local_hash_, fixed_hash_;
  mutable std::mutex mutex_;
  std::mutex change_mutex_;  // one change at a time; taken before mutex_
  std::map<std::string, Token, std::less<>> tokens_;
  std::map<std::string, User, std::less<>> users_;
  std::unordered_map<std::string, Session> sessions_;  // by the hash of the id
  Mistakes by_address_{20, 15LL * 60 * 1000};
  Mistakes by_account_{10, 15LL * 60 * 1000};  // account and address
};

}  // namespace nudge::access
