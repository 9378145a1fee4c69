#include "daemon/runtime/log_block.h"

namespace nudge::daemon {
namespace {

std::unexpected<Error> damaged() {
  return fail(Code::corrupt, "a block of the log can't be read: its content is damaged or of another version");
}

// In an entry's first byte beside its kind.
constexpr std::uint8_t kKindBits = 0x07;
constexpr std::uint8_t kSameInstant = 0x08;  // as the entry before
constexpr std::uint8_t kOneInput = 0x10;     // the number of inputs is left out

// Reads the entries of a unit.
class EntryReader {
 public:
  explicit EntryReader(const LogUnit& unit) : in_(unit.entries), plain_(unit.plain) {}
  bool at_end() const { return in_.at_end(); }
  bool read(LogEntry& entry) {
    const std::uint8_t head = in_.u8();
    const auto flags = static_cast<std::uint8_t>(plain_ ? 0U : head & ~static_cast<unsigned>(kKindBits));
    entry.kind = static_cast<EntryKind>(head - flags);
    entry.customer = plain_ ? in_.string() : customers_.read(in_);
    if ((flags & kSameInstant) == 0) {
      const std::int64_t instant = in_.svarint();
      instant_ = plain_ ? instant : static_cast<TimeMs>(static_cast<std::uint64_t>(instant_) + static_cast<std::uint64_t>(instant));
    }
    entry.instant = instant_;
    entry.inputs.clear();
    entry.text.clear();
    switch (entry.kind) {
      case EntryKind::step: return read_inputs(entry, (flags & kOneInput) != 0 ? 1 : in_.varint());
      case EntryKind::merge:
      case EntryKind::absorb: entry.text = in_.string(); break;
      case EntryKind::advance:
      case EntryKind::reconcile:
      case EntryKind::erase: break;
      default: return false;
    }
    return !in_.bad();
  }

 private:
  bool read_inputs(LogEntry& entry, std::uint64_t n) {
    if (in_.bad() || n > in_.left()) return false;
    entry.inputs.resize(static_cast<std::size_t>(n));
    for (Input& input : entry.inputs) {
      if (plain_ ? !decode_input(in_, input) : !decode_input(in_, inputs_, input)) return false;
      if (!plain_) input.customer = entry.customer;
    }
    return !in_.bad();
  }

  Reader in_;
  const bool plain_;
  IdCoder customers_;
  InputContext inputs_;
  TimeMs instant_ = 0;
};

}  // namespace

void EntryWriter::begin(EntryKind kind, std::uint8_t flags, std::string_view customer, TimeMs instant) {
  Writer w(out_);
  const bool same = !out_.empty() && instant == instant_;
  w.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(kind) | flags | (same ? kSameInstant : 0)));
  customers_.write(w, customer);
  if (same) return;
  w.svarint(static_cast<std::int64_t>(static_cast<std::uint64_t>(instant) - static_cast<std::uint64_t>(instant_)));
  instant_ = instant;
}

void EntryWriter::step(std::string_view customer, TimeMs instant, std::span<const Input* const> inputs) {
  begin(EntryKind::step, inputs.size() == 1 ? kOneInput : 0, customer, instant);
  Writer w(out_);
  if (inputs.size() != 1) w.varint(inputs.size());
  for (const Input* input : inputs) encode_input(w, inputs_, *input);
}

void EntryWriter::mark(EntryKind kind, std::string_view customer, TimeMs instant) { begin(kind, 0, customer, instant); }

void EntryWriter::merge(EntryKind kind, std::string_view customer, TimeMs instant, std::string_view text) {
  begin(kind, 0, customer, instant);
  Writer(out_).string(text);
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
  w.string(block.edges);
  block.stats.encode(w);
  w.varint(block.decisions.size());
  for (const Decision& d : block.decisions) encode_decision(w, d);
  w.varint(block.actions.size());
  for (const ActionOut& a : block.actions) encode_action(w, a);
}

Result<LogBlock> decode_block(std::string_view bytes, BlockPart part) {
  Reader in(bytes);
  LogBlock block;
  const std::uint8_t version = in.u8();
  if (version == 0 || version > kLogVersion) return damaged();
  block.first_decision = in.varint();
  block.first_action = in.varint();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    LogUnit unit;
    unit.plan = in.varint();
    unit.entries = in.string();
    unit.plain = version < 2;
    block.units.push_back(unit);
  }
  if (version >= 3) block.edges = in.string();
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

Result<void> read_entries(const LogUnit& unit, const std::function<void(LogEntry&)>& each) {
  EntryReader in(unit);
  LogEntry entry;
  while (!in.at_end()) {
    if (!in.read(entry)) return damaged();
    each(entry);
  }
  return {};
}

void append_edges(std::string& out, std::string_view customer, std::span<const Edge> edges) {
  Writer w(out);
  for (const Edge& edge : edges) {
    w.string(customer);
    w.varint(edge.root);
    w.u8(static_cast<std::uint8_t>((edge.entered ? 1 : 0) | (edge.silent ? 2 : 0)));
    w.svarint(edge.at);
  }
}

Result<void> read_edges(std::string_view edges, const std::function<void(const LogEdge&)>& each) {
  Reader in(edges);
  while (!in.at_end()) {
    LogEdge edge;
    edge.customer = in.string();
    edge.root = static_cast<RootId>(in.varint());
    const std::uint8_t flags = in.u8();
    edge.entered = (flags & 1) != 0;
    edge.silent = (flags & 2) != 0;
    edge.at = in.svarint();
    if (in.bad()) return damaged();
    each(edge);
  }
  return {};
}

}  // namespace nudge::daemon
