// Definitions (segments, traits, scores, teams) and references to them.
#include "rules/lang/compile.h"

#include <algorithm>
#include <utility>

#include "engine/base/limits.h"
#include "rules/doc/reader.h"
#include "rules/lang/load.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

/// How many definitions may refer to one another in a row; each costs stack here and in the engine.
constexpr std::size_t kReferenceDepth = 64;

template <class T>
std::vector<const T*> values_of(const std::map<std::string_view, const T*>& table) {
  std::vector<const T*> values;
  for (const auto& [name, value] : table) values.push_back(value);
  return values;
}

/// Where a definition stands in the order of names; it must be there.
template <class T>
std::size_t index_of(const std::vector<const T*>& sorted, std::string_view name) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), name, [](const T* a, std::string_view b) { return a->name.text < b; });
  return static_cast<std::size_t>(found - sorted.begin());
}

}  // namespace

Compiler::Compiler(const Names& names, std::shared_ptr<const Catalog> catalog, const CompileOptions& options, doc::Diagnostics& diagnostics)
    : names_(names),
      catalog_(std::move(catalog)),
      options_(options),
      diagnostics_(diagnostics),
      builder_(catalog_),
      segments_(values_of(names.segments)),
      traits_(values_of(names.traits)),
      scores_(values_of(names.scores)),
      segment_progress_(segments_.size()),
      trait_progress_(traits_.size()),
      score_progress_(scores_.size()),
      segment_nodes_(segments_.size(), kNone),
      trait_values_(traits_.size()) {}

void Compiler::error(std::string_view code, const Where& where, std::string message, std::string hint) {
  diagnostics_.error(code, *where.document, where.mark, std::move(message), std::move(hint));
}

std::unique_ptr<Plan> Compiler::run() {
  begin_map();
  Plan& plan = builder_.plan();
  plan.zone = options_.zone;
  const AttributeId zone = catalog_->find_attribute("timezone");
  if (zone != kNoAttribute && catalog_->attributes[zone].type == Type::text) plan.zone_attribute = zone;
  plan.segments.resize(segments_.size());
  plan.traits.resize(traits_.size());
  plan.scores.resize(scores_.size());
  compile_teams();
  compile_pools();
  compile_funnels();
  for (std::size_t i = 0; i < traits_.size(); ++i) compile_trait(i);
  for (std::size_t i = 0; i < segments_.size(); ++i) compile_segment(i);
  for (std::size_t i = 0; i < scores_.size(); ++i) compile_score(i);
  for (const auto& [name, rule] : names_.rules) compile_rule(*rule);
  compile_calendars();
  for (const auto& [name, policy] : names_.policies) compile_policy(*policy);
  if (map_ != nullptr) map_->used_templates = used_templates_;
  check_unused_templates();
  for (const auto& [name, ast] : names_.templates) {
    std::string text;
    for (const TemplateAst::Part& part : ast->parts) text += std::string(part.name) + ": " + std::string(part.text) + "\n";
    plan.named_templates.emplace(name, std::move(text));
  }
  std::sort(plan.rules.begin(), plan.rules.end(),
            [](const Rule& a, const Rule& b) { return a.priority != b.priority ? a.priority > b.priority : a.name < b.name; });
  if (!diagnostics_.ok()) return nullptr;
  return builder_.finish();
}

bool Compiler::enter(Progress progress, const std::string& label, const Where& where) {
  if (progress == Progress::under_way) {
    std::string circle;
    for (auto i = std::find(path_.begin(), path_.end(), label); i != path_.end(); ++i) circle += *i + " → ";
    error("R0310", where, "this reference goes in a circle: " + circle + label, "take one of the references out");
    return false;
  }
  if (path_.size() >= kReferenceDepth) {
    error("R0310", where, "more than " + std::to_string(kReferenceDepth) + " definitions refer to one another in a row",
          "put some of the conditions into one definition");
    return false;
  }
  return true;
}

std::size_t Compiler::segment_index(std::string_view name) const { return index_of(segments_, name); }

NodeId Compiler::segment_reference(const Name& name) {
  if (!names_.segments.contains(name.text)) {
    error("R0304", name.where, "there is no segment " + quoted(name.text),
          doc::did_you_mean(name.text, keys_of(names_.segments), "segments"));
    return broken();
  }
  const std::size_t index = segment_index(name.text);
  if (segment_progress_[index] != Progress::done) {
    if (!enter(segment_progress_[index], "segment " + std::string(name.text), name.where)) return broken();
    compile_segment(index);
  }
  Node node;
  node.kind = Node::Kind::segment;
  node.ref = static_cast<std::uint32_t>(index);
  node.children = {segment_nodes_[index]};
  return builder_.add(std::move(node));
}

Operated Compiler::trait_reference(const Name& name) {
  Operated result;
  result.what = "the trait " + quoted(name.text);
  if (!names_.traits.contains(name.text)) {
    error("R0305", name.where, "there is no trait " + quoted(name.text), doc::did_you_mean(name.text, keys_of(names_.traits), "traits"));
    return result;
  }
  const std::size_t index = index_of(traits_, name.text);
  compile_trait(index);  // a trait refers to no other definition, so there is no circle
  const Operated& value = trait_values_[index];
  if (!value.ok) return result;
  Expr expr;
  expr.kind = Expr::Kind::trait;
  expr.type = value.type;
  expr.ref = static_cast<std::uint32_t>(index);
  expr.child = value.expr;
  result.expr = builder_.add(std::move(expr));
  result.type = value.type;
  result.leaf = value.leaf;
  result.ok = true;
  return result;
}

Operated Compiler::score_reference(const Name& name) {
  Operated result;
  result.what = "the score " + quoted(name.text);
  result.type = Type::decimal;
  if (!names_.scores.contains(name.text)) {
    error("R0306", name.where, "there is no score " + quoted(name.text), doc::did_you_mean(name.text, keys_of(names_.scores), "scores"));
    return result;
  }
  const std::size_t index = index_of(scores_, name.text);
  if (score_progress_[index] != Progress::done) {
    if (!enter(score_progress_[index], "score " + std::string(name.text), name.where)) return result;
    compile_score(index);
  }
  Expr expr;
  expr.kind = Expr::Kind::score;
  expr.type = Type::decimal;
  expr.ref = static_cast<std::uint32_t>(index);
  result.expr = builder_.add(std::move(expr));
  result.ok = true;
  return result;
}

void Compiler::compile_segment(std::size_t index) {
  if (segment_progress_[index] != Progress::untouched) return;
  const SegmentAst& ast = *segments_[index];
  segment_progress_[index] = Progress::under_way;
  path_.push_back("segment " + std::string(ast.name.text));
  const PartOwner outer = std::exchange(owner_, {ConditionPart::Owner::segment, ast.name.text});
  const std::uint32_t outer_owner = std::exchange(map_owner_, map_index(Definition::Kind::segment, ast.name.text));
  const NodeId node = ast.where.where.document == nullptr ? broken() : condition(ast.where, {});
  map_role(Spot::Role::segment);
  map_owner_ = outer_owner;
  owner_ = outer;
  path_.pop_back();
  segment_progress_[index] = Progress::done;
  segment_nodes_[index] = node;
  Segment& segment = builder_.plan().segments[index];
  segment.name = ast.name.text;
  segment.description = ast.description;
  segment.node = node;
  segment.file = ast.name.where.document->name();
  segment.line = ast.name.where.mark.line;
}

void Compiler::compile_trait(std::size_t index) {
  if (trait_progress_[index] != Progress::untouched) return;
  const TraitAst& ast = *traits_[index];
  trait_progress_[index] = Progress::done;
  const PartOwner outer = std::exchange(owner_, {ConditionPart::Owner::trait, ast.name.text});
  const std::uint32_t outer_owner = std::exchange(map_owner_, map_index(Definition::Kind::trait, ast.name.text));
  Operated value;
  if (ast.query) {
    if (ast.query->event && !ast.query->aggregate.empty()) value = aggregate(*ast.query, {});
  } else if (ast.attribute) {
    const ObjectDef* object = nullptr;
    value = attribute_operand(ast.attribute, &object);
    if (object != nullptr) {
      error("R0315", ast.attribute.where, quoted(ast.attribute.text) + " is an object; a trait needs one value",
            "name one of its members: `" + std::string(ast.attribute.text) + ".…`");
    } else if (value.ok && !ast.attribute_of.empty()) {
      const bool size = ast.attribute_of == "size";
      const bool fits = size ? value.type == Type::list : value.type == Type::date || value.type == Type::timestamp;
      if (!fits) {
        error("R0410", ast.attribute_of_at,
              quoted(ast.attribute_of) + (size ? " counts the items of a list; " : " needs a date or timestamp; ") + value.what +
                  " is of type " + quoted(type_name(value.type)));
        value.ok = false;
      } else {
        Expr expr;
        expr.kind = size ? Expr::Kind::size : Expr::Kind::days_since;
        expr.type = Type::integer;
        expr.child = value.expr;
        value = {.expr = builder_.add(std::move(expr)), .type = Type::integer, .ok = true};
      }
    }
  }
  owner_ = outer;
  map_owner_ = outer_owner;
  trait_values_[index] = value;
  Trait& trait = builder_.plan().traits[index];
  trait.name = ast.name.text;
  trait.description = ast.description;
  trait.expr = value.expr;
}

void Compiler::compile_score(std::size_t index) {
  if (score_progress_[index] != Progress::untouched) return;
  const ScoreAst& ast = *scores_[index];
  score_progress_[index] = Progress::under_way;
  path_.push_back("score " + std::string(ast.name.text));
  const PartOwner outer = std::exchange(owner_, {ConditionPart::Owner::score, ast.name.text});
  const std::uint32_t outer_owner = std::exchange(map_owner_, map_index(Definition::Kind::score, ast.name.text));
  Score score;
  score.name = ast.name.text;
  score.description = ast.description;
  for (const ScoreAst::Points& p : ast.points) {
    Score::Points points;
    points.add = p.add;
    if (p.at_most) {
      points.has_at_most = true;
      points.at_most = *p.at_most;
    }
    if (p.condition) {
      points.condition = condition(*p.condition, {});
      map_role(Spot::Role::points);
    } else if (p.trait) {
      const Operated trait = trait_reference(p.trait);
      if (trait.ok && family_of(trait.type) != kNumeric) {
        error("R0410", p.trait.where, "a score adds numbers; " + trait.what + " is of type " + quoted(type_name(trait.type)));
      }
      points.trait = trait.expr;
    }
    score.points.push_back(points);
  }
  map_owner_ = outer_owner;
  for (const auto& [name, from] : ast.bands) score.bands.push_back({std::string(name.text), from});
  std::sort(score.bands.begin(), score.bands.end(), [](const Score::Band& a, const Score::Band& b) { return a.from < b.from; });
  owner_ = outer;
  path_.pop_back();
  score_progress_[index] = Progress::done;
  builder_.plan().scores[index] = std::move(score);
}

}  // namespace nudge::lang
