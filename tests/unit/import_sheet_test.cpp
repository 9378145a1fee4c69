// Excel's numbers, dates and formats; CSV files whose delimiter and encoding nobody has said.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "daemon/import/csv.h"
#include "daemon/import/xlsx.h"

namespace nudge::import {
namespace {

class File {
 public:
  explicit File(const std::string& bytes) : path_(std::filesystem::temp_directory_path() / ("nudge-csv-" + std::to_string(::getpid()))) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Read {
  std::vector<std::vector<std::string>> rows;
  std::string noticed, error;
};

Read read(const std::string& bytes, const CsvOptions& options = {}) {
  const File file(bytes);
  Read out;
  auto reader = CsvReader::open(file.path(), options);
  if (!reader) {
    out.error = reader.error().message;
    return out;
  }
  CsvRecord record;
  for (;;) {
    const auto more = reader->next(record);
    if (!more) out.error = more.error().message;
    if (!more || !*more) break;
    out.rows.push_back(record.cells);
  }
  out.noticed = reader->noticed();
  return out;
}

}  // namespace

TEST_CASE("excel: days and parts of days as dates, in both calendars, with the 29 February that 1900 did not have") {
  CHECK(excel_instant(46054, false) == "2026-02-01");
  CHECK(excel_instant(46054.375, false) == "2026-02-01 09:00:00");
  CHECK(excel_instant(46054.416666666664, false) == "2026-02-01 10:00:00");
  CHECK(excel_instant(44592, true) == "2026-02-01");
  CHECK(excel_instant(1, false) == "1900-01-01");
  CHECK(excel_instant(59, false) == "1900-02-28");
  CHECK(excel_instant(61, false) == "1900-03-01");
  CHECK(excel_instant(2958465, false) == "9999-12-31");
  CHECK(excel_instant(-1, false).empty());
  CHECK(excel_instant(3e9, false).empty());
}

TEST_CASE("excel: which formats show dates") {
  for (const char* code :
       {"yyyy-mm-dd", "dd/mm/yy;@", "[$-409]d-mmm-yy", "h:mm", "[h]:mm:ss", "yyyy\"年\"m\"月\"d\"日\"", "m/d/yyyy h:mm AM/PM"})
    CHECK_MESSAGE(is_date_format(code), code);
  for (const char* code : {"General", "0.00", "#,##0", "@", "[Red]0;[Blue]-0", "\"days\" 0", "0%", "_-* #,##0.00_-", "0.00E+00", "\\d0"})
    CHECK_MESSAGE(!is_date_format(code), code);
}

TEST_CASE("csv: the delimiter is the one that the first line has most of, unless it is said") {
  CHECK(read("a;b;c\n1,5;2;3\n").rows == std::vector<std::vector<std::string>>{{"a", "b", "c"}, {"1,5", "2", "3"}});
  CHECK(read("a\tb\n1\t2\n").rows[1] == std::vector<std::string>{"1", "2"});
  CHECK(read("a|b\n").rows[0].size() == 2);
  CHECK(read("\"a;b;c\",d\n").rows[0].size() == 2);
  CHECK(read("one\n").rows[0].size() == 1);
  CHECK(read("a;b,c;d\n", {',', ""}).rows[0].size() == 2);
  CHECK(read("a;b\n").noticed.find("`;`") != std::string::npos);
  CHECK(read("a,b\n").noticed.empty());
}

TEST_CASE("csv: what Excel writes: a byte order mark, GB18030, and what can't be told apart is not guessed") {
  CHECK(read("\xef\xbb\xbf"
             "a,b\n")
            .rows[0][0] == "a");
  // "姓名,城市\n王芳,上海\n" in GB18030
  const std::string chinese = "\xD0\xD5\xC3\xFB,\xB3\xC7\xCA\xD0\n\xCD\xF5\xB7\xBC,\xC9\xCF\xBA\xA3\n";
  const Read got = read(chinese);
  CHECK(got.rows == std::vector<std::vector<std::string>>{{"姓名", "城市"}, {"王芳", "上海"}});
  CHECK(got.noticed.find("GB18030") != std::string::npos);
  CHECK(read("姓名,城市\n王芳,上海\n").rows == got.rows);
  CHECK(read(chinese, {0, "gb18030"}).rows == got.rows);
  CHECK(read(chinese, {0, "gb18030"}).noticed.empty());
  CHECK(read("name,city\nM\xFCller,Z\xFCrich\n").rows[1][0] == "M\xFCller");  // Western: the row says what to do
  CHECK(read("name,city\nM\xFCller,Z\xFCrich\n", {0, "iso-8859-1"}).rows[1] == std::vector<std::string>{"Müller", "Zürich"});
  CHECK(read(std::string("\xff\xfe"
                         "a\0,\0",
                         6))
            .error.find("UTF-16") != std::string::npos);
  CHECK(read("a\n", {0, "klingon"}).error.find("is not known") != std::string::npos);
}

}  // namespace nudge::import
