#include "daemon/runtime/log_block.h"

namespace nudge::daemon {
namespace {

std::unexpected<Error> damaged() {
  return fail(Code::corrupt, "a block of the log can't be read: its content is damaged or of another version");
}

}  // namespace

void append_entry(std::string& out, EntryKind kind, std::string_view customer, TimeMs instant, std::span<const Input* const> inputs) {
  Writer w(out);
  w.u8(static_cast<std::uint8_t>(kind));
  w.string(customer);
  w.svarint(instant);
  if (kind != EntryKind::step) return;
  w.varint(inputs.size());
  for (const Input* input : inputs) encode_input(w, *input);
}

void append_merge_entry(std::string& out, EntryKind kind, std::string_view customer, TimeMs instant, std::string_view text) {
  append_entry(out, kind, customer, instant, {});
  Writer(out).string(text);
}

void encode_block(std::string& out, const LogBlock& block) {
  Writer w(out);
  w.u8(kLogVersion);
  w.varint(block.first_decision);
  w.varint(block.first_action);
  w.varint(block.units.size());
  for (const LogUnit& unit : block.units) {
    w.varint(unit.plan);
    w.string(unit.entries);
  }
  block.stats.encode(w);
  w.varint(block.decisions.size());
  for (const Decision& d : block.decisions) encode_decision(w, d);
  w.varint(block.actions.size());
  for (const ActionOut& a : block.actions) encode_action(w, a);
}

Result<LogBlock> decode_block(std::string_view bytes, BlockPart part) {
  Reader in(bytes);
  LogBlock block;
  if (in.u8() != kLogVersion) return damaged();
  block.first_decision = in.varint();
  block.first_action = in.varint();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    LogUnit unit;
    unit.plan = in.varint();
    unit.entries = in.string();
    block.units.push_back(unit);
  }
  if (in.bad() || !block.stats.decode(in)) return damaged();
  if (part == BlockPart::units) return block;
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    if (!decode_decision(in, block.decisions.emplace_back())) return damaged();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    if (!decode_action(in, block.actions.emplace_back())) return damaged();
  }
  if (in.bad() || !in.at_end()) return damaged();
  return block;
}

Result<void> read_entries(std::string_view entries, const std::function<void(LogEntry&)>& each) {
  Reader in(entries);
  LogEntry entry;
  while (!in.at_end()) {
    entry.kind = static_cast<EntryKind>(in.u8());
    entry.customer = in.string();
    entry.instant = in.svarint();
    entry.inputs.clear();
    if (entry.kind == EntryKind::step) {
      const std::uint64_t n = in.varint();
      if (n > in.left()) return damaged();
      entry.inputs.resize(static_cast<std::size_t>(n));
      for (Input& input : entry.inputs) {
        if (!decode_input(in, input)) return damaged();
      }
    } else if (entry.kind == EntryKind::merge || entry.kind == EntryKind::absorb) {
      entry.text = in.string();
    } else if (entry.kind != EntryKind::advance && entry.kind != EntryKind::reconcile) {
      return damaged();
    }
    if (in.bad()) return damaged();
    each(entry);
  }
  return {};
}

}  // namespace nudge::daemon
