#include <algorithm>
#include <array>

#include "engine/base/limits.h"
#include "engine/base/locale.h"
#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

using doc::quoted;

/// Calls `read` for each entry of a section whose key is a proper name.
template <class Read>
void each_entry(const Context& context, MapReader& file, std::string_view section, std::string_view what, const Read& read) {
  const doc::Entry* entry = file.take(section);
  if (entry == nullptr) return;
  const MapReader map(context, *entry->value, entry->key_mark, quoted(section));
  for (const doc::Entry& definition : entry->value->entries) {
    if (check_name(context, definition.key, definition.key_mark, what)) read(definition);
  }
}

SegmentAst read_segment(const Context& context, const doc::Entry& entry) {
  SegmentAst segment;
  segment.name = {entry.key, context.at(entry.key_mark)};
  MapReader map(context, *entry.value, entry.key_mark, "the segment " + quoted(entry.key));
  segment.description = map.text("description");
  segment.allow = read_allow(map);
  if (const doc::Entry* where = map.require("where")) segment.where = read_condition(context, *where->value, where->key_mark);
  map.finish();
  return segment;
}

TraitAst read_trait(const Context& context, const doc::Entry& entry) {
  TraitAst trait;
  trait.name = {entry.key, context.at(entry.key_mark)};
  MapReader map(context, *entry.value, entry.key_mark, "the trait " + quoted(entry.key));
  trait.description = map.text("description");
  trait.allow = read_allow(map);
  if (map.has("event")) {
    trait.query = read_event_query(map, true);
    map.finish();
    return trait;
  }
  const doc::Entry* chosen = nullptr;
  for (const std::string_view form : {"attribute", "days_since", "size"}) {
    const doc::Entry* taken = map.take(form);
    if (taken == nullptr) continue;
    if (chosen != nullptr) {
      context.error("R0413", taken->key_mark, quoted(chosen->key) + " and " + quoted(form) + " exclude each other",
                    "`days_since: NAME` names the attribute by itself");
      continue;
    }
    chosen = taken;
    trait.attribute = map.name(form);
    if (form != "attribute") trait.attribute_of = form;
    trait.attribute_of_at = context.at(taken->key_mark);
  }
  map.take("event");
  if (chosen == nullptr && map.is_map()) {
    context.error("R0412", entry.key_mark, "the trait " + quoted(entry.key) + " does not say what it computes",
                  "`{event: TYPE, within: 30d, count: {}}`, `{attribute: NAME}`, `{days_since: NAME}` or `{size: NAME}`");
  }
  map.finish();
  return trait;
}

Decimal read_points(MapReader& map, std::string_view key, Decimal fallback) {
  const doc::Entry* entry = map.take(key);
  if (entry == nullptr) return fallback;
  const doc::Read<Decimal> value = doc::read_decimal(*entry->value);
  if (!value) map.context().error("R0104", entry->value->mark, value.error().message, value.error().hint);
  return value.value_or(fallback);
}

ScoreAst read_score(const Context& context, const doc::Entry& entry) {
  ScoreAst score;
  score.name = {entry.key, context.at(entry.key_mark)};
  MapReader map(context, *entry.value, entry.key_mark, "the score " + quoted(entry.key));
  score.description = map.text("description");
  score.allow = read_allow(map);
  const doc::Entry* points = map.require("points");
  const doc::Entry* bands = map.take("bands");
  map.finish();
  if (points != nullptr) {
    const std::vector<const doc::Node*> items = items_of(context, *points->value, points->key_mark, "`points`");
    if (points->value->is_list() && items.empty())
      context.error("R0109", points->value->mark, "`points` has no entry", "`- {if: CONDITION, add: 10}`");
    for (const doc::Node* item : items) {
      MapReader line(context, *item, item->mark, "an entry of `points`");
      if (!item->is_map()) continue;
      ScoreAst::Points p;
      p.where = context.at(item->mark);
      if (const doc::Entry* condition = line.take("if")) p.condition = read_condition(context, *condition->value, condition->key_mark);
      p.trait = line.name("trait");
      const bool by_trait = line.has("trait");
      if (p.condition.has_value() == by_trait) {
        context.error("R0107", item->mark, "an entry of `points` needs either `if` or `trait`",
                      "`{if: CONDITION, add: 10}` or `{trait: NAME, times: 2, at_most: 20}`");
      } else if (by_trait) {
        p.add = read_points(line, "times", Decimal{Decimal::kScale});
        if (line.has("at_most")) p.at_most = read_points(line, "at_most", {});
      } else {
        line.require("add");
        p.add = read_points(line, "add", {});
      }
      line.finish();
      score.points.push_back(std::move(p));
    }
  }
  if (bands != nullptr) {
    MapReader map_of_bands(context, *bands->value, bands->key_mark, "`bands`");
    for (const doc::Entry& band : bands->value->entries) {
      check_name(context, band.key, band.key_mark, "a band");
      const doc::Read<Decimal> from = doc::read_decimal(*band.value);
      if (!from) context.error("R0104", band.value->mark, from.error().message, "a band is given by the score at which it starts");
      for (const auto& [name, value] : score.bands) {
        if (from && value == *from)
          context.error("R0105", band.value->mark,
                        "the bands " + quoted(name.text) + " and " + quoted(band.key) + " start at the same score");
      }
      score.bands.emplace_back(Name{band.key, context.at(band.key_mark)}, from.value_or(Decimal{}));
    }
  }
  return score;
}

struct TemplateChannel {
  std::string_view name;
  std::array<std::string_view, 3> parts;  // empty: no part
  std::string_view hint;
};
constexpr std::array<TemplateChannel, 5> kTemplateChannels = {{
    {"email", {"subject", "text", "html"}, "e-mails have `subject`, `text` and `html`"},
    {"sms", {"text"}, "text messages have `text`"},
    {"ticket", {"subject", "body"}, "tickets have `subject` and `body`"},
    {"chat", {"subject", "text"}, "chat messages have `subject` and `text`"},
    {"partial", {"text", "html"}, "partials have `text` and `html`"},
}};

/// The texts of a template, or of one of its translations.
std::vector<TemplateAst::Part> read_template_parts(MapReader& map, const TemplateChannel* channel) {
  static constexpr std::array<std::string_view, 4> kParts = {"subject", "text", "html", "body"};
  const Context& context = map.context();
  std::vector<TemplateAst::Part> parts;
  for (const std::string_view part : kParts) {
    const doc::Entry* taken = map.take(part);
    if (taken == nullptr) continue;
    if (channel != nullptr && std::ranges::find(channel->parts, part) == channel->parts.end()) {
      context.error("R0705", taken->key_mark, "a template for `" + std::string(channel->name) + "` has no " + quoted(part),
                    std::string(channel->hint));
      continue;
    }
    const doc::Read<std::string_view> text = doc::read_text(*taken->value);
    if (!text) {
      context.error("R0104", taken->value->mark, text.error().message, text.error().hint);
    } else {
      parts.push_back({part, *text, context.at(taken->value->mark)});
    }
  }
  return parts;
}

TemplateAst read_template(const Context& context, const doc::Entry& entry) {
  TemplateAst result;
  result.name = {entry.key, context.at(entry.key_mark)};
  result.where = context.at(entry.key_mark);
  MapReader map(context, *entry.value, entry.key_mark, "the template " + quoted(entry.key));
  map.text("description");
  result.allow = read_allow(map);
  map.require("channel");
  const std::optional<std::size_t> word = map.word("channel", {"email", "sms", "ticket", "chat", "partial"});
  const TemplateChannel* channel = word ? &kTemplateChannels[*word] : nullptr;
  if (word) result.channel = channel->name;
  const auto language_tag = [&](std::string_view tag, const doc::Mark& mark) {
    if (!is_language_tag(tag)) context.error("R0810", mark, quoted(tag) + " is no language tag", "such as en, zh or de-CH");
  };
  if (const Name language = map.name("language")) {
    result.language = language.text;
    language_tag(language.text, language.where.mark);
  }
  result.parts = read_template_parts(map, channel);
  if (map.is_map() && result.parts.empty())
    context.error("R0103", entry.key_mark, "the template " + quoted(entry.key) + " has no text", "add `text: …`");
  if (const doc::Entry* all = map.take("translations")) {
    MapReader languages(context, *all->value, all->key_mark, "`translations`");
    if (languages.is_map()) {
      for (const doc::Entry& one : all->value->entries) {
        languages.dealt_with(one.key);
        language_tag(one.key, one.key_mark);
        MapReader texts(context, *one.value, one.key_mark, "the translation " + quoted(one.key));
        result.translations.push_back({{one.key, context.at(one.key_mark)}, read_template_parts(texts, channel)});
        for (const TemplateAst::Part& part : result.translations.back().parts) {
          if (std::ranges::none_of(result.parts, [&](const TemplateAst::Part& p) { return p.name == part.name; }))
            context.error("R0810", part.where.mark, "the translation has a " + quoted(part.name) + " which the template itself does not have",
                          "the template's own text is what customers of other languages get");
        }
        texts.finish();
      }
    }
  }
  map.finish();
  return result;
}

}  // namespace

MemberFilterAst read_member_filter(const Context& context, const doc::Node& node, const doc::Mark& key_mark) {
  MemberFilterAst filter;
  filter.where = context.at(key_mark);
  MapReader map(context, node, key_mark, "a condition on team members");
  if (!node.is_map()) return filter;
  int forms = 0;
  for (const std::string_view form : {"all", "any", "not", "attribute"}) {
    const doc::Entry* entry = map.take(form);
    if (entry == nullptr) continue;
    if (++forms > 1) {
      context.error("R0413", entry->key_mark, "one condition can't have two forms", "write each as an item of its own under `all:`");
      continue;
    }
    if (form == "attribute") {
      filter.kind = MemberFilter::Kind::compare;
      filter.property = map.name("attribute");
      filter.comparison = read_comparison(map);
      if (filter.comparison.op.empty()) context.error("R0401", entry->key_mark, "this condition needs an operator, such as `equals: east`");
    } else if (form == "not") {
      filter.kind = MemberFilter::Kind::negate;
      filter.children.push_back(read_member_filter(context, *entry->value, entry->key_mark));
    } else {
      filter.kind = form == "all" ? MemberFilter::Kind::all : MemberFilter::Kind::any;
      for (const doc::Node* item : items_of(context, *entry->value, entry->key_mark, quoted(form))) {
        filter.children.push_back(read_member_filter(context, *item, item->mark));
      }
    }
  }
  if (forms == 0)
    context.error("R0412", node.mark, "this condition does not say what it is about",
                  "`attribute: PROPERTY` of the team's members, or `all`, `any`, `not`");
  map.finish();
  return filter;
}

FileAst read_file(const doc::Document& document, doc::Diagnostics& diagnostics) {
  FileAst file;
  file.document = &document;
  const Context context{document, diagnostics};
  if (document.root().is_null()) return file;  // an empty file defines nothing
  MapReader map(context, document.root(), document.root().mark, "a rule file");
  each_entry(context, map, "segments", "a segment", [&](const doc::Entry& e) { file.segments.push_back(read_segment(context, e)); });
  each_entry(context, map, "traits", "a trait", [&](const doc::Entry& e) { file.traits.push_back(read_trait(context, e)); });
  each_entry(context, map, "scores", "a score", [&](const doc::Entry& e) { file.scores.push_back(read_score(context, e)); });
  each_entry(context, map, "rules", "a rule", [&](const doc::Entry& e) { file.rules.push_back(read_rule(context, e)); });
  each_entry(context, map, "templates", "a template", [&](const doc::Entry& e) { file.templates.push_back(read_template(context, e)); });
  each_entry(context, map, "teams", "a team", [&](const doc::Entry& e) { file.teams.push_back(read_team(context, e)); });
  each_entry(context, map, "dispositions", "a disposition",
             [&](const doc::Entry& e) { file.dispositions.push_back(read_disposition(context, e)); });
  each_entry(context, map, "pools", "a pool", [&](const doc::Entry& e) { file.pools.push_back(read_pool(context, e)); });
  each_entry(context, map, "funnels", "a funnel", [&](const doc::Entry& e) { file.funnels.push_back(read_funnel(context, e)); });
  each_entry(context, map, "policies", "a policy", [&](const doc::Entry& e) { file.policies.push_back(read_policy(context, e)); });
  each_entry(context, map, "calendars", "a calendar",
             [&](const doc::Entry& e) { file.calendars.push_back(read_business_calendar(context, e)); });
  if (const doc::Entry* entry = map.take("company")) {
    MapReader company(context, *entry->value, entry->key_mark, "`company`");
    company.require("language");
    file.language = company.name("language");
    if (file.language && !is_language_tag(file.language.text))
      context.error("R0810", file.language.where.mark, quoted(file.language.text) + " is no language tag", "such as en, zh or de-CH");
    company.finish();
  }
  if (document.root().is_map() && (map.has("customer") || map.has("events"))) {
    for (const std::string_view key : {"customer", "events"}) {
      if (const doc::Entry* entry = map.node().find(key)) {
        map.dealt_with(key);
        context.error("R0102", entry->key_mark, quoted(key) + " belongs to the catalog, not to a rule file",
                      "move it to a file in `schemas/`");
      }
    }
  }
  if (document.root().is_map() && map.has("tests")) {
    map.dealt_with("tests");
    context.error("R0102", map.node().find("tests")->key_mark, "`tests` belongs to a test file",
                  "name the file so that it ends in `.test.yaml`");
  }
  map.finish();
  return file;
}

}  // namespace nudge::lang
