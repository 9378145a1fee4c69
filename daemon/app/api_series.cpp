// GET /v1/series and the series of one rule or segment: what they did hour by hour or day by day; GET /v1/segments/{name}/changes: who
// entered and left it lately.
#include <algorithm>
#include <charconv>

#include "daemon/app/api.h"
#include "daemon/runtime/log_block.h"
#include "daemon/store/block.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kHoursMost = 2000, kDaysMost = 400;
constexpr std::uint64_t kBlocksRead = 5'000;  // for one answer; `next` goes on

// The spans of a series, oldest first. A day is one of the company's calendar; an hour of the record counts to the day in which it begins.
struct Spans {
  bool days = false;
  std::vector<TimeMs> starts;
  TimeMs end = 0;  // of the last
  std::size_t of(TimeMs hour) const {
    return static_cast<std::size_t>(std::ranges::upper_bound(starts, hour) - starts.begin()) - 1;
  }
  TimeMs end_of(std::size_t i) const { return i + 1 < starts.size() ? starts[i + 1] : end; }
};

Result<Spans> spans_of(const http::Request& request, const Zone& zone, TimeMs now) {
  Spans out;
  const std::string_view by = request.query_param("by").value_or("hour");
  if (by != "hour" && by != "day") return fail(Code::invalid, "`by` must be hour or day");
  out.days = by == "day";
  NUDGE_ASSIGN(const std::uint64_t last, number_param(request, "last", out.days ? 30 : 24, 1, out.days ? kDaysMost : kHoursMost));
  NUDGE_ASSIGN(const std::optional<TimeMs> to, time_param(request, "to"));
  const TimeMs until = std::clamp<TimeMs>(to.value_or(now), 0, now);
  const auto n = static_cast<std::int64_t>(last);
  for (std::int64_t i = n - 1; i >= 0; --i)
    out.starts.push_back(out.days ? zone.start_of(zone.local(until).date - static_cast<DateDays>(i)) : hour_of(until) - i * kHour);
  out.end = out.days ? zone.start_of(zone.local(until).date + 1) : out.starts.back() + kHour;
  return out;
}

// One figure of each span; null where nothing was recorded yet.
using Row = std::vector<std::int64_t>;
void write_row(Json& json, std::string_view name, const Row& row, const std::vector<bool>& known) {
  json.key(name).begin_array();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (known[i])
      json.value(row[i]);
    else
      json.raw("null");
  }
  json.end_array();
}

class SeriesPage {
 public:
  SeriesPage(const Spans& spans, const Runtime::Series& series) : spans_(spans), series_(series), known_(spans.starts.size()) {
    for (std::size_t i = 0; i < known_.size(); ++i) known_[i] = spans.end_of(i) > series.stored.since;
  }

  void write_head(Json& json, const Zone& zone) const {
    json.field("by", spans_.days ? "day" : "hour").field("zone", zone.name()).field_time("since", series_.stored.since);
    json.key("times").begin_array();
    for (const TimeMs t : spans_.starts) json.value(format_timestamp(t));  // 1970 is a time here
    json.end_array();
  }

  void write_rule(Json& json, const Rule& rule) const {
    const std::size_t n = known_.size();
    Row fired(n), held(n), actions(n), actions_held(n), accepted(n), failed(n);
    for (const auto& [hour, figures] : series_.stored.hours) {
      const auto found = figures.rules.find(rule.id);
      if (found == figures.rules.end() || hour >= spans_.end) continue;
      const RuleHour& r = found->second;
      const std::size_t i = spans_.of(hour);
      fired[i] += r.fired;
      held[i] += r.held;
      actions[i] += r.actions;
      actions_held[i] += r.dropped;
      accepted[i] += r.accepted;
      failed[i] += r.failed;
    }
    json.field("name", rule.name);
    write_row(json, "fired", fired, known_);
    write_row(json, "held", held, known_);
    write_row(json, "actions", actions, known_);
    write_row(json, "actions_held", actions_held, known_);
    write_row(json, "accepted", accepted, known_);
    write_row(json, "failed", failed, known_);
  }

  // The members at the end of a span are those of now less what came after it.
  void write_segment(Json& json, const Segment& segment) const {
    const std::size_t n = known_.size();
    Row members(n), entered(n), left(n);
    const auto sums = series_.sums.roots.find(segment.root);
    std::int64_t then = sums == series_.sums.roots.end() ? 0 : sums->second.members;
    auto hour = series_.stored.hours.rbegin();
    for (std::size_t i = n; i-- > 0;) {
      for (; hour != series_.stored.hours.rend() && hour->first >= spans_.end_of(i); ++hour) then -= of(hour->second, segment.root).members;
      members[i] = then;
    }
    for (const auto& [start, figures] : series_.stored.hours) {
      if (start >= spans_.end) continue;
      const RootStats r = of(figures, segment.root);
      entered[spans_.of(start)] += r.entered;
      left[spans_.of(start)] += r.left;
    }
    json.field("name", segment.name);
    write_row(json, "members", members, known_);
    write_row(json, "entered", entered, known_);
    write_row(json, "left", left, known_);
  }

 private:
  static RootStats of(const SeriesHour& hour, RootId root) {
    const auto found = hour.roots.find(root);
    return found == hour.roots.end() ? RootStats() : found->second;
  }
  const Spans& spans_;
  const Runtime::Series& series_;
  std::vector<bool> known_;
};

// Edges of one segment out of the log, newest first.
struct Changes {
  struct One {
    std::uint64_t block = 0, index = 0;
    std::string customer;
    bool entered = false, silent = false;
    TimeMs at = 0;
  };
  std::vector<One> list;
  std::string next;  // empty: that was all
};

// `block`.`index`: go on below it.
struct ChangeCursor {
  std::uint64_t block = 0, index = 0;
};
Result<std::optional<ChangeCursor>> change_cursor(const http::Request& request) {
  const auto text = request.query_param("cursor");
  if (!text) return std::optional<ChangeCursor>();
  ChangeCursor c;
  const std::size_t dot = text->find('.');
  const char* const begin = text->data();
  const char* const end = begin + text->size();
  if (dot != std::string_view::npos) {
    const auto [a, first] = std::from_chars(begin, begin + dot, c.block);
    const auto [b, second] = std::from_chars(begin + dot + 1, end, c.index);
    if (first == std::errc() && second == std::errc() && a == begin + dot && b == end) return std::optional(c);
  }
  return fail(Code::invalid, "`cursor` is not the `next` of a page of changes");
}

// Of customers that are not erased: the log is cleaned behind an erasure, not with it.
Result<Changes> changes_of(const Store& store, const ErasedIds& erased, RootId root, std::size_t limit, std::optional<ChangeCursor> cursor) {
  Changes out;
  std::uint64_t read = 0;
  const auto look = [&](std::uint64_t sequence, std::string_view value) -> Result<bool> {
    NUDGE_ASSIGN(const Block frame, open_block(sequence, value));
    std::string room;
    NUDGE_ASSIGN(const std::string_view content, block_content(frame, room));
    NUDGE_ASSIGN(const LogBlock block, decode_block(content, BlockPart::units));
    std::vector<Changes::One> here;
    std::uint64_t index = 0;
    NUDGE_TRY(read_edges(block.edges, [&](const LogEdge& edge) {
      ++index;
      const bool ours = edge.root == root && !edge.customer.empty() && !erased.covers(edge.customer, edge.at);
      if (ours && (!cursor || sequence < cursor->block || index < cursor->index))
        here.push_back({sequence, index, std::string(edge.customer), edge.entered, edge.silent, edge.at});
    }));
    for (auto one = here.rbegin(); one != here.rend(); ++one) {
      if (out.list.size() == limit) {
        out.next = std::to_string(sequence) + "." + std::to_string(out.list.back().block == sequence ? out.list.back().index : index + 1);
        return false;
      }
      out.list.push_back(std::move(*one));
    }
    return true;
  };
  std::optional<Error> error;
  NUDGE_TRY(store.scan(
      Family::log, log_key(1), cursor && cursor->block != UINT64_MAX ? log_key(cursor->block + 1) : std::string(),
      [&](std::string_view key, std::string_view value) {
        const std::uint64_t sequence = parse_log_key(key).value_or(0);
        if (++read > kBlocksRead) {
          out.next = std::to_string(sequence) + "." + std::to_string(UINT64_MAX);
          return false;
        }
        Result<bool> more = look(sequence, value);
        if (!more) error = std::move(more).error();
        return more && *more;
      },
      ScanOptions{.backward = true, .fill_cache = false}));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

}  // namespace

// `of`: all, rule or segment.
http::Response Api::series(const http::Request& request, std::string_view of) const {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const std::string name(of == "all" ? std::string_view() : request.param("name"));
  const Rule* rule = of == "rule" ? plan->find_rule(name) : nullptr;
  const Segment* segment = of == "segment" ? plan->find_segment(name) : nullptr;
  if (of == "rule" && rule == nullptr) return error_response({Code::not_found, "there is no rule `" + name + "`; see /v1/rules"});
  if (of == "segment" && segment == nullptr)
    return error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"});
  const Result<Spans> spans = spans_of(request, plan->zone, runtime_.now());
  if (!spans) return error_response(spans.error());
  const Result<Runtime::Series> series = runtime_.series(spans->starts.front(), kNever);
  if (!series) return error_response(series.error());
  const SeriesPage page(*spans, *series);
  Json json;
  json.begin_object();
  page.write_head(json, plan->zone);
  if (rule != nullptr) page.write_rule(json, *rule);
  if (segment != nullptr) page.write_segment(json, *segment);
  if (of == "all") {
    json.key("rules").begin_array();
    for (const Rule& r : plan->rules) {
      json.begin_object();
      page.write_rule(json, r);
      json.end_object();
    }
    json.end_array().key("segments").begin_array();
    for (const Segment& s : plan->segments) {
      json.begin_object();
      page.write_segment(json, s);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::segment_changes(const http::Request& request) const {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const std::string name(request.param("name"));
  const Segment* segment = plan->find_segment(name);
  if (segment == nullptr) return error_response({Code::not_found, "there is no segment `" + name + "`; see /v1/segments"});
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 1000);
  if (!limit) return error_response(limit.error());
  const Result<std::optional<ChangeCursor>> cursor = change_cursor(request);
  if (!cursor) return error_response(cursor.error());
  const Result<Changes> changes = changes_of(runtime_.store(), runtime_.eraser().erased(), segment->root, *limit, *cursor);
  if (!changes) return error_response(changes.error());
  Json json;
  json.begin_object().field("name", name).key("changes").begin_array();
  for (const Changes::One& one : changes->list) {
    json.begin_object().field("customer", one.customer).field("change", one.entered ? "entered" : "left");
    json.field_time("at", one.at).field("silent", one.silent).end_object();
  }
  json.end_array().key("next");
  if (changes->next.empty())
    json.raw("null");
  else
    json.value(changes->next);
  json.end_object();
  return json_response(std::move(json));
}

Result<void> Api::install_series(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/series", on_worker([this](const http::Request& r) { return series(r, "all"); })));
  NUDGE_TRY(server.route(Method::get, "/v1/rules/{name}/series", on_worker([this](const http::Request& r) { return series(r, "rule"); })));
  NUDGE_TRY(
      server.route(Method::get, "/v1/segments/{name}/series", on_worker([this](const http::Request& r) { return series(r, "segment"); })));
  return server.route(Method::get, "/v1/segments/{name}/changes",
                      on_worker([this](const http::Request& r) { return segment_changes(r); }));
}

}  // namespace nudge::daemon
