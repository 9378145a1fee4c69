// R1015: a question that no provider of the channel answers. R1016: a message that lacks a language which others have.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

void lint_questions(Findings& f) {
  for (const Rule& rule : f.plan.rules) {
    for (const Step& step : rule.steps) {
      const Action& action = step.action;
      // SMTP and the robots of chats keep no list that could be asked; a connector of one's own may.
      if (action.on_unknown != OnUnknown::verify || (action.kind != "email" && action.kind != "chat")) continue;
      const bool mail = action.kind == "email";
      f.warn("R1015", f.place_of(rule), {f.definition_of(rule)},
             "the rule " + quoted(rule.name) + " says `on_unknown: verify` of " + (mail ? "an `email`" : "a `chat`") + ", and " +
                 (mail ? "a mail server" : "a robot") +
                 " can't be asked what became of it: what stays without an answer waits for a person",
             "write `hold` (never twice) or `retry` (never lost)");
    }
  }
}

using Languages = std::set<std::string>;

/// Which of `wanted` are not among `there`, for a message. `zh` does for zh-hant, too: that is how a text is chosen.
std::string missing_of(const Languages& wanted, const Languages& there) {
  std::string missing;
  for (const std::string& language : wanted) {
    if (language.empty()) continue;
    const bool has = std::ranges::any_of(
        there, [&](const std::string& l) { return language == l || (!l.empty() && language.starts_with(l) && language[l.size()] == '-'); });
    if (!has) missing += (missing.empty() ? "`" : ", `") + language + "`";
  }
  return missing;
}

/// What a template may bring; addresses and the like are the rule's own.
bool of_template(std::string_view param) { return param == "subject" || param == "text" || param == "html" || param == "body"; }

/// The languages of each text of each template that has translations.
std::map<std::string, std::map<std::string, Languages>> languages_of(const Plan& plan) {
  std::map<std::string, std::map<std::string, Languages>> has;
  for (const Rule& rule : plan.rules) {
    for (const Step& step : rule.steps) {
      if (step.action.template_name.empty()) continue;
      std::map<std::string, Languages> texts;
      bool translated = false;  // else it means to be in one language
      for (const Param& param : step.action.params) {
        if (param.kind != Param::Kind::text || !of_template(param.name)) continue;
        const Template& text = plan.templates[param.text];
        translated = translated || !text.translations.empty();
        Languages& languages = texts[param.name];
        languages.insert(text.language);  // empty: nobody says in which language the template's own text is
        for (const Template::Translation& translation : text.translations) languages.insert(translation.language);
      }
      if (translated) has[step.action.template_name] = std::move(texts);
    }
  }
  return has;
}

void lint_languages(Findings& f) {
  const auto has = languages_of(f.plan);
  Languages all;
  for (const auto& [name, texts] : has) {
    for (const auto& [param, languages] : texts) all.insert(languages.begin(), languages.end());
  }
  for (const auto& [name, texts] : has) {
    const std::uint32_t owner = f.find(lang::Definition::Kind::template_, name);
    if (owner == lang::kNoDefinition) continue;
    const lang::Where& where = f.sources.definitions[owner].where;
    Languages own;
    for (const auto& [param, languages] : texts) own.insert(languages.begin(), languages.end());
    if (const std::string missing = missing_of(all, own); !missing.empty())
      f.warn("R1016", where, {owner},
             "the template " + quoted(name) + " has no text in " + missing +
                 ", which other templates have: who speaks it gets the template's own text",
             own.contains("") ? "add it to its `translations`, or say with `language` what its own text is written in"
                              : "add it to its `translations`");
    for (const auto& [param, languages] : texts) {
      if (const std::string missing = missing_of(own, languages); !missing.empty())
        f.warn("R1016", where, {owner},
               "the template " + quoted(name) + " has no " + quoted(param) + " in " + missing +
                   ", and other texts of it are: the message is then in two languages",
               "add the " + quoted(param) + " to the translation");
    }
  }
}

}  // namespace

void lint_messages(Findings& f) {
  lint_questions(f);
  lint_languages(f);
}

}  // namespace nudge::lint
