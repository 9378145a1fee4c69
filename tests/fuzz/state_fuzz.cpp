// A customer's state from any bytes: refused, or a state that is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "tests/unit/model_support.h"

namespace {

using namespace nudge;

std::string encoded(const CustomerState& state, const Catalog& catalog) {
  std::string bytes;
  encode_customer(bytes, state, catalog);
  return bytes;
}

// Asks what the engine asks of a state, so that a reference that leads nowhere is found.
std::size_t touch(const CustomerState& state, const Catalog& catalog) {
  std::size_t sum = state.memory_bytes();
  for (const auto& [type, rows] : state.events) {
    const auto& fields = catalog.events[type].fields;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (rows.position(rows.time(row), rows.id(row)) != row) std::abort();
      if (!state.find(rows.id(row), catalog)) std::abort();
      for (std::size_t f = 0; f < fields.size(); ++f)
        sum += to_json(rows.field(row, static_cast<FieldId>(f), kind_of(fields[f].type))).size();
    }
  }
  for (AttributeId a = 0; a < catalog.attributes.size(); ++a) {
    TimeMs until = 0;
    for (std::size_t i = 0; i < state.attributes.size(); ++i) {
      const TimeMs time = state.attributes.time(i);
      sum += to_json(state.attributes.at(a, time, until)).size() + to_json(state.attributes.previous(a, time)).size();
      if (until <= time) std::abort();
      if (const TimeMs since = state.attributes.since(a, time); since != kNever && since > time) std::abort();
    }
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Catalog catalog = testing::sample_catalog();
  const auto state = decode_customer(std::string_view(reinterpret_cast<const char*>(data), size), catalog);
  if (!state) return 0;
  touch(*state, catalog);
  const std::string bytes = encoded(*state, catalog);
  const auto again = decode_customer(bytes, catalog);
  if (!again || encoded(*again, catalog) != bytes) std::abort();
  return 0;
}
