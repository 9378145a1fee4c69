#include "daemon/runtime/gate.h"

#include <algorithm>
#include <mutex>

#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::string_view kPrefix = "runtime/suppress/";
constexpr std::uint8_t kVersion = 1;

std::string encode(const Suppression& s) {
  std::string bytes;
  Writer out(bytes);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(s.kind));
  out.string(s.value);
  out.string(s.channel);
  out.svarint(s.at);
  out.string(s.author);
  out.string(s.reason);
  return bytes;
}

std::optional<Suppression> decode(std::string_view bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return std::nullopt;
  Suppression s;
  s.kind = static_cast<Suppression::Kind>(in.u8());
  s.value = in.string();
  s.channel = in.string();
  s.at = in.svarint();
  s.author = in.string();
  s.reason = in.string();
  if (in.bad()) return std::nullopt;
  return s;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view suppression_kind_name(Suppression::Kind kind) {
  switch (kind) {
    case Suppression::Kind::customer: return "customer";
    case Suppression::Kind::address: return "address";
    case Suppression::Kind::domain: return "domain";
  }
  return "";
}

std::optional<Suppression::Kind> find_suppression_kind(std::string_view name) {
  for (const auto kind : {Suppression::Kind::customer, Suppression::Kind::address, Suppression::Kind::domain}) {
    if (suppression_kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

std::string normal_address(std::string_view text) {
  const std::size_t open = text.rfind('<'), close = text.rfind('>');
  if (open != std::string_view::npos && close != std::string_view::npos && open < close) text = text.substr(open + 1, close - open - 1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  std::string out;
  if (text.find('@') != std::string_view::npos) {
    for (const char c : text) out += lower(c);
    return out;
  }
  const bool phone = std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || std::string_view("+-() ./").contains(c); });
  if (!phone) return std::string(text);
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c == '+' && out.empty())) out += c;
  }
  return out;
}

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string Gate::key_of(Suppression::Kind kind, std::string_view value, std::string_view channel) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(kind)));
  key += '/';
  key += value;
  key += '\0';
  key += channel;
  return key;
}

Gate::Gate(std::vector<std::string> send_only_to) : controls_(std::make_shared<const Controls>()) {
  for (const std::string& address : send_only_to) send_only_to_.push_back(normal_address(address));
}

Result<void> Gate::load(const Store& store) {
  bool bad = false;
  NUDGE_TRY(store.scan(Family::meta, kPrefix, prefix_end(kPrefix), [&](std::string_view, std::string_view value) {
    std::optional<Suppression> entry = decode(value);
    bad = bad || !entry;
    if (entry) entries_.insert_or_assign(key_of(entry->kind, entry->value, entry->channel), *std::move(entry));
    return true;
  }));
  if (bad) return fail(Code::corrupt, "an entry of the suppression list can't be read; restore the data directory from a backup");
  return {};
}

void Gate::set_controls(std::shared_ptr<const Controls> controls) {
  const std::unique_lock lock(mutex_);
  controls_ = std::move(controls);
}

std::shared_ptr<const Controls> Gate::controls() const {
  const std::shared_lock lock(mutex_);
  return controls_;
}

std::optional<Suppression> Gate::find(std::string_view customer, std::string_view channel, std::string_view address) const {
  const std::shared_lock lock(mutex_);
  if (entries_.empty()) return std::nullopt;
  const auto look = [&](Suppression::Kind kind, std::string_view value) -> const Suppression* {
    if (value.empty()) return nullptr;
    for (const std::string_view of : {std::string_view(), channel}) {
      if (const auto found = entries_.find(key_of(kind, value, of)); found != entries_.end()) return &found->second;
    }
    return nullptr;
  };
  const Suppression* entry = look(Suppression::Kind::customer, customer);
  if (entry == nullptr) entry = look(Suppression::Kind::address, address);
  // A domain stands for those below it as well.
  for (std::string_view domain = domain_of(address); entry == nullptr && !domain.empty();) {
    entry = look(Suppression::Kind::domain, domain);
    const std::size_t dot = domain.find('.');
    domain = dot == std::string_view::npos ? std::string_view() : domain.substr(dot + 1);
  }
  if (entry == nullptr) return std::nullopt;
  return *entry;
}

GateVerdict Gate::ask(const ActionOut& action, TimeMs now) const {
  GateVerdict verdict;
  const std::shared_ptr<const Controls> current = controls();
  if (const Silence* s = current->silenced(action, now)) {
    return {GateVerdict::Kind::hold,
            Held::silenced,
            "silence " + std::to_string(s->id) + " (" + describe_silence(*s) + ") by " + s->author + " until " +
                format_timestamp(s->until) + ": " + s->reason,
            {}};
  }
  const bool reaches = reaches_customer(action.channel);
  const std::string address = reaches ? normal_address(member_text(action.payload, "to")) : std::string();
  if (reaches && action.purpose != Purpose::internal) {
    if (const std::optional<Suppression> s = find(action.customer, action.channel, address)) {
      return {GateVerdict::Kind::hold,
              Held::suppressed,
              "the " + std::string(suppression_kind_name(s->kind)) + " is on the suppression list since " + format_timestamp(s->at) + " (" +
                  s->author + ": " + s->reason + ")",
              {}};
    }
  }
  if (test_mode() && action.channel != "maildrop") {
    const bool mail = address.find('@') != std::string::npos;
    if (address.empty() || std::ranges::find(send_only_to_, address) == send_only_to_.end()) {
      const auto other =
          std::ranges::find_if(send_only_to_, [&](const std::string& to) { return (to.find('@') != std::string::npos) == mail; });
      if (address.empty() || other == send_only_to_.end()) {
        return {GateVerdict::Kind::hold, Held::test_mode, "test mode: nothing leaves but to test_mode.send_only_to", {}};
      }
      verdict.send_to = *other;
    }
  }
  if (current->stopped) {
    return {
        GateVerdict::Kind::wait,
        Held::none,
        "everything was stopped by " + current->stopped_by + " on " + format_timestamp(current->stopped_at) + ": " + current->stopped_why,
        {}};
  }
  return verdict;
}

void Gate::add(CommitContext& context, Suppression entry) {
  const std::string key = key_of(entry.kind, entry.value, entry.channel);
  context.set.put(Family::meta, std::string(kPrefix) + key, encode(entry));
  context.after.push_back([this, key, entry = std::move(entry)] {
    const std::unique_lock lock(mutex_);
    entries_.insert_or_assign(key, entry);
  });
}

bool Gate::remove(CommitContext& context, Suppression::Kind kind, std::string_view value, std::string_view channel) {
  std::string key = key_of(kind, value, channel);
  {
    const std::shared_lock lock(mutex_);
    if (!entries_.contains(key)) return false;
  }
  context.set.erase(Family::meta, std::string(kPrefix) + key);
  context.after.push_back([this, key = std::move(key)] {
    const std::unique_lock lock(mutex_);
    entries_.erase(key);
  });
  return true;
}

void Gate::forget(CommitContext& context, const std::vector<std::string>& customers) {
  std::vector<Suppression> gone;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [key, entry] : entries_)
      if (entry.kind == Suppression::Kind::customer && std::ranges::find(customers, entry.value) != customers.end()) gone.push_back(entry);
  }
  for (const Suppression& entry : gone) remove(context, entry.kind, entry.value, entry.channel);
  std::vector<std::uint64_t> silences;
  for (const Silence& s : context.desk.controls().silences)
    if (!s.customer.empty() && std::ranges::find(customers, s.customer) != customers.end()) silences.push_back(s.id);
  for (const std::uint64_t id : silences) context.desk_changed = context.desk.end_silence(id, context.now) || context.desk_changed;
}

std::vector<Suppression> Gate::list(std::string_view after, std::size_t limit, bool& more) const {
  const std::shared_lock lock(mutex_);
  std::vector<Suppression> page;
  auto it = after.empty() ? entries_.begin() : entries_.upper_bound(after);
  for (; it != entries_.end() && page.size() < limit; ++it) page.push_back(it->second);
  more = it != entries_.end();
  return page;
}

std::size_t Gate::size() const {
  const std::shared_lock lock(mutex_);
  return entries_.size();
}

}  // namespace nudge::daemon
