#include "engine/model/customer.h"

#include <algorithm>
#include <tuple>

namespace nudge {
namespace {

using Update = AttributeHistory::Update;

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
  const Update& last = updates_[end - 1];
  std::size_t start = group_start(end);
  while (start > 0 && updates_[start - 1].attribute == last.attribute && same_value(updates_[start - 1].value.view(), last.value.view())) {
    start = group_start(start);
  }
  return start;
}

ValueView AttributeHistory::at(AttributeId attribute, TimeMs now, TimeMs& until) const {
  until = kNever;
  const std::size_t end = end_at(attribute, now);
  ValueView value;
  if (end > 0 && updates_[end - 1].attribute == attribute) value = updates_[end - 1].value.view();
  for (std::size_t i = end; i < updates_.size() && updates_[i].attribute == attribute; ++i) {
    const bool last_of_instant =
        i + 1 == updates_.size() || updates_[i + 1].attribute != attribute || updates_[i + 1].time != updates_[i].time;
    if (!last_of_instant || same_value(value, updates_[i].value.view())) continue;
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
  if (first && updates_[end - 1].value.missing()) return kNever;
  return updates_[start].time;
}

ValueView AttributeHistory::previous(AttributeId attribute, TimeMs now) const {
  const std::size_t end = end_at(attribute, now);
  if (end == 0 || updates_[end - 1].attribute != attribute) return {};
  const std::size_t start = run_start(end);
  if (start == 0 || updates_[start - 1].attribute != attribute) return {};
  return updates_[start - 1].value.view();
}

bool AttributeHistory::insert(AttributeId attribute, TimeMs time, std::string_view id, const Value& value) {
  const auto before = [](const Update& u, const std::tuple<AttributeId, TimeMs, std::string_view>& key) {
    return std::tuple(u.attribute, u.time, std::string_view(u.id)) < key;
  };
  const auto place = std::lower_bound(updates_.begin(), updates_.end(), std::tuple(attribute, time, id), before);
  if (place != updates_.end() && place->attribute == attribute && place->time == time && place->id == id) return false;
  updates_.insert(place, Update{attribute, time, std::string(id), value});
  latest_ = std::max(latest_, time);
  return true;
}

TimeMs AttributeHistory::next_after(TimeMs now) const {
  if (latest_ <= now) return kNever;
  TimeMs next = kNever;
  for (const Update& u : updates_) {
    if (u.time > now) next = std::min(next, u.time);
  }
  return next;
}

std::size_t AttributeHistory::memory_bytes() const {
  std::size_t bytes = updates_.capacity() * sizeof(Update);
  for (const Update& u : updates_) bytes += text_bytes(u.id) + text_bytes(u.value.bytes);
  return bytes;
}

void AttributeHistory::encode(Writer& out) const {
  out.varint(updates_.size());
  AttributeId attribute = 0;
  std::uint64_t time = 0;
  for (const Update& u : updates_) {
    out.varint(static_cast<std::uint64_t>(u.attribute - attribute));
    attribute = u.attribute;
    out.svarint(static_cast<std::int64_t>(static_cast<std::uint64_t>(u.time) - time));
    time = static_cast<std::uint64_t>(u.time);
    out.string(u.id);
    encode_value(out, u.value.view());
  }
}

bool AttributeHistory::decode(Reader& in) {
  constexpr std::size_t kBytesMin = 4;      // of one encoded update
  constexpr std::uint64_t kReserve = 1024;  // more are reserved only as they are read
  updates_.clear();
  latest_ = kAlways;
  const std::uint64_t n = in.varint();
  if (in.bad() || n > in.left() / kBytesMin) return false;
  updates_.reserve(std::min(n, kReserve));
  std::uint64_t attribute = 0;
  std::uint64_t time = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t step = in.varint();
    if (in.bad() || step >= kNoAttribute - attribute) return false;
    attribute += step;
    time += static_cast<std::uint64_t>(in.svarint());
    const std::string_view id = in.string();
    ValueView value;
    if (!decode_value(in, value)) return false;
    Update u{static_cast<AttributeId>(attribute), static_cast<TimeMs>(time), std::string(id), Value(value)};
    if (i > 0 && !(std::tie(updates_.back().attribute, updates_.back().time, updates_.back().id) < std::tie(u.attribute, u.time, u.id))) {
      return false;
    }
    latest_ = std::max(latest_, u.time);
    updates_.push_back(std::move(u));
  }
  return true;
}

const Rows* CustomerState::rows(EventTypeId type) const {
  const auto place = rows_place(events, type);
  return place != events.end() && place->first == type ? &place->second : nullptr;
}

Rows& CustomerState::rows_for(EventTypeId type) {
  auto place = rows_place(events, type);
  if (place == events.end() || place->first != type) place = events.emplace(place, type, Rows{});
  return place->second;
}

bool CustomerState::is_member(RootId root) const {
  const auto place = std::ranges::lower_bound(members, root, {}, &Membership::root);
  return place != members.end() && place->root == root;
}

// Whether the id is there already. Its fingerprint is; most often it is the same input once more, which is found at its place.
bool CustomerState::has_id(const Input& input) const {
  if (input.kind == InputKind::event) {
    if (const Rows* of_type = rows(input.type)) {
      const std::size_t place = of_type->position(input.time, input.id);
      if (place < of_type->size() && of_type->time(place) == input.time && of_type->id(place) == input.id) return true;
    }
  }
  const auto has = [&](const auto& each) { return each.id == input.id; };
  if (std::ranges::any_of(attributes.all(), has) || std::ranges::any_of(tags, has)) return true;
  return std::ranges::any_of(events, [&](const auto& entry) { return entry.second.find(input.id) < entry.second.size(); });
}

bool CustomerState::store(const Input& input, const Catalog& catalog) {
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
  ids.add(input.id);
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
  for (const Update& u : attributes.all()) {
    if (u.id != input_id) continue;
    input.kind = InputKind::attributes;
    input.time = u.time;
    input.attributes.push_back({u.attribute, u.value});
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
  std::size_t count = tags.size();
  for (const auto& entry : events) count += entry.second.size();
  ids = IdIndex{};
  ids.reserve(count);
  for (const auto& entry : events) {
    for (std::size_t row = 0; row < entry.second.size(); ++row) ids.add(entry.second.id(row));
  }
  for (const Update& u : attributes.all()) ids.add(u.id);
  for (const TagUpdate& t : tags) ids.add(t.id);
}

std::size_t CustomerState::memory_bytes() const {
  std::size_t bytes = sizeof(CustomerState) + text_bytes(id) + attributes.memory_bytes() + ids.memory_bytes();
  bytes += tags.capacity() * sizeof(TagUpdate) + members.capacity() * sizeof(Membership) + wakes.capacity() * sizeof(Wake);
  bytes += fired.capacity() * sizeof(LastFired) + runs.capacity() * sizeof(Run) + events.capacity() * sizeof(events[0]);
  for (const TagUpdate& t : tags) bytes += text_bytes(t.tag) + text_bytes(t.id);
  for (const auto& entry : events) bytes += entry.second.memory_bytes();
  for (const LastFired& f : fired) bytes += text_bytes(f.key);
  for (const Run& r : runs) bytes += text_bytes(r.cause.row_id) + text_bytes(r.cause.key);
  return bytes;
}

}  // namespace nudge
