// The subset of Liquid, case by case from Liquid's documented behaviour, through the compiler and the engine.
#include "tests/rules/company.h"

#include "engine/base/sms.h"
#include "engine/core/desk.h"
#include "engine/core/preview.h"

using namespace nudge;
using nudge::testing::at;
using nudge::testing::Company;

namespace {

constexpr std::string_view kTeams = R"(
teams:
  north:
    members:
      - {id: wang, name: 王芳, email: wang@example.com, phone: "+86 10 1234", hired: 2020-05-01}
)";

std::string indented(std::string_view text) {
  std::string out = "          ";
  for (const char c : text) {
    out.push_back(c);
    if (c == '\n') out += "          ";
  }
  return out;
}

/// The payload's `text`, as JSON, of a rule on logins that drops the template.
std::string payload_of(std::string_view text, std::string_view more = {}) {
  Company company(
      "scores:\n  lead: {points: [{if: {attribute: tier, exists: true}, add: 30}], bands: {cold: 0, warm: 20, hot: 50}}\n"
      "segments:\n  gold: {where: {attribute: tier, equals: gold}}\n  silver: {where: {attribute: tier, equals: silver}}\n" +
      std::string(more) + std::string(kTeams) +
      "rules:\n  r:\n    description: a rule\n    when: {event: login}\n    goal: {event: order_placed, within: 14d}\n    then:\n      - maildrop:\n"
      "          text: |-\n  " +
      indented(text) + "\n");
  company.set("tier", Value::of_text("gold"), "2026-01-01T00:00:00Z");
  company.set("contract_end", Value::of_date(*parse_date("2026-03-05")), "2026-01-01T00:00:00Z");
  company.set("owner", Value::of_text("wang"), "2026-01-01T00:00:00Z");
  company.set("interests", Value::of_list({"tea", "books", "ice"}), "2026-01-01T00:00:00Z");
  company.set("spend", Value::of_decimal(*Decimal::parse("1234.5")), "2026-01-01T00:00:00Z");
  company.set("vip", Value::of_boolean(false), "2026-01-01T00:00:00Z");
  company.set("note", Value::of_text(""), "2026-01-01T00:00:00Z");
  for (int i = 1; i <= 5; ++i)
    company.happen("order_placed", {{"sku", Value::of_text("s" + std::to_string(i))}, {"amount", Value::of_decimal(Decimal{i * 10'500'000})}},
                   "2026-01-0" + std::to_string(i) + "T00:00:00Z");
  company.effects.clear();
  company.happen("login", {{"device", Value::of_text("{{ tier }} <b>")}}, "2026-01-10T09:05:00Z");
  for (const Decision& d : company.effects.decisions) CAPTURE(d.detail);
  REQUIRE(company.effects.actions.size() == 1);
  return company.effects.actions[0].payload;
}

std::string rendered(std::string_view text, std::string_view more = {}) {
  const std::string payload = payload_of(text, more);
  const std::string before = "\"text\":\"";
  const std::size_t from = payload.find(before) + before.size();
  return payload.substr(from, payload.rfind('"') - from);
}

struct Case {
  std::string_view text, expected;
};

}  // namespace

TEST_CASE("truth: only nil and false do not hold; blank and empty") {
  for (const Case& c : std::initializer_list<Case>{
           {"{% if customer.tier %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.timezone %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.note %}y{% else %}n{% endif %}", "y"},  // an empty text is truthy
           {"{% if customer.vip %}y{% else %}n{% endif %}", "n"},
           {"{% if 0 %}y{% else %}n{% endif %}", "y"},
           {"{% if nil %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.note == blank %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.timezone == blank %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.vip == blank %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.note == empty %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.timezone == empty %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.timezone == nil %}y{% else %}n{% endif %}", "y"},
           {"{% if customer.tier != blank %}y{% else %}n{% endif %}", "y"},
           {"{% unless customer.vip %}y{% else %}n{% endunless %}", "y"},
           {"{% unless customer.tier == 'gold' %}a{% elsif customer.tier %}b{% else %}c{% endunless %}", "b"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("case takes the first when of which one value is equal") {
  for (const Case& c : std::initializer_list<Case>{
           {"{% case customer.tier %}{% when 'silver' %}s{% when 'gold' %}g{% else %}e{% endcase %}", "g"},
           {"{% case customer.tier %} not shown {% when 'silver', 'gold' %}y{% endcase %}", "y"},
           {"{% case customer.tier %}{% when 'a' or 'b' or 'gold' %}y{% when 'gold' %}late{% endcase %}", "y"},
           {"{% case customer.tier %}{% when 'a' %}y{% else %}n{% endcase %}.", "n."},
           {"{% case customer.tier %}{% when 'a' %}y{% endcase %}.", "."},
           {"{% case customer.spend %}{% when 1 %}one{% when 1234.50 %}y{% endcase %}", "y"},
           {"{% case customer.timezone %}{% when 'x' %}x{% when nil %}none{% endcase %}", "none"},
           {"{% case customer.vip %}{% when true %}t{%- when false -%} f {%- endcase %}", "f"},
           {"{% for i in customer.interests %}{% case i %}{% when 'tea' %}T{% else %}{{ i }}{% endcase %}{% endfor %}", "Tbooksice"},
           {"{% case customer.tier %}{% when 'gold' %}{% case event.device %}{% when blank %}b{% else %}d{% endcase %}{% endcase %}", "d"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("comparisons, and how and/or bind") {
  for (const Case& c : std::initializer_list<Case>{
           {"{% if customer.tier == 'gold' %}y{% endif %}", "y"},
           {"{% if customer.tier != 'gold' %}y{% elsif customer.spend > 1000 %}z{% endif %}", "z"},
           {"{% if customer.spend >= 1234.5 %}y{% endif %}", "y"},
           {"{% if customer.spend < 1234.5 %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.spend <= 1234.50 %}y{% endif %}", "y"},
           {"{% if event.device contains 'tier' %}y{% endif %}", "y"},
           {"{% if customer.interests contains 'tea' %}y{% endif %}", "y"},
           {"{% if customer.interests contains 'te' %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.timezone contains 'x' %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.contract_end > '2026-03-04' %}y{% endif %}", "y"},
           {"{% if segment.gold and segment.silver %}y{% else %}n{% endif %}", "n"},
           // From the right: true or (false and false); (Liquid documents `true and false and false or true` as false.)
           {"{% if true or false and false %}y{% else %}n{% endif %}", "y"},
           {"{% if true and false and false or true %}y{% else %}n{% endif %}", "n"},
           {"{% if customer.timezone == customer.timezone %}y{% endif %}", "y"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("loops go over recent rows, the newest first, and over lists") {
  for (const Case& c : std::initializer_list<Case>{
           {"{% for o in events.order_placed limit: 3 %}{{ o.sku }} {{ o.amount }};{% endfor %}", "s5 52.5;s4 42;s3 31.5;"},
           {"{% for o in events.order_placed limit: 2 offset: 1 %}{{ o.sku }}{% endfor %}", "s4s3"},
           {"{% for o in events.order_placed reversed limit: 2 %}{{ o.sku }}{% endfor %}", "s4s5"},
           {"{% for o in events.order_placed limit: 3 %}{{ forloop.index }}/{{ forloop.length }}{% unless forloop.last %}, {% endunless %}{% endfor %}",
            "1/3, 2/3, 3/3"},
           {"{% for o in events.order_placed limit: 2 %}{{ forloop.index0 }}{{ forloop.rindex }}{{ forloop.rindex0 }}{{ forloop.first }} {% endfor %}",
            "021true 110false "},
           {"{% for o in events.order_placed limit: 1 %}{{ o.timestamp | date: '%-d %b' }} {{ o.id }}{% endfor %}", "5 Jan e12"},
           {"{% for i in customer.interests %}{{ i | capitalize }} {% endfor %}", "Tea Books Ice "},
           {"{% for t in tags %}{{ t }}{% else %}none{% endfor %}", "none"},
           {"{% for i in customer.interests limit: 1 %}{% for o in events.order_placed limit: 2 %}{{ i }}{{ o.sku }}{{ forloop.index }} {% endfor %}{{ forloop.length }}{% endfor %}",
            "teas51 teas42 1"},
           {"{{ events.order_placed.size }}", "5"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("assign, whitespace control, comments, raw") {
  for (const Case& c : std::initializer_list<Case>{
           {"{% assign x = customer.spend | times: 2 %}{{ x }}", "2469"},
           {"{% assign x = 1 %}{% for i in customer.interests %}{% assign x = x | plus: 1 %}{% endfor %}{{ x }}", "4"},
           {"{% if customer.vip %}{% assign x = 'a' %}{% endif %}[{{ x }}]", "[]"},
           {"a  {%- if true -%}  b  {%- endif -%}  c", "abc"},
           {"a {{- 'x' -}} b", "axb"},
           {"a {{ 'x' -}} b", "a xb"},
           {"a{% comment %} {{ what }} {% if %} {% endcomment %}b", "ab"},
           {"a{% # one line %}b", "ab"},
           {"{% raw %}{{ customer.tier }}{% endraw %}", "{{ customer.tier }}"},
           {"it's {{ customer.tier }} isn't", "it's gold isn't"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("filters") {
  for (const Case& c : std::initializer_list<Case>{
           {"{{ customer.timezone | default: 'x' }}{{ customer.note | default: 'y' }}{{ customer.vip | default: 'z' }}", "xyz"},
           {"{{ customer.timezone | default: customer.tier }}", "gold"},
           {"{{ 'ground control to major tom' | truncate: 20, '...' }}", "ground control to..."},
           {"{{ '王芳您好谢谢' | truncate: 4 }}", "王芳您…"},
           {"{{ 'my GREAT title' | capitalize }}", "My great title"},
           {"{{ 'straße É' | upcase }} {{ 'ÀB' | downcase }}", "STRASSE É àb"},
           {"{{ customer.interests | size }} {{ 'Ground' | size }}", "3 6"},
           {"{{ customer.interests | first }} {{ customer.interests | last }} {{ customer.interests | join: '+' }}", "tea ice tea+books+ice"},
           {"{{ 4 | plus: 2 }} {{ 183.357 | plus: 12 }} {{ 16 | minus: 4 }} {{ 183.357 | times: 12 }}", "6 195.357 12 2200.284"},
           {"{{ 16 | divided_by: 4 }} {{ 5 | divided_by: 3 }} {{ -5 | divided_by: 3 }} {{ 20 | divided_by: 7.0 }}", "4 1 -2 2.857143"},
           {"{{ 0.1 | plus: 0.2 }}", "0.3"},
           {"{{ customer.spend | divided_by: customer.spend }}", "1"},
           {"{{ 999999999999.5 | times: 999999999999.5 | default: 'too much' }}", "too much"},
           {"{{ customer.contract_end | date: '%A, %B %-d, %Y' }} {{ customer.contract_end | date: '%j %y %u %a' }}", "Thursday, March 5, 2026 064 26 4 Thu"},
           {"{{ now | time: '%I:%M %p' }}", "09:05 AM"},
           {"{{ customer.spend | money: 'CNY' }} {{ customer.spend | money: 'EUR', 'de' }}", "CNY 1,234.50 1.234,50\xc2\xa0€"},
           {"{{ customer.spend | money: 'JPY', 'ja' }}", "￥1,235"},
           {"{{ customer.contract_end | date: 'long' }}", "March 5, 2026"},
           {"{{ '13800138000' | mask: 4 }}", "*******8000"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("variables of the rule, the owner, bands and segments; values are never read as template") {
  for (const Case& c : std::initializer_list<Case>{
           {"{{ rule.name }} {{ rule.description }} {{ rule.version }} {{ rule.category }}", "r a rule 1 sales"},
           {"{{ goal.event }} {{ goal.days }}", "order_placed 14"},
           {"{{ owner.name }} {{ owner.phone }}", "王芳 +86 10 1234"},
           {"{{ score.lead }} {{ band.lead }}", "30 warm"},
           {"{{ segment.gold }} {{ segment.silver }}", "true false"},
           {"{{ event.device }}", "{{ tier }} <b>"},
       }) {
    CAPTURE(c.text);
    CHECK(rendered(c.text) == c.expected);
  }
}

TEST_CASE("partials see what is given to them, and nothing else") {
  const std::string more =
      "templates:\n"
      "  line: {channel: partial, text: \"{{ order.sku }}:{{ mark }}{% if customer.tier %}!{% endif %}\"}\n"
      "  twice: {channel: partial, text: \"{% if forloop %}{% endif %}\"}\n";
  CHECK(rendered("{% for o in events.order_placed limit: 2 %}{% render 'line', order: o, mark: 'x' %} {% endfor %}",
                 more.substr(0, more.find("  twice"))) == "s5:x! s4:x! ");
}

TEST_CASE("html is escaped, headers and text messages lose what would break them") {
  Company company(
      "rules:\n  r:\n    when: {event: login}\n    then:\n"
      "      - email: {to: a@example.com, subject: \"{{ event.device }}\", html: \"<p>{{ event.device }}</p>\"}\n"
      "      - sms: {to: \"+86 138\", text: \"{{ event.device }}\"}\n");
  company.happen("login", {{"device", Value::of_text("a\r\nB\x07<&\"'>")}}, "2026-01-10T09:05:00Z");
  REQUIRE(company.effects.actions.size() == 2);
  CHECK(company.effects.actions[0].payload.find(R"("subject":"a  B <&\"'>")") != std::string::npos);
  CHECK(company.effects.actions[0].payload.find("<p>a\\r\\nB\\u0007&lt;&amp;&quot;&#39;&gt;</p>") != std::string::npos);
  CHECK(company.effects.actions[1].payload.find(R"("text":"a\nB<&\"'>")") != std::string::npos);
}

TEST_CASE("the assignee is put in by the desk, once, before anything is stored") {
  Company company(std::string(kTeams) +
                  "rules:\n  r:\n    when: {event: login}\n    then:\n      - call_task: {team: north, subject: \"For {{ assignee.name | default: 'nobody' }} \\\"now\\\"\", "
                  "script: \"{{ assignee.phone }} {{ event.device }} {{ assignee.email | upcase }}\"}\n");
  company.happen("login", {{"device", Value::of_text("x\"y")}}, "2026-01-10T09:05:00Z");
  REQUIRE(company.effects.actions.size() == 1);
  Effects left = company.effects;
  Desk desk;
  desk.settle(*company.plan, company.effects);
  CHECK(company.effects.actions[0].payload.find(R"("subject":"For 王芳 \"now\"")") != std::string::npos);
  CHECK(company.effects.actions[0].payload.find(R"("script":"+86 10 1234 x\"y WANG@EXAMPLE.COM")") != std::string::npos);
  CHECK(company.effects.actions[0].late.empty());
  Desk again;
  again.settle(*company.plan, left);
  CHECK(left.actions[0].payload == company.effects.actions[0].payload);
}

TEST_CASE("who has no language of their own gets the company's, and without a text in that the template's own") {
  const auto said = [](std::string_view company_language, std::string_view own, std::string_view customer) {
    Company company("company: {language: " + std::string(company_language) + "}\ntemplates:\n  t:\n    channel: sms\n" + std::string(own) +
                    "    text: Hello\n    translations: {zh: {text: 您好}, de-CH: {text: Grüezi}}\n"
                    "rules:\n  r: {when: {event: login}, then: [{sms: {to: \"+1\", template: t}}]}\n");
    if (!customer.empty()) company.set("language", Value::of_text(customer), "2026-01-01T00:00:00Z");
    company.happen("login", {{"device", Value::of_text("x")}}, "2026-01-10T09:05:00Z");
    REQUIRE(company.effects.actions.size() == 1);
    const std::string& payload = company.effects.actions[0].payload;
    const std::size_t from = payload.find("\"text\":\"") + 8;
    return payload.substr(from, payload.find('"', from) - from);
  };
  CHECK(said("zh", "    language: en\n", "") == "您好");
  CHECK(said("zh-Hant-TW", "    language: en\n", "fr") == "您好");  // a language without a text
  CHECK(said("zh", "    language: en\n", "en-GB") == "Hello");
  CHECK(said("zh", "    language: en\n", "de-CH") == "Grüezi");
  CHECK(said("de-CH", "    language: en\n", "zh") == "您好");
  CHECK(said("en", "    language: en\n", "") == "Hello");
  CHECK(said("fr", "    language: en\n", "") == "Hello");
  CHECK(said("zh", "", "") == "您好");
  CHECK(said("zh", "", "en") == "您好");  // nobody says that its own text is English
}

TEST_CASE("translations by the customer's language, with numbers and dates of that language") {
  const std::string rules =
      "templates:\n  w:\n    channel: sms\n    text: \"Hi {{ customer.spend | money: 'EUR' }}\"\n"
      "    translations:\n      zh: {text: \"您好 {{ customer.spend | money: 'CNY' }}\"}\n      de: {text: \"Hallo {{ customer.spend | money: 'EUR' }} {{ customer.contract_end | date: 'long' }}\"}\n"
      "rules:\n  r: {when: {event: login}, then: [{sms: {to: \"+86 138\", template: w}}]}\n";
  for (const auto& [language, expected] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"zh", "您好 ¥1,234.50"}, {"zh_CN", "您好 ¥1,234.50"}, {"de-CH", "Hallo 1.234,50\xc2\xa0€ 5. März 2026"}, {"fr", "Hi EUR 1,234.50"}, {"", "Hi EUR 1,234.50"}, {"?!", "Hi EUR 1,234.50"}}) {
    CAPTURE(language);
    Company company(rules);
    company.set("spend", Value::of_decimal(*Decimal::parse("1234.5")), "2026-01-01T00:00:00Z");
    company.set("contract_end", Value::of_date(*parse_date("2026-03-05")), "2026-01-01T00:00:00Z");
    if (!language.empty()) company.set("language", Value::of_text(std::string(language)), "2026-01-01T00:00:00Z");
    company.happen("login", {}, "2026-01-10T09:05:00Z");
    REQUIRE(company.effects.actions.size() == 1);
    CHECK(company.effects.actions[0].payload.find("\"text\":\"" + std::string(expected) + "\"") != std::string::npos);
  }
}

TEST_CASE("a preview shows each step, its time, its segments and the policy's word") {
  Company company(
      "rules:\n  r:\n    when: {event: login}\n    then:\n"
      "      - sms: {to: \"+86 138\", text: \"您好 {{ event.device }}\"}\n"
      "      - after: 2h\n        only_if: {attribute: tier, equals: gold}\n        maildrop: {text: \"later\"}\n");
  company.happen("login", {{"device", Value::of_text("phone")}}, "2026-01-10T09:05:00Z");
  const Preview preview = preview_rule(*company.plan, company.state, company.plan->rules[0], at("2026-01-11T00:00:00Z"));
  REQUIRE(preview.steps.size() == 2);
  CHECK(preview.steps[0].payload.find("您好 phone") != std::string::npos);
  CHECK_FALSE(preview.steps[0].sms.gsm7);
  CHECK(preview.steps[0].sms.units == 8);
  CHECK(preview.steps[0].sms.segments == 1);
  CHECK(preview.steps[0].verdict.kind == PolicyVerdict::Kind::allow);
  CHECK_FALSE(preview.steps[1].reached);
  CHECK(preview.steps[1].at == at("2026-01-11T02:00:00Z"));
}

TEST_CASE("segments of text messages are counted as the networks do") {
  CHECK(count_sms("").segments == 0);
  CHECK(count_sms(std::string(160, 'a')).segments == 1);
  CHECK(count_sms(std::string(161, 'a')).segments == 2);
  CHECK(count_sms(std::string(306, 'a')).segments == 2);
  CHECK(count_sms(std::string(307, 'a')).segments == 3);
  CHECK(count_sms("€").units == 2);
  // An escaped character is not cut: the 153rd septet stays empty.
  CHECK(count_sms(std::string(152, 'a') + "€" + std::string(152, 'a')).segments == 3);
  const auto chinese = [](std::size_t n) {
    std::string s;
    for (std::size_t i = 0; i < n; ++i) s += "好";
    return s;
  };
  CHECK(count_sms(chinese(70)).segments == 1);
  CHECK(count_sms(chinese(71)).segments == 2);
  CHECK(count_sms(chinese(134)).segments == 2);
  CHECK(count_sms(chinese(66) + "😀" + chinese(66)).segments == 3);
  CHECK(count_sms("ç").gsm7 == false);
  CHECK(count_sms("Ç").gsm7);
}

TEST_CASE("a plain template's rule keeps its version") {
  // The fingerprint that this rule had before templates had logic: taken down then.
  Company company("rules:\n  r: {when: {event: login}, then: [{maildrop: {text: \"Hi {{ customer.tier | default: 'x' | upcase }} {{ now | date }}\"}}]}\n");
  CHECK(to_hex(company.plan->rules[0].definition) == "56d0b748f5cdc44012e679cf4cf3fe07");
}
