// What intake needs of a catalog: its names as tables. Built once for each catalog; immutable, safe from any thread.
#pragma once

#include <memory>
#include <vector>

#include "daemon/ingest/names.h"
#include "engine/model/catalog.h"

namespace nudge::daemon {

// The names of one set of leaves (the attributes, or the fields of an event type). A value with kObjectBit names a nested object.
struct LeafNames {
  static constexpr std::uint32_t kObjectBit = 0x80000000;
  NameTable table;
  const std::vector<LeafDef>* leaves = nullptr;
  const std::vector<ObjectDef>* objects = nullptr;
};

class IntakeSchema {
 public:
  explicit IntakeSchema(std::shared_ptr<const Catalog> catalog);

  const Catalog& catalog() const { return *catalog_; }
  const LeafNames& attributes() const { return attributes_; }
  // Event types by name; retired ones are not there.
  const NameTable& events() const { return events_; }
  const LeafNames& fields(EventTypeId type) const { return fields_[type]; }

 private:
  std::shared_ptr<const Catalog> catalog_;
  LeafNames attributes_;
  NameTable events_;
  std::vector<LeafNames> fields_;
};

}  // namespace nudge::daemon
