// Mistakes in a mapping of CSV columns: each code, with its place.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "daemon/import/mapping.h"
#include "rules/doc/reader.h"
#include "rules/lang/load.h"

namespace {

using namespace nudge;

const Catalog& catalog() {
  static const auto loaded = lang::load_catalog(
      {{"catalog.yaml",
        "customer: {attributes: {tier: {type: text}}}\nevents: {order_placed: {fields: {amount: decimal, days: integer}}}\n"}});
  return *loaded.catalog;
}

// "R0851 1:12" for each mistake.
std::vector<std::string> mistakes(const std::string& text) {
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("m.yaml", text, diagnostics);
  REQUIRE(document);
  const auto mapping = import::read_mapping(*document, catalog(), diagnostics);
  CHECK((mapping == nullptr) == !diagnostics.ok());
  std::vector<std::string> out;
  for (const doc::Diagnostic& d : diagnostics.items())
    out.push_back(d.code + " " + std::to_string(d.line) + ":" + std::to_string(d.column));
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a mapping that is right has no mistakes") {
  CHECK(
      mistakes("delimiter: \";\"\ntime_zone: Asia/Shanghai\nrows:\n  - {customer: id, event: order_placed, time: at, data: {amount: sum}}\n"
               "  - {customer: id, attributes: {tier: level}}\n") == Lines{});
}

TEST_CASE("each mistake of a mapping has its code and its place") {
  const std::string good = "  - {customer: id, attributes: {tier: level}}\n";
  CHECK(mistakes("delimiter: \"||\"\nrows:\n" + good) == Lines{"R0851 1:12"});
  CHECK(mistakes("time_zone: Mars/Olympus\nrows:\n" + good) == Lines{"R0852 1:12"});
  CHECK(mistakes("rows:\n  - {customer: id, event: order_placed, time: at, data: {days: {days_between: [a]}}}\n") == Lines{"R0853 2:79"});
  CHECK(mistakes("rows:\n  - {customer: id, attributes: {tier: {column: a, value: b}}}\n") == Lines{"R0854 2:33"});
  CHECK(mistakes("rows:\n  - {customer: {row_number: true, column: a}, attributes: {tier: level}}\n") == Lines{"R0854 2:6"});
  CHECK(mistakes("rows:\n  - {customer: id, attributes: {teir: level}}\n") == Lines{"R0855 2:33"});
  CHECK(mistakes("rows:\n  - {customer: id}\n") == Lines{"R0856 2:5"});
  CHECK(mistakes("rows:\n  - {customer: id, event: order_placed, data: {amount: sum}}\n") == Lines{"R0857 2:5"});
  CHECK(mistakes("rows:\n  - {customer: id, event: ordr_placed, time: at, data: {}}\n") == Lines{"R0858 2:27"});
}
