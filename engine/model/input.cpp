#include "engine/model/input.h"

#include <algorithm>

#include "engine/model/taken_back.h"

namespace nudge {
namespace {

enum : std::uint8_t { kImport = 1, kGeneratedId = 2, kTagRemoved = 4, kTagExpires = 8 };

bool valid_kind(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(InputKind::event) && kind <= static_cast<std::uint8_t>(kTakenBack);
}

// Fields that stand beyond the shorter one's end must be missing.
bool same_fields(const std::vector<Value>& a, const std::vector<Value>& b) {
  const auto [shorter, longer] = a.size() < b.size() ? std::pair(&a, &b) : std::pair(&b, &a);
  for (std::size_t i = 0; i < longer->size(); ++i) {
    if (i < shorter->size() ? (*shorter)[i] != (*longer)[i] : !(*longer)[i].missing()) return false;
  }
  return true;
}

bool same_attributes(std::vector<AttributeUpdate> a, std::vector<AttributeUpdate> b) {
  if (a.size() != b.size()) return false;
  std::ranges::sort(a, {}, &AttributeUpdate::attribute);
  std::ranges::sort(b, {}, &AttributeUpdate::attribute);
  return a == b;
}

bool decode_fields(Reader& in, std::vector<Value>& fields) {
  const std::uint64_t n = in.varint();
  if (in.bad() || n > in.left()) return false;
  fields.reserve(std::min<std::uint64_t>(n, 64));
  for (std::uint64_t i = 0; i < n; ++i) {
    ValueView v;
    if (!decode_value(in, v)) return false;
    fields.emplace_back(v);
  }
  return true;
}

bool decode_attributes(Reader& in, std::vector<AttributeUpdate>& attributes) {
  const std::uint64_t n = in.varint();
  if (in.bad() || n > in.left()) return false;
  attributes.reserve(std::min<std::uint64_t>(n, 64));
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t id = in.varint();
    ValueView v;
    if (id >= kNoAttribute || !decode_value(in, v)) return false;
    attributes.push_back({static_cast<AttributeId>(id), Value(v)});
  }
  return true;
}

std::uint8_t flags_of(const Input& input) {
  return static_cast<std::uint8_t>((input.import ? kImport : 0) | (input.generated_id ? kGeneratedId : 0) |
                                   (input.tag_removed ? kTagRemoved : 0) | (input.tag_expires != kNever ? kTagExpires : 0));
}

void encode_content(Writer& out, const Input& input) {
  if (input.kind == kTakenBack) out.string(input.tag);
  switch (input.kind) {
    case InputKind::event:
      out.varint(input.type);
      out.varint(input.fields.size());
      for (const Value& v : input.fields) encode_value(out, v.view());
      break;
    case InputKind::attributes:
      out.varint(input.attributes.size());
      for (const AttributeUpdate& update : input.attributes) {
        out.varint(update.attribute);
        encode_value(out, update.value.view());
      }
      break;
    case InputKind::tag:
      out.string(input.tag);
      if (input.tag_expires != kNever) out.svarint(input.tag_expires);
      break;
  }
}

bool decode_content(Reader& in, std::uint8_t flags, Input& input) {
  switch (input.kind) {
    case InputKind::event: {
      const std::uint64_t type = in.varint();
      if (in.bad() || type > kNoEventType) return false;
      input.type = static_cast<EventTypeId>(type);
      return decode_fields(in, input.fields);
    }
    case InputKind::attributes: return decode_attributes(in, input.attributes);
    case InputKind::tag:
      input.tag = in.string();
      if ((flags & kTagExpires) != 0) input.tag_expires = in.svarint();
      return !in.bad();
  }
  input.tag = in.string();  // kTakenBack: no other kind is let in
  return !in.bad();
}

// Fresh, with what the kind and the flags say.
bool begin_input(std::uint8_t kind, std::uint8_t flags, Input& input) {
  input = Input{};
  if (!valid_kind(kind) || flags >= 16) return false;
  input.kind = static_cast<InputKind>(kind);
  input.import = (flags & kImport) != 0;
  input.generated_id = (flags & kGeneratedId) != 0;
  input.tag_removed = (flags & kTagRemoved) != 0;
  return true;
}

}  // namespace

void encode_input(Writer& out, const Input& input) {
  out.u8(static_cast<std::uint8_t>(input.kind));
  out.u8(flags_of(input));
  out.string(input.customer);
  out.string(input.id);
  out.svarint(input.time);
  encode_content(out, input);
}

bool decode_input(Reader& in, Input& input) {
  const std::uint8_t kind = in.u8();
  const std::uint8_t flags = in.u8();
  if (in.bad() || !begin_input(kind, flags, input)) return false;
  input.customer = in.string();
  input.id = in.string();
  input.time = in.svarint();
  return decode_content(in, flags, input);
}

void encode_input(Writer& out, InputContext& context, const Input& input) {
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(flags_of(input)) << 4U | static_cast<unsigned>(input.kind)));
  context.ids.write(out, input.id);
  out.svarint(static_cast<std::int64_t>(static_cast<std::uint64_t>(input.time) - static_cast<std::uint64_t>(context.time)));
  context.time = input.time;
  encode_content(out, input);
}

bool decode_input(Reader& in, InputContext& context, Input& input) {
  const std::uint8_t head = in.u8();
  const auto flags = static_cast<std::uint8_t>(head >> 4U);
  if (in.bad() || !begin_input(head & 15U, flags, input)) return false;
  input.id = context.ids.read(in);
  input.time = context.time = static_cast<TimeMs>(static_cast<std::uint64_t>(context.time) + static_cast<std::uint64_t>(in.svarint()));
  return decode_content(in, flags, input);
}

bool same_content(const Input& a, const Input& b) {
  if (a.kind != b.kind || a.customer != b.customer || a.id != b.id || a.time != b.time) return false;
  switch (a.kind) {
    case InputKind::event: return a.type == b.type && same_fields(a.fields, b.fields);
    case InputKind::attributes: return same_attributes(a.attributes, b.attributes);
    case InputKind::tag: return a.tag == b.tag && a.tag_removed == b.tag_removed && a.tag_expires == b.tag_expires;
  }
  return a.tag == b.tag;  // kTakenBack
}

}  // namespace nudge
