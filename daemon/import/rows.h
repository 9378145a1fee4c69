// One CSV record to the JSON documents that intake reads, by a mapping; or what is wrong with it, by line and column.
// Deterministic: the same file and mapping give the same documents with the same ids, so an import that broke off is simply run again.
// Not thread-safe; the mapping must outlive it.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/import/csv.h"
#include "daemon/import/mapping.h"

namespace nudge::import {

struct RowProblem {
  std::uint64_t line = 0;
  std::string column;  // empty: the row as a whole
  std::string reason;
};

class RowWriter {
 public:
  // `header`: the file's column names. `file`: its name in ids. An error names a column that the mapping wants and the file lacks.
  // `sheet`: of Excel, whose dates come as dates whatever format the mapping gives for texts.
  static Result<RowWriter> make(const Mapping& mapping, std::vector<std::string> header, std::string file, bool sheet = false);

  // Appends one line of NDJSON for each document of the row; `row` counts from 1. With problems, nothing is appended.
  // Answers how many documents were appended.
  std::size_t write(const CsvRecord& record, std::uint64_t row, std::string& ndjson, std::vector<RowProblem>& problems);

 private:
  RowWriter(const Mapping& mapping, std::vector<std::string> header, std::string file);
  Result<void> check_columns() const;
  std::string_view raw(const CsvRecord& record, const std::string& column) const;
  // How a date or time in this cell is written.
  std::string_view format_for(const Cell& cell, std::string_view text) const;
  bool is_null(std::string_view text) const;
  // The text of a cell after map, default and null markers; false: it is left out. Problems are reported.
  bool cell_text(const CsvRecord& record, const Cell& cell, std::string& out, std::vector<RowProblem>& problems) const;
  bool wanted(const CsvRecord& record, const RowMapping& row) const;
  void append_value(const CsvRecord& record, const FieldMapping& field, std::string& out, bool& first,
                    std::vector<RowProblem>& problems) const;
  void append_document(const CsvRecord& record, const RowMapping& row, const std::string& generated_id, std::string& out,
                       std::vector<RowProblem>& problems) const;
  void append_fields(const CsvRecord& record, const RowMapping& row, std::string& out, std::vector<RowProblem>& problems) const;

  const Mapping* mapping_;
  std::vector<std::string> header_;
  std::unordered_map<std::string, std::size_t> index_;
  std::string file_;
  bool sheet_ = false;
  std::uint64_t row_ = 0;  // of the record being written
};

// A date or time by a pattern of %Y %m %d %H %M %S %y and literal characters, or, with an empty pattern, by RFC 3339, `YYYY-MM-DD` or
// `YYYY-MM-DD HH:MM[:SS]`. Without an offset of its own it is read in the zone.
Result<TimeMs> parse_instant(std::string_view text, std::string_view format, const Zone& zone);
Result<DateDays> parse_day(std::string_view text, std::string_view format);

}  // namespace nudge::import
