// Takes a failing case apart: drops what can be dropped while it still fails.
#include <functional>

#include "tests/simulation/compare/case.h"

namespace nudge::reference {

namespace {

bool fails(const Case& one) {
  Counts counts;
  return run(one, counts).has_value();
}

// All conditions that are a little smaller than this one.
std::vector<ConditionRef> smaller(const ConditionRef& ref) {
  std::vector<ConditionRef> result;
  if (!ref) return result;
  const Condition& c = *ref;
  if (c.kind == Condition::Kind::constant) return result;
  const auto make = [](Condition made) { return std::make_shared<const Condition>(std::move(made)); };
  for (const bool truth : {false, true}) result.push_back(make(Condition{.kind = Condition::Kind::constant, .truth = truth}));
  const bool composed = c.kind == Condition::Kind::all || c.kind == Condition::Kind::any || c.kind == Condition::Kind::negate;
  if (composed) {
    for (std::size_t i = 0; i < c.children.size(); ++i) {
      result.push_back(c.children[i]);
      if (c.children.size() > 1) {
        Condition less = c;
        less.children.erase(less.children.begin() + static_cast<std::ptrdiff_t>(i));
        result.push_back(make(std::move(less)));
      }
      for (const ConditionRef& child : smaller(c.children[i])) {
        Condition less = c;
        less.children[i] = child;
        result.push_back(make(std::move(less)));
      }
    }
  }
  if (c.kind == Condition::Kind::compare && c.left->kind == Operand::Kind::query && c.left->query.where) {
    Operand left = *c.left;
    left.query.where = nullptr;
    Condition less = c;
    less.left = std::make_shared<const Operand>(std::move(left));
    result.push_back(make(std::move(less)));
  }
  if (c.kind == Condition::Kind::sequence) {
    for (std::size_t i = 0; i < c.steps.size(); ++i) {
      Condition less = c;
      if (c.steps[i].where) {
        less.steps[i].where = nullptr;
        result.push_back(make(less));
      }
      if (c.steps.size() > 1 && (i > 0 || !c.steps[1].absent)) {
        less.steps.erase(less.steps.begin() + static_cast<std::ptrdiff_t>(i));
        result.push_back(make(std::move(less)));
      }
    }
  }
  return result;
}

class Shrinker {
 public:
  explicit Shrinker(Case one) : one_(std::move(one)) {}
  Case run() {
    bool again = true;
    while (again && left_ > 0) {
      again = history();
      again = definitions(&Case::first) || again;
      again = definitions(&Case::second) || again;
    }
    return std::move(one_);
  }

 private:
  bool attempt(const Case& less) {
    if (left_ == 0) return false;
    --left_;
    if (!fails(less)) return false;
    one_ = less;
    return true;
  }
  bool history() {
    bool any = false;
    for (std::size_t i = one_.history.size(); i-- > 0;) {
      Case less = one_;
      less.history.erase(less.history.begin() + static_cast<std::ptrdiff_t>(i));
      if (attempt(less)) {
        any = true;
        continue;
      }
      for (std::size_t k = one_.history[i].inputs.size(); k-- > 0;) {
        less = one_;
        less.history[i].inputs.erase(less.history[i].inputs.begin() + static_cast<std::ptrdiff_t>(k));
        if (attempt(less)) {
          any = true;
          continue;
        }
        for (std::size_t f = 0; f < one_.history[i].inputs[k].fields.size(); ++f) {
          if (one_.history[i].inputs[k].fields[f].missing()) continue;
          less = one_;
          less.history[i].inputs[k].fields[f] = Value();
          any = attempt(less) || any;
        }
        for (std::size_t u = one_.history[i].inputs[k].attributes.size(); u-- > 0 && one_.history[i].inputs[k].attributes.size() > 1;) {
          less = one_;
          auto& updates = less.history[i].inputs[k].attributes;
          updates.erase(updates.begin() + static_cast<std::ptrdiff_t>(u));
          any = attempt(less) || any;
        }
      }
    }
    return any;
  }
  bool slot(const std::function<ConditionRef&(Case&)>& at, bool may_vanish) {
    bool any = false;
    for (bool again = true; again;) {
      again = false;
      if (may_vanish && at(one_)) {
        Case less = one_;
        at(less) = nullptr;
        if (attempt(less)) return true;
      }
      for (const ConditionRef& c : smaller(at(one_))) {
        Case less = one_;
        at(less) = c;
        if (attempt(less)) {
          again = any = true;
          break;
        }
      }
    }
    return any;
  }
  bool definitions(Definitions Case::* which) {
    bool any = false;
    for (std::size_t i = (one_.*which).rules.size(); i-- > 0;) {
      Case less = one_;
      (less.*which).rules.erase((less.*which).rules.begin() + static_cast<std::ptrdiff_t>(i));
      if (attempt(less)) {
        any = true;
        continue;
      }
      any = slot([&, i](Case& c) -> ConditionRef& { return (c.*which).rules[i].condition; }, true) || any;
      any = slot([&, i](Case& c) -> ConditionRef& { return (c.*which).rules[i].where; }, true) || any;
      any = slot([&, i](Case& c) -> ConditionRef& { return (c.*which).rules[i].exit; }, true) || any;
      less = one_;
      (less.*which).rules[i].goal = kNoEventType;
      any = ((one_.*which).rules[i].goal != kNoEventType && attempt(less)) || any;
      for (std::size_t s = (one_.*which).rules[i].steps.size(); s-- > 0;) {
        less = one_;
        auto& steps = (less.*which).rules[i].steps;
        steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(s));
        if (attempt(less)) {
          any = true;
          continue;
        }
        any = slot([&, i, s](Case& c) -> ConditionRef& { return (c.*which).rules[i].steps[s].only_if; }, true) || any;
      }
    }
    for (std::size_t i = 0; i < (one_.*which).segments.size(); ++i) {
      any = slot([&, i](Case& c) -> ConditionRef& { return (c.*which).segments[i]; }, false) || any;
    }
    for (std::size_t i = 0; i < (one_.*which).scores.size(); ++i) {
      for (std::size_t p = (one_.*which).scores[i].points.size(); p-- > 0;) {
        Case less = one_;
        auto& points = (less.*which).scores[i].points;
        points.erase(points.begin() + static_cast<std::ptrdiff_t>(p));
        if (attempt(less)) any = true;
      }
    }
    return any;
  }

  Case one_;
  int left_ = 20000;
};

}  // namespace

Case shrink(Case failing) { return Shrinker(std::move(failing)).run(); }

std::string describe(const Case& one) {
  std::string out;
  const auto write = [&](const Definitions& d) {
    out += "  company's zone " + d.zone + "\n";
    for (std::size_t i = 0; i < d.segments.size(); ++i) out += "  segment-" + std::to_string(i) + ": " + describe(d, d.segments[i]) + "\n";
    for (std::size_t i = 0; i < d.traits.size(); ++i) out += "  trait-" + std::to_string(i) + ": " + describe(d, d.traits[i]) + "\n";
    for (const Rule& rule : d.rules) out += "  " + describe(d, rule) + "\n";
  };
  out += "definitions:\n";
  write(one.first);
  out += "history:\n";
  bool reloaded = false;
  for (const Happen& h : one.history) {
    static constexpr const char* kKinds[] = {"arrive", "advance", "restart", "reload"};
    out += "  " + std::to_string(h.now) + " (" + format_timestamp(h.now) + ") " + kKinds[static_cast<int>(h.kind)] + "\n";
    for (const Input& in : h.inputs) out += "    " + describe(in) + "\n";
    reloaded = reloaded || h.kind == Happen::Kind::reload;
  }
  if (reloaded) {
    out += "after the reload:\n";
    write(one.second);
  }
  return out;
}

}  // namespace nudge::reference
