// An event that nudge itself tells a customer's rules: fields that the catalog's event does not have, or has of another type, are left out.
// Pure; for one use.
#pragma once

#include <string>
#include <string_view>

#include "engine/model/catalog.h"
#include "engine/model/input.h"

namespace nudge {

class Telling {
 public:
  Telling(const Catalog& catalog, std::string_view type, std::string_view customer, std::string id, TimeMs at) {
    input_.kind = InputKind::event;
    input_.type = catalog.find_event(type);
    if (!known()) return;
    definition_ = &catalog.events[input_.type];
    input_.customer = customer;
    input_.id = std::move(id);
    input_.time = at;
    input_.fields.resize(definition_->fields.size());
  }
  // False: the catalog has no such event.
  bool known() const { return input_.type != kNoEventType; }
  Telling& set(std::string_view field, Value value) {
    const FieldId id = known() ? definition_->find(field) : kNoField;
    if (id != kNoField && kind_of(definition_->fields[id].type) == value.kind) input_.fields[id] = std::move(value);
    return *this;
  }
  // Nothing when there is nothing to say.
  Telling& text(std::string_view field, std::string_view value) { return value.empty() ? *this : set(field, Value::of_text(value)); }
  Input take() { return std::move(input_); }

 private:
  Input input_;
  const EventTypeDef* definition_ = nullptr;
};

}  // namespace nudge
