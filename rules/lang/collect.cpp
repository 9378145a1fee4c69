#include "rules/lang/collect.h"

namespace nudge::lang {
namespace {

template <class T>
void add_all(std::map<std::string_view, const T*>& table, const std::vector<T>& definitions, std::string_view what,
             doc::Diagnostics& diagnostics) {
  for (const T& definition : definitions) {
    const auto [place, added] = table.emplace(definition.name.text, &definition);
    if (added) continue;
    const Where& first = place->second->name.where;
    diagnostics.error("R0309", *definition.name.where.document, definition.name.where.mark,
                      "there are two " + (what == "policy" ? std::string("policie") : std::string(what)) + "s named " + doc::quoted(definition.name.text) + "; the first is at " +
                          first.document->name() + ":" + std::to_string(first.mark.line),
                      "names are unique over all files: rename one of them");
  }
}

}  // namespace

Names collect(const std::vector<FileAst>& files, doc::Diagnostics& diagnostics) {
  Names names;
  for (const FileAst& file : files) {
    add_all(names.segments, file.segments, "segment", diagnostics);
    add_all(names.traits, file.traits, "trait", diagnostics);
    add_all(names.scores, file.scores, "score", diagnostics);
    add_all(names.rules, file.rules, "rule", diagnostics);
    add_all(names.templates, file.templates, "template", diagnostics);
    add_all(names.teams, file.teams, "team", diagnostics);
    add_all(names.dispositions, file.dispositions, "disposition", diagnostics);
    add_all(names.pools, file.pools, "pool", diagnostics);
    add_all(names.funnels, file.funnels, "funnel", diagnostics);
    add_all(names.policies, file.policies, "policy", diagnostics);
    add_all(names.calendars, file.calendars, "calendar", diagnostics);
    if (!file.language) continue;
    if (!names.language) {
      names.language = file.language;
      continue;
    }
    const Where& first = names.language.where;
    diagnostics.error("R0309", *file.language.where.document, file.language.where.mark,
                      "the company's language is given twice; the first is at " + first.document->name() + ":" + std::to_string(first.mark.line),
                      "one place for all files: remove one of them");
  }
  return names;
}

}  // namespace nudge::lang
