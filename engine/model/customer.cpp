#include "engine/model/customer.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "engine/model/taken_back.h"

namespace nudge {
namespace {

constexpr std::size_t kIndexFrom = 33;   // facts: of fewer than this, every id is looked at instead
constexpr std::size_t kShareAmong = 64;  // updates: among at most this many, one with the same id is looked for to share it

template <class T>
std::size_t text_bytes(const T& text) {
  return text.capacity() > 15 ? text.capacity() + 1 : 0;  // short ones lie inside the object
}

bool tag_before(const TagUpdate& a, std::string_view tag, TimeMs time, std::string_view id) {
  if (const int c = a.tag.compare(tag); c != 0) return c < 0;
  return a.time != time ? a.time < time : a.id < id;
}

auto rows_place(auto& events, EventTypeId type) {
  return std::lower_bound(events.begin(), events.end(), type, [](const auto& entry, EventTypeId t) { return entry.first < t; });
}

}  // namespace

ValueView AttributeHistory::value(std::size_t update) const {
  const Update& u = updates_[update];
  ValueView v;
  v.kind = u.kind;
  switch (u.kind) {
    case Kind::text:
    case Kind::list: v.bytes = texts_.at(static_cast<TextRef>(u.value)); break;
    case Kind::number: v.d = std::bit_cast<double>(u.value); break;
    default: v.i = static_cast<std::int64_t>(u.value);
  }
  return v;
}

bool AttributeHistory::before(std::size_t update, AttributeId attribute, TimeMs time, std::string_view id) const {
  const Update& u = updates_[update];
  if (u.attribute != attribute) return u.attribute < attribute;
  return u.time != time ? u.time < time : texts_.at(u.id) < id;
}

std::size_t AttributeHistory::end_at(AttributeId attribute, TimeMs now) const {
  const auto after = std::upper_bound(updates_.begin(), updates_.end(), now, [attribute](TimeMs t, const Update& u) {
    return attribute != u.attribute ? attribute < u.attribute : t < u.time;
  });
  return static_cast<std::size_t>(after - updates_.begin());
}

// Of several updates at one instant only the last one counts: the group before `end` starts here.
std::size_t AttributeHistory::group_start(std::size_t end) const {
  std::size_t i = end - 1;
  while (i > 0 && updates_[i - 1].attribute == updates_[i].attribute && updates_[i - 1].time == updates_[i].time) --i;
  return i;
}

std::size_t AttributeHistory::run_start(std::size_t end) const {
  const AttributeId attribute = updates_[end - 1].attribute;
  const ValueView last = value(end - 1);
  std::size_t start = group_start(end);
  while (start > 0 && updates_[start - 1].attribute == attribute && same_value(value(start - 1), last)) start = group_start(start);
  return start;
}

ValueView AttributeHistory::at(AttributeId attribute, TimeMs now, TimeMs& until) const {
  until = kNever;
  const std::size_t end = end_at(attribute, now);
  ValueView value;
  if (end > 0 && updates_[end - 1].attribute == attribute) value = this->value(end - 1);
  for (std::size_t i = end; i < updates_.size() && updates_[i].attribute == attribute; ++i) {
    const bool last_of_instant =
        i + 1 == updates_.size() || updates_[i + 1].attribute != attribute || updates_[i + 1].time != updates_[i].time;
    if (!last_of_instant || same_value(value, this->value(i))) continue;
    until = updates_[i].time;
    break;
  }
  return value;
}

TimeMs AttributeHistory::since(AttributeId attribute, TimeMs now) const {
  const std::size_t end = end_at(attribute, now);
  if (end == 0 || updates_[end - 1].attribute != attribute) return kNever;
  const std::size_t start = run_start(end);
  const bool first = start == 0 || updates_[start - 1].attribute != attribute;
  // Removing what was never set changes nothing.
  if (first && updates_[end - 1].kind == Kind::missing) return kNever;
  return updates_[start].time;
}

ValueView AttributeHistory::previous(AttributeId attribute, TimeMs now) const {
  const std::size_t end = end_at(attribute, now);
  if (end == 0 || updates_[end - 1].attribute != attribute) return {};
  const std::size_t start = run_start(end);
  if (start == 0 || updates_[start - 1].attribute != attribute) return {};
  return value(start - 1);
}

void AttributeHistory::place(std::size_t at, AttributeId attribute, TimeMs time, std::string_view id, const ValueView& value) {
  Update made{time, 0, 0, attribute, value.kind};
  // The attributes of one upsert have one id.
  const Update* same =
      updates_.size() > kShareAmong
          ? updates_.end()
          : std::find_if(updates_.begin(), updates_.end(), [&](const Update& u) { return u.time == time && texts_.at(u.id) == id; });
  made.id = same != updates_.end() ? same->id : texts_.store(id);
  switch (value.kind) {
    case Kind::text:
    case Kind::list: {
      // Sources often say again what was so before.
      const bool again = at > 0 && updates_[at - 1].attribute == attribute && updates_[at - 1].kind == value.kind &&
                         texts_.at(static_cast<TextRef>(updates_[at - 1].value)) == value.bytes;
      made.value = again ? updates_[at - 1].value : texts_.store(value.bytes);
      break;
    }
    case Kind::number: made.value = std::bit_cast<std::uint64_t>(value.d); break;
    default: made.value = static_cast<std::uint64_t>(value.i);
  }
  *updates_.insert(at, 1) = made;
}

bool AttributeHistory::insert(AttributeId attribute, TimeMs time, std::string_view id, const Value& value) {
  std::size_t at = 0;
  for (std::size_t n = size(); n > 0;) {
    const std::size_t half = n / 2;
    if (before(at + half, attribute, time, id)) {
      at += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  if (at < size() && updates_[at].attribute == attribute && updates_[at].time == time && this->id(at) == id) return false;
  place(at, attribute, time, id, value.view());
  return true;
}

std::size_t AttributeHistory::find(std::string_view id) const {
  const auto found = std::find_if(updates_.begin(), updates_.end(), [&](const Update& u) { return texts_.at(u.id) == id; });
  return static_cast<std::size_t>(found - updates_.begin());
}

bool operator==(const AttributeHistory& a, const AttributeHistory& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.attribute(i) != b.attribute(i) || a.time(i) != b.time(i) || a.id(i) != b.id(i) || Value(a.value(i)) != Value(b.value(i)))
      return false;
  }
  return true;
}

TimeMs AttributeHistory::latest() const {
  TimeMs latest = kAlways;
  for (const Update& u : updates_) latest = std::max(latest, u.time);
  return latest;
}

TimeMs AttributeHistory::next_after(TimeMs now) const {
  TimeMs next = kNever;
  for (const Update& u : updates_) {
    if (u.time > now) next = std::min(next, u.time);
  }
  return next;
}

void AttributeHistory::encode(Writer& out, IdCoder& ids) const {
  out.varint(size());
  AttributeId attribute = 0;
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    const Update& u = updates_[i];
    out.varint(static_cast<std::uint64_t>(u.attribute - attribute));
    attribute = u.attribute;
    out.svarint(static_cast<std::int64_t>(static_cast<std::uint64_t>(u.time) - time));
    time = static_cast<std::uint64_t>(u.time);
    ids.write(out, id(i));
    encode_value(out, value(i));
  }
}

// By way of arrays that keep their room, like Rows::decode.
bool AttributeHistory::decode(Reader& in, IdCoder& ids) {
  constexpr std::size_t kBytesMin = 4;  // of one encoded update
  constexpr std::size_t kKeep = 64U << 10;
  static const AttributeHistory kNone;
  thread_local AttributeHistory read;
  *this = AttributeHistory{};
  const std::uint64_t n = in.varint();
  if (in.bad() || n > in.left() / kBytesMin) return false;
  if (read.memory_bytes() > kKeep) read = AttributeHistory{};
  read = kNone;
  std::uint64_t attribute = 0;
  std::uint64_t time = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t step = in.varint();
    if (in.bad() || step >= kNoAttribute - attribute) return false;
    attribute += step;
    time += static_cast<std::uint64_t>(in.svarint());
    const std::string_view id = ids.read(in);
    ValueView value;
    if (!decode_value(in, value)) return false;
    if (i > 0 && !read.before(i - 1, static_cast<AttributeId>(attribute), static_cast<TimeMs>(time), id)) return false;
    read.place(i, static_cast<AttributeId>(attribute), static_cast<TimeMs>(time), id, value);
  }
  *this = read;
  return true;
}

const Rows* CustomerState::rows(EventTypeId type) const {
  const auto place = rows_place(events, type);
  return place != events.end() && place->first == type ? &place->second : nullptr;
}

Rows& CustomerState::rows_for(EventTypeId type) {
  auto place = rows_place(events, type);
  if (place == events.end() || place->first != type) {
    const auto at = place - events.begin();
    place = events.emplace(events.begin() + at, type, Rows{});
  }
  return place->second;
}

bool CustomerState::is_member(RootId root) const {
  const auto place = std::ranges::lower_bound(members, root, {}, &Membership::root);
  return place != members.end() && place->root == root;
}

std::size_t CustomerState::facts() const {
  std::size_t count = attributes.size() + tags.size();
  for (const auto& entry : events) count += entry.second.size();
  return count;
}

// Whether the id is there already. When its fingerprint is, then most often it is the same input once more, which is found at its place.
bool CustomerState::has_id(const Input& input) const {
  if (input.kind == InputKind::event) {
    if (const Rows* of_type = rows(input.type)) {
      const std::size_t place = of_type->position(input.time, input.id);
      if (place < of_type->size() && of_type->time(place) == input.time && of_type->id(place) == input.id) return true;
    }
  }
  if (attributes.find(input.id) < attributes.size()) return true;
  if (std::ranges::any_of(tags, [&](const TagUpdate& each) { return each.id == input.id; })) return true;
  return std::ranges::any_of(events, [&](const auto& entry) { return entry.second.find(input.id) < entry.second.size(); });
}

bool CustomerState::store(const Input& input, const Catalog& catalog) {
  if (input.kind == kTakenBack) return true;  // no fact
  if (ids.may_have(input.id) && has_id(input)) return false;
  switch (input.kind) {
    case InputKind::event: {
      const std::size_t fields = std::min(input.fields.size(), catalog.events[input.type].fields.size());
      rows_for(input.type).insert(input.time, input.id, std::span(input.fields).first(fields));
      break;
    }
    case InputKind::attributes:
      for (const AttributeUpdate& update : input.attributes) attributes.insert(update.attribute, input.time, input.id, update.value);
      break;
    case InputKind::tag: {
      const auto place = std::lower_bound(tags.begin(), tags.end(), input,
                                          [](const TagUpdate& t, const Input& in) { return tag_before(t, in.tag, in.time, in.id); });
      tags.insert(place, TagUpdate{input.tag, input.time, input.id, input.tag_removed, input.tag_expires});
      break;
    }
  }
  latest = std::max(latest, input.time);
  if (ids.size() > 0)
    ids.add(input.id);
  else if (facts() >= kIndexFrom)
    rebuild_ids();
  return true;
}

std::optional<Input> CustomerState::find(std::string_view input_id, const Catalog& catalog) const {
  if (!ids.may_have(input_id)) return std::nullopt;
  Input input;
  input.customer = id;
  input.id = input_id;
  for (const auto& [type, of_type] : events) {
    const std::size_t row = of_type.find(input_id);
    if (row == of_type.size()) continue;
    input.kind = InputKind::event;
    input.type = type;
    input.time = of_type.time(row);
    const std::vector<LeafDef>& fields = catalog.events[type].fields;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      input.fields.emplace_back(of_type.field(row, static_cast<FieldId>(f), kind_of(fields[f].type)));
    }
    return input;
  }
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    if (attributes.id(i) != input_id) continue;
    input.kind = InputKind::attributes;
    input.time = attributes.time(i);
    input.attributes.push_back({attributes.attribute(i), Value(attributes.value(i))});
  }
  if (!input.attributes.empty()) return input;
  const auto tag = std::ranges::find(tags, input_id, &TagUpdate::id);
  if (tag == tags.end()) return std::nullopt;
  input.kind = InputKind::tag;
  input.time = tag->time;
  input.tag = tag->tag;
  input.tag_removed = tag->removed;
  input.tag_expires = tag->expires;
  return input;
}

void CustomerState::rebuild_ids() {
  latest = attributes.latest();
  for (const auto& entry : events) {
    if (!entry.second.empty()) latest = std::max(latest, entry.second.time(entry.second.size() - 1));
  }
  for (const TagUpdate& t : tags) latest = std::max(latest, t.time);
  ids = IdIndex{};
  const std::size_t count = facts();
  if (count < kIndexFrom) return;
  ids.reserve(count);
  for (const auto& entry : events) {
    for (std::size_t row = 0; row < entry.second.size(); ++row) ids.add(entry.second.id(row));
  }
  for (std::size_t i = 0; i < attributes.size(); ++i) ids.add(attributes.id(i));
  for (const TagUpdate& t : tags) ids.add(t.id);
}

std::size_t CustomerState::memory_bytes() const {
  std::size_t bytes = sizeof(CustomerState) + text_bytes(id) + attributes.memory_bytes() + ids.memory_bytes() + derived.memory_bytes();
  bytes += tags.memory_bytes() + members.memory_bytes() + wakes.memory_bytes() + fired.memory_bytes() + runs.memory_bytes() +
           contacts.memory_bytes() + events.memory_bytes() + aliases.memory_bytes() + seldom.memory_bytes();
  for (const TagUpdate& t : tags) bytes += text_bytes(t.tag) + text_bytes(t.id);
  for (const auto& entry : events) bytes += entry.second.memory_bytes();
  for (const LastFired& f : fired) bytes += text_bytes(f.key);
  for (const std::string& alias : aliases) bytes += text_bytes(alias);
  for (const Run& r : runs) bytes += text_bytes(r.cause.row_id) + text_bytes(r.cause.key);
  return bytes;
}

}  // namespace nudge
