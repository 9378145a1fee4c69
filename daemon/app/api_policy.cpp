// Policies: what people set by hand (silences, stop-all, release of what the brake keeps), the suppression list, and the policies in force.
#include <algorithm>

#include "daemon/app/api.h"
#include "engine/base/limits.h"
#include "engine/core/policy.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kImportMax = 1'000'000;  // addresses in one import

// Who and why, without which nothing is set by hand: it is kept, and shown to whoever asks later.
struct Signed {
  std::string author, reason;
};
Result<Signed> signed_body(const http::Request& request) {
  Signed s{author_of(request, body_text(request, "author")), body_text(request, "reason")};
  if (s.author.empty() || s.reason.empty())
    return fail(Code::invalid, "say who does this and why: {\"author\": \"lin\", \"reason\": \"…\"}");
  return s;
}

void write_silence(Json& json, const Silence& s, TimeMs now) {
  json.begin_object().field("id", s.id).field("matches", describe_silence(s));
  json.field("rule", s.rule).field("channel", s.channel).field("category", s.category).field("customer", s.customer);
  json.field_time("from", s.from).field_time("until", s.until).field("author", s.author).field("reason", s.reason);
  json.field("active", now >= s.from && now < s.until).end_object();
}

void write_suppression(Json& json, const Suppression& s) {
  json.begin_object()
      .field("kind", suppression_kind_name(s.kind))
      .field("value", s.value)
      .field("channel", s.channel)
      .field_time("at", s.at)
      .field("author", s.author)
      .field("reason", s.reason)
      .end_object();
}

// A suppression's kind, normalised value and channel.
Result<Suppression> suppression_of(std::string_view kind_name, std::string_view value, std::string_view channel) {
  const std::optional<Suppression::Kind> kind = find_suppression_kind(kind_name);
  if (!kind) return fail(Code::invalid, "`kind` is one of customer, address, domain");
  Suppression s;
  s.kind = *kind;
  s.value = *kind == Suppression::Kind::customer ? std::string(value) : normal_address(value);
  if (*kind == Suppression::Kind::domain && s.value.starts_with('@')) s.value.erase(0, 1);
  s.channel = channel;
  if (s.value.empty() || s.value.size() > limits::kCustomerIdBytes || s.value.find('\0') != std::string::npos)
    return fail(Code::invalid,
                "`value` is empty or too long: a customer's id, an address such as a@example.com or +8613800138000, or a domain");
  return s;
}

std::string audit_key(TimeMs at, std::string_view what) { return quarantine_key(static_cast<std::uint64_t>(at)) + std::string(what); }

}  // namespace

http::Response Api::policies() {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const std::shared_ptr<const Controls> controls = runtime_.gate().controls();
  const StatsDelta stats = runtime_.stats();
  Json json;
  json.begin_object().key("policies").begin_array();
  for (const Policy& p : plan->policies) {
    json.begin_object()
        .field("name", p.name)
        .field("kind", policy_kind_name(p.kind))
        .field("description", p.description)
        .field("says", describe_policy(*plan, p))
        .end_object();
  }
  json.end_array().key("held_back").begin_object();
  std::array<std::int64_t, kHeldReasons> by{};
  for (const auto& [id, rule] : stats.rules) {
    for (std::size_t i = 0; i < kHeldReasons; ++i) by[i] += rule.dropped[i];
  }
  for (std::size_t i = 0; i < kHeldReasons; ++i) {
    if (by[i] != 0) json.field(held_name(static_cast<Held>(i)), by[i]);
  }
  json.end_object();
  json.key("braked").begin_array();
  for (const auto& [id, braked] : controls->braked) {
    const auto rule = plan->rule_of_id.find(id);
    json.begin_object()
        .field("rule", rule == plan->rule_of_id.end() ? std::string() : plan->rules[rule->second].name)
        .field_time("since", braked.since)
        .field("policy", braked.policy)
        .field("why", braked.words)
        .field("kept", braked.kept)
        .end_object();
  }
  json.end_array().field("stopped", controls->stopped);
  if (controls->stopped)
    json.field_time("stopped_at", controls->stopped_at)
        .field("stopped_by", controls->stopped_by)
        .field("stopped_why", controls->stopped_why);
  json.field("suppressions", runtime_.gate().size()).key("test_mode").begin_array();
  for (const std::string& address : runtime_.gate().send_only_to()) json.value(address);
  json.end_array().end_object();
  return of_state(json_response(std::move(json)), state_of(*plan));
}

http::Response Api::silences() {
  const std::shared_ptr<const Controls> controls = runtime_.gate().controls();
  const TimeMs now = runtime_.now();
  Json json;
  json.begin_object().key("silences").begin_array();
  for (const Silence& s : controls->silences) {
    if (s.until > now) write_silence(json, s, now);
  }
  json.end_array().end_object();
  return json_response(std::move(json));
}

// Commits a change by a person and answers once it is on disk.
void Api::settle_change(std::shared_ptr<http::Responder> to, Change change, std::function<http::Response()> answer) {
  runtime_.change(std::move(change), [to, answer = std::move(answer)](const Error* failure) {
    to->send(failure != nullptr ? error_response(*failure) : answer());
  });
}

void Api::add_silence(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const Result<Signed> who = signed_body(request);
  if (!who) return to->send(error_response(who.error()));
  Silence s;
  s.rule = body_text(request, "rule");
  s.channel = body_text(request, "channel");
  s.category = body_text(request, "category");
  s.customer = body_text(request, "customer");
  s.author = who->author;
  s.reason = who->reason;
  s.from = runtime_.now();
  if (s.channel == "call_task") s.channel = "task";
  if (describe_silence(s).empty())
    return to->send(error_response({Code::invalid,
                                    "a silence matches something: give `rule`, `channel`, `category` or `customer`. "
                                    "To stop everything there is stop-all"}));
  if (!s.rule.empty() && runtime_.plan()->find_rule(s.rule) == nullptr)
    return to->send(error_response({Code::not_found, "there is no rule `" + s.rule + "`"}));
  const std::string until = body_text(request, "until"), length = body_text(request, "for");
  if (until.empty() == length.empty())
    return to->send(error_response({Code::invalid, "say when it ends: `for`: \"2h\" or `until`: \"2026-02-01T09:00:00Z\""}));
  Result<TimeMs> end = !until.empty() ? parse_timestamp(until) : parse_duration(length);
  if (end && until.empty()) *end += s.from;
  if (!end) return to->send(error_response(end.error()));
  if (*end <= s.from) return to->send(error_response({Code::invalid, "this silence ends before it begins"}));
  s.until = *end;
  auto kept = std::make_shared<Silence>(s);
  settle_change(
      to,
      [kept](CommitContext& c) {
        kept->id = c.desk.silence(*kept);
        c.desk_changed = true;
        c.set.put(Family::audit, audit_key(c.now, "silence"),
                  "silence " + std::to_string(kept->id) + " (" + describe_silence(*kept) + ") until " + format_timestamp(kept->until) +
                      " by " + kept->author + ": " + kept->reason);
      },
      [kept] {
        Json json;
        write_silence(json, *kept, kept->from);
        return json_response(std::move(json));
      });
}

void Api::end_silence(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const Result<Signed> who = signed_body(request);
  if (!who) return to->send(error_response(who.error()));
  const std::string text(request.param("id"));
  const std::uint64_t id = text.size() <= 18 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }) && !text.empty()
                               ? static_cast<std::uint64_t>(std::stoll(text))
                               : 0;
  auto found = std::make_shared<bool>(false);
  settle_change(
      to,
      [id, found, who = *who](CommitContext& c) {
        *found = c.desk.end_silence(id, c.now);
        c.desk_changed = true;
        if (*found)
          c.set.put(Family::audit, audit_key(c.now, "silence"),
                    "silence " + std::to_string(id) + " ended by " + who.author + ": " + who.reason);
      },
      [found, text] {
        if (!*found) return error_response({Code::not_found, "there is no silence " + text + " that has not ended"});
        Json json;
        json.begin_object().field("status", "ended").end_object();
        return json_response(std::move(json));
      });
}

void Api::stop_all(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const Result<Signed> who = signed_body(request);
  if (!who) return to->send(error_response(who.error()));
  const std::string on = body_text(request, "stop");
  if (on != "on" && on != "off") return to->send(error_response({Code::invalid, "`stop` is \"on\" (nothing leaves) or \"off\""}));
  settle_change(
      to,
      [stop = on == "on", who = *who](CommitContext& c) {
        c.desk.stop_all(stop, c.now, who.author, who.reason);
        c.desk_changed = true;
        c.set.put(Family::audit, audit_key(c.now, "stop-all"),
                  std::string("stop-all ") + (stop ? "on" : "off") + " by " + who.author + ": " + who.reason);
      },
      [on] {
        Json json;
        json.begin_object().field("stopped", on == "on").end_object();
        return json_response(std::move(json));
      });
}

// Lets out, or gives up, what the brake or a budget keeps of a rule; the brake is off again.
void Api::settle_kept(http::Request& request, http::Responder responder, bool release) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const Result<Signed> who = signed_body(request);
  if (!who) return to->send(error_response(who.error()));
  const std::string name(request.param("name"));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Rule* rule = plan->find_rule(name);
  if (rule == nullptr) return to->send(error_response({Code::not_found, "there is no rule `" + name + "`"}));
  const RuleId id = rule->id;
  const auto answer = [to, release](Result<std::uint64_t> count) {
    if (!count) return to->send(error_response(count.error()));
    Json json;
    json.begin_object().field("status", release ? "released" : "discarded").field("actions", *count).end_object();
    to->send(json_response(std::move(json)));
  };
  runtime_.change(
      [id, name, release, who = *who](CommitContext& c) {
        if (c.desk.release(id)) c.desk_changed = true;
        c.set.put(
            Family::audit, audit_key(c.now, "kept"),
            std::string(release ? "released" : "discarded") + " what was kept of rule " + name + " by " + who.author + ": " + who.reason);
      },
      [this, to, id, release, who = *who, answer](const Error* failure) {
        if (failure != nullptr) return to->send(error_response(*failure));
        runtime_.delivery().settle_kept(id, release ? Word::release : Word::discard, {who.author, who.reason, ""}, answer);
      });
}

http::Response Api::suppressions(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 1000, 1, 100'000);
  if (!limit) return error_response(limit.error());
  // `after` names the last entry of the page before: kind,value,channel.
  std::string after;
  if (const auto last = request.query_param("after")) {
    const std::size_t first = std::min(last->find(','), last->size()), second = std::min(last->find(',', first + 1), last->size());
    const Result<Suppression> entry =
        suppression_of(last->substr(0, first), last->substr(std::min(first + 1, last->size()), second - first - 1),
                       last->substr(std::min(second + 1, last->size())));
    if (!entry) return error_response(entry.error());
    after = Gate::key_of(entry->kind, entry->value, entry->channel);
  }
  bool more = false;
  const std::vector<Suppression> page = runtime_.gate().list(after, *limit, more);
  Json json;
  json.begin_object().field("total", runtime_.gate().size()).key("suppressions").begin_array();
  for (const Suppression& s : page) write_suppression(json, s);
  json.end_array().key("next");
  if (!more)
    json.raw("null");
  else
    json.value(std::string(suppression_kind_name(page.back().kind)) + "," + page.back().value + "," + page.back().channel);
  json.end_object();
  return json_response(std::move(json));
}

void Api::suppress(http::Request& request, http::Responder responder, bool add) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const Result<Signed> who = signed_body(request);
  if (!who) return to->send(error_response(who.error()));
  Result<Suppression> entry = suppression_of(body_text(request, "kind"), body_text(request, "value"), body_text(request, "channel"));
  if (!entry) return to->send(error_response(entry.error()));
  entry->author = who->author;
  entry->reason = who->reason;
  entry->at = runtime_.now();
  auto found = std::make_shared<bool>(true);
  settle_change(
      to,
      [this, add, found, entry = *entry](CommitContext& c) {
        if (add)
          runtime_.gate().add(c, entry);
        else
          *found = runtime_.gate().remove(c, entry.kind, entry.value, entry.channel);
        c.set.put(Family::audit, audit_key(c.now, "suppress"),
                  std::string(add ? "suppressed " : "no longer suppressed ") + entry.value + " by " + entry.author + ": " + entry.reason);
      },
      [found, add, value = entry->value] {
        if (!*found) return error_response({Code::not_found, "`" + value + "` is not on the suppression list"});
        Json json;
        json.begin_object().field("status", add ? "suppressed" : "removed").field("value", value).end_object();
        return json_response(std::move(json));
      });
}

// Lines of kind,value[,channel]; `kind` may be left out where the value shows it. Everything that can be read is taken in, the rest named.
void Api::import_suppressions(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::string author = author_of(request, std::string(request.query_param("author").value_or(""))), reason(request.query_param("reason").value_or(""));
  if (author.empty() || reason.empty())
    return to->send(error_response({Code::invalid, "say who imports this and why: ?author=…&reason=…"}));
  auto entries = std::make_shared<std::vector<Suppression>>();
  auto refused = std::make_shared<std::vector<std::pair<std::size_t, std::string>>>();
  std::string_view rest = request.body;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.starts_with("kind"))) continue;
    std::vector<std::string_view> cells;
    while (true) {
      const std::size_t comma = std::min(text.find(','), text.size());
      cells.push_back(text.substr(0, comma));
      if (comma == text.size()) break;
      text.remove_prefix(comma + 1);
    }
    if (cells.size() == 1) cells.insert(cells.begin(), "address");
    Result<Suppression> entry = suppression_of(cells[0], cells[1], cells.size() > 2 ? cells[2] : std::string_view());
    if (!entry || cells.size() > 3) {
      if (refused->size() < 100) refused->emplace_back(line, entry ? "more than three cells" : entry.error().message);
      continue;
    }
    entry->author = author;
    entry->reason = reason;
    entry->at = runtime_.now();
    entries->push_back(*std::move(entry));
    if (entries->size() > kImportMax) return to->send(error_response({Code::too_large, "at most 1,000,000 lines in one import"}));
  }
  settle_change(
      to,
      [this, entries, author, reason](CommitContext& c) {
        for (const Suppression& entry : *entries) runtime_.gate().add(c, entry);
        c.set.put(Family::audit, audit_key(c.now, "suppress"),
                  "imported " + std::to_string(entries->size()) + " suppressions by " + author + ": " + reason);
      },
      [entries, refused] {
        Json json;
        json.begin_object().field("imported", entries->size()).key("refused").begin_array();
        for (const auto& [line, why] : *refused) json.begin_object().field("line", line).field("reason", why).end_object();
        json.end_array().end_object();
        return json_response(std::move(json));
      });
}

Result<void> Api::install_policy(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/policies", on_worker([this](const http::Request&) { return policies(); })));
  NUDGE_TRY(server.route(Method::get, "/v1/silences", on_worker([this](const http::Request&) { return silences(); })));
  NUDGE_TRY(server.route(Method::post, "/v1/silences", [this](http::Request& r, http::Responder to) { add_silence(r, std::move(to)); }));
  NUDGE_TRY(
      server.route(Method::post, "/v1/silences/{id}/end", [this](http::Request& r, http::Responder to) { end_silence(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::post, "/v1/stop-all", [this](http::Request& r, http::Responder to) { stop_all(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::post, "/v1/rules/{name}/release",
                         [this](http::Request& r, http::Responder to) { settle_kept(r, std::move(to), true); }));
  NUDGE_TRY(server.route(Method::post, "/v1/rules/{name}/discard",
                         [this](http::Request& r, http::Responder to) { settle_kept(r, std::move(to), false); }));
  NUDGE_TRY(server.route(Method::get, "/v1/suppressions", on_worker([this](const http::Request& r) { return suppressions(r); })));
  NUDGE_TRY(
      server.route(Method::post, "/v1/suppressions", [this](http::Request& r, http::Responder to) { suppress(r, std::move(to), true); }));
  NUDGE_TRY(server.route(Method::post, "/v1/suppressions/remove",
                         [this](http::Request& r, http::Responder to) { suppress(r, std::move(to), false); }));
  return server.route(Method::post, "/v1/suppressions/import",
                      [this](http::Request& r, http::Responder to) { import_suppressions(r, std::move(to)); });
}

}  // namespace nudge::daemon
