#include "engine/core/funnel.h"

#include <algorithm>

namespace nudge {

namespace {

void add(StageCount& count, const Opportunity& deal, std::uint32_t percent, TimeMs now) {
  ++count.open;
  count.stalled += deal.stalled ? 1U : 0U;
  count.amount += deal.amount.units;
  count.expected += static_cast<Int128>(deal.amount.units) * percent / 100;
  count.age += std::max<DurationMs>(0, now - deal.since);
}

}  // namespace

FunnelCount count_funnel(const Funnel& funnel, std::span<const Opportunity> deals, TimeMs now) {
  FunnelCount out;
  out.stages.resize(funnel.stages.size());
  for (const Opportunity& deal : deals) {
    if (deal.funnel != funnel.name) continue;
    for (std::size_t i = 0; i < out.stages.size(); ++i) out.stages[i].reached += deal.furthest >= i ? 1U : 0U;
    if (deal.state == DealState::won) {
      ++out.won;
      out.won_amount += deal.amount.units;
    } else if (deal.state == DealState::lost) {
      ++out.lost;
      out.lost_amount += deal.amount.units;
      ++out.lost_reasons[deal.reason];
    } else {
      const std::size_t place = stage_index(funnel, deal.stage);
      const std::uint32_t percent = place < funnel.stages.size() ? funnel.stages[place].percent : 0;
      if (place < out.stages.size()) add(out.stages[place], deal, percent, now);
      add(out.open, deal, percent, now);
    }
  }
  for (std::size_t i = 0; i < out.stages.size(); ++i) out.stages[i].moved_on = i + 1 < out.stages.size() ? out.stages[i + 1].reached : out.won;
  return out;
}

}  // namespace nudge
