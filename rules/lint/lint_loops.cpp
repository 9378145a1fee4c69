// R1004: rules that feed each other in a loop. A graph of rules and what they write; each of its strongly connected parts that goes on by
// itself is told once.
#include <algorithm>
#include <map>

#include "rules/lint/findings.h"
#include "rules/lint/relation.h"

namespace nudge::lint {
namespace {

// By index into Plan::rules; above them stand nodes for what many rules write alike, so that n writers and n listeners are 2n edges, not
// n².
using Graph = std::vector<std::vector<std::uint32_t>>;

/// Listeners whose filter speaks of the rule that wrote, but names none, are compared with every writer: so many of them, and no more.
constexpr std::size_t kPickyMax = 64;

bool limited(const Rule& rule) { return rule.limits.once_ever || rule.limits.once_per > 0; }

/// What a filter on an event that nudge makes asks of the field `rule`.
struct Asked {
  bool mentioned = false;
  const std::vector<Value>* names = nullptr;  // one of these, whatever else it asks
};

void look(const Plan& plan, NodeId id, FieldId field, bool plain, Asked& asked) {
  const Node& node = plan.nodes[id];
  if (node.kind == Node::Kind::compare) {
    const Expr& left = plan.exprs[node.left];
    if (left.kind != Expr::Kind::field || left.ref != field) return;
    asked.mentioned = true;
    if (plain && node.right == kNone && !node.ignore_case && (node.op == Op::equals || node.op == Op::in)) asked.names = &node.literals;
    return;
  }
  for (const NodeId child : node.children) look(plan, child, field, plain && node.kind == Node::Kind::all, asked);
}

/// Who fires on what whom writes. Rules with a limit per customer end a loop and are left out.
class Builder {
 public:
  explicit Builder(Findings& f) : f_(f), graph_(f.plan.rules.size()) {}

  Graph run() {
    for (std::uint32_t i = 0; i < f_.plan.rules.size(); ++i) {
      if (limited(f_.plan.rules[i])) continue;
      for (const Writing& w : writings_of(f_.plan, f_.plan.rules[i])) {
        if (!f_.solver.spend(1)) return std::move(graph_);
        if (w.kind == Writing::Kind::event) add_event(i, w);
        if (w.kind == Writing::Kind::attribute && w.attribute < f_.plan.rules_by_attribute.size())
          add_all(i, w, f_.plan.rules_by_attribute[w.attribute]);
        if (w.kind == Writing::Kind::attribute && w.attribute < f_.plan.segments_by_attribute.size())
          add_segments(i, w, f_.plan.segments_by_attribute[w.attribute]);
        if (w.kind == Writing::Kind::tag) add_segments(i, w, f_.plan.segments_by_tag);
      }
    }
    return std::move(graph_);
  }

 private:
  struct Listeners {
    std::map<std::string, std::vector<std::uint32_t>> named;  // their filter asks for this rule
    std::vector<std::uint32_t> picky, open;
    std::map<std::string, std::uint32_t> shared;  // what is written alike -> node
  };

  void add_all(std::uint32_t from, const Writing& w, const std::vector<std::uint32_t>& listeners) {
    for (const std::uint32_t to : listeners) {
      if (!f_.solver.spend(1)) return;
      // The same value once more is no change, so a rule that sets a fixed value doesn't make itself fire for ever.
      if (from == to && !w.value.missing() && f_.plan.rules[to].trigger.kind == Trigger::Kind::attribute_changes) continue;
      if (!limited(f_.plan.rules[to]) && listens_to(f_.plan, f_.plan.rules[to], w)) graph_[from].push_back(to);
    }
  }

  void add_segments(std::uint32_t from, const Writing& w, const std::vector<std::uint32_t>& segments) {
    for (const std::uint32_t segment : segments) {
      if (segment < f_.plan.rules_by_segment.size()) add_all(from, w, f_.plan.rules_by_segment[segment]);
    }
  }

  Listeners& listeners(EventTypeId event) {
    const auto [place, fresh] = listeners_.try_emplace(event);
    Listeners& all = place->second;
    if (!fresh || event >= f_.plan.rules_by_event.size()) return all;
    const FieldId field = f_.plan.catalog->events[event].find("rule");
    for (const std::uint32_t i : f_.plan.rules_by_event[event]) {
      Asked asked;
      if (f_.plan.rules[i].trigger.where != kNone) look(f_.plan, f_.plan.rules[i].trigger.where, field, true, asked);
      if (asked.names != nullptr) {
        for (const Value& name : *asked.names) all.named[name.bytes].push_back(i);
      } else if (asked.mentioned) {
        if (all.picky.size() < kPickyMax) all.picky.push_back(i);
      } else {
        all.open.push_back(i);
      }
    }
    return all;
  }

  void add_event(std::uint32_t from, const Writing& w) {
    Listeners& all = listeners(w.event);
    const FieldId field = f_.plan.catalog->events[w.event].find("rule");
    if (const auto named = all.named.find(f_.plan.rules[from].name); named != all.named.end()) add_all(from, w, named->second);
    add_all(from, w, all.picky);
    if (all.open.empty()) return;
    std::string alike;
    for (const auto& [id, value] : w.fields) {
      if (id != field) alike += std::to_string(id) + "=" + value.bytes + '\0';
    }
    const auto [place, fresh] = all.shared.emplace(alike, static_cast<std::uint32_t>(graph_.size()));
    graph_[from].push_back(place->second);
    if (!fresh) return;
    graph_.emplace_back();
    add_all(place->second, w, all.open);
  }

  Findings& f_;
  Graph graph_;
  std::map<EventTypeId, Listeners> listeners_;
};

/// Tarjan's strongly connected parts, without recursion: rules may stand in long rows.
class Parts {
 public:
  explicit Parts(const Graph& graph) : graph_(graph), number_(graph.size(), 0), low_(graph.size(), 0), open_(graph.size(), false) {
    for (std::uint32_t i = 0; i < graph.size(); ++i) {
      if (number_[i] == 0) visit(i);
    }
  }
  std::vector<std::vector<std::uint32_t>> loops;

 private:
  void visit(std::uint32_t start) {
    std::vector<std::pair<std::uint32_t, std::size_t>> path{{start, 0}};
    begin(start);
    while (!path.empty()) {
      auto& [at, next] = path.back();
      if (next < graph_[at].size()) {
        const std::uint32_t to = graph_[at][next++];
        if (number_[to] == 0) {
          begin(to);
          path.emplace_back(to, 0);
        } else if (open_[to]) {
          low_[at] = std::min(low_[at], number_[to]);
        }
        continue;
      }
      const std::uint32_t done = at;
      path.pop_back();
      if (!path.empty()) low_[path.back().first] = std::min(low_[path.back().first], low_[done]);
      if (low_[done] == number_[done]) close(done);
    }
  }
  void begin(std::uint32_t i) {
    number_[i] = low_[i] = ++count_;
    stack_.push_back(i);
    open_[i] = true;
  }
  void close(std::uint32_t root) {
    std::vector<std::uint32_t> part;
    do {
      part.push_back(stack_.back());
      open_[stack_.back()] = false;
      stack_.pop_back();
    } while (part.back() != root);
    const bool itself = part.size() == 1 && std::ranges::find(graph_[root], root) != graph_[root].end();
    if (part.size() > 1 || itself) loops.push_back(std::move(part));
  }

  const Graph& graph_;
  std::vector<std::uint32_t> number_, low_, stack_;
  std::vector<bool> open_;
  std::uint32_t count_ = 0;
};

/// A way from the first rule back to itself, by breadth: the shortest loop through it.
std::vector<std::uint32_t> way_round(const Graph& graph, std::uint32_t start) {
  std::map<std::uint32_t, std::uint32_t> from;
  std::vector<std::uint32_t> queue{start};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const std::uint32_t to : graph[queue[i]]) {
      if (to == start) {
        std::vector<std::uint32_t> way{queue[i]};
        while (way.back() != start) way.push_back(from.at(way.back()));
        std::ranges::reverse(way);
        return way;
      }
      if (from.emplace(to, queue[i]).second) queue.push_back(to);
    }
  }
  return {start};
}

/// How the first makes the second fire.
std::string link(const Findings& f, const Rule& from, const Rule& to) {
  for (const Writing& w : writings_of(f.plan, from)) {
    if (!listens_to(f.plan, to, w)) continue;
    if (w.kind == Writing::Kind::event) return "makes the event " + quoted(f.plan.catalog->events[w.event].name);
    const std::string done = w.kind == Writing::Kind::tag ? (w.removed ? "takes the tag " : "adds the tag ") + quoted(w.tag)
                                                          : "sets " + quoted(f.plan.catalog->attributes[w.attribute].name);
    if (to.trigger.kind != Trigger::Kind::enters && to.trigger.kind != Trigger::Kind::leaves) return done;
    return done + ", by which the customer " + (to.trigger.kind == Trigger::Kind::enters ? "enters " : "leaves ") +
           quoted(f.plan.segments[to.trigger.segment].name);
  }
  return "writes";
}

/// Whoever enters a segment twice has left it between: a rule on a segment is part of a loop only where another of its rules (or it itself)
/// turns the membership back. Takes out those that are not; true when there were some.
bool drop_one_way(const Findings& f, Graph& graph) {
  bool dropped = false;
  for (const std::vector<std::uint32_t>& part : Parts(graph).loops) {
    for (const std::uint32_t i : part) {
      if (i >= f.plan.rules.size()) continue;
      const Trigger& trigger = f.plan.rules[i].trigger;
      if (trigger.kind != Trigger::Kind::enters && trigger.kind != Trigger::Kind::leaves) continue;
      const bool turned_back = std::ranges::any_of(part, [&](std::uint32_t other) {
        if (other >= f.plan.rules.size()) return false;
        return std::ranges::any_of(writings_of(f.plan, f.plan.rules[other]), [&](const Writing& w) {
          const Moves moved = moves(f.plan, f.plan.segments[trigger.segment].node, w);
          return trigger.kind == Trigger::Kind::enters ? moved.to_false : moved.to_true;
        });
      });
      if (turned_back) continue;
      graph[i].clear();
      dropped = true;
    }
  }
  return dropped;
}

}  // namespace

void lint_loops(Findings& f) {
  Graph graph = Builder(f).run();
  while (drop_one_way(f, graph)) {}
  const auto is_rule = [&](std::uint32_t i) { return i < f.plan.rules.size(); };
  for (std::vector<std::uint32_t>& part : Parts(graph).loops) {
    std::erase_if(part, [&](std::uint32_t i) { return !is_rule(i); });
    const std::uint32_t first =
        *std::ranges::min_element(part, [&](std::uint32_t a, std::uint32_t b) { return f.plan.rules[a].name < f.plan.rules[b].name; });
    std::vector<std::uint32_t> way = way_round(graph, first);
    std::erase_if(way, [&](std::uint32_t i) { return !is_rule(i); });
    std::string told;
    std::vector<std::uint32_t> owners;
    for (std::size_t i = 0; i < way.size(); ++i) {
      const Rule& rule = f.plan.rules[way[i]];
      const Rule& next = f.plan.rules[way[(i + 1) % way.size()]];
      owners.push_back(f.definition_of(rule));
      if (i < 6)
        told += (i == 0 ? "" : "; ") + quoted(rule.name) + " " + link(f, rule, next) + ", on which " + quoted(next.name) + " fires";
    }
    if (way.size() > 6) told += "; and so on";
    const Rule& rule = f.plan.rules[first];
    f.warn("R1004", f.place_of(rule), owners,
           way.size() == 1 ? "this rule feeds itself: it " + link(f, rule, rule) + ", on which it fires again"
                           : "these " + std::to_string(way.size()) + " rules feed each other in a loop: " + told,
           "let one of them fire once only (`limits: {once_per: …}`), or let its trigger leave out what the others make (`where`)");
  }
}

}  // namespace nudge::lint
