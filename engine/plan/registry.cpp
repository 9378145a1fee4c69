#include "engine/plan/registry.h"

namespace nudge {
namespace {

constexpr std::uint8_t kRegistryVersion = 2;  // 2: the plan that activated a rule

std::unexpected<Error> damaged() {
  return fail(Code::corrupt, "the stored registry of segments and rules is damaged; restore the data directory from a backup");
}

// How far a rule is switched on; a pause is no step back.
int height(RuleState state) { return state == RuleState::draft ? 0 : state == RuleState::shadow ? 1 : 2; }

}  // namespace

void Registry::bind(Plan& plan, TimeMs now) {
  plan.sequence = ++plan_sequence_;
  plan.activated = now;
  bind_segments(plan, now);
  bind_rules(plan, now);
}

void Registry::bind_segments(Plan& plan, TimeMs now) {
  plan.segment_of_root.clear();
  for (std::size_t i = 0; i < plan.segments.size(); ++i) {
    Segment& segment = plan.segments[i];
    const auto [place, fresh] = roots_.try_emplace(segment.key);
    RootEntry& entry = place->second;
    if (fresh) entry.id = next_root_++;
    if (fresh || entry.last_plan + 1 != plan.sequence) {
      entry.activated = now;
      entry.since_plan = plan.sequence;
    }
    entry.last_plan = plan.sequence;
    segment.root = entry.id;
    segment.activated = entry.activated;
    segment.since_plan = entry.since_plan;
    plan.segment_of_root[entry.id] = static_cast<std::uint32_t>(i);
  }
}

void Registry::bind_rules(Plan& plan, TimeMs now) {
  plan.rule_of_id.clear();
  for (std::size_t i = 0; i < plan.rules.size(); ++i) {
    Rule& rule = plan.rules[i];
    const auto [place, fresh] = rules_.try_emplace(rule.name);
    RuleEntry& entry = place->second;
    if (fresh) entry.id = next_rule_++;
    if (fresh || entry.definition != rule.definition) ++entry.version;
    if (fresh || entry.last_plan + 1 != plan.sequence || height(rule.state) > height(entry.state)) {
      entry.activated = now;
      entry.since_plan = plan.sequence;
    }
    entry.definition = rule.definition;
    entry.state = rule.state;
    entry.last_plan = plan.sequence;
    rule.id = entry.id;
    rule.version = entry.version;
    rule.activated = entry.activated;
    rule.since_plan = entry.since_plan;
    plan.rule_of_id[entry.id] = static_cast<std::uint32_t>(i);
  }
}

void Registry::encode(std::string& out) const {
  Writer writer(out);
  writer.u8(kRegistryVersion);
  writer.varint(plan_sequence_);
  writer.varint(next_root_);
  writer.varint(next_rule_);
  writer.varint(roots_.size());
  for (const auto& [key, entry] : roots_) {
    writer.fixed64(key.hi);
    writer.fixed64(key.lo);
    writer.varint(entry.id);
    writer.svarint(entry.activated);
    writer.varint(entry.since_plan);
    writer.varint(entry.last_plan);
  }
  writer.varint(rules_.size());
  for (const auto& [name, entry] : rules_) {
    writer.string(name);
    writer.varint(entry.id);
    writer.fixed64(entry.definition.hi);
    writer.fixed64(entry.definition.lo);
    writer.varint(entry.version);
    writer.svarint(entry.activated);
    writer.varint(entry.last_plan);
    writer.u8(static_cast<std::uint8_t>(entry.state));
    writer.varint(entry.since_plan);
  }
}

Result<Registry> Registry::decode(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (!in.bad() && (version == 0 || version > kRegistryVersion)) {
    return fail(Code::corrupt, "the stored registry has version " + std::to_string(version) + ", and this program reads versions up to " +
                                   std::to_string(kRegistryVersion) + "; use a program as new as the one that wrote it");
  }
  Registry r;
  r.plan_sequence_ = in.varint();
  const std::uint64_t next_root = in.varint();
  const std::uint64_t next_rule = in.varint();
  const std::uint64_t roots = in.varint();
  if (in.bad() || next_root >= kNone || next_rule >= kNone) return damaged();
  r.next_root_ = static_cast<RootId>(next_root);
  r.next_rule_ = static_cast<RuleId>(next_rule);
  for (std::uint64_t i = 0; i < roots; ++i) {
    Hash128 key;
    key.hi = in.fixed64();
    key.lo = in.fixed64();
    RootEntry entry;
    const std::uint64_t id = in.varint();
    entry.id = static_cast<RootId>(id);
    entry.activated = in.svarint();
    entry.since_plan = in.varint();
    entry.last_plan = in.varint();
    if (in.bad() || id >= next_root || !r.roots_.emplace(key, entry).second) return damaged();
  }
  const std::uint64_t rules = in.varint();
  for (std::uint64_t i = 0; !in.bad() && i < rules; ++i) {
    const std::string name(in.string());
    RuleEntry entry;
    const std::uint64_t id = in.varint();
    entry.id = static_cast<RuleId>(id);
    entry.definition.hi = in.fixed64();
    entry.definition.lo = in.fixed64();
    entry.version = in.varint();
    entry.activated = in.svarint();
    entry.last_plan = in.varint();
    const std::uint8_t state = in.u8();
    if (version >= 2) entry.since_plan = in.varint();
    entry.state = static_cast<RuleState>(state);
    if (in.bad() || id >= next_rule || state > static_cast<std::uint8_t>(RuleState::paused) || !r.rules_.emplace(name, entry).second) {
      return damaged();
    }
  }
  if (in.bad() || !in.at_end()) return damaged();
  return r;
}

}  // namespace nudge
