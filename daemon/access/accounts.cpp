// Tokens and who is asking.
#include "daemon/access/accounts.h"

#include <algorithm>
#include <utility>

#include "daemon/access/secrets.h"

namespace nudge::access {
namespace {

constexpr std::string_view kPrefix = "nudge_";
constexpr std::size_t kIdBytes = 9;  // 12 characters
constexpr std::size_t kIdText = 12;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kTokensMax = 10'000;
constexpr std::size_t kNameMax = 100;

// Ids go into paths and logs: letters and digits only.
std::string token_id() {
  for (;;) {
    std::string id = random_text(kIdBytes);
    if (id.find_first_of("-_") == std::string::npos) return id;
  }
}

}  // namespace

Accounts::Accounts(daemon::Store& store, AccountsOptions options)
    : store_(store), options_(std::move(options)), local_(std::string(kPrefix) + "local_" + random_text(kSecretBytes)) {
  local_hash_ = sha256_hex(local_.reveal());
  if (!options_.fixed_token.empty()) fixed_hash_ = sha256_hex(options_.fixed_token.reveal());
}

Result<std::unique_ptr<Accounts>> Accounts::open(daemon::Store& store, AccountsOptions options) {
  NUDGE_TRY(init_secrets());
  std::unique_ptr<Accounts> accounts(new Accounts(store, std::move(options)));
  NUDGE_TRY(accounts->load());
  return accounts;
}

bool Accounts::is_open() const {
  if (options_.demand != Demand::automatic) return options_.demand == Demand::open;
  const std::lock_guard lock(mutex_);
  // Revoked and disabled ones count: nobody opens the door by taking the last key away.
  return fixed_hash_.empty() && tokens_.empty() && users_.empty();
}

std::optional<Identity> Accounts::identify_token(std::string_view text) const {
  const std::string hash = sha256_hex(text);
  if (same_secret(hash, local_hash_)) return Identity{"local", kEveryRole, {}};
  if (!fixed_hash_.empty() && same_secret(hash, fixed_hash_)) return Identity{"token:http.token", kEveryRole, {}};
  if (!text.starts_with(kPrefix) || text.size() < kPrefix.size() + kIdText) return std::nullopt;
  const TimeMs now = options_.clock();
  const std::lock_guard lock(mutex_);
  const auto found = tokens_.find(text.substr(kPrefix.size(), kIdText));
  if (found == tokens_.end()) return std::nullopt;
  const Token& token = found->second;
  const bool current = same_secret(hash, token.hash);
  const bool previous = same_secret(hash, token.previous_hash) && now < token.info.previous_until;
  if ((!current && !previous) || token.info.revoked != 0 || (token.info.expires != 0 && now >= token.info.expires)) return std::nullopt;
  return Identity{"token:" + token.info.name, token.info.roles, {}};
}

Result<Accounts::NewToken> Accounts::create_token(const std::string& name, Roles roles, TimeMs expires, const std::string& by) {
  const bool bad = name.empty() || name.size() > kNameMax ||
                   std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (bad) return fail(Code::invalid, "a token's name has 1 to 100 characters without spaces; name it after who uses it");
  if ((roles & kEveryRole) == 0) return fail(Code::invalid, "a token needs a role");
  const TimeMs now = options_.clock();
  if (expires != 0 && expires <= now) return fail(Code::invalid, "the token would have expired already");
  const std::lock_guard change(change_mutex_);
  Token token;
  {
    const std::lock_guard lock(mutex_);
    if (tokens_.size() >= kTokensMax) return fail(Code::conflict, "there are 10000 tokens; use fewer, with a longer life");
    for (const auto& [id, other] : tokens_)
      if (other.info.name == name && other.info.revoked == 0)
        return fail(Code::conflict, "there is a token '" + name + "' already; rotate it, revoke it, or choose another name");
    do token.info.id = token_id();
    while (tokens_.contains(token.info.id));
  }
  token.info.name = name;
  token.info.roles = roles & kEveryRole;
  token.info.created = now;
  token.info.expires = expires;
  token.info.created_by = by;
  Secret secret(std::string(kPrefix) + token.info.id + "_" + random_text(kSecretBytes));
  token.hash = sha256_hex(secret.reveal());
  NUDGE_TRY(save(token));
  NewToken out{token.info, std::move(secret)};
  const std::lock_guard lock(mutex_);
  tokens_.emplace(token.info.id, std::move(token));
  return out;
}

Result<Accounts::NewToken> Accounts::rotate_token(const std::string& id, TimeMs overlap_ms) {
  const std::lock_guard change(change_mutex_);
  Token token;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tokens_.find(id);
    if (found == tokens_.end()) return fail(Code::not_found, "there is no token with this id; see `nudge token list`");
    token = found->second;
  }
  if (token.info.revoked != 0) return fail(Code::conflict, "this token has been revoked; make a new one");
  Secret secret(std::string(kPrefix) + token.info.id + "_" + random_text(kSecretBytes));
  token.previous_hash = std::exchange(token.hash, sha256_hex(secret.reveal()));
  token.info.previous_until = options_.clock() + overlap_ms;
  NUDGE_TRY(save(token));
  NewToken out{token.info, std::move(secret)};
  const std::lock_guard lock(mutex_);
  tokens_[id] = std::move(token);
  return out;
}

Result<void> Accounts::revoke_token(const std::string& id) {
  const std::lock_guard change(change_mutex_);
  Token token;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tokens_.find(id);
    if (found == tokens_.end()) return fail(Code::not_found, "there is no token with this id; see `nudge token list`");
    token = found->second;
  }
  if (token.info.revoked != 0) return {};
  token.info.revoked = options_.clock();
  NUDGE_TRY(save(token));
  const std::lock_guard lock(mutex_);
  tokens_[id] = std::move(token);
  return {};
}

std::vector<TokenInfo> Accounts::tokens() const {
  const std::lock_guard lock(mutex_);
  std::vector<TokenInfo> out;
  for (const auto& [id, token] : tokens_) out.push_back(token.info);
  std::ranges::sort(out, {}, &TokenInfo::created);
  return out;
}

}  // namespace nudge::access
