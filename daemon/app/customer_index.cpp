#include "daemon/app/customer_index.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/base/text.h"

namespace nudge::daemon {
namespace {

constexpr auto kFollowEvery = std::chrono::milliseconds(500);
constexpr TimeMs kFollowFor = 10 * kMinute;  // after the last question
constexpr unsigned kReaders = 2;
constexpr std::size_t kFewMost = 250;  // values of an attribute

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits of a number as people write it; empty for what is none.
std::string digits_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_digit(c))
      out.push_back(c);
    else if (std::string_view("+-() ./").find(c) == std::string_view::npos)
      return {};
  }
  return out.size() >= 3 ? out : std::string();
}

bool is_contact(const LeafDef& leaf) {
  static constexpr std::array kNames{std::string_view("name"),   std::string_view("email"),   std::string_view("phone"),
                                     std::string_view("mobile"), std::string_view("company"), std::string_view("title")};
  return leaf.type == Type::phone ||
         (leaf.type == Type::text && leaf.one_of.empty() && (leaf.pii || std::ranges::find(kNames, leaf.name) != kNames.end()));
}

std::string to_cursor(std::string_view key, std::string_view id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  const auto add = [&](std::string_view text) {
    for (const char c : text) {
      out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
  };
  add(key);
  out.push_back('.');
  add(id);
  return out;
}

std::optional<std::pair<std::string, std::string>> from_cursor(std::string_view cursor) {
  std::pair<std::string, std::string> out;
  const std::size_t dot = cursor.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto read = [](std::string_view hex, std::string& to) {
    if (hex.size() % 2 != 0) return false;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      unsigned char byte = 0;
      const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
      if (error != std::errc() || end != hex.data() + i + 2) return false;
      to.push_back(static_cast<char>(byte));
    }
    return true;
  };
  if (!read(cursor.substr(0, dot), out.first) || !read(cursor.substr(dot + 1), out.second)) return std::nullopt;
  return out;
}

}  // namespace

std::vector<AttributeId> CustomerIndex::searched(const Catalog& catalog) {
  std::vector<AttributeId> out;
  for (std::size_t a = 0; a < catalog.attributes.size(); ++a) {
    if (!catalog.attributes[a].retired && is_contact(catalog.attributes[a])) out.push_back(static_cast<AttributeId>(a));
  }
  return out;
}

void CustomerIndex::stop() {
  {
    const std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Keeps what is asked for often fresh, so that a question finds little to catch up with.
void CustomerIndex::follow() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 15);
  while (true) {
    {
      std::unique_lock lock(wake_mutex_);
      if (wake_.wait_for(lock, kFollowEvery, [this] { return stopping_; })) return;
    }
    const std::lock_guard lock(mutex_);
    if (plan_ == 0) continue;
    if (runtime_.now() - asked_at_ > kFollowFor || !catch_up()) {
      entries_.clear();
      plan_ = 0;
    }
  }
}

CustomerIndex::Entry CustomerIndex::entry_of(const CustomerState& state, const Plan& plan) const {
  Entry entry;
  entry.id = state.id;
  entry.changed = state.clock;
  entry.folded = is_utf8(state.id) ? fold_case(state.id) : state.id;
  TimeMs until = kNever;
  for (const AttributeId attribute : searched_) {
    const ValueView value = state.attributes.at(attribute, state.clock, until);
    if (value.kind != Kind::text) continue;
    if (attribute == name_) entry.name = fold_case(value.bytes);
    entry.folded += "\n" + fold_case(value.bytes);
    if (const std::string digits = digits_of(value.bytes); !digits.empty() && digits != value.bytes) entry.folded += "\n" + digits;
  }
  for (const Few& few : few_) {
    const ValueView value = state.attributes.at(few.attribute, state.clock, until);
    const std::string text = value.missing() ? std::string() : to_text(value);
    const auto found = std::ranges::find(few.values, text);
    entry.few.push_back(value.missing() || found == few.values.end() ? std::uint8_t{0}
                                                                     : static_cast<std::uint8_t>(found - few.values.begin() + 1));
  }
  for (const Membership& member : state.members) {
    if (plan.segment_of_root.contains(member.root)) entry.roots.push_back(member.root);
  }
  return entry;
}

Result<void> CustomerIndex::build() {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Catalog& catalog = *plan->catalog;
  entries_.clear();
  too_many_ = false;
  searched_ = searched(catalog);
  name_ = catalog.find_attribute("name");
  if (name_ == kNoAttribute && !searched_.empty()) name_ = searched_.front();
  few_.clear();
  for (std::size_t a = 0; a < catalog.attributes.size(); ++a) {
    const LeafDef& leaf = catalog.attributes[a];
    if (leaf.retired || leaf.pii) continue;
    if (leaf.type == Type::boolean) few_.push_back({static_cast<AttributeId>(a), {"false", "true"}});
    if (leaf.type == Type::text && !leaf.one_of.empty() && leaf.one_of.size() <= kFewMost)
      few_.push_back({static_cast<AttributeId>(a), leaf.one_of});
  }
  const std::uint64_t block = runtime_.last_block();
  std::array<std::vector<std::unique_ptr<Entry>>, kReaders> read;
  std::atomic<std::size_t> count{0};
  const Result<void> walked = runtime_.read_states(
      catalog, kReaders,
      [&](unsigned thread, CustomerState& state) {
        if (count.fetch_add(1) < most_) read[thread].push_back(std::make_unique<Entry>(entry_of(state, *plan)));
      },
      [&](double) { return count.load() <= most_; });
  too_many_ = count.load() > most_;
  plan_ = plan->sequence;
  block_ = block;
  if (too_many_) return {};
  if (!walked) {
    plan_ = 0;
    return walked;
  }
  entries_.reserve(count.load());
  for (auto& part : read) {
    for (auto& entry : part) {
      std::string id = entry->id;
      entries_.insert_or_assign(std::move(id), std::move(entry));
    }
  }
  return {};
}

Result<void> CustomerIndex::read_blocks(std::uint64_t last) {
  std::set<std::string> again;
  std::optional<Error> error;
  const auto entry = [&](LogEntry& e) {
    const auto found = entries_.find(e.customer);
    if (found != entries_.end()) found->second->changed = std::max(found->second->changed, e.instant);
    if (e.kind == EntryKind::merge) {
      entries_.erase(e.customer);
      return;
    }
    const bool attributes = std::ranges::any_of(e.inputs, [](const Input& i) { return i.kind == InputKind::attributes; });
    if (found == entries_.end() || attributes || e.kind == EntryKind::absorb || e.kind == EntryKind::erase) again.insert(e.customer);
  };
  const auto edge = [&](const LogEdge& e) {
    const auto found = entries_.find(std::string(e.customer));
    if (found == entries_.end()) return;
    std::vector<RootId>& roots = found->second->roots;
    const auto at = std::ranges::lower_bound(roots, e.root);
    const bool there = at != roots.end() && *at == e.root;
    if (e.entered && !there) roots.insert(at, e.root);
    if (!e.entered && there) roots.erase(at);
  };
  NUDGE_TRY(runtime_.store().log_blocks(block_ + 1, [&](std::uint64_t sequence, std::string_view bytes) {
    if (sequence > last) return false;
    const Result<LogBlock> block = decode_block(bytes, BlockPart::units);
    Result<void> done = block ? Result<void>() : std::unexpected(block.error());
    for (std::size_t u = 0; done && u < block->units.size(); ++u) done = read_entries(block->units[u], entry);
    if (done) done = read_edges(block->edges, edge);
    if (!done) error = done.error();
    return done.has_value();
  }));
  if (error) return std::unexpected(*std::move(error));
  return read_again({again.begin(), again.end()});
}

Result<void> CustomerIndex::read_again(std::vector<std::string> ids) {
  if (ids.empty()) return {};
  auto read = std::make_shared<std::vector<std::unique_ptr<Entry>>>(ids.size());
  NUDGE_TRY(runtime_.ask_and_wait(ids, [this, read, plan = runtime_.plan()](Shard&, std::size_t i, const CustomerState* state) {
    if (state != nullptr) (*read)[i] = std::make_unique<Entry>(entry_of(*state, *plan));
  }));
  std::vector<std::unique_ptr<Entry>>& fresh = *read;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (fresh[i] == nullptr || fresh[i]->id != ids[i]) entries_.erase(ids[i]);  // gone, or another name of somebody
    if (fresh[i] == nullptr) continue;
    std::string id = fresh[i]->id;
    entries_.insert_or_assign(std::move(id), std::move(fresh[i]));
  }
  return {};
}

Result<void> CustomerIndex::catch_up() {
  const std::uint64_t last = runtime_.last_block();
  if (plan_ == 0 || plan_ != runtime_.plan()->sequence) return build();
  if (too_many_ || last <= block_) return {};
  NUDGE_TRY(read_blocks(last));
  block_ = last;
  too_many_ = entries_.size() > most_;
  if (too_many_) entries_.clear();
  return {};
}

Result<void> CustomerIndex::fits(const Query& query, std::vector<const Entry*>& all) const {
  const std::string needle = is_utf8(query.text) ? fold_case(query.text) : query.text;
  const std::string digits = digits_of(query.text);
  std::size_t few = few_.size();
  std::uint8_t value = 0;
  if (!query.attribute.empty()) {
    const AttributeId attribute = runtime_.plan()->catalog->find_attribute(query.attribute);
    few = static_cast<std::size_t>(std::ranges::find(few_, attribute, &Few::attribute) - few_.begin());
    if (few == few_.size() || attribute == kNoAttribute)
      return fail(Code::invalid, "`" + query.attribute + "` can't be filtered by: only booleans and texts with `one_of` can");
    const auto found = std::ranges::find(few_[few].values, query.value);
    if (found == few_[few].values.end())
      return fail(Code::invalid, "`" + query.value + "` is none of the values of `" + query.attribute + "`");
    value = static_cast<std::uint8_t>(found - few_[few].values.begin() + 1);
  }
  for (const auto& [id, entry] : entries_) {
    if (!query.prefix.empty() && !id.starts_with(query.prefix)) continue;
    if (query.segment != kNone && !std::ranges::binary_search(entry->roots, query.segment)) continue;
    if (value != 0 && entry->few[few] != value) continue;
    if (!needle.empty() && entry->folded.find(needle) == std::string::npos && (digits.empty() || entry->folded.find(digits) == std::string::npos))
      continue;
    all.push_back(entry.get());
  }
  return {};
}

Result<CustomerIndex::Found> CustomerIndex::find(const Query& query) {
  const std::lock_guard lock(mutex_);
  asked_at_ = runtime_.now();
  NUDGE_TRY(catch_up());
  {
    const std::lock_guard wake(wake_mutex_);
    if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { follow(); });
  }
  if (too_many_)
    return fail(Code::unavailable, "there are more than " + std::to_string(most_) +
                                       " customers, too many to search in memory; ask by the beginning of the id: ?prefix=");
  std::vector<const Entry*> all;
  NUDGE_TRY(fits(query, all));
  Found found;
  found.total = all.size();
  const auto key = [&](const Entry& e) -> std::string {
    if (query.sort == Sort::name) return e.name;
    if (query.sort == Sort::customer) return {};
    std::string digits = std::to_string(std::max<TimeMs>(e.changed, 0));
    return std::string(20 - digits.size(), '0') + digits;
  };
  const auto before = [&](const Entry* a, const Entry* b) {
    if (query.descending) std::swap(a, b);
    if (query.sort == Sort::name && a->name != b->name) return a->name < b->name;
    if (query.sort == Sort::changed && a->changed != b->changed) return a->changed < b->changed;
    return a->id < b->id;
  };
  if (!query.after.empty()) std::erase_if(all, [&](const Entry* e) { return e->id <= query.after; });
  if (!query.cursor.empty()) {
    const auto cursor = from_cursor(query.cursor);
    if (!cursor) return fail(Code::invalid, "`cursor` is not the `next` of a page of customers");
    Entry last;
    last.id = cursor->second;
    last.name = cursor->first;
    if (query.sort == Sort::changed)
      std::from_chars(cursor->first.data(), cursor->first.data() + cursor->first.size(), last.changed);
    std::erase_if(all, [&](const Entry* e) { return !before(&last, e); });
  }
  const std::size_t n = std::min(query.limit, all.size());
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(n), before);
  for (std::size_t i = 0; i < n; ++i) found.ids.push_back(all[i]->id);
  if (n > 0 && all.size() > n) found.next = to_cursor(key(*all[n - 1]), all[n - 1]->id);
  return found;
}

}  // namespace nudge::daemon
