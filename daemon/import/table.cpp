#include "daemon/import/table.h"

#include <fcntl.h>
#include <unistd.h>

namespace nudge::import {

Result<Table> Table::open(const std::string& path, const CsvOptions& csv, const std::string& sheet) {
  Table table;
  char head[8] = {};
  if (path != "-") {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      const ssize_t n = ::read(fd, head, sizeof head);
      if (n < 0) head[0] = 0;
      ::close(fd);
    }
  }
  const std::string_view magic(head, sizeof head);
  if (magic.starts_with("PK\x03\x04")) {
    NUDGE_ASSIGN(XlsxReader reader, XlsxReader::open(path, sheet));
    table.xlsx_ = std::move(reader);
    return table;
  }
  if (magic.starts_with("\xD0\xCF\x11\xE0"))
    return fail(Code::invalid, path + " is an Excel file of the old kind (.xls), or protected by a password; save it as .xlsx without one");
  if (path.ends_with(".xlsx") || path.ends_with(".XLSX"))
    return fail(Code::invalid, path +
                                   " is no Excel file, whatever its name says (it does not begin like one): save it again as .xlsx, or, if "
                                   "it is a CSV file, name it .csv");
  if (!sheet.empty()) return fail(Code::invalid, path + " is no Excel file (.xlsx), so it has no sheet `" + sheet + "`");
  NUDGE_ASSIGN(CsvReader reader, CsvReader::open(path, csv));
  table.csv_ = std::move(reader);
  return table;
}

}  // namespace nudge::import
