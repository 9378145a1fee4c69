#include "tests/bench/workload.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace nudge::bench {

namespace {

// sfc32, a small fast counter generator with 32-bit state words.
class Random {
 public:
  Random(std::int32_t seed, std::int32_t stream) : a_(static_cast<std::uint32_t>(seed)), b_(static_cast<std::uint32_t>(stream)) {
    for (int i = 0; i < 15; ++i) next();
  }
  double real() { return next() / 4294967296.0; }
  std::int64_t integer(std::int64_t n) { return static_cast<std::int64_t>(std::floor(real() * static_cast<double>(n))); }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[static_cast<std::size_t>(std::floor(real() * static_cast<double>(N)))];
  }

 private:
  std::uint32_t next() {
    const std::uint32_t t = a_ + b_ + d_;
    d_ += 1;
    a_ = b_ ^ (b_ >> 9);
    b_ = c_ + (c_ << 3);
    c_ = (c_ << 21) | (c_ >> 11);
    c_ += t;
    return t;
  }
  std::uint32_t a_, b_, c_ = 0x9e3779b9, d_ = 1;
};

// Rank 1 … n by the inverse of the continuous distribution function.
std::int64_t zipf(double u, double n, double s) {
  return static_cast<std::int64_t>(std::min(n, std::floor(std::pow((std::pow(n + 1, 1 - s) - 1) * u + 1, 1 / (1 - s)))));
}

constexpr std::array<const char*, 4> kTiers = {"bronze", "silver", "gold", "platinum"};
constexpr std::array<const char*, 4> kChannels = {"web", "phone", "partner", "store"};

const char* tier_of(double u) { return u < 0.6 ? "bronze" : u < 0.85 ? "silver" : u < 0.97 ? "gold" : "platinum"; }

std::string numbered(const char* prefix, std::int64_t n, int width) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%0*lld", prefix, width, static_cast<long long>(n));
  return text;
}

std::string iso_second(std::int64_t second) {
  const std::time_t t = static_cast<std::time_t>(second);
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  return text;
}

// ---- rules

struct Value {
  bool text = false;
  std::string s;
  double n = 0;
};
std::string number_text(double n) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", n);
  return text;
}
struct FieldFilter {
  std::string field, cmp;
  Value value;
};
struct AttributeNode {
  std::string attribute, cmp;
  std::vector<Value> values;
};
struct AggregateNode {
  std::string event, fn, field;
  std::vector<FieldFilter> where;
  int days = 0;
  std::string cmp;
  double value = 0;
};
struct NeutralRule {
  AttributeNode a;
  AggregateNode g1, g2;
  enum class Shape { and_one, and_two, and_or, and_not } shape = Shape::and_one;
  int template_number = 0;
};

Value text_value(std::string s) { return {true, std::move(s), 0}; }
Value number_value(double n) { return {false, {}, n}; }

AttributeNode make_attribute(Random& r) {
  switch (r.integer(8)) {
    case 0: return {"region", "eq", {text_value(numbered("R", zipf(r.real(), 30, 0.5) - 1, 2))}};
    case 1: {
      const std::int64_t a = r.integer(30);
      AttributeNode node{"region", "in", {}};
      for (const std::int64_t x : {0, 7, 19}) node.values.push_back(text_value(numbered("R", (a + x) % 30, 2)));
      return node;
    }
    case 2: return {"tier", "eq", {text_value(r.pick(kTiers))}};
    case 3: {
      static constexpr std::array<std::array<const char*, 2>, 3> kPairs = {
          {{"gold", "platinum"}, {"silver", "gold"}, {"bronze", "silver"}}};
      const auto& pair = r.pick(kPairs);
      return {"tier", "in", {text_value(pair[0]), text_value(pair[1])}};
    }
    case 4: {
      static constexpr std::array<const char*, 2> kCmp = {"gte", "lte"};
      const char* cmp = r.pick(kCmp);
      return {"age", cmp, {number_value(25 + 5 * static_cast<double>(r.integer(10)))}};
    }
    case 5:
    case 6: return {"industry", "eq", {text_value(numbered("I", r.integer(20), 2))}};
    default: return {"owner", "eq", {text_value(numbered("u", r.integer(500), 3))}};
  }
}

double count_threshold(Random& r, int days) {
  static constexpr std::array<double, 4> kShort = {1, 1, 2, 3}, kWeek = {1, 2, 3, 5};
  static constexpr std::array<double, 5> kLong = {2, 3, 5, 8, 13};
  return days <= 3 ? r.pick(kShort) : days == 7 ? r.pick(kWeek) : r.pick(kLong);
}

AggregateNode make_order(Random& r, int days) {
  static constexpr std::array<double, 3> kSmall = {1, 2, 3};
  AggregateNode g{"order_placed", "", "", {}, days, "gte", 0};
  const std::int64_t filter = r.integer(4);
  if (filter == 1) g.where.push_back({"sku", "eq", text_value(numbered("S", zipf(r.real(), 500, 0.7) - 1, 3))});
  if (filter == 2) g.where.push_back({"channel", "eq", text_value(r.pick(kChannels))});
  if (filter == 3) g.where.push_back({"amount", "gte", number_value(100 * (1 + static_cast<double>(r.integer(8))))});
  switch (r.integer(6)) {
    case 0:
      g.fn = "count";
      if (r.real() < 0.4) {
        g.cmp = "lte";
        g.value = 0;
      } else {
        g.value = r.pick(kSmall);
      }
      break;
    case 1:
      g.fn = "sum";
      g.field = "amount";
      g.value = 250 * (1 + static_cast<double>(r.integer(16)));
      break;
    case 2:
      g.fn = "avg";
      g.field = "amount";
      g.value = 50 * (1 + static_cast<double>(r.integer(12)));
      break;
    case 3:
      g.fn = "min";
      g.field = "amount";
      g.cmp = "lte";
      g.value = 25 * (1 + static_cast<double>(r.integer(12)));
      break;
    case 4:
      g.fn = "max";
      g.field = "amount";
      g.value = 100 * (1 + static_cast<double>(r.integer(12)));
      break;
    default:
      g.fn = "distinct";
      g.field = "sku";
      g.value = r.pick(kSmall);
      break;
  }
  return g;
}

AggregateNode make_aggregate(Random& r) {
  static constexpr std::array<int, 5> kWindows = {1, 3, 7, 30, 90};
  static constexpr std::array<double, 4> kFew = {1, 1, 2, 3};
  static constexpr std::array<double, 2> kOneTwo = {1, 2};
  const int days = r.pick(kWindows);
  const std::int64_t k = r.integer(100);
  if (k < 15) {
    if (r.real() < 0.3) return {"login", "count", "", {}, days, "lte", static_cast<double>(r.integer(2))};
    return {"login", "count", "", {}, days, "gte", count_threshold(r, days)};
  }
  if (k < 40) {
    if (r.real() < 0.2) return {"page_view", "distinct", "path", {}, days, "gte", count_threshold(r, days)};
    FieldFilter filter{"path", "eq", text_value(numbered("/p/", zipf(r.real(), 200, 0.7) - 1, 3))};
    return {"page_view", "count", "", {std::move(filter)}, days, "gte", r.pick(kFew)};
  }
  if (k < 75) return make_order(r, days);
  if (k < 90) {
    if (r.real() < 0.3) return {"support_ticket", "max", "severity", {}, days, "gte", 2 + static_cast<double>(r.integer(3))};
    FieldFilter filter{"severity", "gte", number_value(1 + static_cast<double>(r.integer(4)))};
    return {"support_ticket", "count", "", {std::move(filter)}, days, "gte", r.pick(kFew)};
  }
  if (r.real() < 0.5) {
    FieldFilter filter{"amount", "gte", number_value(200 * (1 + static_cast<double>(r.integer(8))))};
    return {"quote_requested", "count", "", {std::move(filter)}, days, "gte", r.pick(kOneTwo)};
  }
  return {"quote_requested", "sum", "amount", {}, days, "gte", 500 * (1 + static_cast<double>(r.integer(10)))};
}

void make_strict(AggregateNode& g, double strict) {
  const bool counting = g.fn == "count" || g.fn == "sum" || g.fn == "distinct";
  if (g.cmp == "gte" && counting) {
    g.value = std::ceil(g.value * strict);
  } else if (g.cmp == "lte") {
    g.cmp = "gte";
    g.value = std::ceil((g.fn == "min" ? 200 : 2) * strict);
  }
}

std::vector<NeutralRule> make_rules(const WorkloadOptions& options) {
  Random r(options.seed, 303);
  std::vector<NeutralRule> rules;
  for (std::uint64_t i = 0; i < options.rules; ++i) {
    NeutralRule rule;
    const double u = r.real();
    rule.a = make_attribute(r);
    rule.g1 = make_aggregate(r);
    if (u >= 0.6) rule.g2 = make_aggregate(r);
    using Shape = NeutralRule::Shape;
    rule.shape = u < 0.6 ? Shape::and_one : u < 0.85 ? Shape::and_two : u < 0.95 ? Shape::and_or : Shape::and_not;
    if (options.strict != 1) {
      make_strict(rule.g1, options.strict);
      if (rule.shape != Shape::and_one) make_strict(rule.g2, options.strict);
    }
    rule.template_number = static_cast<int>(i % 20);
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::string json_of(const Value& v) { return v.text ? "\"" + v.s + "\"" : number_text(v.n); }

std::string json_of(const AttributeNode& a) {
  std::string value;
  if (a.cmp == "in") {
    for (const Value& v : a.values) value += (value.empty() ? "[" : ",") + json_of(v);
    value += "]";
  } else {
    value = json_of(a.values[0]);
  }
  return R"({"attr":")" + a.attribute + R"(","cmp":")" + a.cmp + R"(","value":)" + value + "}";
}

std::string json_of(const AggregateNode& g) {
  std::string where;
  for (const FieldFilter& f : g.where) {
    where += (where.empty() ? "" : ",") + std::string(R"({"field":")") + f.field + R"(","cmp":")" + f.cmp + R"(","value":)" +
             json_of(f.value) + "}";
  }
  return R"({"agg":")" + g.fn + R"(","event":")" + g.event + "\"" + (g.field.empty() ? "" : R"(,"field":")" + g.field + "\"") +
         ",\"where\":[" + where + "],\"windowDays\":" + std::to_string(g.days) + R"(,"cmp":")" + g.cmp + R"(","value":)" +
         number_text(g.value) + "}";
}

std::string yaml_of(const AttributeNode& a) {
  std::string value;
  if (a.cmp == "in") {
    for (const Value& v : a.values) value += (value.empty() ? "[" : ", ") + v.s;
    return "{attribute: " + a.attribute + ", in: " + value + "]}";
  }
  const char* op = a.cmp == "eq" ? "equals" : a.cmp == "gte" ? "at_least" : "at_most";
  return "{attribute: " + a.attribute + ", " + op + ": " + (a.values[0].text ? a.values[0].s : number_text(a.values[0].n)) + "}";
}

std::string yaml_of(const AggregateNode& g) {
  std::string out = "{event: " + g.event;
  for (const FieldFilter& f : g.where) {
    out += ", where: {field: " + f.field + ", " + (f.cmp == "eq" ? "equals: " : "at_least: ") +
           (f.value.text ? "\"" + f.value.s + "\"" : number_text(f.value.n)) + "}";
  }
  const std::string fn = g.fn == "avg" ? "average" : g.fn;
  out += ", within: " + std::to_string(g.days) + "d, " + fn + ": {" + (g.field.empty() ? "" : "field: " + g.field + ", ");
  return out + (g.cmp == "gte" ? "at_least: " : "at_most: ") + number_text(g.value) + "}}";
}

}  // namespace

void generate_customers(const WorkloadOptions& options, const std::function<void(std::string_view)>& line) {
  Random r(options.seed, 101);
  char text[256];
  for (std::uint64_t i = 0; i < options.customers; ++i) {
    const std::int64_t region = zipf(r.real(), 30, 0.5) - 1;
    const char* tier = tier_of(r.real());
    const auto age = static_cast<long long>(18 + r.integer(63));
    const auto industry = static_cast<long long>(r.integer(20));
    const auto owner = static_cast<long long>(r.integer(500));
    const int n = std::snprintf(text, sizeof text,
                                "{\"customer\":\"c%07llu\",\"attributes\":{\"region\":\"R%02lld\",\"tier\":\"%s\",\"age\":%lld,"
                                "\"industry\":\"I%02lld\",\"owner\":\"u%03lld\"}}\n",
                                static_cast<unsigned long long>(i), static_cast<long long>(region), tier, age, industry, owner);
    line({text, static_cast<std::size_t>(n)});
  }
}

namespace {

constexpr std::uint64_t kFirstCustomer = 12345;  // of the ranking by events

}  // namespace

void generate_events(const WorkloadOptions& options, const std::function<void(std::string_view)>& line) {
  Random r(options.seed, 202);
  const auto customers = static_cast<double>(options.customers);
  const double step = options.days * 86400000.0 / static_cast<double>(options.events);
  const std::uint64_t mul = 7919 * 2 + 1;
  const std::uint64_t offset = kFirstCustomer % options.customers;
  std::int64_t iso_of = -1;
  std::string iso;
  char data[160];
  char text[384];
  for (std::uint64_t i = 0; i < options.events; ++i) {
    const auto ms =
        static_cast<std::int64_t>(std::floor(static_cast<double>(kWorkloadStart) + (static_cast<double>(i) + r.real()) * step)) +
        options.shift;
    const std::int64_t second = ms / 1000;
    if (second != iso_of) {
      iso_of = second;
      iso = iso_second(second);
    }
    const std::uint64_t customer =
        (static_cast<std::uint64_t>(zipf(r.real(), customers, options.zipf) - 1) * mul + offset) % options.customers;
    const double u = r.real();
    const char* type = nullptr;
    std::snprintf(data, sizeof data, "{}");
    if (options.attr_rate > 0 && r.real() < options.attr_rate) {
      type = "attr_set";
      std::snprintf(data, sizeof data, "{\"tier\":\"%s\"}", tier_of(r.real()));
    } else if (u < 0.35) {
      type = "login";
    } else if (u < 0.80) {
      type = "page_view";
      std::snprintf(data, sizeof data, "{\"path\":\"/p/%03lld\"}", static_cast<long long>(zipf(r.real(), 200, 0.7) - 1));
    } else if (u < 0.88) {
      type = "order_placed";
      const double a1 = 3.2 * r.real();
      const double amount = 20 * std::exp(a1 + 1.2 * r.real());
      const auto sku = static_cast<long long>(zipf(r.real(), 500, 0.7) - 1);
      const char* channel = kChannels[static_cast<std::size_t>(zipf(r.real(), 4, 0.5) - 1)];
      std::snprintf(data, sizeof data, "{\"amount\":%.2f,\"sku\":\"S%03lld\",\"channel\":\"%s\"}", amount, sku, channel);
    } else if (u < 0.95) {
      type = "support_ticket";
      std::snprintf(data, sizeof data, "{\"severity\":%lld}", static_cast<long long>(zipf(r.real(), 4, 0.5)));
    } else {
      type = "quote_requested";
      std::snprintf(data, sizeof data, "{\"amount\":%.2f}", 100 * std::exp(3.5 * r.real()));
    }
    const int n = std::snprintf(text, sizeof text,
                                "{\"id\":\"e%09llu\",\"ts\":\"%s.%03lldZ\",\"customer\":\"c%07llu\",\"type\":\"%s\",\"data\":%s}\n",
                                static_cast<unsigned long long>(i), iso.c_str(), static_cast<long long>(ms - second * 1000),
                                static_cast<unsigned long long>(customer), type, data);
    line({text, static_cast<std::size_t>(n)});
  }
}

std::string generate_rules_json(const WorkloadOptions& options) {
  std::string out = "[\n";
  std::size_t i = 0;
  for (const NeutralRule& rule : make_rules(options)) {
    using Shape = NeutralRule::Shape;
    std::string second;
    if (rule.shape == Shape::and_two) second = "," + json_of(rule.g2);
    if (rule.shape == Shape::and_not) second = R"(,{"op":"not","args":[)" + json_of(rule.g2) + "]}";
    std::string first = json_of(rule.g1);
    if (rule.shape == Shape::and_or) first = R"({"op":"or","args":[)" + json_of(rule.g1) + "," + json_of(rule.g2) + "]}";
    if (i > 0) out += ",\n";
    out += R"({"id":")" + numbered("r", static_cast<std::int64_t>(i), 5) + R"(","when":{"op":"and","args":[)" + json_of(rule.a) + "," +
           first + second + R"(]},"then":{"action":"task","template":"T)" + std::to_string(rule.template_number) + "\"}}";
    ++i;
  }
  return out + "\n]\n";
}

std::vector<std::string> generate_rules_yaml(const WorkloadOptions& options) {
  constexpr std::size_t kRulesPerFile = 1000;
  const std::vector<NeutralRule> rules = make_rules(options);
  std::vector<std::string> files;
  std::string segments, out;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (i % kRulesPerFile == 0) {
      if (i > 0) files.push_back(segments + out);
      segments = "segments:\n";
      out = "rules:\n";
    }
    using Shape = NeutralRule::Shape;
    const NeutralRule& rule = rules[i];
    const std::string id = numbered("r", static_cast<std::int64_t>(i), 5);
    segments += "  match-" + id + ":\n    where:\n      all:\n        - " + yaml_of(rule.a) + "\n";
    if (rule.shape == Shape::and_or)
      segments += "        - any:\n            - " + yaml_of(rule.g1) + "\n            - " + yaml_of(rule.g2) + "\n";
    else
      segments += "        - " + yaml_of(rule.g1) + "\n";
    if (rule.shape == Shape::and_two) segments += "        - " + yaml_of(rule.g2) + "\n";
    if (rule.shape == Shape::and_not) segments += "        - not: " + yaml_of(rule.g2) + "\n";
    out += "  " + id + ":\n    when: {enters: match-" + id + "}\n    then:\n      - call_task: {subject: \"T" +
           std::to_string(rule.template_number) + "\", due_in: 24h}\n";
  }
  files.push_back(segments + out);
  return files;
}

std::string heaviest_customer(const WorkloadOptions& options) {
  return numbered("c", static_cast<std::int64_t>(kFirstCustomer % options.customers), 7);
}

std::string workload_catalog_yaml() {
  return R"(customer:
  attributes:
    region: {type: text}
    tier: {type: text, one_of: [bronze, silver, gold, platinum]}
    age: {type: integer}
    industry: {type: text}
    owner: {type: text}
events:
  login: {fields: {}}
  page_view: {fields: {path: text}}
  order_placed: {fields: {amount: decimal, sku: text, channel: text}}
  support_ticket: {fields: {severity: integer}}
  quote_requested: {fields: {amount: decimal}}
  attr_set: {fields: {tier: text}}
)";
}

bool read_option(WorkloadOptions& o, std::string_view key, double value) {
  if (key == "--customers")
    o.customers = static_cast<std::uint64_t>(value);
  else if (key == "--events")
    o.events = static_cast<std::uint64_t>(value);
  else if (key == "--rules")
    o.rules = static_cast<std::uint64_t>(value);
  else if (key == "--seed")
    o.seed = static_cast<std::int32_t>(value);
  else if (key == "--zipf")
    o.zipf = value;
  else if (key == "--attr-rate")
    o.attr_rate = value;
  else if (key == "--strict")
    o.strict = value;
  else if (key == "--shift")
    o.shift = static_cast<std::int64_t>(value);
  else
    return false;
  return true;
}

}  // namespace nudge::bench
