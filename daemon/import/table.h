// A file of rows, CSV or Excel as its content says. Not thread-safe; owns its file.
#pragma once

#include <optional>

#include "daemon/import/csv.h"
#include "daemon/import/xlsx.h"

namespace nudge::import {

class Table {
 public:
  // `sheet`: of an Excel file. Error: as the readers say, and for files of other programs what to save them as.
  static Result<Table> open(const std::string& path, const CsvOptions& csv, const std::string& sheet);

  Result<bool> next(CsvRecord& record) { return csv_ ? csv_->next(record) : xlsx_->next(record); }
  double progress() const { return csv_ ? csv_->progress() : xlsx_->progress(); }
  bool is_sheet() const { return xlsx_.has_value(); }
  // What was found out about a CSV file that the mapping does not say; empty: nothing.
  std::string noticed() const { return csv_ ? csv_->noticed() : std::string(); }

 private:
  Table() = default;
  std::optional<CsvReader> csv_;
  std::optional<XlsxReader> xlsx_;
};

}  // namespace nudge::import
