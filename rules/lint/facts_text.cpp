// Texts and lists: what is left of them.
#include <algorithm>
#include <optional>
#include <set>

#include "engine/base/regex.h"
#include "engine/base/text.h"
#include "rules/lint/facts.h"

namespace nudge::lint {
namespace {

using Nodes = std::vector<const Node*>;

/// The comparison of a text that is there; literals that ignore case are folded already.
bool holds_for(const Node& node, std::string_view raw) {
  if (node.op == Op::matches) return node.regex != nullptr && node.regex->found_in(raw);
  const std::string text = node.ignore_case ? fold_case(raw) : std::string(raw);
  const auto any = [&](auto test) { return std::ranges::any_of(node.literals, [&](const Value& v) { return test(v.bytes); }); };
  const auto equal = [&](const std::string& s) { return s == text; };
  const auto found = [&](const std::string& s) { return text.find(s) != std::string::npos; };
  switch (node.op) {
    case Op::equals:
    case Op::in: return any(equal);
    case Op::not_equals:
    case Op::not_in: return !any(equal);
    case Op::contains: return any(found);
    case Op::not_contains: return !any(found);
    case Op::starts_with: return any([&](const std::string& s) { return text.starts_with(s); });
    case Op::ends_with: return any([&](const std::string& s) { return text.ends_with(s); });
    default: return true;
  }
}

bool known_op(const Node& node) {
  switch (node.op) {
    case Op::equals:
    case Op::in:
    case Op::not_equals:
    case Op::not_in:
    case Op::contains:
    case Op::not_contains:
    case Op::starts_with:
    case Op::ends_with: return true;
    case Op::matches: return node.regex != nullptr;
    default: return false;
  }
}

bool names_texts(const Node& node) { return node.op == Op::equals || node.op == Op::in; }

/// True when one of the candidates passes all comparisons that can be judged on it.
bool one_passes(const std::vector<std::string>& candidates, const Nodes& yes, const Nodes& no, bool folded) {
  // Of a folded text only the comparisons that ignore case can be judged; patterns see the text as it was.
  const auto judged = [&](const Node* n) { return known_op(*n) && (!folded || (n->ignore_case && n->op != Op::matches)); };
  return std::ranges::any_of(candidates, [&](const std::string& text) {
    return std::ranges::all_of(yes, [&](const Node* n) { return !judged(n) || holds_for(*n, text); }) &&
           std::ranges::none_of(no, [&](const Node* n) { return judged(n) && holds_for(*n, text); });
  });
}

/// Two comparisons with a piece of text each: can't both be what is asked?
bool clash(const Node& a, const Node& b, bool b_holds) {
  if (a.ignore_case != b.ignore_case || a.literals.size() != 1 || b.literals.size() != 1) return false;
  const std::string& x = a.literals[0].bytes;
  const std::string& y = b.literals[0].bytes;
  if (b_holds && a.op == Op::starts_with && b.op == Op::starts_with) return !x.starts_with(y) && !y.starts_with(x);
  if (b_holds && a.op == Op::ends_with && b.op == Op::ends_with) return !x.ends_with(y) && !y.ends_with(x);
  const bool piece = a.op == Op::contains || a.op == Op::starts_with || a.op == Op::ends_with;
  if (!piece) return false;
  const bool left_out = b_holds ? b.op == Op::not_contains : b.op == Op::contains;
  if (left_out) return x.find(y) != std::string::npos;
  if (!b_holds && b.op == Op::starts_with) return a.op == Op::starts_with && x.starts_with(y);
  if (!b_holds && b.op == Op::ends_with) return a.op == Op::ends_with && x.ends_with(y);
  return false;
}

}  // namespace

bool text_left(const Nodes& yes, const Nodes& no, const std::vector<std::string>& one_of) {
  if (!one_of.empty()) return one_passes(one_of, yes, no, false);
  for (const bool folded : {false, true}) {
    const auto naming = std::ranges::find_if(yes, [&](const Node* n) { return names_texts(*n) && n->ignore_case == folded; });
    if (naming == yes.end()) continue;
    std::vector<std::string> candidates;
    for (const Value& v : (*naming)->literals) candidates.push_back(v.bytes);
    return one_passes(candidates, yes, no, folded);
  }
  for (const Node* a : yes) {
    for (const Node* b : yes) {
      if (a != b && clash(*a, *b, true)) return false;
    }
    for (const Node* b : no) {
      if (clash(*a, *b, false)) return false;
    }
  }
  return true;
}

bool list_left(const Nodes& yes, const Nodes& no) {
  std::set<std::pair<bool, std::string>> out;  // items that it must not have
  for (const Node* n : no) {
    const bool single = n->literals.size() == 1 && (n->op == Op::has || n->op == Op::has_all);
    if (!single && n->op != Op::has_any) continue;
    for (const Value& v : n->literals) out.emplace(n->ignore_case, v.bytes);
  }
  for (const Node* n : yes) {
    const auto lacking = [&](const Value& v) { return out.contains({n->ignore_case, v.bytes}); };
    if (n->op == Op::has_any ? std::ranges::all_of(n->literals, lacking) : std::ranges::any_of(n->literals, lacking)) return false;
  }
  return true;
}

}  // namespace nudge::lint
