// The shard's part in merges (docs/decisions/merge.md): an alias gives its facts away, another customer takes them in, and what still comes
// for the alias is sent on.
#include <algorithm>

#include "daemon/runtime/committer.h"
#include "daemon/runtime/documents.h"
#include "daemon/runtime/merger.h"
#include "daemon/runtime/shard.h"
#include "engine/core/merge.h"

namespace nudge::daemon {
namespace {

constexpr std::uint32_t kNoItem = 0xffffffff;

}  // namespace

// Deals with the merges among an entry's items. True: there are none, and the customer is its own. A merge has its instant to itself: what
// stood before it is stepped now, and it waits for the next turn.
bool Shard::take_merges(CacheEntry& entry, TimeMs now) {
  const bool merged = entry.state->merged();
  std::uint32_t first = entry.first_item, before = kNoItem;
  while (first != kNoItem && items_[first].merge == nullptr) {
    before = first;
    first = items_[first].next;
  }
  if (!merged && first == kNoItem) return true;
  if (!merged && before != kNoItem) {
    for (std::uint32_t i = first; i != kNoItem;) {
      const std::uint32_t next = items_[i].next;
      deferred_.push_back(std::move(items_[i]));
      i = next;
    }
    items_[before].next = kNoItem;
    return true;
  }
  bool done = false;  // one merge at an instant
  for (std::uint32_t i = entry.first_item; i != kNoItem;) {
    Item& item = items_[i];
    i = item.next;
    item.next = kNoItem;
    if (done && !entry.state->merged()) {
      deferred_.push_back(std::move(item));
    } else if (item.merge != nullptr && item.merge->kind != MergeItem::Kind::portion) {
      done = done || item.merge->kind == MergeItem::Kind::go || item.merge->kind == MergeItem::Kind::erase;
      take_merge(entry, item, now);
    } else if (entry.state->merged()) {
      item.input.customer = entry.state->merged_into();
      item.slot = slot_of(item.input.customer);
      item.with_next = false;  // there it stands among others
      forwarded_.push_back(std::move(item));
    } else if (item.merge != nullptr) {
      done = true;
      absorb_portion(entry, item, now);
    } else {
      deferred_.push_back(std::move(item));
    }
  }
  return false;
}

void Shard::take_merge(CacheEntry& entry, Item& item, TimeMs now) {
  switch (item.merge->kind) {
    case MergeItem::Kind::request:
      // Most requests are repeats: every identify of a library names both ids.
      if (entry.state->merged() && (entry.state->merged_into() == item.merge->into || item.merge->unless_merged))
        return finish_item(item, Receipt::duplicate);
      forwarded_.push_back(std::move(item));
      return;
    case MergeItem::Kind::go: return merge_away(entry, item, now);
    case MergeItem::Kind::known: return finish_item(item, Receipt::duplicate);
    case MergeItem::Kind::conflict: return finish_item(item, Receipt::conflict);
    case MergeItem::Kind::erase: return erase_all(entry, item, now);
    case MergeItem::Kind::portion:
    case MergeItem::Kind::landed: return;
  }
}

// The alias's entry of the log and what it gives away reach the disk in one batch; after that the portions set out.
void Shard::merge_away(CacheEntry& entry, Item& item, TimeMs now) {
  const std::string alias(entry.id);
  count_gone_members(*entry.state);
  Effects effects;
  LeanVector<Membership> left;
  std::vector<std::string> portions = engine_.give_away(*plan_, *entry.state, item.merge->into, now, effects, left);
  for (const Membership& member : left) --unit_->delta.roots[member.root].members;
  unit_->entries.merge(EntryKind::merge, alias, now, item.merge->into);
  unit_->latest = std::max(unit_->latest, now);
  unit_->changes.push_back([portions = std::move(portions), alias, into = item.merge->into, forward = forward_](CommitContext& c) mutable {
    std::vector<Item> items;
    for (std::size_t i = 0; i < portions.size(); ++i) {
      Item out = pending_portion(pending_key(alias, i), into, std::move(portions[i]));
      c.set.put(Family::meta, out.merge->pending_key, pending_value(into, out.merge->portion));
      items.push_back(std::move(out));
    }
    Item landed;  // tells the merger that the way is on disk
    landed.input.customer = alias;
    landed.merge = std::make_unique<MergeItem>();
    landed.merge->kind = MergeItem::Kind::landed;
    items.push_back(std::move(landed));
    c.after.push_back([forward, items = std::make_shared<std::vector<Item>>(std::move(items))] { forward(std::move(*items)); });
  });
  changed(entry, std::move(effects));
  finish_item(item, Receipt::stored);
}

void Shard::absorb_portion(CacheEntry& entry, Item& item, TimeMs now) {
  Result<Portion> portion = read_portion(item.merge->portion, entry.id, *plan_->catalog);
  if (!portion) return fail_with(std::move(portion).error());
  count_gone_members(*entry.state);
  Effects effects;
  receipts_.clear();
  engine_.absorb(*plan_, *entry.state, *portion, now, receipts_, effects);
  for (std::size_t i = 0; i < receipts_.size(); ++i) {
    if (receipts_[i] == Receipt::conflict) set_aside_conflict(portion->inputs[i], portion->memory.id, now);
  }
  unit_->entries.merge(EntryKind::absorb, entry.id, now, item.merge->portion);
  unit_->latest = std::max(unit_->latest, now);
  // What sales work keeps follows in the same batch. Each portion of one merge says it again: nothing is left to move then.
  unit_->changes.push_back([key = item.merge->pending_key, plan = plan_, alias = portion->memory.id, customer = std::string(entry.id), now](CommitContext& c) {
    c.set.erase(Family::meta, key);
    c.desk.merged(*plan, alias, customer, now, c.work, c.approvals);
  });
  ++unit_->items;
  changed(entry, std::move(effects));
}

// The state becomes that of a customer never heard of; its record leaves the disk with the entry of the log that says so. What comes for
// the id from now on is another customer's, in a later millisecond.
void Shard::erase_all(CacheEntry& entry, Item& item, TimeMs now) {
  for (const Membership& member : entry.state->members) --unit_->delta.roots[member.root].members;
  const std::string id(entry.id);
  *entry.state = CustomerState{};
  entry.state->id = id;
  entry.erased_at = now;
  unit_->entries.mark(EntryKind::erase, id, now);
  unit_->latest = std::max(unit_->latest, now);
  unit_->changes.push_back([erased = std::move(item.merge->erased), now](CommitContext& c) {
    if (erased) erased(c, now);
  });
  ++unit_->items;
  changed(entry, {});
  write_state(entry);
}

void Shard::set_aside_conflict(const Input& input, std::string_view alias, TimeMs now) {
  SetAside aside;
  aside.record.at = now;
  aside.record.import = true;
  aside.record.code = "conflict";
  aside.record.field = "id";
  aside.record.reason =
      "merged from `" + std::string(alias) + "`: an event with this id and other content is stored already; the first is kept";
  aside.record.raw = as_document(input, *plan_->catalog);
  unit_->aside.push_back(std::move(aside));
}

Result<void> Shard::replay_absorb(CacheEntry& entry, const LogEntry& log, const Plan& plan) {
  NUDGE_ASSIGN(const Portion portion, read_portion(log.text, entry.id, *plan_->catalog));
  Effects effects;
  receipts_.clear();
  engine_.absorb(plan, *entry.state, portion, log.instant, receipts_, effects);
  return {};
}

}  // namespace nudge::daemon
