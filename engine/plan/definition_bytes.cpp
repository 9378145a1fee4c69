// What fingerprints and the builder's keys write alike.
#include "engine/plan/definition.h"

namespace nudge {
namespace {

template <class E>
void put_enum(Writer& out, E e) {
  out.u8(static_cast<std::uint8_t>(e));
}

void put_bool(Writer& out, bool b) { out.u8(b ? 1 : 0); }

void put_bound(Writer& out, const Window::Bound& bound) {
  put_bool(out, bound.set);
  put_bool(out, bound.is_date);
  out.svarint(bound.at);
}

}  // namespace

void put_hash(Writer& out, Hash128 hash) {
  out.fixed64(hash.hi);
  out.fixed64(hash.lo);
}

void put_window(Writer& out, const Window& window) {
  put_enum(out, window.kind);
  out.svarint(window.a);
  out.svarint(window.b);
  put_enum(out, window.unit);
  put_bool(out, window.tenant_zone);
  put_bound(out, window.lo);
  put_bound(out, window.hi);
}

void put_values(Writer& out, const std::vector<Value>& values) {
  out.varint(values.size());
  for (const Value& v : values) encode_value(out, v.view());
}

}  // namespace nudge
