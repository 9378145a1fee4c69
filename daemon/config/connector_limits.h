// The keys of a connector that are for nudge itself, `process:` and `delivery:`, as one table each: they are read, printed and described
// (JSON Schema, docs) from it. Inside of daemon/config.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/config/config.h"

namespace nudge::doc {
class Diagnostics;
class Document;
struct Entry;
}  // namespace nudge::doc

namespace nudge::config {

using Rates = std::vector<std::pair<std::int64_t, Milliseconds>>;

struct Limit {
  std::string_view name;
  Type type;  // integer, size, duration, choice, text; of rates: texts
  std::variant<std::int64_t*, Milliseconds*, std::string*, Rates*> place;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view choices = {};
  std::string_view help;
};
// They point into the connector.
std::vector<Limit> process_limits(Connector& connector);
std::vector<Limit> delivery_limits(DeliveryLimits& delivery);

// Reads the group's map; what is wrong is reported, all at once. `example` is the hint when it is no map.
void read_limits(doc::Diagnostics& diagnostics, const doc::Document& document, const doc::Entry& entry, const std::vector<Limit>& limits,
                 std::string_view example);
// `{"timeout": 30s, …}` on one line, without what is empty.
std::string show_limits(const std::vector<Limit>& limits);
// The properties of a JSON Schema.
std::string limits_schema(const std::vector<Limit>& limits);

}  // namespace nudge::config
