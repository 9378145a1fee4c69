#include "daemon/ingest/intake.h"

#include <simdjson.h>

#include <algorithm>

#include "engine/base/limits.h"
#include "rules/doc/diagnostic.h"

namespace nudge::daemon {
namespace {

namespace json = simdjson::ondemand;

constexpr std::size_t kObjectDepth = 16;

bool refuse(Problem& problem, std::string_view code, std::string_view field, std::string reason) {
  problem.code = code;
  problem.field = field;
  problem.reason = std::move(reason);
  return false;
}

// "~", 32 hexadecimal digits, ".", digits.
bool is_own_id(std::string_view id) {
  constexpr std::size_t kHead = 34;
  return id.size() > kHead && id[0] == '~' && id[kHead - 1] == '.' &&
         id.substr(1, kHead - 2).find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         id.substr(kHead).find_first_not_of("0123456789") == std::string_view::npos;
}

bool bad_json(Problem& problem, simdjson::error_code error) {
  if (error == simdjson::UTF8_ERROR) return refuse(problem, "bad_utf8", "", "the document is not valid UTF-8");
  if (error == simdjson::DEPTH_ERROR) return refuse(problem, "too_deep", "", "the document is nested too deeply");
  const auto why = [error]() -> std::string_view {
    switch (error) {
      case simdjson::TAPE_ERROR:
        return "a comma, a colon, a bracket or a quote is missing or too many, or something stands there that is no value (NaN is none)";
      case simdjson::STRING_ERROR: return "a text has a broken escape, a control character or one half of a surrogate pair";
      case simdjson::UNCLOSED_STRING: return "a text has no closing quote";
      case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return "it ends before its brackets are closed";
      case simdjson::NUMBER_ERROR: return "a number is not written as JSON writes numbers";
      default: break;
    }
    std::string_view text = simdjson::error_message(error);
    while (text.ends_with('.')) text.remove_suffix(1);
    return text;
  };
  return refuse(problem, "bad_json", "", "the document is no valid JSON: " + std::string(why()));
}

std::string unknown(std::string_view what, std::string_view name, const NameTable& table, std::string_view plural) {
  std::vector<std::string_view> known(table.names().begin(), table.names().end());
  std::string reason = "the catalog has no " + std::string(what) + " " + doc::quoted(name);
  const std::string hint = doc::did_you_mean(name, known, plural);
  if (!hint.empty()) reason += "; " + hint;
  return reason;
}

std::string_view trim_token(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t'))
    token.remove_suffix(1);
  return token;
}

// RFC 8259: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_json_number(std::string_view s) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    return i - from;
  };
  if (i < s.size() && s[i] == '-') ++i;
  const std::size_t first = i;
  const std::size_t n = digits();
  if (n == 0 || (n > 1 && s[first] == '0')) return false;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == s.size();
}

std::string_view json_type(json::json_type type) {
  switch (type) {
    case json::json_type::array: return "a list";
    case json::json_type::object: return "an object";
    case json::json_type::number: return "a number";
    case json::json_type::string: return "a text";
    case json::json_type::boolean: return "true or false";
    case json::json_type::null: return "null";
  }
  return "something else";
}

}  // namespace

std::string IdSource::next() {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::uint64_t n = next_.fetch_add(1, std::memory_order_relaxed);
  std::string id(14, 'g');
  for (std::size_t i = 13; i > 0; --i, n >>= 5) id[i] = kDigits[n & 31];
  return id;
}

struct Intake::Impl {
  json::parser parser;
  // Scratch of one document.
  const IntakeSchema* schema = nullptr;
  const IntakeOptions* options = nullptr;
  IntakeLine* line = nullptr;
  std::string path;                   // dotted name under way
  std::vector<std::string> items;     // of a list
  std::vector<std::uint32_t> stamps;  // by leaf: the document that last set it
  std::uint32_t stamp = 0;
  std::string_view event_name;  // of the catalog
  bool has_customer = false, has_id = false, has_time = false, has_event = false, has_data = false, has_attributes = false, has_tag = false,
       has_remove = false, has_expires = false, data_late = false, has_merge = false, has_unless = false;

  bool problem(std::string_view code, std::string_view field, std::string reason) {
    return refuse(line->problem, code, field, std::move(reason));
  }
  bool broken(simdjson::error_code error) { return bad_json(line->problem, error); }

  bool document(std::string_view text, std::size_t capacity);
  bool member(std::string_view key, json::value value);
  bool late_data(json::document& document);
  bool complete();
  bool text(std::string_view key, json::value& value, std::size_t most, std::string& out);
  bool customer_id(std::string_view key, json::value& value, std::string& out);
  bool time(std::string_view key, json::value& value, TimeMs& out);
  bool once(bool& seen, std::string_view key);
  bool event_type(json::value& value);
  bool object(const LeafNames& names, json::object object, std::size_t depth);
  bool entry(const LeafNames& names, json::value value, std::size_t depth);
  bool leaf(const LeafNames& names, std::uint32_t id, json::value& value);
  bool clear_object(const LeafNames& names, const ObjectDef& def);
  bool list(const Target& target, json::value& value, Value& out);
  bool convert(const Target& target, json::value& value, json::json_type type, Value& out);
  bool set(const LeafNames& names, std::uint32_t id, Value value);
  bool attributes_mode() const { return line->input.kind == InputKind::attributes; }
};

Intake::Intake() : impl_(std::make_unique<Impl>()) {}
Intake::~Intake() = default;

void Intake::read(const IntakeSchema& schema, std::string_view body, Span span, const IntakeOptions& options, IntakeLine& line) {
  Impl& impl = *impl_;
  impl.schema = &schema;
  impl.options = &options;
  impl.line = &line;
  // Lines are used again from body to body: nothing of the last document may stay. Buffers keep their room.
  Input& input = line.input;
  input.kind = InputKind::event;
  input.generated_id = false;
  input.customer.clear();
  input.id.clear();
  input.type = kNoEventType;
  input.fields.clear();
  input.attributes.clear();
  input.tag.clear();
  input.tag_removed = false;
  input.tag_expires = kNever;
  line.problem = {};
  line.span = span;
  line.input.import = options.import;
  impl.has_customer = impl.has_id = impl.has_time = impl.has_event = impl.has_data = impl.has_attributes = impl.has_tag = impl.has_remove =
      impl.has_expires = impl.data_late = impl.has_merge = impl.has_unless = false;
  line.merge.clear();
  line.unless_merged = false;
  impl.event_name = {};
  if (impl.document(body.substr(span.offset, span.length), body.size() - span.offset + kIntakePadding)) impl.complete();
}

bool Intake::Impl::document(std::string_view text, std::size_t capacity) {
  json::document document;
  if (auto error = parser.iterate(simdjson::padded_string_view(text.data(), text.size(), capacity)).get(document)) return broken(error);
  json::object top;
  if (auto error = document.get_object().get(top)) {
    if (error == simdjson::INCORRECT_TYPE) return problem("not_an_object", "", "the document is no JSON object");
    return broken(error);
  }
  for (auto field : top) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return broken(error);
    json::value value;
    if (auto error = field.value().get(value)) return broken(error);
    if (!member(key, value)) return false;
  }
  if (document.current_location().error() == simdjson::SUCCESS) return problem("bad_json", "", "there is text after the end of the object");
  return !data_late || late_data(document);
}

bool Intake::Impl::once(bool& seen, std::string_view key) {
  if (seen) {
    const std::string_view other = key == "event" ? "type" : key == "type" ? "event" : key == "time" ? "ts" : key == "ts" ? "time" : "";
    return problem(
        "given_twice", key,
        "`" + std::string(key) + "` is given twice" + (other.empty() ? "" : " (`" + std::string(other) + "` is another name for it)"));
  }
  seen = true;
  return true;
}

bool Intake::Impl::text(std::string_view key, json::value& value, std::size_t most, std::string& out) {
  std::string_view s;
  if (auto error = value.get_string().get(s)) {
    if (error == simdjson::INCORRECT_TYPE) return problem("wrong_type", key, "`" + std::string(key) + "` must be a text");
    return broken(error);
  }
  if (s.empty()) return problem("empty", key, "`" + std::string(key) + "` is empty");
  if (s.size() > most) return problem("too_long", key, "`" + std::string(key) + "` is longer than " + std::to_string(most) + " bytes");
  out.assign(s);
  return true;
}

// Whoever is taken in can be named in an address: looked at, exported, erased.
bool Intake::Impl::customer_id(std::string_view key, json::value& value, std::string& out) {
  if (!text(key, value, limits::kCustomerIdBytes, out)) return false;
  for (const char c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return problem("bad_customer", key, "`" + std::string(key) + "` has a control character in it, so no address could name this customer");
  }
  if (out == "." || out == "..")
    return problem("bad_customer", key, "`" + std::string(key) + "` is " + doc::quoted(out) + ", which no address could name; give another id");
  return true;
}

bool Intake::Impl::time(std::string_view key, json::value& value, TimeMs& out) {
  std::string_view s;
  if (auto error = value.get_string().get(s)) {
    if (error == simdjson::INCORRECT_TYPE)
      return problem("wrong_type", key, "`" + std::string(key) + "` must be a text like 2026-01-31T10:00:00Z");
    return broken(error);
  }
  const Result<TimeMs> t = read_timestamp(s);
  if (!t) return problem("bad_time", key, "`" + std::string(key) + "` is " + doc::quoted(s) + ": " + t.error().message);
  out = *t;
  return true;
}

bool Intake::Impl::event_type(json::value& value) {
  std::string name;
  if (!text("event", value, limits::kNameBytes, name)) return false;
  const std::uint32_t id = schema->events().find(name);
  if (id == NameTable::kMissing) return problem("unknown_event", "event", unknown("event type", name, schema->events(), "event types"));
  line->input.kind = InputKind::event;
  line->input.type = static_cast<EventTypeId>(id);
  event_name = schema->catalog().events[id].name;
  return true;
}

bool Intake::Impl::member(std::string_view key, json::value value) {
  Input& input = line->input;
  if (key == "customer") return once(has_customer, key) && customer_id(key, value, input.customer);
  if (key == "id") return once(has_id, key) && text(key, value, limits::kEventIdBytes, input.id);
  if (key == "time" || key == "ts") return once(has_time, key) && time("time", value, input.time);
  if (key == "event" || key == "type") return once(has_event, key) && event_type(value);
  if (key == "data") {
    if (!once(has_data, key)) return false;
    bool null = false;
    if (auto error = value.is_null().get(null)) return broken(error);
    if (null) return true;
    if (!has_event) {
      data_late = true;  // its fields are known once the type is
      return true;
    }
    json::object object;
    if (auto error = value.get_object().get(object)) {
      if (error == simdjson::INCORRECT_TYPE) return problem("wrong_type", key, "`data` must be an object");
      return broken(error);
    }
    ++stamp;
    path.clear();
    input.fields.resize(schema->catalog().events[input.type].fields.size());
    return this->object(schema->fields(input.type), object, 0);
  }
  if (key == "attributes") {
    if (!once(has_attributes, key)) return false;
    json::object object;
    if (auto error = value.get_object().get(object)) {
      if (error == simdjson::INCORRECT_TYPE) return problem("wrong_type", key, "`attributes` must be an object");
      return broken(error);
    }
    if (has_event) return true;  // complete() refuses the mixture
    input.kind = InputKind::attributes;
    ++stamp;
    path.clear();
    return this->object(schema->attributes(), object, 0);
  }
  if (key == "tag") return once(has_tag, key) && text(key, value, limits::kNameBytes, input.tag);
  if (key == "remove") {
    if (!once(has_remove, key)) return false;
    if (value.get_bool().get(input.tag_removed)) return problem("wrong_type", key, "`remove` must be true or false");
    return true;
  }
  if (key == "expires") return once(has_expires, key) && time(key, value, input.tag_expires);
  if (key == "merge") return once(has_merge, key) && customer_id(key, value, line->merge);
  if (key == "unless_merged") {
    if (!once(has_unless, key)) return false;
    if (value.get_bool().get(line->unless_merged)) return problem("wrong_type", key, "`unless_merged` must be true or false");
    return true;
  }
  static const std::vector<std::string_view> known{"customer", "id", "time", "event", "data", "attributes", "tag", "remove", "expires", "merge", "unless_merged"};
  std::string reason = doc::quoted(key) + " is no part of a document";
  const std::string hint = doc::did_you_mean(key, known, "parts");
  return problem("unknown_key", key, hint.empty() ? reason : reason + "; " + hint);
}

// `data` stood before `event`: reads the document once more, for its data alone.
bool Intake::Impl::late_data(json::document& document) {
  if (!has_event) return true;  // complete() says what is missing
  document.rewind();
  json::object data;
  if (auto error = document["data"].get_object().get(data)) {
    if (error == simdjson::INCORRECT_TYPE) return problem("wrong_type", "data", "`data` must be an object");
    return broken(error);
  }
  ++stamp;
  path.clear();
  line->input.fields.resize(schema->catalog().events[line->input.type].fields.size());
  return object(schema->fields(line->input.type), data, 0);
}

bool Intake::Impl::complete() {
  Input& input = line->input;
  if (!has_customer) {
    if (options->customer.empty()) return problem("missing_customer", "customer", "`customer` is missing: whose document is this?");
    input.customer = options->customer;
  } else if (!options->customer.empty() && input.customer != options->customer) {
    return problem("other_customer", "customer", "the document names another customer than the address of the request");
  }
  const int forms = (has_event ? 1 : 0) + (has_attributes ? 1 : 0) + (has_tag ? 1 : 0) + (has_merge ? 1 : 0);
  if (forms != 1) {
    return problem(forms == 0 ? "nothing_given" : "given_twice", "",
                   "a document has exactly one of `event`, `attributes`, `tag` and `merge`; this one has " + std::to_string(forms));
  }
  if (has_data && !has_event) return problem("unknown_key", "data", "`data` belongs to an `event`");
  if ((has_remove || has_expires) && !has_tag)
    return problem("unknown_key", has_remove ? "remove" : "expires", "`remove` and `expires` belong to a `tag`");
  if (has_unless && !has_merge) return problem("unknown_key", "unless_merged", "`unless_merged` belongs to a `merge`");
  if (has_merge && line->merge == input.customer) return problem("not_allowed", "merge", "`merge` is the customer itself; it names the other id");
  if (has_attributes && input.attributes.empty()) return problem("nothing_given", "attributes", "`attributes` is empty");
  if (has_event && input.fields.empty()) input.fields.resize(schema->catalog().events[input.type].fields.size());
  if (has_tag) input.kind = InputKind::tag;
  if (!has_expires) input.tag_expires = kNever;
  line->has_time = has_time;
  if (!has_time) input.time = options->now;
  // History fires nothing, and what is dated ahead would fire when its time comes: an import may not be ahead at all.
  if (options->import && input.time > options->now) {
    return problem("time_in_future", "time",
                   "`time` is " + format_timestamp(input.time) + ", and history lies in the past; send it as an event");
  }
  if (input.time > options->now + options->skew) {
    return problem("time_in_future", "time",
                   "`time` is " + format_timestamp(input.time) + ", more than " + format_duration(options->skew) + " ahead of the clock");
  }
  // The engine reads from such an id how long the chain of firings is that wrote the fact (engine/core/write.h).
  if (has_id && !options->import && is_own_id(input.id)) {
    return problem("not_allowed", "id", "`id` has the form that nudge gives to what its own rules write; send another one");
  }
  if (!has_id) {
    input.id = options->ids->next();
    input.generated_id = true;
  }
  return true;
}

bool Intake::Impl::object(const LeafNames& names, json::object object, std::size_t depth) {
  if (depth > kObjectDepth) return problem("too_deep", path, "the document is nested too deeply");
  const std::size_t base = path.size();
  for (auto field : object) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return broken(error);
    json::value value;
    if (auto error = field.value().get(value)) return broken(error);
    path.resize(base);
    if (base != 0) path.push_back('.');
    path.append(key);
    if (!entry(names, value, depth)) return false;
  }
  path.resize(base);
  return true;
}

bool Intake::Impl::entry(const LeafNames& names, json::value value, std::size_t depth) {
  const std::uint32_t id = names.table.find(path);
  if (id == NameTable::kMissing) {
    if (attributes_mode()) return problem("unknown_attribute", path, unknown("attribute", path, names.table, "attributes"));
    return problem("unknown_field", path, "event `" + std::string(event_name) + "`: " + unknown("field", path, names.table, "fields"));
  }
  if ((id & LeafNames::kObjectBit) == 0) return leaf(names, id, value);
  const ObjectDef& def = (*names.objects)[id & ~LeafNames::kObjectBit];
  json::json_type type;
  if (auto error = value.type().get(type)) return broken(error);
  if (type == json::json_type::null) return clear_object(names, def);
  if (type != json::json_type::object) {
    return problem("wrong_type", path, "`" + path + "` is an object in the catalog, but got " + std::string(json_type(type)));
  }
  json::object nested;
  if (auto error = value.get_object().get(nested)) return broken(error);
  if (!object(names, nested, depth + 1)) return false;
  if (!attributes_mode()) return true;
  // The object is replaced as a whole: members that are not named are removed.
  for (const std::uint16_t member : def.leaves) {
    if (member < stamps.size() && stamps[member] == stamp) continue;
    if (!set(names, member, Value())) return false;
  }
  return true;
}

bool Intake::Impl::clear_object(const LeafNames& names, const ObjectDef& def) {
  for (const std::uint16_t member : def.leaves) {
    if (!set(names, member, Value())) return false;
  }
  return true;
}

bool Intake::Impl::set(const LeafNames& names, std::uint32_t id, Value value) {
  if (stamps.size() <= id) stamps.resize(std::max<std::size_t>(64, names.leaves->size()));
  if (stamps[id] == stamp) return problem("given_twice", (*names.leaves)[id].name, "`" + (*names.leaves)[id].name + "` is given twice");
  stamps[id] = stamp;
  if (attributes_mode()) {
    line->input.attributes.push_back(AttributeUpdate{static_cast<AttributeId>(id), std::move(value)});
  } else {
    line->input.fields[id] = std::move(value);
  }
  return true;
}

bool Intake::Impl::leaf(const LeafNames& names, std::uint32_t id, json::value& value) {
  const Target target{(*names.leaves)[id], attributes_mode() ? std::string_view() : event_name};
  json::json_type type;
  if (auto error = value.type().get(type)) return broken(error);
  Value out;
  if (!convert(target, value, type, out)) return false;
  return set(names, id, std::move(out));
}

bool Intake::Impl::convert(const Target& target, json::value& value, json::json_type type, Value& out) {
  switch (type) {
    case json::json_type::string: {
      std::string_view s;
      if (auto error = value.get_string().get(s)) return broken(error);
      return convert_text(target, s, out, line->problem);
    }
    case json::json_type::number: {
      const std::string_view token = trim_token(value.raw_json_token());
      if (!is_json_number(token)) return problem("bad_json", target.leaf.name, doc::quoted(token) + " is no JSON number");
      return convert_number(target, token, out, line->problem);
    }
    case json::json_type::boolean: {
      bool b = false;
      if (auto error = value.get_bool().get(b)) return broken(error);
      return convert_boolean(target, b, out, line->problem);
    }
    case json::json_type::null: {
      bool null = false;
      if (auto error = value.is_null().get(null)) return broken(error);
      if (!null) return problem("bad_json", target.leaf.name, "this is no JSON value");
      out = Value();
      return true;
    }
    case json::json_type::array: return list(target, value, out);
    case json::json_type::object: return wrong_type(target, "an object", line->problem);
  }
  return wrong_type(target, "something else", line->problem);
}

bool Intake::Impl::list(const Target& target, json::value& value, Value& out) {
  if (target.leaf.type != Type::list) return wrong_type(target, "a list", line->problem);
  json::array array;
  if (auto error = value.get_array().get(array)) return broken(error);
  items.clear();
  for (auto element : array) {
    json::value item;
    if (auto error = element.get(item)) return broken(error);
    std::string_view s;
    if (auto error = item.get_string().get(s)) {
      if (error == simdjson::INCORRECT_TYPE) return wrong_type(target, "a list with something that is no text", line->problem);
      return broken(error);
    }
    if (items.size() == limits::kListItems) {
      return problem("too_long", target.leaf.name,
                     "`" + target.leaf.name + "` has more than " + std::to_string(limits::kListItems) + " items");
    }
    items.emplace_back(s);
  }
  return convert_list(target, items, out, line->problem);
}

}  // namespace nudge::daemon
