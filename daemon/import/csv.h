// Reads CSV (RFC 4180, any delimiter), plain or gzip, one record after the other, with the line each began on.
// Not thread-safe; owns its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace nudge::import {

struct CsvOptions {
  char delimiter = 0;    // 0: the one of `,` `;` tab and `|` that the first line has most of
  std::string encoding;  // empty: UTF-8, or GB18030 when the text is plainly Chinese in it; else a name that iconv knows
};

struct CsvRecord {
  std::vector<std::string> cells;
  std::uint64_t line = 0;  // from 1
};

class CsvReader {
 public:
  // "-" is standard input. gzip is told by content, not by name.
  static Result<CsvReader> open(const std::string& path, const CsvOptions& options);
  CsvReader(CsvReader&&) noexcept;
  CsvReader& operator=(CsvReader&&) noexcept;
  ~CsvReader();

  // False at the end. Empty lines are skipped. An error ends the reading (a quote that never closes, a damaged gzip stream).
  Result<bool> next(CsvRecord& record);
  // How much of the file was read, 0 to 1; 0 when the size is not known.
  double progress() const;
  // The delimiter and encoding that were found out, in words; empty when they are the usual ones, or were given.
  std::string noticed() const;

 private:
  struct Impl;
  explicit CsvReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::import
