// GET /v1/customers: by the keys, which reads no customer and is right for any number of them; or by what people know of them, from memory.
#include <set>

#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kRowsMost = 1'000;

std::string text_param(const http::Request& request, std::string_view name) { return std::string(request.query_param(name).value_or("")); }

void write_page(Json& json, const std::optional<std::uint64_t>& total, const std::vector<std::string>& ids, const std::string& next) {
  json.begin_object().key("total");
  if (total)
    json.value(*total);
  else
    json.raw("null");
  json.key("customers").begin_array();
  for (const std::string& id : ids) json.value(id);
  json.end_array().key("next");
  if (next.empty())
    json.raw("null");
  else
    json.value(next);
}

std::string row_of(Shard& shard, const std::string& asked, const CustomerState& state, bool hide) {
  const Plan& plan = shard.plan();
  const TimeMs now = std::max(shard.now(), state.clock);
  Json json;
  json.begin_object().field("customer", asked);
  if (state.id != asked) json.field("merged_into", state.id);
  json.field_time("changed", state.clock);
  const Personal hidden = hide ? Personal::of(state, *plan.catalog) : Personal();
  write_attributes(json, state, *plan.catalog, now, hide ? &hidden : nullptr);
  write_tags(json, state, now);
  json.key("segments").begin_array();
  for (const Membership& member : state.members) {
    const auto segment = plan.segment_of_root.find(member.root);
    if (segment != plan.segment_of_root.end()) json.value(plan.segments[segment->second].name);
  }
  json.end_array().end_object();
  return json.take();
}

// `name`, `-changed` …: a leading minus means descending.
Result<CustomerIndex::Sort> sort_of(std::string_view text) {
  if (text == "customer") return CustomerIndex::Sort::customer;
  if (text == "name") return CustomerIndex::Sort::name;
  if (text == "changed") return CustomerIndex::Sort::changed;
  return fail(Code::invalid, "`sort` is one of customer, name, changed, each with a minus before it for the other direction");
}

}  // namespace

void write_attributes(Json& json, const CustomerState& state, const Catalog& catalog, TimeMs now, const Personal* hidden) {
  std::vector<const std::string*> names;
  json.key("attributes").begin_object();
  for (std::size_t a = 0; a < catalog.attributes.size(); ++a) {
    TimeMs until = kNever;
    const ValueView value = state.attributes.at(static_cast<AttributeId>(a), now, until);
    if (!value.present()) continue;
    const LeafDef& leaf = catalog.attributes[a];
    json.field_raw(leaf.name, shown_json(leaf, value, hidden));
    if (hidden != nullptr && leaf.pii) names.push_back(&leaf.name);
  }
  json.end_object();
  if (hidden == nullptr) return;
  json.key("masked").begin_array();
  for (const std::string* name : names) json.value(*name);
  json.end_array();
}

void write_tags(Json& json, const CustomerState& state, TimeMs now) {
  std::set<std::string> tags;
  for (const TagUpdate& tag : state.tags) {
    if (tag.time > now) continue;
    if (tag.removed || tag.expires <= now)
      tags.erase(tag.tag);
    else
      tags.insert(tag.tag);
  }
  json.key("tags").begin_array();
  for (const std::string& tag : tags) json.value(tag);
  json.end_array();
}

http::Response Api::customers(const http::Request& request) {
  const Result<bool> rows_wanted = flag_param(request, "rows"), total_wanted = flag_param(request, "total");
  if (!rows_wanted) return error_response(rows_wanted.error());
  if (!total_wanted) return error_response(total_wanted.error());
  const bool rows = *rows_wanted;
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, rows ? kRowsMost : 10'000);
  if (!limit) return error_response(limit.error());
  CustomerIndex::Query query;
  query.text = text_param(request, "q");
  query.prefix = text_param(request, "prefix");
  query.cursor = text_param(request, "cursor");
  query.limit = *limit;
  std::string sort = text_param(request, "sort");
  if (const std::string name = text_param(request, "segment"); !name.empty()) {
    const std::shared_ptr<const Plan> plan = runtime_.plan();
    const Segment* segment = plan->find_segment(name);
    if (segment == nullptr) return error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"});
    query.segment = segment->root;
  }
  if (const std::string wanted = text_param(request, "attribute"); !wanted.empty()) {
    const std::size_t colon = wanted.find(':');
    if (colon == std::string::npos) return error_response({Code::invalid, "`attribute` is a name and a value: attribute=tier:gold"});
    query.attribute = wanted.substr(0, colon);
    query.value = wanted.substr(colon + 1);
  }
  if (!query.text.empty() || query.segment != kNone || !query.attribute.empty() || !sort.empty() || rows) {
    query.descending = sort.starts_with('-');
    if (query.descending) sort.erase(0, 1);
    const Result<CustomerIndex::Sort> by = sort_of(sort.empty() ? "customer" : sort);
    if (!by) return error_response(by.error());
    query.sort = *by;
    return find_customers(request, std::move(query), rows);
  }
  const std::string after = query.cursor.empty() ? text_param(request, "after") : query.cursor;
  const Result<Runtime::CustomerIds> found =
      runtime_.customer_ids(query.prefix, after, *limit, *total_wanted);
  if (!found) return error_response(found.error());
  Json json;
  write_page(json, found->total, found->ids, found->ids.size() == *limit ? found->ids.back() : std::string());
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::find_customers(const http::Request& request, CustomerIndex::Query query, bool rows) {
  const Result<CustomerIndex::Found> found = index_.find(query);
  if (!found) return error_response(found.error());
  Json json;
  write_page(json, found->total, found->ids, found->next);
  if (rows) {
    auto made = std::make_shared<std::vector<std::string>>(found->ids.size());
    const Result<void> asked =
        runtime_.ask_and_wait(found->ids, [made, ids = found->ids, hide = !sees_personal(request)](Shard& shard, std::size_t i, const CustomerState* state) {
          if (state != nullptr) (*made)[i] = row_of(shard, ids[i], *state, hide);
        });
    if (!asked) return error_response(asked.error());
    json.key("rows").begin_array();
    for (const std::string& row : *made)
      if (!row.empty()) json.raw(row);
    json.end_array();
  }
  json.end_object();
  return json_response(std::move(json));
}

}  // namespace nudge::daemon
