#include "engine/core/enrich.h"

#include <algorithm>
#include <charconv>

#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/core/write.h"
#include "engine/model/convert.h"
#include "engine/plan/answer_path.h"

namespace nudge {
namespace {

constexpr std::size_t kPayloadBytes = 2 * 1024 * 1024;

std::unexpected<Error> unfit(std::string what) {
  return fail(Code::invalid, "the answer does not fit, nothing was written: " + std::move(what));
}

std::string quoted(std::string_view name) { return "`" + std::string(name) + "`"; }

// The part of the answer that a path names; an error when there is none, or null: what is not known can't be written.
Result<const JsonValue*> part_of(const JsonValue& answer, std::string_view path, std::string_view target) {
  const JsonValue* at = &answer;
  std::string_view rest = path.substr(std::min(path.size(), kAnswerRoot.size()));
  while (at != nullptr && !rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(name.size());
    if (at->kind == JsonValue::Kind::list) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
      const bool there = error == std::errc() && end == name.data() + name.size() && index < at->items.size();
      at = there ? &at->items[index] : nullptr;
    } else {
      at = at->find(name);
    }
  }
  if (at == nullptr) return unfit(quoted(target) + " has nothing to take its value from: the answer has no " + quoted(path));
  if (at->kind == JsonValue::Kind::null) return unfit(quoted(target) + " has nothing to take its value from: " + quoted(path) + " is null");
  return at;
}

Result<std::vector<std::string>> texts_of(const JsonValue& list, std::string_view what) {
  std::vector<std::string> items;
  for (const JsonValue& item : list.items) {
    if (item.kind != JsonValue::Kind::text)
      return unfit(std::string(what) + ": a list of text is needed, but it holds " + std::string(item.kind_name()));
    items.push_back(item.text);
  }
  return items;
}

Result<Value> typed(const LeafDef& leaf, const JsonValue& from) {
  const Target target{leaf, {}};
  Value value;
  Problem problem;
  bool ok = false;
  switch (from.kind) {
    case JsonValue::Kind::boolean: ok = convert_boolean(target, from.truth, value, problem); break;
    case JsonValue::Kind::number: ok = convert_number(target, from.text, value, problem); break;
    case JsonValue::Kind::text: ok = convert_text(target, from.text, value, problem); break;
    case JsonValue::Kind::list: {
      NUDGE_ASSIGN(const std::vector<std::string> items, texts_of(from, quoted(leaf.name)));
      ok = convert_list(target, items, value, problem);
      break;
    }
    case JsonValue::Kind::null:
    case JsonValue::Kind::object: ok = wrong_type(target, from.kind_name(), problem); break;
  }
  if (!ok) return unfit(problem.reason);
  return value;
}

Result<std::vector<std::string>> tags_of(const JsonValue& from) {
  std::vector<std::string> tags;
  if (from.kind == JsonValue::Kind::text) {
    tags.push_back(from.text);
  } else if (from.kind == JsonValue::Kind::list) {
    NUDGE_ASSIGN(tags, texts_of(from, "`add_tags`"));
  } else {
    return unfit("`add_tags`: a text or a list of text is needed, but got " + std::string(from.kind_name()));
  }
  std::ranges::sort(tags);
  tags.erase(std::ranges::unique(tags).begin(), tags.end());
  if (tags.size() > kAnswerTags) return unfit("`add_tags`: more than " + std::to_string(kAnswerTags) + " tags");
  for (const std::string& tag : tags) {
    const bool control = std::ranges::any_of(tag, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (tag.empty() || tag.size() > limits::kNameBytes || control)
      return unfit("`add_tags`: a tag has 1 to " + std::to_string(limits::kNameBytes) + " bytes and no control characters");
  }
  return tags;
}

// Ids of one action's facts have one form and one depth; the attributes take the first.
std::string id_of_tag(std::string_view fact, std::string_view tag) {
  std::string bytes(fact);
  bytes.push_back('\0');
  bytes.append(tag);
  return fact_id(hash128(bytes), fact_depth(fact));
}

void member(std::string& out, std::string_view name, std::string_view json) {
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  out += json;
}

Input fact_for(const ActionOut& action, InputKind kind, std::string id, TimeMs now) {
  Input input;
  input.kind = kind;
  input.customer = action.customer;
  input.id = std::move(id);
  input.time = now;
  return input;
}

}  // namespace

std::string enrich_payload(std::string params, std::string_view fact) {
  params.pop_back();
  if (params.back() != '{') params += ',';
  params += R"("fact":")";
  params.append(fact);
  return params + R"("})";
}

Result<Enriched> enriched(const Catalog& catalog, const ActionOut& action, std::string_view answer, TimeMs now) {
  NUDGE_ASSIGN(const JsonValue plan, parse_json(action.payload, kPayloadBytes));
  Result<JsonValue> result = parse_json(answer, kAnswerBytes);
  if (!result) return unfit(result.error().message);
  if (result->kind != JsonValue::Kind::object) return unfit("a JSON object is needed, but got " + std::string(result->kind_name()));
  const JsonValue* id = plan.find("fact");
  if (id == nullptr || fact_depth(id->text) == 0) return fail(Code::corrupt, "the action does not say what its answer is to become");
  Enriched out;
  out.written = "{";
  if (const JsonValue* set = plan.find("set")) {
    Input input = fact_for(action, InputKind::attributes, id->text, now);
    for (std::size_t i = 0; i < set->names.size(); ++i) {
      const std::string& name = set->names[i];
      const AttributeId attribute = catalog.find_attribute(name);
      if (attribute == kNoAttribute) return unfit("the catalog has no attribute " + quoted(name) + " any more");
      NUDGE_ASSIGN(const JsonValue* part, part_of(*result, set->items[i].text, name));
      NUDGE_ASSIGN(Value value, typed(catalog.attributes[attribute], *part));
      member(out.written, name, to_json(value.view()));
      input.attributes.push_back({attribute, std::move(value)});
    }
    if (!input.attributes.empty()) out.facts.push_back(std::move(input));
  }
  if (const JsonValue* path = plan.find("add_tags")) {
    NUDGE_ASSIGN(const JsonValue* part, part_of(*result, path->text, "add_tags"));
    NUDGE_ASSIGN(const std::vector<std::string> tags, tags_of(*part));
    DurationMs expires = 0;
    if (const JsonValue* d = plan.find("expires")) std::from_chars(d->text.data(), d->text.data() + d->text.size(), expires);
    for (const std::string& tag : tags) {
      Input input = fact_for(action, InputKind::tag, id_of_tag(id->text, tag), now);
      input.tag = tag;
      if (expires > 0) input.tag_expires = now + expires;
      out.facts.push_back(std::move(input));
    }
    member(out.written, "add_tags", to_json(Value::of_list(tags).view()));
  }
  out.written += '}';
  return out;
}

}  // namespace nudge
