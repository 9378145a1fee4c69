// The third pass: names to ids, types checked, conditions to the plan's shared graph. Every mistake is reported; compilation goes on with a
// stand-in, so that one load shows them all. A plan made under errors is thrown away by the caller.
//
// Thread-safety: none. Points to the ASTs, the catalog and the sink for its lifetime.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/lang/collect.h"
#include "rules/lang/operators.h"
#include "rules/lang/source_map.h"
#include "rules/lang/source.h"
#include "rules/lang/template_parser.h"

namespace nudge::lang {

/// Where a condition or template stands, which decides what it may speak of.
struct Scope {
  EventTypeId row_event = kNoEventType;  // inside `where` of this event
  bool in_rule = false;
  EventTypeId trigger_event = kNoEventType;  // the rule fires on this event
  std::optional<Type> trigger_same;          // type of the trigger's `same` field: conditions with `same` look at its value
  bool any_event = false;                    // a template nobody uses: `event.x` of any event type will do
  std::string user;                          // "the rule `x`", for messages about what it uses
  FieldId trigger_field_same = kNoField;     // the trigger's `same`
  const Team* team = nullptr;                // whom an action gives itself to: `assignee`
  bool digest = false;                       // a message that lists many hits: `digest.…`
  bool approval = false;                     // a message that asks for a yes: `approval.…`
  bool asked_has_email = false;              // … and whom it asks has an address
};

/// The left side of a comparison.
struct Operated {
  ExprId expr = kNone;
  Type type = Type::text;
  std::string what;               // "the attribute `tier`"
  const LeafDef* leaf = nullptr;  // for one_of
  AttributeId attribute = kNoAttribute;
  bool ok = false;
};

struct TemplateLocal;
struct TemplateScope;
struct TypedPart;

class Compiler {
 public:
  Compiler(const Names& names, std::shared_ptr<const Catalog> catalog, const CompileOptions& options, doc::Diagnostics& diagnostics);

  /// Everything in `names` as a plan; null when finishing was not possible. Call once.
  std::unique_ptr<Plan> run();
  /// What CompileOptions::record_parts asked for; to be called after run.
  std::vector<ConditionPart> take_parts() { return std::move(parts_); }
  /// What CompileOptions::map_sources asked for, without the documents; to be called after run. Null when it was not asked for.
  std::shared_ptr<SourceMap> take_map() { return std::move(map_); }

 private:
  enum class Progress : std::uint8_t { untouched, under_way, done };

  // compile.cpp: definitions, and references to them
  [[nodiscard]] std::size_t segment_index(std::string_view name) const;
  NodeId segment_reference(const Name& name);
  Operated trait_reference(const Name& name);
  Operated score_reference(const Name& name);
  void compile_segment(std::size_t index);
  void compile_trait(std::size_t index);
  void compile_score(std::size_t index);
  /// False, and reported, when following this reference would go in a circle or too deep.
  bool enter(Progress progress, const std::string& label, const Where& where);

  // compile_condition.cpp
  /// Compiles one condition, and keeps where it stands when asked to.
  NodeId condition(const Condition& condition, const Scope& scope);
  NodeId compile_condition(const Condition& condition, const Scope& scope);
  void record_part(NodeId node, EventTypeId row_event, const Where& where);
  NodeId event_condition(const EventQuery& query, const Scope& scope);
  /// The aggregate as an expression; `type` of the result in Operated.
  Operated aggregate(const EventQuery& query, const Scope& scope);
  NodeId sequence_condition(const Condition& condition, const Scope& scope);
  NodeId row_filter(const std::unique_ptr<Condition>& filter, EventTypeId event, const Scope& scope);
  Window window(const WindowAst& ast);
  // What looks further back than events of the type are kept would see less than it says, and at last nothing.
  void check_kept(EventTypeId event, const Window& window, const Where& where);
  EventTypeId event_type(const Name& name);
  /// kNoField and reported when unknown. An object gives kNoField without a report and sets *object.
  FieldId field(const Name& name, EventTypeId event, const ObjectDef** object);
  Type field_type(EventTypeId event, FieldId field) const;
  Operated attribute_operand(const Name& name, const ObjectDef** object);
  NodeId object_condition(const ObjectDef& object, const Comparison& comparison, EventTypeId event, const std::string& what,
                          const Where& where);

  // compile_comparison.cpp
  NodeId comparison(const Operated& left, const Comparison& comparison, const Scope& scope, const Where& where);
  NodeId simple_comparison(const Operated& left, const Comparison& comparison, const OperatorInfo& info, const Scope& scope);
  NodeId nested_comparison(const Operated& left, const Comparison& comparison, const Scope& scope);
  NodeId changed_condition(const Operated& left, const Comparison& comparison);
  NodeId has_been_condition(const Operated& left, const Comparison& comparison, const Scope& scope);
  NodeId band_condition(std::size_t score, const Comparison& comparison);
  /// True when `node` took a reference (`{trait: …}`) as its right side; *ok tells whether it was right.
  bool right_reference(const Operated& left, const Raw& operand, const OperatorInfo& info, const Scope& scope, Node& node, bool* ok);
  std::optional<Value> literal(const Operated& left, const doc::Node& node, const Where& where);
  std::optional<DurationMs> window_length(const Raw& raw);

  // compile_rule.cpp
  void compile_rule(const RuleAst& ast);
  Trigger trigger(const RuleAst& ast, Scope& scope);
  NodeId work_filter(const TriggerAst& trigger, EventTypeId event);
  std::vector<Value> change_values(const Raw& raw, const Operated& attribute);
  void check_rule_options(const RuleAst& ast, const Trigger& trigger, bool trigger_ok);
  Goal goal(const RuleAst& ast);

  // compile_policy.cpp
  void compile_calendars();
  void compile_policy(const PolicyAst& ast);
  PolicyMatch policy_match(const PolicyMatchAst& ast);
  std::vector<std::string> rule_names(const std::vector<Name>& names);

  // compile_steps.cpp
  void steps(const std::vector<StepAst>& list, const std::string& prefix, const RuleAst& rule, const Scope& scope,
             std::vector<Step>& program);

  // compile_action.cpp
  Action action(const ActionAst& ast, const RuleAst& rule, const Scope& scope);
  void task_action(MapReader& map, Action& action, const Scope& scope);
  void message_action(MapReader& map, Action& action, const Scope& scope);
  void webhook_action(MapReader& map, Action& action, const Scope& scope);

  // compile_digest.cpp
  void digest_param(const doc::Entry& entry, const Context& context, Action& action, const Scope& rule_scope);

  // compile_approval.cpp
  void approval_param(MapReader& map, Action& action, const RuleAst& rule, const Scope& scope);
  const Member* whom_to_ask(MapReader& map, Approval& approval);
  void approval_time(MapReader& map, Approval& approval, const Member* asked);
  void approval_asks(const doc::Entry& entry, const Context& context, Approval& approval, const Member* asked, const RuleAst& rule,
                     const Scope& scope);

  // compile_task.cpp
  void due_param(MapReader& map, Action& action);
  static bool has_hours(const TeamAst& team);
  void old_escalation(const doc::Entry& entry, const Context& context, Action& action);
  void ladder(const doc::Entry& entry, const Context& context, Action& action);
  void assignment(MapReader& map, Action& action, const Scope& scope);
  /// Null, and reported, when there is none.
  const Team* team_named(const Name& name);
  AssignEntry assign_entry(const doc::Node& node, const doc::Mark& mark, const Context& context, const Team* team, const Scope& scope);
  void skills_of(MapReader& map, AssignEntry& entry, const Team* team);
  void cancel_action(MapReader& map, Action& action, const Scope& scope);
  void compile_teams();

  // compile_lead.cpp
  void compile_pools();
  void compile_funnels();
  bool pool_exists(const Name& name);
  std::vector<EventTypeId> follow_up_events(const std::vector<Name>& names);
  void lead_action(MapReader& map, Action& action, const Scope& scope);

  MemberFilter member_filter(const MemberFilterAst& ast, const Team* team);
  Operated member_property(const Name& name, const Team* team);
  void use_template(const Name& name, Action& action, const Scope& scope);
  /// Adds the parameter when the key is there: a template text.
  void connector_param(MapReader& map, Action& action);
  bool text_param(MapReader& map, std::string_view key, Action& action, const Scope& scope);
  void recipient_param(MapReader& map, std::string_view attribute, Action& action, const Scope& scope);
  /// JSON as it is written; `{attribute: NAME}` and the like become the value itself.
  std::optional<Param> data_param(const Context& context, const doc::Node& node, std::string_view name, const Scope& scope);

  // compile_write.cpp
  /// False when the action is of another kind.
  bool write_action(const ActionAst& ast, Action& action, const RuleAst& rule, const Scope& scope);
  void set_attribute_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope);
  void tag_action(const Context& context, const ActionAst& ast, Action& action);
  void emit_event_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope);
  void assign_owner_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope);
  [[nodiscard]] const Team* team_of(const Action& action) const;
  /// Each: false, and reported, when it is wrong.
  bool write_value(const Context& context, const doc::Node& node, const Operated& target, const Scope& scope, WriteValue& out);
  /// What `attribute: NAME`, `trait: …`, `score: …` or `field: …` means; not `ok`, and reported, when it means nothing.
  Operated referred(std::string_view form, const Name& name, const Scope& scope);
  bool written_reference(const doc::Entry& form, const Name& name, const Operated& target, const Scope& scope, WriteValue& out);
  bool written_change(const Context& context, const doc::Entry& form, const Operated& target, const Scope& scope, WriteValue& out);
  std::optional<Value> written_literal(const Context& context, const doc::Node& node, const Operated& target);

  // compile_enrich.cpp
  void enrich_action(MapReader& map, Action& action, const Scope& scope);
  void answer_attributes(const doc::Entry& set, const Context& context, Action& action);
  /// The place in the answer, as written; nothing, and reported, when it is none.
  std::optional<std::string> answer_path(const Context& context, const doc::Node& node);
  std::optional<Param> reference_param(const Context& context, const doc::Node& node, std::string_view name, const Scope& scope);

  // compile_template.cpp
  /// `key`: of the parameter, which chooses the text of a partial; `language`: of the text.
  TemplateId template_text(std::string_view text, const Where& where, const Scope& scope, std::string_view key = {});
  Template compile_text(std::string_view text, const Where& where, const Scope& scope, std::string_view key, std::string_view language);
  TemplateId translated(const TemplateAst& ast, const TemplateAst::Part& part, const Scope& scope);
  std::vector<TemplatePart> template_pieces(const std::vector<TemplatePiece>& pieces, TemplateScope& scope);
  /// False, and reported, when it is wrong.
  bool template_filters(const std::vector<PieceFilter>& written, std::string_view name, const Where& where, TemplateScope& scope,
                        TypedPart& value);
  bool template_operand(const TemplateOperand& operand, const Where& where, TemplateScope& scope, TypedPart& out);
  bool template_variable(std::string_view variable, TypedPart& out, const Where& where, TemplateScope& scope);
  bool plain_variable(std::string_view head, std::string_view rest, TypedPart& out, const Where& where);
  bool event_variable(std::string_view variable, std::string_view rest, TypedPart& out, const Where& where, const Scope& scope);
  bool local_variable(const TemplateLocal& local, std::string_view name, std::string_view rest, TypedPart& out, const Where& where);
  bool member_variable(std::string_view head, std::string_view rest, TypedPart& out, const Where& where, const Scope& scope);
  bool unknown_variable(std::string_view variable, const Where& where, const TemplateScope& scope);

  // compile_template_tags.cpp
  void branch_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into);
  void loop_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into);
  void assign_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into);
  void render_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into);
  bool loop_source(const TemplatePiece& piece, const Where& where, TemplateScope& scope, TemplateBlock& block, TemplateLocal& local);
  bool template_test(const TemplateCondition& condition, const Where& where, TemplateScope& scope, TemplateTest& out);
  bool template_comparison(const TemplateCondition& condition, const Where& where, TemplateScope& scope, TemplateTest& out);
  void check_unused_templates();

  // compile_map.cpp
  void begin_map();
  [[nodiscard]] std::uint32_t map_index(Definition::Kind kind, std::string_view name) const;
  void map_condition(const Condition& ast, const Scope& scope, NodeId node, std::size_t first);
  /// Of the condition that was compiled last.
  void map_role(Spot::Role role);
  void map_window(EventTypeId event, const Window& window, const WindowAst& ast);
  void map_variable(const TemplatePart& part, std::string_view written, const Where& where, bool known);

  void error(std::string_view code, const Where& where, std::string message, std::string hint = {});
  [[nodiscard]] Context context_of(const Where& where) { return {*where.document, diagnostics_}; }
  NodeId broken() { return builder_.constant(false); }

  const Names& names_;
  std::shared_ptr<const Catalog> catalog_;
  const CompileOptions& options_;
  doc::Diagnostics& diagnostics_;
  PlanBuilder builder_;
  // By index into the plan's vectors, which are in the order of the names.
  std::vector<const SegmentAst*> segments_;
  std::vector<const TraitAst*> traits_;
  std::vector<const ScoreAst*> scores_;
  std::vector<Progress> segment_progress_, trait_progress_, score_progress_;
  std::vector<NodeId> segment_nodes_;
  std::vector<Operated> trait_values_;
  std::vector<std::string> path_;  // definitions under way, for messages about circles
  std::vector<std::string_view> used_templates_;
  PartOwner owner_;  // of the conditions under way
  std::vector<ConditionPart> parts_;
  std::shared_ptr<SourceMap> map_;  // null: nobody asked
  std::uint32_t map_starts_[6] = {};
  std::uint32_t map_owner_ = kNoDefinition, map_template_ = kNoDefinition;
  std::string_view map_action_, map_param_;
};

}  // namespace nudge::lang
