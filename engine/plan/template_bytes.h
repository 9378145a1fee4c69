// A template as bytes that are the same for the same template: what fingerprints and the sharing of equal templates go by. Pure.
#pragma once

#include "engine/plan/template.h"

namespace nudge {

// How ids are written: as they are, or by what they stand for.
class TemplateIds {
 public:
  virtual ~TemplateIds() = default;
  virtual void expr(Writer& out, ExprId id) = 0;
  virtual void node(Writer& out, NodeId id) = 0;
  virtual void score(Writer& out, std::uint32_t id) = 0;
  virtual void attribute(Writer& out, std::uint32_t id) = 0;
  virtual void field(Writer& out, EventTypeId event, std::uint32_t field) = 0;  // kNoField: none
  virtual void text(Writer& out, TemplateId id) = 0;
};

// A template without logic gives the bytes that it gave before there was any: versions of rules hang on them.
void put_template(Writer& out, const Template& t, TemplateIds& ids);

}  // namespace nudge
