// The first pass: one file's tree to plain structs. Shapes, words and durations are checked here; names and types are not looked up.
#pragma once

#include <span>

#include "rules/lang/ast.h"

namespace nudge::lang {

/// Reads a whole rule file.
FileAst read_file(const doc::Document& document, doc::Diagnostics& diagnostics);

/// Reads a condition. `inside_row` says that it filters rows of an event type (`field:` and AND/OR/NOT only), so that messages can tell.
Condition read_condition(const Context& context, const doc::Node& node, const doc::Mark& key_mark, bool inside_row = false);
/// Reads the keys of an event query from a map whose `event` was seen. For traits no comparison may follow the aggregate.
std::unique_ptr<EventQuery> read_event_query(MapReader& map, bool is_trait);
/// Reads `where:` of a row filter when there is one.
std::unique_ptr<Condition> read_row_filter(MapReader& map, std::string_view key = "where");

/// The steps of `then`, or of a branch inside of it (`depth` > 0).
std::vector<StepAst> read_steps(const Context& context, const doc::Entry& list, int depth = 0);
/// The actions of this version.
std::span<const std::string_view> action_words();

RuleAst read_rule(const Context& context, const doc::Entry& entry);
TriggerAst read_trigger(const Context& context, const doc::Node& node, const doc::Mark& key_mark);
MemberFilterAst read_member_filter(const Context& context, const doc::Node& node, const doc::Mark& key_mark);
PolicyAst read_policy(const Context& context, const doc::Entry& entry);
CalendarAst read_business_calendar(const Context& context, const doc::Entry& entry);
/// Reads `purpose`, one word or nothing.
std::optional<Purpose> read_purpose(MapReader& map);
/// Weekdays and hours of the week; with `dates`, ranges of days and the zone as well. `what` names the map in messages.
Calendar read_week_times(const Context& context, const doc::Node& node, const doc::Mark& key_mark, const std::string& what, bool dates);
/// Weekdays as bits, bit 0 Monday.
std::uint8_t read_weekdays(const Context& context, const doc::Entry& entry);
TeamAst read_team(const Context& context, const doc::Entry& entry);
DispositionAst read_disposition(const Context& context, const doc::Entry& entry);
FunnelAst read_funnel(const Context& context, const doc::Entry& entry);
PoolAst read_pool(const Context& context, const doc::Entry& entry);

/// Reads `allow: [R1001]`: the codes of warnings that the author of this definition means to be so.
std::vector<Name> read_allow(MapReader& map);

/// Reads the one comparison among the keys of a map; its `op` is empty when there is none. Reports two operators. Inside an aggregate
/// `days_since` names a field, and what asks about an attribute's past (`changed`, `has_been`) does not exist.
Comparison read_comparison(MapReader& map, bool in_aggregate = false);

/// `09:30` as milliseconds since midnight; 24:00 is allowed when `end` is set.
std::optional<DurationMs> parse_clock(std::string_view text, bool end);
/// A duration with an optional sign: -60d.
std::optional<DurationMs> parse_signed_duration(std::string_view text);

/// What is wrong with a cron line of five fields (minute hour day month weekday), or "" when it is fine.
std::string check_cron(std::string_view text);

/// All comparison words of the language, for messages and the reader.
const std::vector<std::string_view>& comparison_words();

}  // namespace nudge::lang
