#include "daemon/ingest/schema.h"

namespace nudge::daemon {
namespace {

void fill(LeafNames& names, const std::vector<LeafDef>& leaves, const std::vector<ObjectDef>& objects) {
  names.leaves = &leaves;
  names.objects = &objects;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].retired) names.table.add(leaves[i].name, static_cast<std::uint32_t>(i));
  }
  for (std::size_t i = 0; i < objects.size(); ++i) names.table.add(objects[i].name, static_cast<std::uint32_t>(i) | LeafNames::kObjectBit);
}

}  // namespace

IntakeSchema::IntakeSchema(std::shared_ptr<const Catalog> catalog) : catalog_(std::move(catalog)) {
  fill(attributes_, catalog_->attributes, catalog_->objects);
  fields_.resize(catalog_->events.size());
  for (std::size_t i = 0; i < catalog_->events.size(); ++i) {
    const EventTypeDef& type = catalog_->events[i];
    if (!type.retired) events_.add(type.name, static_cast<std::uint32_t>(i));
    fill(fields_[i], type.fields, type.objects);
  }
}

}  // namespace nudge::daemon
