// The bytes of a customer's state.
//
//   version (1 byte) · id · clock · plan · applied · attributes · tags · events · members · wakes · last firings · runs
//
// Version 2 added to each run when its wait is over, what its step says and since when a policy holds it up. Version 3 writes the ids of
// facts by an IdCoder, one for the whole record.
//
// Sections of their own follow, where there is something to say: contacts, merges, rows that came late.
//
// Integers are varints, signed ones zig-zag; a time in a list is the difference to the one before it. Lists start with their number of
// items. A list's order is part of the format where the engine relies on it: the decoder refuses bytes that break it.
#include <algorithm>
#include <tuple>

#include "engine/model/customer_head.h"

namespace nudge {
namespace {

std::uint64_t to_bits(TimeMs t) { return static_cast<std::uint64_t>(t); }

// Times as differences: most lists are in order of time, or nearly. Wraps, so that kNever and kAlways round-trip.
class Times {
 public:
  void write(Writer& out, TimeMs t) {
    out.svarint(static_cast<std::int64_t>(to_bits(t) - last_));
    last_ = to_bits(t);
  }
  TimeMs read(Reader& in) {
    last_ += static_cast<std::uint64_t>(in.svarint());
    return static_cast<TimeMs>(last_);
  }

 private:
  std::uint64_t last_ = 0;
};

// Reads the number of items and then the items, each by `read`, until one is bad. Nothing is reserved that the bytes could not hold.
template <class T, class F>
bool read_list(Reader& in, LeanVector<T>& items, std::size_t bytes_min, F read) {
  constexpr std::uint64_t kReserve = 1024;
  const std::uint64_t n = in.varint();
  if (in.bad() || n > in.left() / bytes_min) return false;
  items.reserve(std::min(n, kReserve));
  for (std::uint64_t i = 0; i < n; ++i) {
    if (!read(items.emplace_back()) || in.bad()) return false;
  }
  return true;
}

bool read_u32(Reader& in, std::uint32_t& v) {
  const std::uint64_t wide = in.varint();
  v = static_cast<std::uint32_t>(wide);
  return wide <= 0xffffffffU;
}

template <class T, class Key>
bool strictly_ascending(const LeanVector<T>& items, Key key) {
  return std::ranges::adjacent_find(items, [&](const T& a, const T& b) { return !(key(a) < key(b)); }) == items.end();
}

void write_tags(Writer& out, IdCoder& ids, const LeanVector<TagUpdate>& tags) {
  Times times;
  out.varint(tags.size());
  for (const TagUpdate& t : tags) {
    out.string(t.tag);
    times.write(out, t.time);
    ids.write(out, t.id);
    out.u8(static_cast<std::uint8_t>((t.removed ? 1 : 0) | (t.expires != kNever ? 2 : 0)));
    if (t.expires != kNever) out.svarint(static_cast<std::int64_t>(to_bits(t.expires) - to_bits(t.time)));
  }
}

bool read_tags(Reader& in, IdCoder& ids, LeanVector<TagUpdate>& tags) {
  Times times;
  return read_list(in, tags, 4,
                   [&](TagUpdate& t) {
                     t.tag = in.string();
                     t.time = times.read(in);
                     t.id = ids.read(in);
                     const std::uint8_t flags = in.u8();
                     t.removed = (flags & 1) != 0;
                     t.expires = (flags & 2) != 0 ? static_cast<TimeMs>(to_bits(t.time) + to_bits(in.svarint())) : kNever;
                     return flags <= 3;
                   }) &&
         strictly_ascending(tags, [](const TagUpdate& t) { return std::tie(t.tag, t.time, t.id); });
}

void write_events(Writer& out, IdCoder& ids, const CustomerState& state, const Catalog& catalog) {
  out.varint(state.events.size());
  for (const auto& [type, rows] : state.events) {
    out.varint(type);
    rows.encode(out, ids, catalog.events[type]);
  }
}

bool read_events(Reader& in, IdCoder& ids, CustomerState& state, const Catalog& catalog) {
  return read_list(in, state.events, 2,
                   [&](std::pair<EventTypeId, Rows>& entry) {
                     const std::uint64_t type = in.varint();
                     if (in.bad() || type >= catalog.events.size()) return false;
                     entry.first = static_cast<EventTypeId>(type);
                     return entry.second.decode(in, ids, catalog.events[type]);
                   }) &&
         strictly_ascending(state.events, [](const auto& entry) { return entry.first; });
}

void write_members(Writer& out, const LeanVector<Membership>& members) {
  Times times;
  out.varint(members.size());
  for (const Membership& m : members) {
    out.varint(m.root);
    times.write(out, m.since);
  }
}

bool read_members(Reader& in, LeanVector<Membership>& members) {
  Times times;
  return read_list(in, members, 2,
                   [&](Membership& m) {
                     const bool good = read_u32(in, m.root);
                     m.since = times.read(in);
                     return good;
                   }) &&
         strictly_ascending(members, [](const Membership& m) { return m.root; });
}

void write_wakes(Writer& out, const LeanVector<Wake>& wakes) {
  Times times;
  out.varint(wakes.size());
  for (const Wake& w : wakes) {
    out.varint(w.root);
    times.write(out, w.until);
  }
}

bool read_wakes(Reader& in, LeanVector<Wake>& wakes) {
  Times times;
  return read_list(in, wakes, 2,
                   [&](Wake& w) {
                     const bool good = read_u32(in, w.root);
                     w.until = times.read(in);
                     return good;
                   }) &&
         strictly_ascending(wakes, [](const Wake& w) { return w.root; });
}

void write_fired(Writer& out, const LeanVector<LastFired>& fired) {
  Times times;
  out.varint(fired.size());
  for (const LastFired& f : fired) {
    out.varint(f.rule);
    out.string(f.key);
    times.write(out, f.at);
  }
}

bool read_fired(Reader& in, LeanVector<LastFired>& fired) {
  Times times;
  return read_list(in, fired, 3,
                   [&](LastFired& f) {
                     const bool good = read_u32(in, f.rule);
                     f.key = in.string();
                     f.at = times.read(in);
                     return good;
                   }) &&
         strictly_ascending(fired, [](const LastFired& f) { return std::tie(f.rule, f.key); });
}

constexpr std::uint64_t kHasDeadline = 1;
constexpr std::uint64_t kHasMark = 2;
constexpr std::uint64_t kHasSince = 4;

void write_runs(Writer& out, const LeanVector<Run>& runs) {
  Times times;
  out.varint(runs.size());
  for (const Run& r : runs) {
    out.varint(r.rule);
    out.varint(r.step);
    times.write(out, r.due);
    times.write(out, r.started);
    out.u8(static_cast<std::uint8_t>(r.cause.kind));
    times.write(out, r.cause.at);
    out.varint(r.cause.type);
    times.write(out, r.cause.row_time);
    out.string(r.cause.row_id);
    out.string(r.cause.key);
    out.varint((r.deadline != kAlways ? kHasDeadline : 0) | (r.mark != 0 ? kHasMark : 0) | (r.since != kAlways ? kHasSince : 0));
    if (r.deadline != kAlways) out.svarint(static_cast<std::int64_t>(to_bits(r.deadline) - to_bits(r.due)));
    if (r.mark != 0) out.fixed64(r.mark);
    if (r.since != kAlways) out.svarint(static_cast<std::int64_t>(to_bits(r.since) - to_bits(r.due)));
  }
}

// Version 1 ended a run with its key.
bool read_runs(Reader& in, LeanVector<Run>& runs, std::uint8_t version) {
  Times times;
  return read_list(in, runs, 10, [&](Run& r) {
    const bool good = read_u32(in, r.rule) && read_u32(in, r.step);
    r.due = times.read(in);
    r.started = times.read(in);
    const std::uint8_t kind = in.u8();
    r.cause.kind = static_cast<Cause::Kind>(kind);
    r.cause.at = times.read(in);
    const std::uint64_t type = in.varint();
    r.cause.type = static_cast<EventTypeId>(type);
    r.cause.row_time = times.read(in);
    r.cause.row_id = in.string();
    r.cause.key = in.string();
    const std::uint64_t more = version >= 2 ? in.varint() : 0;
    if ((more & kHasDeadline) != 0) r.deadline = static_cast<TimeMs>(to_bits(r.due) + to_bits(in.svarint()));
    if ((more & kHasMark) != 0) r.mark = in.fixed64();
    if ((more & kHasSince) != 0) r.since = static_cast<TimeMs>(to_bits(r.due) + to_bits(in.svarint()));
    return good && more <= (kHasDeadline | kHasMark | kHasSince) && kind >= static_cast<std::uint8_t>(Cause::Kind::event) &&
           kind <= static_cast<std::uint8_t>(Cause::Kind::schedule) && type <= kNoEventType;
  });
}

// What came after the first form: sections of a tag and a length-prefixed content, written only when there is something in them.
constexpr std::uint8_t kContactsSection = 1;

void write_contacts(Writer& out, const LeanVector<Contact>& contacts) {
  if (contacts.empty()) return;
  std::string bytes;
  Writer section(bytes);
  Times times;
  section.varint(contacts.size());
  for (const Contact& c : contacts) {
    times.write(section, c.at);
    section.u8(c.channel);
    section.u8(c.purpose);
    section.varint(c.rule);
    section.fixed64(c.action.hi);
    section.fixed64(c.action.lo);
  }
  out.u8(kContactsSection);
  out.string(bytes);
}

bool read_contacts(Reader& in, LeanVector<Contact>& contacts) {
  Reader section(in.string());
  Times times;
  const bool good = read_list(section, contacts, 20, [&](Contact& c) {
    c.at = times.read(section);
    c.channel = section.u8();
    c.purpose = section.u8();
    const bool fits = read_u32(section, c.rule);
    c.action.hi = section.fixed64();
    c.action.lo = section.fixed64();
    return fits;
  });
  return good && section.at_end() && !in.bad() && strictly_ascending(contacts, [](const Contact& c) { return std::tie(c.at, c.action); });
}

constexpr std::uint8_t kMergeSection = 2;

void write_merge(Writer& out, const CustomerState& state) {
  if (!state.merged() && state.aliases.empty()) return;
  std::string bytes;
  Writer section(bytes);
  section.string(state.merged_into());
  section.varint(state.aliases.size());
  for (const std::string& alias : state.aliases) section.string(alias);
  out.u8(kMergeSection);
  out.string(bytes);
}

bool read_merge(Reader& in, CustomerState& state) {
  Reader section(in.string());
  state.seldom.set_merged_into(std::string(section.string()));
  const bool good = read_list(section, state.aliases, 1, [&](std::string& alias) {
    alias = section.string();
    return true;
  });
  return good && section.at_end() && !in.bad() &&
         strictly_ascending(state.aliases, [](const std::string& a) { return std::string_view(a); });
}

constexpr std::uint8_t kLateSection = 3;

void write_late(Writer& out, const LeanVector<LateRows>& late) {
  if (late.empty()) return;
  std::string bytes;
  Writer section(bytes);
  section.varint(late.size());
  for (const LateRows& l : late) {
    section.varint(l.type);
    section.svarint(l.until);
    section.svarint(l.from);
    section.svarint(l.upto);
  }
  out.u8(kLateSection);
  out.string(bytes);
}

bool read_late(Reader& in, CustomerState& state) {
  Reader section(in.string());
  bool good = true;
  state.seldom.change_late([&](LeanVector<LateRows>& late) {
    good = read_list(section, late, 4, [&](LateRows& l) {
      const std::uint64_t type = section.varint();
      l.type = static_cast<EventTypeId>(type);
      l.until = section.svarint();
      l.from = section.svarint();
      l.upto = section.svarint();
      return type < kNoEventType && l.from <= l.upto;
    }) && strictly_ascending(late, [](const LateRows& l) { return std::tie(l.type, l.until); });
  });
  return good && section.at_end() && !in.bad();
}

// Whether the catalog has all the attributes, of the types that their values have.
bool fit(const AttributeHistory& attributes, const Catalog& catalog) {
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const AttributeId attribute = attributes.attribute(i);
    const Kind kind = attributes.value(i).kind;
    if (attribute >= catalog.attributes.size()) return false;
    if (kind != Kind::missing && kind != kind_of(catalog.attributes[attribute].type)) return false;
  }
  return true;
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::corrupt,
              "the stored state of a customer is damaged (" + std::string(what) + "); restore the data directory from a backup");
}

}  // namespace

void encode_customer(std::string& out, const CustomerState& state, const Catalog& catalog) {
  Writer writer(out);
  writer.start_raw();
  writer.u8(kCustomerVersion);
  writer.string(state.id);
  writer.svarint(state.clock);
  writer.varint(state.plan);
  writer.varint(state.applied);
  IdCoder ids;
  state.attributes.encode(writer, ids);
  write_tags(writer, ids, state.tags);
  write_events(writer, ids, state, catalog);
  write_members(writer, state.members);
  write_wakes(writer, state.wakes);
  write_fired(writer, state.fired);
  write_runs(writer, state.runs);
  write_contacts(writer, state.contacts);
  write_merge(writer, state);
  write_late(writer, state.seldom.late());
}

bool decode_customer_head(std::string_view bytes, const Catalog& catalog, CustomerState& state) {
  Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (in.bad() || version == 0 || version > kCustomerVersion) return false;
  in.string();  // the id
  state.clock = in.svarint();
  state.plan = in.varint();
  state.applied = in.varint();
  if (in.bad()) return false;
  IdCoder ids(version < 3);
  return state.attributes.decode(in, ids) && fit(state.attributes, catalog);
}

bool glance_at_customer(std::string_view bytes, std::span<const AttributeId> wanted, TimeMs not_before, CustomerGlance& glance) {
  Reader in(bytes);
  if (in.u8() != kCustomerVersion) return false;
  in.string();  // the id
  glance.clock = in.svarint();
  glance.plan = in.varint();
  in.varint();  // applied
  glance.values.assign(wanted.size(), ValueView{});
  const TimeMs now = std::max(not_before, glance.clock);
  thread_local IdCoder ids;  // keeps its room; a record's first id never refers to one before it
  std::size_t next = 0;
  std::uint64_t attribute = 0;
  std::uint64_t time = 0;
  for (std::uint64_t left = in.varint(); left > 0 && next < wanted.size(); --left) {
    attribute += in.varint();
    time += static_cast<std::uint64_t>(in.svarint());
    ids.read(in);
    ValueView value;
    if (!decode_value(in, value) || in.bad()) return false;
    while (next < wanted.size() && wanted[next] < attribute) ++next;
    // Of several the latest at or before now counts, and they are in that order.
    if (next < wanted.size() && wanted[next] == attribute && static_cast<TimeMs>(time) <= now) glance.values[next] = value;
  }
  return !in.bad();
}

Result<CustomerState> decode_customer(std::string_view bytes, const Catalog& catalog) {
  Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (in.bad()) return damaged("it is empty");
  if (version == 0 || version > kCustomerVersion) {
    return fail(Code::corrupt, "the stored state of a customer has version " + std::to_string(version) +
                                   ", and this program reads versions up to " + std::to_string(kCustomerVersion) +
                                   "; use a program as new as the one that wrote it");
  }
  CustomerState state;
  state.id = in.string();
  state.clock = in.svarint();
  state.plan = in.varint();
  state.applied = in.varint();
  if (in.bad()) return damaged("head");
  IdCoder ids(version < 3);
  if (!state.attributes.decode(in, ids)) return damaged("attributes");
  if (!fit(state.attributes, catalog)) return damaged("an attribute that the catalog does not have");
  if (!read_tags(in, ids, state.tags)) return damaged("tags");
  if (!read_events(in, ids, state, catalog)) return damaged("events");
  if (!read_members(in, state.members)) return damaged("members");
  if (!read_wakes(in, state.wakes)) return damaged("wakes");
  if (!read_fired(in, state.fired)) return damaged("last firings");
  if (!read_runs(in, state.runs, version)) return damaged("runs");
  while (!in.at_end()) {
    const std::uint8_t section = in.u8();
    if (section == kContactsSection) {
      if (!read_contacts(in, state.contacts)) return damaged("contacts");
    } else if (section == kMergeSection) {
      if (!read_merge(in, state)) return damaged("aliases");
    } else if (section == kLateSection) {
      if (!read_late(in, state)) return damaged("late rows");
    } else {
      return damaged("bytes after its end");
    }
  }
  state.rebuild_ids();
  return state;
}

}  // namespace nudge
