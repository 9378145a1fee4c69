// The last door before an action leaves, as far as it needs no customer's state: stop-all, silences, the suppression list, test mode.
//
// Thread-safety: all of it from any thread. The suppression list is kept in memory and in the store; changes go through the committer, and
// are seen from the moment they are on disk.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/runtime/unit.h"
#include "engine/core/controls.h"

namespace nudge::daemon {

// One entry of the suppression list: nothing is sent to this customer, address or domain.
struct Suppression {
  enum class Kind : std::uint8_t { customer = 1, address = 2, domain = 3 };
  Kind kind = Kind::address;
  std::string value;    // normalised: see normal_address
  std::string channel;  // empty: all
  TimeMs at = 0;
  std::string author, reason;
};
std::string_view suppression_kind_name(Suppression::Kind kind);
std::optional<Suppression::Kind> find_suppression_kind(std::string_view name);

// An address as the list compares it: of a mail address what stands between the angle brackets, in lower case; of a telephone number its
// digits with a leading +; anything else as it is, trimmed. Empty: it is none.
std::string normal_address(std::string_view text);
// The domain of a normalised mail address; empty when it is none.
std::string_view domain_of(std::string_view address);

struct GateVerdict {
  enum class Kind : std::uint8_t {
    go,
    wait,  // stop-all: it stays where it is
    hold,  // it is held back for good
  };
  Kind kind = Kind::go;
  Held held = Held::none;
  std::string words;
  std::string send_to;  // test mode: to this address instead; empty: as it is
};

class Gate {
 public:
  // In test mode messages go to these addresses only. Empty: no test mode.
  explicit Gate(std::vector<std::string> send_only_to);

  Result<void> load(const Store& store);
  void set_controls(std::shared_ptr<const Controls> controls);
  std::shared_ptr<const Controls> controls() const;
  bool test_mode() const { return !send_only_to_.empty(); }
  const std::vector<std::string>& send_only_to() const { return send_only_to_; }

  GateVerdict ask(const ActionOut& action, TimeMs now) const;

  // --- the suppression list
  std::optional<Suppression> find(std::string_view customer, std::string_view channel, std::string_view address) const;
  // Within a commit: the entry takes effect once the commit is on disk.
  void add(CommitContext& context, Suppression entry);
  // False when there is no such entry.
  bool remove(CommitContext& context, Suppression::Kind kind, std::string_view value, std::string_view channel);
  // Entries and silences that name one of these customers; those of addresses stay: they keep a person from being written to again.
  void forget(CommitContext& context, const std::vector<std::string>& customers);
  // In the order of their keys, behind `after` (empty: from the first); `more`: there are others behind.
  std::vector<Suppression> list(std::string_view after, std::size_t limit, bool& more) const;
  static std::string key_of(Suppression::Kind kind, std::string_view value, std::string_view channel);
  std::size_t size() const;

 private:
  std::vector<std::string> send_only_to_;
  mutable std::shared_mutex mutex_;
  std::shared_ptr<const Controls> controls_;
  std::map<std::string, Suppression, std::less<>> entries_;  // by key
};

}  // namespace nudge::daemon
