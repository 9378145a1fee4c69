// Reads one sheet of an Excel workbook (.xlsx, ECMA-376), row after row, in memory that does not grow with the rows; the texts that the
// workbook shares between cells are held. Numbers come as their shortest text, dates as 2026-01-31 or 2026-01-31 10:00:00, formulas as the
// value that was stored with them. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "daemon/import/csv.h"

namespace nudge::import {

class XlsxReader {
 public:
  // `sheet`: its name; empty: the first. Error: damaged, protected, or no such sheet (with those that there are).
  static Result<XlsxReader> open(const std::string& path, const std::string& sheet);
  XlsxReader(XlsxReader&&) noexcept;
  XlsxReader& operator=(XlsxReader&&) noexcept;
  ~XlsxReader();

  // False at the end. Empty rows are skipped; each has as many cells as the first, or more when there is something in them.
  Result<bool> next(CsvRecord& record);
  double progress() const;

 private:
  struct Impl;
  explicit XlsxReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The text of a number with a date format: days since 1899-12-30 (or 1904-01-01) with a part of a day. Empty: no date.
std::string excel_instant(double serial, bool since_1904);
// Whether a number format shows a date or a time: "yyyy-mm-dd", not "0.00" or "[Red]0".
bool is_date_format(std::string_view code);

}  // namespace nudge::import
