#include "daemon/runtime/log_scrub.h"

#include <list>

#include "daemon/runtime/log_block.h"
#include "engine/core/merge.h"

namespace nudge::daemon {
namespace {

// True when an entry is to go.
Result<bool> touches(const LogBlock& block, const ErasedIds& gone) {
  bool found = false;
  for (const LogUnit& unit : block.units)
    NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) { found = found || gone.covers(entry.customer, entry.instant); }));
  NUDGE_TRY(read_edges(block.edges, [&](const LogEdge& edge) { found = found || gone.covers(edge.customer, edge.at); }));
  for (const Decision& d : block.decisions) found = found || gone.covers(d.customer, d.at);
  for (const ActionOut& a : block.actions) found = found || gone.covers(a.customer, a.at);
  // An error's words may name an address, and nothing says whose it was.
  for (const auto& [id, rule] : block.stats.rules) found = found || !rule.last_error.empty();
  return found;
}

Result<std::string> without(const LogUnit& unit, const ErasedIds& gone) {
  EntryWriter out;
  std::vector<const Input*> inputs;
  NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) {
    if (gone.covers(entry.customer, entry.instant)) return;
    switch (entry.kind) {
      case EntryKind::step:
        inputs.clear();
        for (const Input& input : entry.inputs) inputs.push_back(&input);
        return out.step(entry.customer, entry.instant, inputs);
      case EntryKind::merge:
      case EntryKind::absorb: return out.merge(entry.kind, entry.customer, entry.instant, entry.text);
      case EntryKind::advance:
      case EntryKind::reconcile:
      case EntryKind::erase: return out.mark(entry.kind, entry.customer, entry.instant);
    }
  }));
  return out.bytes();
}

void empty(Cause& cause) {
  cause.row_id.clear();
  cause.key.clear();
}

// The unit without the events of these types.
Result<std::string> without(const LogUnit& unit, const std::set<EventTypeId>& types, std::uint64_t& events) {
  EntryWriter out;
  std::vector<const Input*> inputs;
  bool damaged = false;
  NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) {
    switch (entry.kind) {
      case EntryKind::step: {
        inputs.clear();
        for (const Input& input : entry.inputs) {
          if (input.kind != InputKind::event || !types.contains(input.type)) inputs.push_back(&input);
        }
        events += entry.inputs.size() - inputs.size();
        if (!inputs.empty() || entry.inputs.empty()) out.step(entry.customer, entry.instant, inputs);
        return;
      }
      case EntryKind::absorb: {
        const std::optional<std::string> portion = portion_without(entry.text, types, events);
        damaged = damaged || !portion;
        return out.merge(entry.kind, entry.customer, entry.instant, portion.value_or(""));
      }
      case EntryKind::merge: return out.merge(entry.kind, entry.customer, entry.instant, entry.text);
      case EntryKind::advance:
      case EntryKind::reconcile:
      case EntryKind::erase: return out.mark(entry.kind, entry.customer, entry.instant);
    }
  }));
  if (damaged) return fail(Code::corrupt, "what a merged customer left can't be read: the block of the log is damaged");
  return out.bytes();
}

}  // namespace

Result<std::optional<std::string>> scrub_events(std::string_view bytes, const std::set<EventTypeId>& types, std::uint64_t& events) {
  NUDGE_ASSIGN(LogBlock block, decode_block(bytes, BlockPart::all));
  std::list<std::string> texts;  // what the block's views stand on
  const std::uint64_t before = events;
  for (LogUnit& unit : block.units) {
    NUDGE_ASSIGN(std::string entries, without(unit, types, events));
    unit.entries = texts.emplace_back(std::move(entries));
    unit.plain = false;
  }
  if (events == before) return std::optional<std::string>();
  std::erase_if(block.units, [](const LogUnit& unit) { return unit.entries.empty(); });
  std::string out;
  encode_block(out, block);
  return std::optional<std::string>(std::move(out));
}

Result<std::optional<std::string>> scrub_block(std::string_view bytes, const ErasedIds& gone) {
  NUDGE_ASSIGN(LogBlock block, decode_block(bytes, BlockPart::all));
  NUDGE_ASSIGN(const bool found, touches(block, gone));
  if (!found) return std::optional<std::string>();
  std::list<std::string> texts;  // what the block's views stand on
  for (LogUnit& unit : block.units) {
    NUDGE_ASSIGN(std::string entries, without(unit, gone));
    unit.entries = texts.emplace_back(std::move(entries));
  }
  std::erase_if(block.units, [](const LogUnit& unit) { return unit.entries.empty(); });
  std::string edges;
  NUDGE_TRY(read_edges(block.edges, [&](const LogEdge& edge) {
    if (!gone.covers(edge.customer, edge.at))
      append_edges(edges, edge.customer, std::vector<Edge>{{edge.root, edge.entered, edge.silent, edge.at}});
  }));
  block.edges = edges;
  for (Decision& d : block.decisions) {
    if (!gone.covers(d.customer, d.at)) continue;
    d.customer.clear();
    d.detail.clear();
    empty(d.cause);
  }
  for (ActionOut& a : block.actions) {
    if (!gone.covers(a.customer, a.at)) continue;
    a.customer.clear();
    a.reason.clear();
    a.payload = "{}";
    a.customer_values.clear();
    empty(a.cause);
  }
  for (auto& [id, rule] : block.stats.rules) rule.last_error.clear();
  std::string out;
  encode_block(out, block);
  return std::optional<std::string>(std::move(out));
}

}  // namespace nudge::daemon
