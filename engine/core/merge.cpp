#include "engine/core/merge.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/base/limits.h"
#include "engine/core/judge.h"
#include "engine/core/runs.h"

namespace nudge {
namespace {

constexpr std::uint8_t kPortionVersion = 1;
constexpr std::size_t kPortionBytes = 256U << 10;

Input fact(const CustomerState& state, InputKind kind, std::string_view id, TimeMs time) {
  Input input;
  input.kind = kind;
  input.customer = state.id;
  input.id = id;
  input.time = time;
  return input;
}

// Every fact as the input that made it, in an order that the facts alone decide.
template <class F>
void each_fact(const CustomerState& state, const Catalog& catalog, F&& each) {
  for (const auto& [type, rows] : state.events) {
    const std::vector<LeafDef>& fields = catalog.events[type].fields;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      Input input = fact(state, InputKind::event, rows.id(row), rows.time(row));
      input.type = type;
      for (std::size_t f = 0; f < fields.size(); ++f) {
        input.fields.emplace_back(rows.field(row, static_cast<FieldId>(f), kind_of(fields[f].type)));
      }
      each(input);
    }
  }
  std::map<std::pair<TimeMs, std::string>, Input> updates;  // one input may have set many attributes
  for (std::size_t i = 0; i < state.attributes.size(); ++i) {
    const TimeMs time = state.attributes.time(i);
    const auto at =
        updates.try_emplace({time, std::string(state.attributes.id(i))}, fact(state, InputKind::attributes, state.attributes.id(i), time));
    at.first->second.attributes.push_back({state.attributes.attribute(i), Value(state.attributes.value(i))});
  }
  for (const auto& [key, input] : updates) each(input);
  for (const TagUpdate& tag : state.tags) {
    Input input = fact(state, InputKind::tag, tag.id, tag.time);
    input.tag = tag.tag;
    input.tag_removed = tag.removed;
    input.tag_expires = tag.expires;
    each(input);
  }
}

// The start of a portion: the state without its facts and without what follows from them.
std::string portion_head(CustomerState& memory, const Catalog& catalog) {
  std::string encoded, out;
  encode_customer(encoded, memory, catalog);
  Writer w(out);
  w.u8(kPortionVersion);
  w.string(encoded);
  // The rest goes with the first portion alone.
  memory.fired.clear();
  memory.runs.clear();
  memory.contacts.clear();
  memory.aliases.clear();
  return out;
}

template <class T, class Less>
void join(LeanVector<T>& into, const LeanVector<T>& from, Less less) {
  for (const T& one : from) {
    const auto at = std::ranges::lower_bound(into, one, less);
    if (at == into.end() || less(one, *at)) into.insert(at, one);
  }
}

}  // namespace

std::vector<std::string> take_out(CustomerState& alias, std::string_view into, TimeMs now, const Catalog& catalog) {
  CustomerState memory;
  memory.id = alias.id;
  memory.clock = now;
  memory.plan = alias.plan;
  memory.fired = std::move(alias.fired);
  memory.contacts = std::move(alias.contacts);
  memory.runs = std::move(alias.runs);
  // What waits for its time in a segment, or for a day, follows from the facts: the other customer has its own.
  erase_if(memory.runs, [](const Run& run) { return !between_steps(run) && !waits_for_goal(run); });
  memory.aliases = std::move(alias.aliases);
  std::vector<std::string> portions{portion_head(memory, catalog)};
  each_fact(alias, catalog, [&](const Input& input) {
    if (portions.back().size() > kPortionBytes) portions.push_back(portion_head(memory, catalog));
    Writer w(portions.back());
    encode_input(w, input);
  });
  CustomerState rest;
  rest.id = std::move(alias.id);
  rest.plan = alias.plan;
  rest.applied = alias.applied;
  rest.clock = now;
  rest.seldom.set_merged_into(std::string(into));
  alias = std::move(rest);
  return portions;
}

Result<Portion> read_portion(std::string_view bytes, std::string_view into, const Catalog& catalog) {
  const auto damaged = [] { return fail(Code::corrupt, "what a merged customer left can't be read: it is damaged or of another version"); };
  Reader in(bytes);
  if (in.u8() != kPortionVersion) return damaged();
  Portion portion;
  NUDGE_ASSIGN(portion.memory, decode_customer(in.string(), catalog));
  while (!in.at_end()) {
    Input input;
    if (in.bad() || !decode_input(in, input)) return damaged();
    if (input.kind == InputKind::event) {
      if (input.type >= catalog.events.size()) return damaged();
      input.fields.resize(catalog.events[input.type].fields.size());
    }
    input.customer = into;
    input.import = input.time <= portion.memory.clock;
    portion.inputs.push_back(std::move(input));
  }
  if (in.bad()) return damaged();
  return portion;
}

std::optional<std::string> portion_without(std::string_view bytes, const std::set<EventTypeId>& types, std::uint64_t& events) {
  Reader in(bytes);
  if (in.u8() != kPortionVersion) return std::nullopt;
  std::string out;
  Writer w(out);
  w.u8(kPortionVersion);
  w.string(in.string());
  for (Input input; !in.at_end();) {
    if (in.bad() || !decode_input(in, input)) return std::nullopt;
    if (input.kind == InputKind::event && types.contains(input.type))
      ++events;
    else
      encode_input(w, input);
  }
  return in.bad() ? std::nullopt : std::optional(std::move(out));
}

void join_memory(CustomerState& state, const CustomerState& memory) {
  join(state.aliases, memory.aliases, std::less<>());
  join(state.aliases, {memory.id}, std::less<>());
  const auto by_rule = [](const LastFired& a, const LastFired& b) { return std::tie(a.rule, a.key) < std::tie(b.rule, b.key); };
  for (const LastFired& fired : memory.fired) {
    const auto at = std::ranges::lower_bound(state.fired, fired, by_rule);
    if (at != state.fired.end() && !by_rule(fired, *at)) {
      at->at = std::max(at->at, fired.at);
    } else {
      state.fired.insert(at, fired);
    }
  }
  join(state.contacts, memory.contacts,
       [](const Contact& a, const Contact& b) { return std::tie(a.at, a.action) < std::tie(b.at, b.action); });
  for (const Run& run : memory.runs) {
    if (std::ranges::find(state.runs, run) != state.runs.end() || state.runs.size() >= limits::kRunsPerCustomer) continue;
    state.runs.insert(std::ranges::upper_bound(state.runs, run, run_before), run);
  }
}

}  // namespace nudge
