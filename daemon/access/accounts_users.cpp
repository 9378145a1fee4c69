// People and their sessions.
#include <algorithm>
#include <utility>

#include "daemon/access/accounts.h"
#include "daemon/access/secrets.h"

namespace nudge::access {
namespace {

constexpr std::size_t kUsersMax = 10'000;
constexpr std::size_t kSessionsMax = 10'000;
constexpr TimeMs kSaveEvery = 5LL * 60 * 1000;

bool is_user_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '@';
  });
}

}  // namespace

Result<UserInfo> Accounts::add_user(const std::string& name, Roles roles, const Secret& password) {
  if (!is_user_name(name)) return fail(Code::invalid, "an account's name has 1 to 64 of: small letters, digits, '-', '_', '.', '@'");
  if ((roles & kEveryRole) == 0) return fail(Code::invalid, "an account needs a role");
  NUDGE_TRY(check_password(password.reveal(), name));
  User user;
  NUDGE_ASSIGN(user.password, hash_password(password.reveal()));
  user.info = {name, roles & kEveryRole, false, options_.clock(), options_.clock()};
  const std::lock_guard change(change_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (users_.contains(name)) return fail(Code::conflict, "there is an account '" + name + "' already");
    if (users_.size() >= kUsersMax) return fail(Code::conflict, "there are 10000 accounts; remove some");
  }
  NUDGE_TRY(save(user));
  const std::lock_guard lock(mutex_);
  return users_.emplace(name, std::move(user)).first->second.info;
}

bool Accounts::last_admin(const std::string& name) const {
  const auto is_admin = [](const User& user) { return !user.info.disabled && (user.info.roles & kAdmin) != 0; };
  const auto found = users_.find(name);
  if (found == users_.end() || !is_admin(found->second)) return false;
  return std::ranges::none_of(users_, [&](const auto& entry) { return entry.first != name && is_admin(entry.second); });
}

// All of a person's, on disk and in memory.
Result<void> Accounts::erase_sessions(const std::string& user) {
  daemon::WriteSet set;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(sessions_, [&](const auto& entry) {
      if (entry.second.user != user) return false;
      set.erase(daemon::Family::meta, std::string(kSessionPrefix) + entry.first);
      return true;
    });
  }
  return store_.commit(std::move(set));
}

Result<UserInfo> Accounts::change_user(const std::string& name, const UserChange& wanted) {
  std::string hash;
  if (wanted.password) {
    NUDGE_TRY(check_password(wanted.password->reveal(), name));
    NUDGE_ASSIGN(hash, hash_password(wanted.password->reveal()));
  }
  const std::lock_guard change(change_mutex_);
  User user;
  {
    const std::lock_guard lock(mutex_);
    const auto found = users_.find(name);
    if (found == users_.end()) return fail(Code::not_found, "there is no account '" + name.substr(0, 64) + "'");
    user = found->second;
    const bool loses = wanted.disabled.value_or(false) || (wanted.roles && (*wanted.roles & kAdmin) == 0);
    if (loses && last_admin(name))
      return fail(Code::conflict, "this is the last admin; make another one first, or nobody could manage accounts");
  }
  if (wanted.roles) user.info.roles = *wanted.roles & kEveryRole;
  if (wanted.disabled) user.info.disabled = *wanted.disabled;
  if (!hash.empty()) user.password = std::move(hash);
  user.info.changed = options_.clock();
  NUDGE_TRY(save(user));
  const UserInfo info = user.info;
  {
    const std::lock_guard lock(mutex_);
    users_[name] = std::move(user);
  }
  // After that: whoever logs in from now on does so by what is in force.
  if (wanted.password || info.disabled) NUDGE_TRY(erase_sessions(name));
  return info;
}

Result<void> Accounts::remove_user(const std::string& name) {
  const std::lock_guard change(change_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (!users_.contains(name)) return fail(Code::not_found, "there is no account '" + name.substr(0, 64) + "'");
    if (last_admin(name)) return fail(Code::conflict, "this is the last admin; make another one first, or nobody could manage accounts");
  }
  NUDGE_TRY(erase("access/user/" + name));
  {
    const std::lock_guard lock(mutex_);
    users_.erase(name);
  }
  return erase_sessions(name);
}

std::vector<UserInfo> Accounts::users() const {
  const std::lock_guard lock(mutex_);
  std::vector<UserInfo> out;
  for (const auto& [name, user] : users_) out.push_back(user.info);
  return out;
}

Result<NewSession> Accounts::log_in(const std::string& name, const Secret& password, const std::string& address, std::int64_t& retry_ms) {
  const TimeMs now = options_.clock();
  const std::string account = name.substr(0, 64) + " " + address;
  retry_ms = std::max(by_address_.blocked(address, now), by_account_.blocked(account, now));
  if (retry_ms > 0) return fail(Code::unavailable, "too many wrong attempts; wait before the next");
  std::string hash;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = users_.find(name); found != users_.end() && !found->second.info.disabled) hash = found->second.password;
  }
  if (!verify_password(hash, password.reveal())) {
    by_address_.add(address, now);
    by_account_.add(account, now);
    return fail(Code::denied, "the name or the password is wrong");
  }
  by_account_.forget(account);
  NewSession out{Secret(random_text(32)), {"user:" + name, 0, random_text(32)}, now + options_.session_ms};
  const std::string key = sha256_hex(out.id.reveal());
  const Session session{name, out.identity.csrf, now, now, now};
  {
    const std::lock_guard lock(mutex_);
    const auto found = users_.find(name);
    if (found == users_.end() || found->second.info.disabled || found->second.password != hash)
      return fail(Code::denied, "the name or the password is wrong");  // changed while it was checked
    out.identity.roles = found->second.info.roles;
    std::erase_if(sessions_, [&](const auto& entry) { return over(entry.second, now); });
    if (sessions_.size() >= kSessionsMax) return fail(Code::unavailable, "too many people are logged in");
    sessions_.emplace(key, session);
  }
  NUDGE_TRY(save(key, session));
  return out;
}

std::optional<Identity> Accounts::identify_session(std::string_view id) {
  const TimeMs now = options_.clock();
  const std::string hash = sha256_hex(id);
  std::optional<Session> to_save;
  std::optional<Identity> identity;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(hash);
    if (found == sessions_.end()) return std::nullopt;
    Session& session = found->second;
    const auto user = users_.find(session.user);
    if (over(session, now) || user == users_.end() || user->second.info.disabled) {
      sessions_.erase(found);
      return std::nullopt;
    }
    session.used = now;
    if (now - session.saved >= kSaveEvery) {
      session.saved = now;
      to_save = session;
    }
    identity = Identity{"user:" + session.user, user->second.info.roles, session.csrf};
  }
  if (to_save) {
    auto work = [this, hash, session = *to_save] {
      // One that has ended meanwhile stays ended.
      const std::lock_guard lock(mutex_);
      if (sessions_.contains(hash)) (void)save(hash, session);
    };
    if (background_)
      background_(std::move(work));
    else
      work();
  }
  return identity;
}

bool Accounts::session_lives(std::string_view id) const {
  const std::string hash = sha256_hex(id);
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(hash);
  if (found == sessions_.end() || over(found->second, options_.clock())) return false;
  const auto user = users_.find(found->second.user);
  return user != users_.end() && !user->second.info.disabled;
}

void Accounts::log_out(std::string_view id) {
  const std::string hash = sha256_hex(id);
  const std::lock_guard lock(mutex_);
  if (sessions_.erase(hash) != 0) (void)erase(std::string(kSessionPrefix) + hash);  // a failing disk ends the process anyway
}

}  // namespace nudge::access
