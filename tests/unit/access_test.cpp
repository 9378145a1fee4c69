// Tokens, accounts, sessions and the gate, with a clock of their own.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/access/accounts.h"
#include "daemon/access/audit.h"
#include "daemon/access/gate.h"
#include "daemon/access/secrets.h"

namespace nudge::access {
namespace {

struct Place {
  std::string path = "/tmp/nudge-access-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  static inline int counter = 0;
  std::unique_ptr<daemon::Store> store;
  Place() { reopen(); }
  void reopen() {
    store.reset();
    daemon::StoreOptions o;
    o.path = path;
    o.low_space_bytes = 0;
    store = daemon::Store::open(std::move(o)).value();
  }
  ~Place() {
    store.reset();
    std::filesystem::remove_all(path);
  }
};

struct World {
  Place place;
  TimeMs now = 1'800'000'000'000;
  std::unique_ptr<Accounts> accounts = open();
  std::unique_ptr<Accounts> open() {
    AccountsOptions o;
    o.clock = [this] { return now; };
    return Accounts::open(*place.store, std::move(o)).value();
  }
  std::optional<Identity> who(const Secret& secret) const { return accounts->identify_token(secret.reveal()); }
};

constexpr TimeMs kHour = 3'600'000;
const char* const kPassword = "correct horse battery";

}  // namespace

TEST_CASE("access token: its time, its overlap, its end") {
  World w;
  CHECK(w.accounts->is_open());
  const auto made = w.accounts->create_token("crm", kIngest | kViewer, w.now + kHour, "local").value();
  CHECK_FALSE(w.accounts->is_open());
  CHECK(w.who(made.secret)->actor == "token:crm");
  CHECK(w.who(made.secret)->roles == (kIngest | kViewer));
  CHECK_FALSE(w.accounts->create_token("crm", kViewer, 0, "").has_value());
  CHECK_FALSE(w.accounts->create_token("late", kViewer, w.now, "").has_value());
  const auto next = w.accounts->rotate_token(made.info.id, 1000).value();
  CHECK(w.who(made.secret));
  w.now += 1000;
  CHECK_FALSE(w.who(made.secret));
  CHECK(w.who(next.secret));
  w.accounts = w.open();
  CHECK(w.who(next.secret));
  w.now += kHour - 1001;
  CHECK(w.who(next.secret));
  w.now += 1;
  CHECK_FALSE(w.who(next.secret));
  const auto other = w.accounts->create_token("other", kViewer, 0, "").value();
  REQUIRE(w.accounts->revoke_token(other.info.id));
  CHECK_FALSE(w.who(other.secret));
  CHECK_FALSE(w.accounts->rotate_token(other.info.id, 0).has_value());
  w.accounts = w.open();
  CHECK_FALSE(w.who(other.secret));
  CHECK_FALSE(w.accounts->is_open());
}

TEST_CASE("access session: idle, too old, never beyond") {
  World w;
  REQUIRE(w.accounts->add_user("lin", kViewer, Secret(kPassword)));
  std::int64_t retry = 0;
  const auto log_in = [&] { return w.accounts->log_in("lin", Secret(kPassword), "10.0.0.1", retry).value(); };
  const auto idle = log_in();
  w.now += kHour / 2 - 1;
  CHECK(w.accounts->identify_session(idle.id.reveal()));
  w.now += kHour / 2;
  CHECK_FALSE(w.accounts->identify_session(idle.id.reveal()));
  const auto old = log_in();
  int used = 0;
  for (const TimeMs end = w.now + 12 * kHour; w.now < end; w.now += kHour / 4)
    used += w.accounts->identify_session(old.id.reveal()) ? 1 : 0;
  CHECK(used == 48);
  CHECK_FALSE(w.accounts->identify_session(old.id.reveal()));
}

TEST_CASE("access session: it outlives a restart, and so does its end") {
  World w;
  REQUIRE(w.accounts->add_user("lin", kViewer, Secret(kPassword)));
  REQUIRE(w.accounts->add_user("wu", kViewer, Secret(kPassword)));
  std::int64_t retry = 0;
  const auto log_in = [&](const char* name) { return w.accounts->log_in(name, Secret(kPassword), "10.0.0.1", retry).value(); };
  const auto stays = log_in("lin"), ended = log_in("lin"), idle = log_in("lin"), other = log_in("wu");
  w.accounts->log_out(ended.id.reveal());
  w.now += kHour / 2 - 1;
  CHECK(w.accounts->identify_session(stays.id.reveal()));
  w.now += kHour / 4;
  w.accounts = w.open();
  const auto back = w.accounts->identify_session(stays.id.reveal());
  REQUIRE(back);
  CHECK(back->actor == "user:lin");
  CHECK(back->csrf == stays.identity.csrf);
  CHECK(w.accounts->session_lives(stays.id.reveal()));
  CHECK_FALSE(w.accounts->identify_session(ended.id.reveal()));
  CHECK_FALSE(w.accounts->identify_session(idle.id.reveal()));
  CHECK_FALSE(w.accounts->session_lives(other.id.reveal()));
  // A new password ends it, for the next start as well.
  REQUIRE(w.accounts->change_user("lin", {.password = Secret("another good horse")}));
  w.accounts = w.open();
  CHECK_FALSE(w.accounts->identify_session(stays.id.reveal()));
  // The store never has what the cookie has.
  REQUIRE(w.place.store->scan(daemon::Family::meta, "", "", [&](std::string_view key, std::string_view value) {
    CHECK(key.find(stays.id.reveal()) == std::string_view::npos);
    CHECK(value.find(other.id.reveal()) == std::string_view::npos);
    return true;
  }));
}

TEST_CASE("access log-in: wrong ones are counted by account and address, and forgiven") {
  World w;
  REQUIRE(w.accounts->add_user("lin", kViewer, Secret(kPassword)));
  std::int64_t retry = 0;
  for (int i = 0; i < 10; ++i) CHECK(w.accounts->log_in("lin", Secret("wrong horse battery"), "a", retry).error().code == Code::denied);
  CHECK(w.accounts->log_in("lin", Secret(kPassword), "a", retry).error().code == Code::unavailable);
  CHECK(retry > 0);
  CHECK(w.accounts->log_in("lin", Secret(kPassword), "b", retry).has_value());
  w.now += 15 * 60 * 1000;
  CHECK(w.accounts->log_in("lin", Secret(kPassword), "a", retry).has_value());
  for (int i = 0; i < 20; ++i) (void)w.accounts->log_in("nobody" + std::to_string(i), Secret("wrong horse battery"), "c", retry);
  CHECK(w.accounts->log_in("lin", Secret(kPassword), "c", retry).error().code == Code::unavailable);
}

TEST_CASE("access rate: a steady rate and a burst, by name") {
  RateLimit limit(10);
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += limit.take("a", 0) == 0 ? 1 : 0;
  CHECK(taken == 20);
  CHECK(limit.take("a", 0) == 100);
  CHECK(limit.take("b", 0) == 0);
  CHECK(limit.take("a", 100) == 0);
  CHECK(limit.take("a", 100) > 0);
  RateLimit none(0);
  for (int i = 0; i < 1000; ++i) CHECK(none.take("a", 0) == 0);
}

TEST_CASE("access credentials: Bearer, a write key, nothing else") {
  CHECK(token_of("Bearer abc") == "abc");
  CHECK(token_of("bearer abc") == "abc");
  CHECK(token_of("Basic YWJjOg==") == "abc");
  CHECK(token_of("basic YWJjOg") == "abc");
  for (const char* wrong : {"", "Bearer", "abc", "Basic YWJj", "Basic YWJjOng=", "Basic !!", "Digest x", "Basic"})
    CHECK(token_of(wrong).empty());
}

TEST_CASE("access audit: any change of any record shows") {
  Place place;
  auto log = AuditLog::open(*place.store).value();
  for (int i = 0; i < 5; ++i) REQUIRE(log->append({1000 + i, "user:lin", "::1", "rules.apply", "POST /x\n", 200, "", "line\r\n\x1b[0m"}));
  CHECK(log->head().number == 5);
  REQUIRE(log->verify({}));
  const AuditHead at_three = [&] {
    AuditHead head;
    (void)log->read(2, [&](std::uint64_t number, std::string_view line) {
      CHECK(line.find_first_of("\r\n\x1b") == std::string_view::npos);
      head = {number, std::string(line.substr(line.size() - 66, 64))};
      return false;
    });
    return head;
  }();
  CHECK(log->verify(at_three));
  CHECK_FALSE(log->verify({3, std::string(64, '0')}));
  CHECK_FALSE(log->verify({6, std::string(64, '0')}));
  std::vector<std::pair<std::string, std::string>> records;
  REQUIRE(place.store->scan(daemon::Family::audit, "", "", [&](std::string_view key, std::string_view line) {
    records.emplace_back(key, line);
    return true;
  }));
  REQUIRE(records.size() == 5);
  const auto with = [&](auto change) {
    daemon::WriteSet set;
    change(set);
    REQUIRE(place.store->commit(std::move(set)));
    const bool whole = log->verify({}).has_value();
    for (const auto& [key, line] : records) set.put(daemon::Family::audit, key, line);
    REQUIRE(place.store->commit(std::move(set)));
    REQUIRE(log->verify({}));
    return whole;
  };
  using daemon::Family;
  for (std::size_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK_FALSE(with([&](daemon::WriteSet& set) { set.erase(Family::audit, records[i].first); }));
    for (const std::size_t at : {std::size_t{12}, records[i].second.size() / 2, records[i].second.size() - 3}) {
      std::string changed = records[i].second;
      changed[at] = changed[at] == '1' ? '2' : '1';
      CHECK_FALSE(with([&](daemon::WriteSet& set) { set.put(Family::audit, records[i].first, changed); }));
    }
  }
  CHECK_FALSE(with([&](daemon::WriteSet& set) {
    set.put(Family::audit, records[1].first, records[2].second);
    set.put(Family::audit, records[2].first, records[1].second);
  }));
  place.store->close().value();
  place.reopen();
  log = AuditLog::open(*place.store).value();
  CHECK(log->head().number == 5);
  daemon::WriteSet cut;
  cut.erase(Family::audit, records[4].first);
  REQUIRE(place.store->commit(std::move(cut)));
  CHECK(AuditLog::open(*place.store).error().code == Code::corrupt);
}

TEST_CASE("access audit: what was begun when the process ended is on record after the next start") {
  Place place;
  std::string name;
  {
    const auto log = access::AuditLog::open(*place.store);
    REQUIRE(log);
    access::AuditEntry entry{1000, "user:lin", "127.0.0.1", "rules.apply", "POST /v1/plans/7/apply", 0, "ab12", {}};
    const auto first = (*log)->intend(entry);
    REQUIRE(first);
    REQUIRE((*log)->intend(entry));  // never answered
    entry.status = 200;
    REQUIRE((*log)->append(entry, *first));
    CHECK((*log)->head().number == 1);
    name = (*log)->pseudonym("c1");
    CHECK(name != (*log)->pseudonym("c2"));
  }
  for (int start = 0; start < 2; ++start) {  // once, not at every start
    const auto log = access::AuditLog::open(*place.store);
    REQUIRE(log);
    CHECK((*log)->head().number == 2);
    CHECK((*log)->verify({}));
    std::string last;
    REQUIRE((*log)->read(1, [&](std::uint64_t, std::string_view line) {
      last = line;
      return true;
    }));
    CHECK(last.find("\"status\":0") != std::string::npos);
    CHECK(last.find("may or may not") != std::string::npos);
    CHECK(last.find("\"actor\":\"user:lin\"") != std::string::npos);
    CHECK((*log)->pseudonym("c1") == name);
  }
}

TEST_CASE("access passwords: refused when they would be guessed") {
  for (const char* weak : {"", "elevenchars", "PassWord1234", "qqqqqqqqqqqqqq", "lin-chan-2026x"})
    CHECK_FALSE(check_password(weak, "lin-chan").has_value());
  CHECK_FALSE(check_password(std::string(257, 'x') + "y", "lin").has_value());
  CHECK(check_password(kPassword, "lin").has_value());
  const std::string hash = hash_password(kPassword).value();
  CHECK(hash.starts_with("$argon2id$"));
  CHECK(verify_password(hash, kPassword));
  CHECK_FALSE(verify_password(hash, "correct horse batterz"));
  CHECK_FALSE(verify_password("", kPassword));
  CHECK_FALSE(verify_password("nonsense", kPassword));
  CHECK(hash != hash_password(kPassword).value());
}

}  // namespace nudge::access
