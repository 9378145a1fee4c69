// R1001, R1002: conditions that can never hold, and that always hold. The innermost part is named: what is around it only follows.
#include <algorithm>

#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

using lang::Spot;

/// The parts right below a condition.
std::vector<const Spot*> parts_of(const Findings& f, std::uint32_t index) {
  std::vector<const Spot*> parts;
  const Spot& whole = f.sources.spots[index];
  for (std::uint32_t i = index; i > whole.first;) {
    const Spot& part = f.sources.spots[--i];
    if (part.owner == whole.owner) parts.push_back(&part);
    i = part.first;  // what is inside it is not right below
  }
  std::ranges::reverse(parts);
  return parts;
}

/// The two parts that can't go together, in words; empty when it takes more than two.
std::string clash(Findings& f, std::uint32_t index, bool hold) {
  const std::vector<const Spot*> parts = parts_of(f, index);
  for (std::size_t i = 0; i < parts.size() && i < 32; ++i) {
    for (std::size_t j = i + 1; j < parts.size() && j < 32; ++j) {
      if (parts[i]->node == kNone || parts[j]->node == kNone) continue;
      if (f.solver.possible({{{parts[i]->node, hold}, {parts[j]->node, hold}}, {}, {}})) continue;
      const std::string one = f.line_of(parts[i]->where), other = f.line_of(parts[j]->where);
      if (one == other) return {};
      return one + " and " + other;
    }
  }
  return {};
}

std::string list_of(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size() && i < 12; ++i) out += (i == 0 ? "" : ", ") + words[i];
  return out + (words.size() > 12 ? " …" : "");
}

/// Why a single comparison can't be met, or is always met.
std::string reason(const Findings& f, const Node& node) {
  if (node.kind != Node::Kind::compare || node.left == kNone) return {};
  const Expr* expr = &f.plan.exprs[node.left];
  while (expr->kind == Expr::Kind::trait) expr = &f.plan.exprs[expr->child];
  if (expr->kind == Expr::Kind::aggregate) {
    const Aggregate& a = f.plan.aggregates[expr->ref];
    if (a.fn == Aggregate::Fn::count || a.fn == Aggregate::Fn::distinct) return ": a count is never below 0";
    if (a.field == kTimeField) return ": the rows of the window have other ages";
  }
  if (expr->kind == Expr::Kind::size) return ": a size is never below 0";
  if (expr->kind == Expr::Kind::score) return ": the points of the score never add up to that";
  const bool attribute = expr->kind == Expr::Kind::attribute;
  if (attribute && !f.plan.catalog->attributes[expr->ref].one_of.empty())
    return ": the catalog allows " + list_of(f.plan.catalog->attributes[expr->ref].one_of);
  if (expr->type == Type::integer) return ": no whole number fits";
  return {};
}

void say(Findings& f, std::uint32_t index, Verdict verdict) {
  const Spot& spot = f.sources.spots[index];
  const Node& node = f.plan.nodes[spot.node];
  const bool never = verdict == Verdict::never;
  std::string why;
  if (node.kind == Node::Kind::all || node.kind == Node::Kind::any) {
    const bool junction = (node.kind == Node::Kind::all) == never;
    const std::string pair = junction ? clash(f, index, never) : "";
    if (!pair.empty())
      why = never ? ": " + pair + " contradict each other" : ": one of " + pair + " holds at any time";
    else
      why = never ? ": its parts contradict each other" : ": one of its parts holds at any time";
  } else if (node.kind == Node::Kind::band) {
    why = ": the points of the score never add up to that";
  } else {
    why = reason(f, node);
  }
  const std::string row = spot.row_event == kNoEventType ? "" : " for any event " + quoted(f.plan.catalog->events[spot.row_event].name);
  f.warn(never ? "R1001" : "R1002", spot.where, {spot.owner},
         (never         ? "this can never hold" + row
          : row.empty() ? "this always holds, for every customer"
                        : "this always holds" + row) +
             why,
         never ? "change one of the parts; nobody is ever met by it as it stands" : "take it out: it changes nothing as it stands");
}

}  // namespace

void lint_conditions(Findings& f) {
  const auto& spots = f.sources.spots;
  std::vector<bool> decided(spots.size());
  for (std::uint32_t i = 0; i < spots.size(); ++i) {
    if (spots[i].node == kNone) continue;
    const Verdict verdict = f.solver.verdict(spots[i].node);
    decided[i] = verdict != Verdict::open;
    if (!decided[i] || spots[i].reference) continue;
    bool inner = false;
    for (std::uint32_t j = spots[i].first; j < i && !inner; ++j) inner = decided[j] && spots[j].owner == spots[i].owner;
    if (!inner) say(f, i, verdict);
  }
}

}  // namespace nudge::lint
