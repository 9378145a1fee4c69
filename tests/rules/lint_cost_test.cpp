// The cost of linting, counted and not timed: it grows with the number of rules, not with its square.
#include <doctest/doctest.h>

#include "rules/lang/load.h"
#include "rules/lint/lint.h"

using namespace nudge;

namespace {

// n rules of the sorts that are compared with one another: all on one event with one channel, on segments, in a chain of events.
std::string rules_of(int from, int to) {
  std::string out = "segments:\n";
  for (int i = from; i < to; ++i) {
    const std::string k = std::to_string(i);
    out += "  s" + k + ": {where: {all: [{attribute: spend, at_least: " + k +
           "}, {any: [{event: login, within: " + std::to_string(i % 90 + 1) + "d, count: {at_least: 2}}, {tag: t" + std::to_string(i % 7) +
           "}]}]}}\n";
  }
  out += "rules:\n";
  for (int i = from; i < to; ++i) {
    const std::string k = std::to_string(i);
    out += "  a" + k + ": {when: {event: login, where: {field: page, equals: p" + k + "}}, if: {all: [{segment: s" + k +
           "}, {event: order, within: 30d}]}, then: [{sms: {to: '1', text: Hello}}]}\n";
    out += "  b" + k + ": {when: {enters: s" + k + "}, then: [{call_task: {subject: Call}}]}\n";
    out += "  c" + k + ": {category: management, when: {event: task_created, where: {field: rule, equals: b" + k +
           "}}, then: [{ticket: {subject: Look}}]}\n";
  }
  return out;
}

std::uint64_t steps(int n) {
  lang::CatalogResult catalog = lang::load_catalog(
      {{"c.yaml",
        "customer: {attributes: {spend: decimal}}\nevents: {login: {fields: {page: text}}, order: {fields: {amount: decimal}}}\n"}});
  REQUIRE(catalog.catalog != nullptr);
  lang::CompileOptions options;
  options.map_sources = true;
  std::vector<lang::Source> files;
  for (int i = 0; i < n; i += 300) files.push_back({"r" + std::to_string(i) + ".yaml", rules_of(i, i + 300)});
  auto result = lang::compile(files, std::shared_ptr<const Catalog>(std::move(catalog.catalog)), options);
  INFO(doc::render_text(result.diagnostics));
  REQUIRE(result.plan != nullptr);
  return lint::run(*result.plan, *result.sources, {}, result.diagnostics).steps;
}

}  // namespace

TEST_CASE("linting twice as many rules takes about twice the steps") {
  const std::uint64_t some = steps(300), twice = steps(600), many = steps(2400);
  CAPTURE(some);
  CAPTURE(twice);
  CAPTURE(many);
  CHECK(some > 300);
  CHECK(twice < some * 5 / 2);
  CHECK(many < some * 10);
  CHECK(many < 3 * 2400 * 150);  // of 7,200 rules
}
