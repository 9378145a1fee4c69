// Tokens and accounts on disk: JSON in Family::meta under access/token/ID and access/user/NAME. Members may be added; none is renamed.
#include <boost/json.hpp>

#include "daemon/access/accounts.h"
#include "daemon/store/keys.h"

namespace nudge::access {
namespace {

namespace bj = boost::json;
using daemon::Family;

std::string text(const bj::object& object, std::string_view name) {
  const bj::value* value = object.if_contains(bj::string_view(name.data(), name.size()));
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

TimeMs number(const bj::object& object, std::string_view name) {
  const bj::value* value = object.if_contains(bj::string_view(name.data(), name.size()));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

Result<Roles> roles_of(const bj::object& object) {
  std::vector<std::string> names;
  if (const bj::value* list = object.if_contains("roles"); list != nullptr && list->is_array())
    for (const bj::value& name : list->get_array())
      if (name.is_string()) names.emplace_back(name.get_string().data(), name.get_string().size());
  return parse_roles(names);
}

bj::array roles_json(Roles roles) {
  bj::array out;
  for (const std::string_view name : role_names(roles)) out.emplace_back(bj::string_view(name.data(), name.size()));
  return out;
}

std::string serialized(const bj::object& object) { return bj::serialize(object); }

Result<bj::object> parsed(std::string_view json) {
  boost::system::error_code error;
  bj::value value = bj::parse(bj::string_view(json.data(), json.size()), error);
  if (error || !value.is_object()) return fail(Code::corrupt, "a record of a token or an account can't be read");
  return std::move(value.get_object());
}

}  // namespace

Result<Accounts::Token> Accounts::read_token(std::string_view json) {
  NUDGE_ASSIGN(const bj::object o, parsed(json));
  Token token;
  token.info.id = text(o, "id");
  token.info.name = text(o, "name");
  NUDGE_ASSIGN(token.info.roles, roles_of(o));
  token.info.created = number(o, "created");
  token.info.expires = number(o, "expires");
  token.info.revoked = number(o, "revoked");
  token.info.created_by = text(o, "created_by");
  token.info.previous_until = number(o, "previous_until");
  token.hash = text(o, "hash");
  token.previous_hash = text(o, "previous_hash");
  if (token.info.id.empty() || token.hash.size() != 64) return fail(Code::corrupt, "a record of a token can't be read");
  return token;
}

Result<Accounts::User> Accounts::read_user(std::string_view json) {
  NUDGE_ASSIGN(const bj::object o, parsed(json));
  User user;
  user.info.name = text(o, "name");
  NUDGE_ASSIGN(user.info.roles, roles_of(o));
  const bj::value* disabled = o.if_contains("disabled");
  user.info.disabled = disabled != nullptr && disabled->is_bool() && disabled->get_bool();
  user.info.created = number(o, "created");
  user.info.changed = number(o, "changed");
  user.password = text(o, "password");
  if (user.info.name.empty() || user.password.empty()) return fail(Code::corrupt, "a record of an account can't be read");
  return user;
}

Result<void> Accounts::load() {
  const std::lock_guard lock(mutex_);
  std::optional<Error> broken;
  const std::string tokens = "access/token/", users = "access/user/";
  NUDGE_TRY(store_.scan(Family::meta, tokens, daemon::prefix_end(tokens), [&](std::string_view, std::string_view value) {
    Result<Token> token = read_token(value);
    if (token) {
      std::string id = token->info.id;
      tokens_.emplace(std::move(id), *std::move(token));
    } else {
      broken = token.error();
    }
    return !broken;
  }));
  NUDGE_TRY(store_.scan(Family::meta, users, daemon::prefix_end(users), [&](std::string_view, std::string_view value) {
    Result<User> user = read_user(value);
    if (user) {
      std::string name = user->info.name;
      users_.emplace(std::move(name), *std::move(user));
    } else {
      broken = user.error();
    }
    return !broken;
  }));
  if (broken) return std::unexpected(*broken);
  return load_sessions();
}

Result<void> Accounts::load_sessions() {
  const TimeMs now = options_.clock();
  daemon::WriteSet ended;
  NUDGE_TRY(store_.scan(Family::meta, kSessionPrefix, daemon::prefix_end(kSessionPrefix), [&](std::string_view key, std::string_view value) {
    const Result<bj::object> o = parsed(value);
    const Session session = o ? Session{text(*o, "user"), text(*o, "csrf"), number(*o, "created"), number(*o, "used"), number(*o, "used")}
                              : Session();
    if (session.user.empty() || session.csrf.empty() || over(session, now))
      ended.erase(Family::meta, key);
    else
      sessions_.emplace(key.substr(kSessionPrefix.size()), session);
    return true;
  }));
  return store_.commit(std::move(ended));
}

Result<void> Accounts::save(const std::string& hash, const Session& session) {
  bj::object o;
  o["user"] = session.user;
  o["csrf"] = session.csrf;
  o["created"] = session.created;
  o["used"] = session.used;
  daemon::WriteSet set;
  set.put(Family::meta, std::string(kSessionPrefix) + hash, serialized(o));
  return store_.commit(std::move(set));
}

Result<void> Accounts::save(const Token& token) {
  bj::object o;
  o["id"] = token.info.id;
  o["name"] = token.info.name;
  o["roles"] = roles_json(token.info.roles);
  o["created"] = token.info.created;
  o["expires"] = token.info.expires;
  o["revoked"] = token.info.revoked;
  o["created_by"] = token.info.created_by;
  o["previous_until"] = token.info.previous_until;
  o["hash"] = token.hash;
  o["previous_hash"] = token.previous_hash;
  daemon::WriteSet set;
  set.put(Family::meta, "access/token/" + token.info.id, serialized(o));
  return store_.commit(std::move(set));
}

Result<void> Accounts::save(const User& user) {
  bj::object o;
  o["name"] = user.info.name;
  o["roles"] = roles_json(user.info.roles);
  o["disabled"] = user.info.disabled;
  o["created"] = user.info.created;
  o["changed"] = user.info.changed;
  o["password"] = user.password;
  daemon::WriteSet set;
  set.put(Family::meta, "access/user/" + user.info.name, serialized(o));
  return store_.commit(std::move(set));
}

Result<void> Accounts::erase(const std::string& key) {
  daemon::WriteSet set;
  set.erase(Family::meta, key);
  return store_.commit(std::move(set));
}

}  // namespace nudge::access
