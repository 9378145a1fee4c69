#include "daemon/config/connector_limits.h"

#include <algorithm>
#include <charconv>

#include "daemon/config/value.h"
#include "engine/base/text.h"
#include "engine/base/time.h"
#include "rules/doc/diagnostic.h"
#include "rules/doc/reader.h"
#include "rules/doc/scalar.h"

namespace nudge::config {
namespace {

constexpr std::int64_t kHourMs = 3'600'000, kDayMs = 24 * kHourMs;

// "20/min" → 20 in a minute; also /s, /h, /d and /30s.
std::expected<std::pair<std::int64_t, Milliseconds>, Wrong> read_rate(std::string_view text) {
  const Wrong bad{"C0002", doc::quoted(text) + " is no rate", "write so many per time: 10/s, 20/min, 1000/h, 5000/d"};
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::unexpected(bad);
  std::int64_t count = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + slash, count);
  if (ec != std::errc() || end != text.data() + slash || count < 1 || count > 1'000'000) return std::unexpected(bad);
  std::string per(text.substr(slash + 1));
  if (per == "min") per = "m";
  if (!per.empty() && (per.front() < '0' || per.front() > '9')) per.insert(per.begin(), '1');
  const auto time = parse_duration(per);
  if (!time || *time < 1 || *time > 31 * kDayMs) return std::unexpected(bad);
  return std::pair{count, Milliseconds(*time)};
}

std::string show_rate(const std::pair<std::int64_t, Milliseconds>& rate) {
  std::string per = format_duration(rate.second.count());
  if (per.starts_with('1') && (per.size() < 2 || per[1] < '0' || per[1] > '9')) per.erase(0, 1);
  return std::to_string(rate.first) + "/" + (per == "m" ? "min" : per);
}

std::expected<void, Wrong> put_rates(Rates& rates, const doc::Node& node) {
  Rates read;
  std::vector<const doc::Node*> items(node.items.begin(), node.items.end());
  if (node.is_scalar()) items.push_back(&node);
  for (const doc::Node* item : items) {
    auto rate = read_rate(item->text);
    if (!rate) return std::unexpected(std::move(rate).error());
    read.push_back(*rate);
  }
  rates = std::move(read);
  return {};
}

// Through the same reader as every other key.
std::expected<void, Wrong> put_limit(const Limit& limit, const doc::Node& node) {
  if (const auto* rates = std::get_if<Rates*>(&limit.place)) return put_rates(**rates, node);
  Settings scratch;
  Key key{.name = limit.name,
          .type = limit.type,
          .place = &Settings::http_port,
          .initial = {},
          .min = limit.min,
          .max = limit.max,
          .choices = limit.choices,
          .help = {}};
  if (std::holds_alternative<Milliseconds*>(limit.place)) key.place = &Settings::clock_skew;
  if (std::holds_alternative<std::string*>(limit.place)) key.place = &Settings::log_level;
  if (auto done = assign(key, {std::string(node.text)}, "", scratch); !done) return done;
  if (auto* const* number = std::get_if<std::int64_t*>(&limit.place)) **number = scratch.http_port;
  if (auto* const* time = std::get_if<Milliseconds*>(&limit.place)) **time = scratch.clock_skew;
  if (auto* const* text = std::get_if<std::string*>(&limit.place)) **text = scratch.log_level;
  return {};
}

}  // namespace

std::vector<Limit> process_limits(Connector& c) {
  return {
      {"timeout", Type::duration, &c.timeout, 100, kHourMs, {}, "How long one delivery may take."},
      {"in_flight_max", Type::integer, &c.in_flight_max, 1, 64, {}, "So many deliveries at once."},
      {"queue_max", Type::integer, &c.queue_max, 1, 1'000'000, {}, "So many deliveries wait for the process."},
      {"memory", Type::size, &c.memory_bytes_max, 1 << 26, std::int64_t{1} << 40, {}, "How much memory the process may take."},
      {"cpu_seconds",
       Type::integer,
       &c.cpu_seconds_max,
       0,
       1'000'000'000,
       {},
       "How much processor time the process may use up; then it is ended and started anew. 0: no limit."},
      {"open_files", Type::integer, &c.open_files_max, 32, 65'536, {}, "How many files and connections the process may have open."},
  };
}

std::vector<Limit> delivery_limits(DeliveryLimits& d) {
  return {
      {"rate",
       Type::texts,
       &d.rates,
       0,
       0,
       {},
       "At most so many, such as 10/s or [10/s, 1000/h]; after a restart no more than without one. Left out: no limit."},
      {"burst", Type::integer, &d.burst, 0, 1'000'000, {}, "So many at once after a pause. 0: what fits into a second of the rate."},
      {"account", Type::text, &d.account, 0, 0, {}, "Connectors that name the same account share its rate and its pauses."},
      {"order", Type::choice, &d.order, 0, 0, "any, customer", "customer: one customer's actions go one after the other, in order."},
      {"on_unknown", Type::choice, &d.on_unknown, 0, 0, "hold, retry, verify",
       "When nobody knows whether it arrived, and the rule does not say: hold (a person decides), retry, or verify (ask the provider)."},
      {"settle",
       Type::duration,
       &d.settle,
       0,
       kDayMs,
       {},
       "verify: what the provider does not know so long after the attempt never arrived."},
      {"key_window", Type::duration, &d.key_window, 0, 366 * kDayMs, {}, "So long the provider remembers an idempotency key. 0: for ever."},
      {"breaker_after",
       Type::integer,
       &d.breaker_after,
       0,
       1'000'000,
       {},
       "After so many failures in a row nothing is sent for a pause. 0: never."},
      {"breaker_pause",
       Type::duration,
       &d.breaker_pause,
       10,
       kDayMs,
       {},
       "The first such pause; doubles while the one probe after it fails."},
      {"breaker_pause_max", Type::duration, &d.breaker_pause_max, 10, kDayMs, {}, "The longest such pause."},
      {"retry_first", Type::duration, &d.retry_first, 10, kDayMs, {}, "The pause after an action's first failed attempt; doubles."},
      {"retry_max", Type::duration, &d.retry_max, 10, 31 * kDayMs, {}, "The longest such pause."},
      {"tries", Type::integer, &d.tries, 1, 1000, {}, "So many attempts, then it is a dead letter."},
      {"give_up_after", Type::duration, &d.give_up_after, 1000, 366 * kDayMs, {}, "An action this old is given up."},
  };
}

void read_limits(doc::Diagnostics& diagnostics, const doc::Document& document, const doc::Entry& entry, const std::vector<Limit>& limits,
                 std::string_view example) {
  if (!entry.value->is_map())
    return diagnostics.error("C0006", document, entry.key_mark, std::string(entry.key) + " is a map of limits", std::string(example));
  for (const doc::Entry& field : entry.value->entries) {
    const auto limit = std::ranges::find(limits, field.key, &Limit::name);
    const bool shape = limit != limits.end() && (field.value->is_scalar() || std::holds_alternative<Rates*>(limit->place));
    if (!shape) {
      std::string names;
      for (const Limit& known : limits) names.append(names.empty() ? "it has " : ", ").append(known.name);
      diagnostics.error("C0006", document, field.key_mark, std::string(entry.key) + " has no limit " + doc::quoted(field.key), names);
      continue;
    }
    if (const auto done = put_limit(*limit, *field.value); !done)
      diagnostics.error(done.error().code, document, field.value->mark, done.error().message, done.error().hint);
  }
}

std::string show_limits(const std::vector<Limit>& limits) {
  std::string out;
  for (const Limit& limit : limits) {
    std::string value;
    if (auto* const* number = std::get_if<std::int64_t*>(&limit.place))
      value = limit.type == Type::size ? format_size(**number) : std::to_string(**number);
    if (auto* const* time = std::get_if<Milliseconds*>(&limit.place)) value = format_duration((*time)->count());
    if (auto* const* text = std::get_if<std::string*>(&limit.place)) value = (*text)->empty() ? "" : yaml_text(**text);
    if (auto* const* rates = std::get_if<Rates*>(&limit.place)) {
      for (const auto& rate : **rates) value += (value.empty() ? "[\"" : ", \"") + show_rate(rate) + "\"";
      if (!value.empty()) value += "]";
    }
    if (value.empty()) continue;
    out.append(out.empty() ? "{\"" : ", \"").append(limit.name).append("\": ").append(value);
  }
  return out + "}";
}

std::string limits_schema(const std::vector<Limit>& limits) {
  std::string out;
  for (const Limit& limit : limits) {
    out += out.empty() ? "" : ",\n";
    out += "        ";
    append_json_string(out, limit.name);
    out += ": {";
    if (limit.type == Type::integer) {
      out += "\"type\": \"integer\", \"minimum\": " + std::to_string(limit.min) + ", \"maximum\": " + std::to_string(limit.max);
    } else if (limit.type == Type::size) {
      out += R"("type": ["string", "integer"])";
    } else if (limit.type == Type::texts) {
      out += R"("type": ["string", "array"], "items": {"type": "string"})";
    } else if (limit.type == Type::choice) {
      std::string words;
      for (const std::string& word : split_list(limit.choices)) words += (words.empty() ? "\"" : ", \"") + word + "\"";
      out += R"("type": "string", "enum": [)" + words + "]";
    } else {
      out += R"("type": "string")";
    }
    out += ", \"description\": ";
    append_json_string(out, limit.help);
    out += "}";
  }
  return out;
}

}  // namespace nudge::config
