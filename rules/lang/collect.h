// The second pass: the names of all files in one place. A name defined twice is reported at both places' expense: the later one points to
// the first.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "rules/lang/ast.h"

namespace nudge::lang {

/// Everything defined, by name (bytewise order, which is the order in the plan). Points into the file structs.
struct Names {
  std::map<std::string_view, const SegmentAst*> segments;
  std::map<std::string_view, const TraitAst*> traits;
  std::map<std::string_view, const ScoreAst*> scores;
  std::map<std::string_view, const RuleAst*> rules;
  std::map<std::string_view, const TemplateAst*> templates;
  std::map<std::string_view, const TeamAst*> teams;
  std::map<std::string_view, const DispositionAst*> dispositions;
  std::map<std::string_view, const PoolAst*> pools;
  std::map<std::string_view, const FunnelAst*> funnels;
  std::map<std::string_view, const PolicyAst*> policies;
  std::map<std::string_view, const CalendarAst*> calendars;
  Name language;  // the company's
};

Names collect(const std::vector<FileAst>& files, doc::Diagnostics& diagnostics);

/// The names of one table, for did-you-mean.
template <class T>
std::vector<std::string_view> keys_of(const std::map<std::string_view, T>& table) {
  std::vector<std::string_view> names;
  names.reserve(table.size());
  for (const auto& [name, value] : table) names.push_back(name);
  return names;
}

}  // namespace nudge::lang
