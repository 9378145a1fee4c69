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

// How a channel wants values escaped; the template's own text is the author's and stays as written.
enum class Escape : std::uint8_t { none, html, header /* no line breaks */ };

Result<std::string> render(const RenderContext& context, TemplateId id, Escape escape);
// The action's parameters as a JSON object, every template rendered.
Result<std::string> render_params(const RenderContext& context, const Action& action);

}  // namespace nudge
