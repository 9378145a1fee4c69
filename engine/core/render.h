// Templates to text. Values are data: they are put in, never parsed as template. Pure.
#pragma once

#include <string>

#include "engine/core/effects.h"

namespace nudge {

class Evaluator;

// What a template may speak of.
struct RenderContext {
  const Plan& plan;
  const CustomerState& state;
  Evaluator& evaluator;  // begun at the instant of the action, with the cause's row as trigger
  const Rule& rule;
  const Cause& cause;
  TimeMs now;
};

// The text, in the customer's language where there is a translation. `late` takes what only the desk knows, with places in the text; null:
// it is left out.
Result<std::string> render(const RenderContext& context, TemplateId id, Escape escape, std::vector<LateText>* late = nullptr);

struct RenderedParams {
  std::string json;            // an object, every template rendered
  std::vector<LateText> late;  // places in `json` that the desk fills in
};
Result<RenderedParams> render_params(const RenderContext& context, const Action& action);

}  // namespace nudge
