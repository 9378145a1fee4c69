#include "daemon/app/draft_request.h"

#include <algorithm>
#include <boost/json.hpp>

#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

namespace bj = boost::json;

std::string text_of(const bj::string& text) { return {text.data(), text.size()}; }

Result<std::string> text_member(const bj::object& object, const char* name) {
  const bj::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return fail(Code::invalid, std::string("`") + name + "` must be a text");
  return text_of(value->get_string());
}

Result<std::vector<lang::Source>> sources_member(const bj::object& object, const char* name) {
  std::vector<lang::Source> sources;
  const bj::value* value = object.if_contains(name);
  if (value == nullptr) return sources;
  const auto wrong = [&] { return fail(Code::invalid, std::string("`") + name + R"(` must be a list of {"name": …, "text": …})"); };
  if (!value->is_array()) return wrong();
  for (const bj::value& item : value->get_array()) {
    if (!item.is_object()) return wrong();
    lang::Source& source = sources.emplace_back();
    NUDGE_ASSIGN(source.name, text_member(item.get_object(), "name"));
    NUDGE_ASSIGN(source.text, text_member(item.get_object(), "text"));
    if (source.name.empty()) return wrong();
  }
  return sources;
}

// Which file in force a file sent stands for: the one of the same name; else the one that its path ends in (rules/growth/x.yaml for
// growth/x.yaml); else the only one with the same last part.
std::vector<lang::Source>::iterator place_of(std::vector<lang::Source>& in_force, const std::string& name) {
  const auto find = [&](const auto& fits) {
    return std::ranges::count_if(in_force, fits) == 1 ? std::ranges::find_if(in_force, fits) : in_force.end();
  };
  const std::string last = name.substr(name.find_last_of('/') + 1);
  auto place = find([&](const lang::Source& s) { return s.name == name; });
  if (place == in_force.end()) place = find([&](const lang::Source& s) { return name.ends_with("/" + s.name); });
  if (place == in_force.end()) place = find([&](const lang::Source& s) { return s.name.substr(s.name.find_last_of('/') + 1) == last; });
  return place;
}

void lay_over(std::vector<lang::Source>& in_force, std::vector<lang::Source>& files) {
  for (lang::Source& file : files) {
    const auto place = place_of(in_force, file.name);
    if (place == in_force.end())
      in_force.push_back(std::move(file));
    else
      place->text = std::move(file.text);
  }
}

}  // namespace

Result<DraftRequest> read_draft_request(std::string_view body, PlanSources in_force) {
  boost::system::error_code error;
  bj::parse_options strict;
  const bj::value json = bj::parse(bj::string_view(body.data(), body.size()), error, {}, strict);
  if (error || !json.is_object()) return fail(Code::invalid, "the body must be a JSON object");
  const bj::object& object = json.get_object();
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    static constexpr std::string_view kKnown[] = {"rules", "catalog", "overlay", "from", "to", "only"};
    if (std::ranges::find(kKnown, key) == std::end(kKnown)) return fail(Code::invalid, "`" + std::string(key) + "` is not known here");
  }
  DraftRequest request;
  NUDGE_ASSIGN(request.from, text_member(object, "from"));
  NUDGE_ASSIGN(request.to, text_member(object, "to"));
  request.note.origin = PlanOrigin::applied;
  NUDGE_ASSIGN(std::vector<lang::Source> rules, sources_member(object, "rules"));
  NUDGE_ASSIGN(std::vector<lang::Source> catalog, sources_member(object, "catalog"));
  if (rules.empty() && catalog.empty()) return fail(Code::invalid, "`rules` is missing: the files to try, with their texts");
  if (const bj::value* only = object.if_contains("only")) {
    if (!only->is_array()) return fail(Code::invalid, "`only` must be a list of names of rules");
    for (const bj::value& name : only->get_array()) {
      if (!name.is_string()) return fail(Code::invalid, "`only` must be a list of names of rules");
      request.only.push_back(text_of(name.get_string()));
    }
  }
  const bj::value* overlay = object.if_contains("overlay");
  if (overlay != nullptr && !overlay->is_bool()) return fail(Code::invalid, "`overlay` must be true or false");
  request.sources = std::move(in_force);
  if (overlay != nullptr && overlay->get_bool())
    lay_over(request.sources.rules, rules);
  else if (!rules.empty())
    request.sources.rules = std::move(rules);
  if (!catalog.empty()) request.sources.catalog = std::move(catalog);
  return request;
}

http::Response refused_response(const doc::Diagnostics& diagnostics, const std::string& error) {
  Json json;
  json.begin_object()
      .field("type", "about:blank")
      .field("title", "Unprocessable Content")
      .field("status", 422)
      .field("code", "bad_rules")
      .field("detail", error.empty() ? "the rules have mistakes; the set that is in force goes on" : error)
      .field("text", doc::render_text(diagnostics))
      .field_raw("report", doc::render_json(diagnostics))
      .end_object();
  http::Response response = json_response(std::move(json), 422);
  response.content_type = "application/problem+json";
  return response;
}

}  // namespace nudge::daemon
