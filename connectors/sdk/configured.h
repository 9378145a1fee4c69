// The glue between a connector and the border that all of them would repeat: what it says of itself, the check of a configuration, and how
// an instance is made from it. Header-only.
//
// Derive from sdk::Configured<MyClass> instead of sdk::Connector. MyClass then needs
//   static const Manifest& manifest();        who it is and the table of its fields
//   static void check(Config& config);        optional: what the table can't say; adds to the configuration's problems
//   MyClass(const Host&, const Config&);      public; throws std::exception on failure. The configuration has no problems.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/config.h"
#include "connectors/sdk/plugin.h"

namespace nudge::sdk {

struct Manifest {
  std::string_view kind, version;
  std::vector<std::string_view> channels;
  std::string_view idempotency, default_on_unknown;
  Fields fields;
  bool receives = false;  // overrides receive()
};

template <class Class>
class Configured : public Connector {
 public:
  static std::string_view description() {
    const Manifest& m = Class::manifest();
    static const std::string kText =
        describe_json(m.kind, m.version, m.channels, m.idempotency, m.default_on_unknown, m.fields, m.receives);
    return kText;
  }
  static std::vector<std::string> validate(std::string_view json) { return read(json).problems(); }
  static std::unique_ptr<Class> create(const Host& host, std::string_view json) {
    const Config config = read(json);
    config.throw_if_bad();
    return std::make_unique<Class>(host, config);
  }
  static void check(Config&) {}

 private:
  static Config read(std::string_view json) {
    Config config(json, Class::manifest().fields);
    Class::check(config);
    return config;
  }
};

}  // namespace nudge::sdk
