// How the columns of a CSV file become customers' attributes and events, read from YAML and checked against the catalog (docs/guide.md).
//
// Plain data after reading; immutable, safe from any thread. The catalog must outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/zone.h"
#include "engine/model/catalog.h"
#include "rules/doc/diagnostic.h"

namespace nudge::import {

// Where one value comes from.
struct Cell {
  enum class Kind : std::uint8_t { none, column, constant, text, days_between, row_number };
  Kind kind = Kind::none;
  std::string column;                                                   // column, days_between: from
  std::string column_to;                                                // days_between: to
  std::string constant;                                                 // constant; text: with {column} in it
  std::vector<std::pair<std::string, std::optional<std::string>>> map;  // value in the file -> value for nudge; nothing: left out
  bool map_only = false;                                                // a value that `map` does not have is a mistake
  std::optional<std::string> otherwise;                                 // when the cell is empty
  std::string format;                                                   // of dates and times: %Y-%m-%d %H:%M:%S …
  std::string split;                                                    // lists
  std::size_t first = 0;                                                // only so many characters from the start; 0: all
  std::uint32_t line = 0;                                               // in the mapping file
};

struct FieldMapping {
  std::string name;  // dotted
  Type type = Type::text;
  const LeafDef* leaf = nullptr;
  Cell cell;
};

// One document made from each row for which the filter holds.
struct RowMapping {
  enum class Kind : std::uint8_t { event, attributes, tag };
  Kind kind = Kind::event;
  Cell customer;
  std::string event;
  Cell tag;
  Cell id;
  Cell time;
  std::vector<FieldMapping> fields;
  // Filter: this column's value is one of these (empty list: it is not empty).
  std::string filter_column;
  std::vector<std::string> filter_values;
  bool filter_not = false;
};

struct Mapping {
  char delimiter = 0;  // 0: found out
  std::string encoding;
  std::string sheet;  // of an Excel file; empty: the first
  std::vector<std::string> columns;  // names, when the file has no header
  std::vector<std::string> nulls{""};
  bool trim = false;
  Zone zone;
  bool ids_by_content = false;  // ids from the row's content instead of its number
  std::string source;           // in generated ids instead of the file's name
  std::vector<RowMapping> rows;
};

// Reads a mapping; mistakes go to diagnostics (codes R0850 to R0869). Null when there are any.
std::unique_ptr<Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics);

}  // namespace nudge::import
