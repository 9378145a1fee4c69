#include "daemon/import/xlsx.h"

#include <expat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <map>

#include "daemon/import/zip.h"
#include "engine/base/time.h"

namespace nudge::import {
namespace {

constexpr std::size_t kSharedBytesMax = std::size_t{1} << 30U;
constexpr std::size_t kCellBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kColumnsMax = 16'384;
constexpr int kSecondsOfDay = 86'400;

std::string_view local_name(const char* name) {
  const char* colon = std::strrchr(name, ':');
  return colon == nullptr ? name : colon + 1;
}

std::string_view attribute(const char** attributes, std::string_view name) {
  for (; *attributes != nullptr; attributes += 2) {
    if (local_name(attributes[0]) == name) return attributes[1];
  }
  return {};
}

std::uint64_t whole(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? n : otherwise;
}

// XML that comes piece by piece. Documents with a DOCTYPE are refused: no workbook has one, and entities only do harm.
class Xml {
 public:
  std::function<void(std::string_view, const char**)> start;
  std::function<void(std::string_view)> end;
  std::string* text = nullptr;  // where character data goes; null: nowhere

  Xml() : parser_(XML_ParserCreate(nullptr)) {
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(
        parser_, [](void* self, const XML_Char* name, const XML_Char** a) { static_cast<Xml*>(self)->start(local_name(name), a); },
        [](void* self, const XML_Char* name) { static_cast<Xml*>(self)->end(local_name(name)); });
    XML_SetCharacterDataHandler(parser_, [](void* self, const XML_Char* s, int n) {
      std::string* to = static_cast<Xml*>(self)->text;
      if (to != nullptr && to->size() < kCellBytesMax) to->append(s, static_cast<std::size_t>(n));
    });
    XML_SetStartDoctypeDeclHandler(parser_, [](void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
      XML_StopParser(static_cast<Xml*>(self)->parser_, XML_FALSE);
    });
  }
  Xml(const Xml&) = delete;
  Xml& operator=(const Xml&) = delete;
  ~Xml() { XML_ParserFree(parser_); }

  Result<void> feed(std::string_view piece, bool last) {
    if (XML_Parse(parser_, piece.data(), static_cast<int>(piece.size()), last ? 1 : 0) == XML_STATUS_ERROR)
      return fail(Code::corrupt, std::string("the file is damaged: ") + XML_ErrorString(XML_GetErrorCode(parser_)));
    return {};
  }

 private:
  XML_Parser parser_;
};

Result<void> parse_whole(const Zip& zip, const std::string& name, Xml& xml) {
  NUDGE_ASSIGN(ZipEntry entry, zip.entry(name));
  for (std::string piece;;) {
    NUDGE_TRY(entry.next(piece));
    NUDGE_TRY(xml.feed(piece, piece.empty()));
    if (piece.empty()) return {};
  }
}

// "_x000D_" in a text of Excel stands for the character.
void undo_escapes(std::string& text) {
  for (std::size_t at = text.find("_x"); at != std::string::npos; at = text.find("_x", at + 1)) {
    unsigned code = 0;
    if (at + 6 >= text.size() || text[at + 6] != '_') continue;
    const auto [end, error] = std::from_chars(text.data() + at + 2, text.data() + at + 6, code, 16);
    if (error == std::errc() && end == text.data() + at + 6 && code < 0x80) text.replace(at, 7, 1, static_cast<char>(code));
  }
}

// "../xl/worksheets/sheet1.xml" or "worksheets/sheet1.xml" beside xl/workbook.xml.
std::string beside(const std::string& base, std::string target) {
  if (target.starts_with('/')) return target.substr(1);
  std::string folder = base.substr(0, base.find_last_of('/') + 1);
  while (target.starts_with("../")) {
    target.erase(0, 3);
    if (!folder.empty()) folder.pop_back();
    folder.resize(folder.find_last_of('/') + 1);
  }
  return folder + target;
}

// The shortest text that is the number again, without an exponent.
std::string plain_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return text;
  if (value == 0) return "0";
  char out[400];
  const auto written = std::to_chars(out, out + sizeof out, value, std::chars_format::fixed);
  return written.ec == std::errc() ? std::string(out, written.ptr) : text;
}

}  // namespace

std::string excel_instant(double serial, bool since_1904) {
  if (!std::isfinite(serial) || serial < 0 || serial > 2'958'466) return {};
  // Excel believes that 1900 had a 29 February.
  const double base = since_1904 ? -24'107 : serial < 60 ? -25'568 : -25'569;
  const auto seconds = static_cast<std::int64_t>(std::llround((serial + base) * kSecondsOfDay));
  const TimeMs at = seconds * kSecond;
  std::string text = format_timestamp(at).substr(0, 19);  // 2026-01-31T10:00:00
  if (seconds % kSecondsOfDay == 0) return text.substr(0, 10);
  text[10] = ' ';
  return text;
}

bool is_date_format(std::string_view code) {
  bool quoted = false, bracketed = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '\\' || c == '_' || c == '*') {
      ++i;
    } else if (c == '[') {
      bracketed = true;
      const char next = i + 1 < code.size() ? static_cast<char>(code[i + 1] | 0x20) : ' ';
      if ((next == 'h' || next == 'm' || next == 's') && i + 2 < code.size() && (code[i + 2] == ']' || (code[i + 2] | 0x20) == next))
        return true;  // [h]:mm
    } else if (c == ']') {
      bracketed = false;
    } else if (c == ';') {
      return false;  // only the form of positive numbers counts
    } else if (!bracketed && std::string_view("yYmMdDhHsS").find(c) != std::string_view::npos) {
      return true;
    } else if (!bracketed && (code.substr(i).starts_with("General") || code.substr(i).starts_with("GENERAL"))) {
      return false;
    }
  }
  return false;
}

struct XlsxReader::Impl {
  Zip zip;
  std::string path, workbook = "xl/workbook.xml";
  bool since_1904 = false;
  std::string shared;                  // all shared texts, one behind the other
  std::vector<std::uint64_t> ends{0};  // of each in `shared`
  std::vector<bool> dates;             // by style
  std::optional<ZipEntry> sheet;
  Xml xml;
  std::deque<CsvRecord> rows;  // read and not taken
  std::size_t width = 0;
  bool ended = false;
  // The row and cell under way.
  CsvRecord row;
  std::uint64_t row_number = 0;
  std::size_t column = 0;
  std::string type, value;
  bool date = false, in_cell = false;
  std::optional<std::string> problem;

  explicit Impl(Zip opened) : zip(std::move(opened)) {}

  Result<std::string> find_sheet(const std::string& wanted);
  Result<void> read_styles(const std::string& name);
  Result<void> read_shared(const std::string& name);
  Result<void> start(const std::string& name);
  void on_start(std::string_view name, const char** a);
  void on_end(std::string_view name);
  std::string cell_text();
};

Result<std::string> XlsxReader::Impl::find_sheet(const std::string& wanted) {
  Xml roots;
  roots.end = [](std::string_view) {};
  roots.start = [this](std::string_view name, const char** a) {
    if (name == "Relationship" && attribute(a, "Type").ends_with("/officeDocument"))
      workbook = beside("", std::string(attribute(a, "Target")));
  };
  if (zip.has("_rels/.rels")) NUDGE_TRY(parse_whole(zip, "_rels/.rels", roots));
  std::vector<std::pair<std::string, std::string>> sheets;  // name, id
  Xml book;
  book.end = [](std::string_view) {};
  book.start = [&](std::string_view name, const char** a) {
    if (name == "workbookPr") since_1904 = attribute(a, "date1904") == "1" || attribute(a, "date1904") == "true";
    if (name == "sheet") {
      std::string id;
      for (const char** one = a; *one != nullptr; one += 2) {
        if (std::strchr(one[0], ':') != nullptr && local_name(one[0]) == "id") id = one[1];
      }
      sheets.emplace_back(attribute(a, "name"), id);
    }
  };
  if (!zip.has(workbook)) return fail(Code::invalid, "this is no Excel workbook (.xlsx)");
  NUDGE_TRY(parse_whole(zip, workbook, book));
  auto chosen = wanted.empty() ? sheets.begin() : std::ranges::find(sheets, wanted, &std::pair<std::string, std::string>::first);
  if (chosen == sheets.end()) {
    std::string list;
    for (const auto& [name, id] : sheets) list += (list.empty() ? "`" : ", `") + name + "`";
    return fail(Code::not_found, "the workbook has no sheet `" + wanted + "`; it has: " + list);
  }
  std::string target, styles, texts;
  Xml parts;
  parts.end = [](std::string_view) {};
  parts.start = [&](std::string_view name, const char** a) {
    if (name != "Relationship") return;
    const std::string file = beside(workbook, std::string(attribute(a, "Target")));
    if (attribute(a, "Id") == chosen->second) target = file;
    if (attribute(a, "Type").ends_with("/styles")) styles = file;
    if (attribute(a, "Type").ends_with("/sharedStrings")) texts = file;
  };
  const std::size_t slash = workbook.find_last_of('/') + 1;
  NUDGE_TRY(parse_whole(zip, workbook.substr(0, slash) + "_rels/" + workbook.substr(slash) + ".rels", parts));
  if (!styles.empty() && zip.has(styles)) NUDGE_TRY(read_styles(styles));
  if (!texts.empty() && zip.has(texts)) NUDGE_TRY(read_shared(texts));
  if (target.empty() || !zip.has(target)) return fail(Code::corrupt, "the file is damaged: the sheet `" + chosen->first + "` is missing");
  return target;
}

Result<void> XlsxReader::Impl::read_styles(const std::string& name) {
  std::map<std::uint64_t, bool> formats;
  for (const auto& [from, to] : {std::pair<int, int>{14, 22}, {27, 36}, {45, 47}, {50, 58}}) {
    for (int i = from; i <= to; ++i) formats[static_cast<std::uint64_t>(i)] = true;
  }
  bool in_cells = false;
  Xml styles;
  styles.start = [&](std::string_view element, const char** a) {
    if (element == "numFmt") formats[whole(attribute(a, "numFmtId"), 0)] = is_date_format(attribute(a, "formatCode"));
    if (element == "cellXfs") in_cells = true;
    if (element == "xf" && in_cells) {
      const auto found = formats.find(whole(attribute(a, "numFmtId"), 0));
      dates.push_back(found != formats.end() && found->second);
    }
  };
  styles.end = [&](std::string_view element) { in_cells = in_cells && element != "cellXfs"; };
  return parse_whole(zip, name, styles);
}

Result<void> XlsxReader::Impl::read_shared(const std::string& name) {
  Xml texts;
  std::string text;
  int phonetic = 0;
  bool too_many = false;
  texts.start = [&](std::string_view element, const char**) {
    if (element == "si") text.clear();
    if (element == "rPh") ++phonetic;  // how it is read aloud, no part of it
    if (element == "t" && phonetic == 0) texts.text = &text;
  };
  texts.end = [&](std::string_view element) {
    if (element == "t") texts.text = nullptr;
    if (element == "rPh") --phonetic;
    if (element != "si") return;
    undo_escapes(text);
    too_many = too_many || shared.size() + text.size() > kSharedBytesMax;
    if (too_many) return;
    shared += text;
    ends.push_back(shared.size());
  };
  NUDGE_TRY(parse_whole(zip, name, texts));
  if (too_many) return fail(Code::too_large, "its texts are more than 1 GiB; export it as CSV");
  return {};
}

Result<void> XlsxReader::Impl::start(const std::string& name) {
  NUDGE_ASSIGN(ZipEntry entry, zip.entry(name));
  sheet = std::move(entry);
  xml.start = [this](std::string_view element, const char** a) { on_start(element, a); };
  xml.end = [this](std::string_view element) { on_end(element); };
  return {};
}

void XlsxReader::Impl::on_start(std::string_view name, const char** a) {
  if (name == "row") {
    row.cells.clear();
    row_number = whole(attribute(a, "r"), row_number + 1);
    row.line = row_number;
    column = 0;
  } else if (name == "c") {
    const std::string_view at = attribute(a, "r");
    std::size_t number = 0;
    for (const char c : at) {
      if (c < 'A' || c > 'Z') break;
      number = number * 26 + static_cast<std::size_t>(c - 'A' + 1);
      if (number > kColumnsMax) break;
    }
    column = number == 0 ? column + 1 : std::min(number, kColumnsMax);
    type = std::string(attribute(a, "t"));
    const std::uint64_t style = whole(attribute(a, "s"), 0);
    date = style < dates.size() && dates[style];
    value.clear();
    in_cell = true;
  } else if (in_cell && (name == "v" || name == "t")) {
    xml.text = &value;
  } else if (name == "rPh") {
    xml.text = nullptr;
    in_cell = false;  // until the cell ends, only phonetics may follow
  }
}

void XlsxReader::Impl::on_end(std::string_view name) {
  if (name == "v" || name == "t") {
    xml.text = nullptr;
  } else if (name == "c") {
    std::string text = cell_text();
    if (!text.empty()) {
      if (row.cells.size() < column) row.cells.resize(column);
      row.cells[column - 1] = std::move(text);
    }
    in_cell = false;
  } else if (name == "row") {
    if (std::ranges::all_of(row.cells, [](const std::string& cell) { return cell.empty(); })) return;
    if (width == 0) width = row.cells.size();
    if (row.cells.size() < width) row.cells.resize(width);
    rows.push_back(std::move(row));
    row = CsvRecord();
  }
}

std::string XlsxReader::Impl::cell_text() {
  if (value.empty()) return {};
  if (type == "s") {
    const std::uint64_t index = whole(value, UINT64_MAX);
    if (index + 1 >= ends.size() || index == UINT64_MAX) {
      problem = "the file is damaged: row " + std::to_string(row_number) + " names a text that is not there";
      return {};
    }
    return shared.substr(ends[index], ends[index + 1] - ends[index]);
  }
  if (type == "b") return value == "1" ? "true" : "false";
  if (type == "str" || type == "inlineStr") {
    undo_escapes(value);
    return value;
  }
  if (type == "d") return value.ends_with("T00:00:00") ? value.substr(0, 10) : value;
  if (type == "e") return value;  // #N/A and its like: the field says that this is no value
  if (date) {
    double serial = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), serial);
    if (error == std::errc() && end == value.data() + value.size()) {
      if (std::string text = excel_instant(serial, since_1904); !text.empty()) return text;
    }
  }
  return plain_number(value);
}

XlsxReader::XlsxReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XlsxReader::XlsxReader(XlsxReader&&) noexcept = default;
XlsxReader& XlsxReader::operator=(XlsxReader&&) noexcept = default;
XlsxReader::~XlsxReader() = default;

Result<XlsxReader> XlsxReader::open(const std::string& path, const std::string& sheet) {
  NUDGE_ASSIGN(Zip zip, Zip::open(path));
  auto impl = std::make_unique<Impl>(std::move(zip));
  impl->path = path;
  const Result<std::string> name = impl->find_sheet(sheet);
  Result<void> started = name ? impl->start(*name) : std::unexpected(name.error());
  if (!started) return std::unexpected(std::move(started).error().prefixed(path));
  return XlsxReader(std::move(impl));
}

Result<bool> XlsxReader::next(CsvRecord& record) {
  Impl& impl = *impl_;
  std::string piece;
  while (impl.rows.empty() && !impl.ended) {
    Result<void> read = impl.sheet->next(piece);
    if (read) read = impl.xml.feed(piece, piece.empty());
    if (read && impl.problem) read = fail(Code::corrupt, *impl.problem);
    if (!read) return std::unexpected(std::move(read).error().prefixed(impl.path));
    impl.ended = piece.empty();
  }
  if (impl.rows.empty()) return false;
  record = std::move(impl.rows.front());
  impl.rows.pop_front();
  return true;
}

double XlsxReader::progress() const { return impl_->sheet ? impl_->sheet->progress() : 0; }

}  // namespace nudge::import
