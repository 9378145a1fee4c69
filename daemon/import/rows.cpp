#include "daemon/import/rows.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/base/decimal.h"
#include "engine/base/hash.h"
#include "engine/base/text.h"
#include "engine/model/convert.h"
#include "rules/doc/diagnostic.h"
#include "rules/doc/scalar.h"

namespace nudge::import {
namespace {

using doc::quoted;

/// `text` as JSON of the type, or the reason why it does not fit.
Result<std::string> to_json(const FieldMapping& field, std::string_view text, std::string_view format, const Zone& zone) {
  std::string out;
  const auto wrong = [&](std::string_view what) { return fail(Code::invalid, quoted(text) + " is no " + std::string(what)); };
  switch (field.type) {
    case Type::text:
    case Type::phone:
      if (!field.leaf->one_of.empty() && std::ranges::find(field.leaf->one_of, text) == field.leaf->one_of.end()) {
        const std::vector<std::string_view> allowed(field.leaf->one_of.begin(), field.leaf->one_of.end());
        return fail(Code::invalid, quoted(text) + " is not one of the allowed values; " + doc::did_you_mean(text, allowed, "values"));
      }
      // What intake would say: here it has a row and a column.
      {
        Value value;
        Problem problem;
        if (!convert_text({*field.leaf, {}}, text, value, problem)) {
          // "attribute `phone` is no …": said of the cell
          const std::size_t at = problem.reason.find(" is ");
          return fail(Code::invalid, at == std::string::npos ? problem.reason : quoted(prefix_utf8(text, 60)) + problem.reason.substr(at));
        }
      }
      append_json_string(out, text);
      return out;
    case Type::boolean:
      if (text == "true" || text == "false") return std::string(text);
      return fail(Code::invalid, quoted(text) + " is neither true nor false; translate it: `map: {Yes: true, No: false}`");
    case Type::integer: {
      const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
      const bool fine = !digits.empty() && digits.size() <= 18 && (digits == "0" || digits[0] != '0') &&
                        std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
      return fine ? Result<std::string>(std::string(text)) : wrong("integer");
    }
    case Type::number: return doc::is_json_number(text) ? Result<std::string>(std::string(text)) : wrong("number");
    case Type::decimal: {
      const auto value = Decimal::parse(text);
      if (!value) return std::unexpected(value.error());
      return format_decimal(*value);
    }
    case Type::date: {
      NUDGE_ASSIGN(const DateDays day, parse_day(text, format));
      append_json_string(out, format_date(day));
      return out;
    }
    case Type::timestamp: {
      NUDGE_ASSIGN(const TimeMs at, parse_instant(text, format, zone));
      append_json_string(out, format_timestamp(at));
      return out;
    }
    case Type::list: {
      const std::string& separator = field.cell.split;
      out = "[";
      while (!text.empty()) {
        const std::size_t at = separator.empty() ? std::string_view::npos : text.find(separator);
        if (out.size() > 1) out += ',';
        append_json_string(out, text.substr(0, at));
        text = at == std::string_view::npos ? std::string_view() : text.substr(at + separator.size());
      }
      return out + "]";
    }
    case Type::object: break;
  }
  return wrong("value of this type");
}

struct WallTime {
  Ymd date{1970, 1, 1};
  DurationMs of_day = 0;
};

std::optional<int> take_number(std::string_view& text, std::size_t digits_max) {
  int value = 0;
  std::size_t n = 0;
  while (n < digits_max && n < text.size() && text[n] >= '0' && text[n] <= '9') value = value * 10 + (text[n++] - '0');
  if (n == 0) return std::nullopt;
  text.remove_prefix(n);
  return value;
}

/// Reads by a pattern; nothing when the text does not fit it.
std::optional<WallTime> read_wall(std::string_view text, std::string_view format) {
  WallTime wall;
  int year = 1970, month = 1, day = 1;
  while (!format.empty()) {
    if (format[0] != '%' || format.size() < 2) {
      if (text.empty() || text[0] != format[0]) return std::nullopt;
      text.remove_prefix(1);
      format.remove_prefix(1);
      continue;
    }
    const auto number = take_number(text, format[1] == 'Y' ? 4 : 2);
    if (!number) return std::nullopt;
    switch (format[1]) {
      case 'Y': year = *number; break;
      case 'y': year = *number + (*number < 70 ? 2000 : 1900); break;
      case 'm': month = *number; break;
      case 'd': day = *number; break;
      case 'H':
        wall.of_day += *number * kHour;
        if (*number > 23) return std::nullopt;
        break;
      case 'M':
        wall.of_day += *number * kMinute;
        if (*number > 59) return std::nullopt;
        break;
      case 'S':
        wall.of_day += *number * kSecond;
        if (*number > 59) return std::nullopt;
        break;
      default: return std::nullopt;
    }
    format.remove_prefix(2);
  }
  if (!text.empty() || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, static_cast<std::uint8_t>(month)))
    return std::nullopt;
  wall.date = {year, static_cast<std::uint8_t>(month), static_cast<std::uint8_t>(day)};
  return wall;
}

}  // namespace

Result<TimeMs> parse_instant(std::string_view text, std::string_view format, const Zone& zone) {
  const auto instant = [&](const WallTime& wall) {
    return wall.of_day == 0 ? zone.start_of(days_of(wall.date)) : zone.at(days_of(wall.date), wall.of_day);
  };
  if (!format.empty()) {
    const auto wall = read_wall(text, format);
    if (!wall) return fail(Code::invalid, quoted(text) + " does not fit the format " + quoted(format));
    return instant(*wall);
  }
  if (const auto exact = parse_timestamp(text)) return *exact;
  for (const std::string_view known : {"%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"}) {
    if (const auto wall = read_wall(text, known)) return instant(*wall);
  }
  return fail(Code::invalid, quoted(text) + " is no date or time; say how it is written: `format: \"%d.%m.%Y\"`");
}

Result<DateDays> parse_day(std::string_view text, std::string_view format) {
  const auto wall = read_wall(text, format.empty() ? "%Y-%m-%d" : format);
  if (!wall && format.empty()) {
    // Written well, and yet no day: another format would not help.
    if (const std::optional<WallTime> first =
            text.size() == 10 ? read_wall(std::string(text.substr(0, 8)) + "01", "%Y-%m-%d") : std::nullopt)
      return fail(Code::invalid, quoted(text) + " is no day of the calendar");
  }
  if (!wall)
    return fail(Code::invalid, quoted(text) + (format.empty() ? " is no date like 2026-01-31; say how it is written: `format: \"%d.%m.%Y\"`"
                                                              : " does not fit the format " + quoted(format)));
  return days_of(wall->date);
}

RowWriter::RowWriter(const Mapping& mapping, std::vector<std::string> header, std::string file)
    : mapping_(&mapping), header_(std::move(header)), file_(mapping.source.empty() ? std::move(file) : mapping.source) {
  for (std::size_t i = 0; i < header_.size(); ++i) index_.emplace(header_[i], i);
}

Result<RowWriter> RowWriter::make(const Mapping& mapping, std::vector<std::string> header, std::string file, bool sheet) {
  RowWriter writer(mapping, std::move(header), std::move(file));
  writer.sheet_ = sheet;
  NUDGE_TRY(writer.check_columns());
  return writer;
}

Result<void> RowWriter::check_columns() const {
  const auto check = [&](const std::string& column, std::uint32_t line) -> Result<void> {
    if (column.empty() || index_.contains(column)) return {};
    const std::vector<std::string_view> known(header_.begin(), header_.end());
    return fail(Code::invalid, "line " + std::to_string(line) + " of the mapping wants the column " + quoted(column) +
                                   ", which the file does not have; " + doc::did_you_mean(column, known, "columns"));
  };
  for (const RowMapping& row : mapping_->rows) {
    std::vector<const Cell*> cells = {&row.customer, &row.id, &row.time, &row.tag};
    for (const FieldMapping& field : row.fields) cells.push_back(&field.cell);
    for (const Cell* cell : cells) {
      NUDGE_TRY(check(cell->column, cell->line));
      NUDGE_TRY(check(cell->column_to, cell->line));
      if (cell->kind != Cell::Kind::text) continue;
      for (std::size_t open = cell->constant.find('{'); open != std::string::npos; open = cell->constant.find('{', open + 1)) {
        const std::size_t close = cell->constant.find('}', open);
        if (close == std::string::npos)
          return fail(Code::invalid, "line " + std::to_string(cell->line) + " of the mapping: a `{` without `}`");
        NUDGE_TRY(check(cell->constant.substr(open + 1, close - open - 1), cell->line));
      }
    }
    NUDGE_TRY(check(row.filter_column, row.customer.line));
  }
  return {};
}

std::string_view RowWriter::raw(const CsvRecord& record, const std::string& column) const {
  const auto found = index_.find(column);
  if (found == index_.end() || found->second >= record.cells.size()) return {};
  std::string_view text = record.cells[found->second];
  if (mapping_->trim) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  }
  return text;
}

std::string_view RowWriter::format_for(const Cell& cell, std::string_view text) const {
  if (sheet_ && text.size() >= 10 && text[4] == '-' && text[7] == '-') return {};
  return cell.format;
}

bool RowWriter::is_null(std::string_view text) const { return std::ranges::find(mapping_->nulls, text) != mapping_->nulls.end(); }

bool RowWriter::cell_text(const CsvRecord& record, const Cell& cell, std::string& out, std::vector<RowProblem>& problems) const {
  out.clear();
  switch (cell.kind) {
    case Cell::Kind::none: return false;
    case Cell::Kind::constant: out = cell.constant; return true;
    case Cell::Kind::row_number: out = std::to_string(row_); return true;
    case Cell::Kind::column: out = raw(record, cell.column); break;
    case Cell::Kind::days_between: {
      const std::string_view from = raw(record, cell.column), to = raw(record, cell.column_to);
      if (is_null(from) || is_null(to)) return false;
      const auto a = parse_day(from, cell.format), b = parse_day(to, cell.format);
      if (!a || !b) {
        problems.push_back({record.line, a ? cell.column_to : cell.column, (a ? b : a).error().message});
        return false;
      }
      out = std::to_string(*b - *a);
      return true;
    }
    case Cell::Kind::text: {
      for (std::size_t i = 0; i < cell.constant.size(); ++i) {
        if (cell.constant[i] != '{') {
          out += cell.constant[i];
          continue;
        }
        const std::size_t close = cell.constant.find('}', i);
        const std::string_view part = raw(record, cell.constant.substr(i + 1, close - i - 1));
        if (is_null(part)) return false;
        out += part;
        i = close;
      }
      return true;
    }
  }
  if (is_null(out)) {
    if (!cell.otherwise) return false;
    out = *cell.otherwise;
    return true;
  }
  if (!is_utf8(out)) {
    problems.push_back({record.line, cell.column,
                        "the cell is not valid UTF-8; if the file comes from Excel, say `encoding: gb18030` (Chinese) or `iso-8859-1`"});
    return false;
  }
  if (cell.first != 0) out = std::string(prefix_utf8(out, cell.first));
  const auto mapped = std::ranges::find_if(cell.map, [&](const auto& pair) { return pair.first == out; });
  if (mapped != cell.map.end()) {
    if (!mapped->second) return false;
    out = *mapped->second;
  } else if (cell.map_only) {
    problems.push_back({record.line, cell.column, quoted(out) + " is not in the mapping's `map`"});
    return false;
  }
  return true;
}

bool RowWriter::wanted(const CsvRecord& record, const RowMapping& row) const {
  if (row.filter_column.empty()) return true;
  const std::string_view text = raw(record, row.filter_column);
  if (row.filter_values.empty()) return is_null(text) == row.filter_not;
  return (std::ranges::find(row.filter_values, text) != row.filter_values.end()) != row.filter_not;
}

void RowWriter::append_value(const CsvRecord& record, const FieldMapping& field, std::string& out, bool& first,
                             std::vector<RowProblem>& problems) const {
  std::string text;
  if (!cell_text(record, field.cell, text, problems)) return;
  const auto json = to_json(field, text, format_for(field.cell, text), mapping_->zone);
  if (!json) {
    problems.push_back({record.line, field.cell.column, json.error().message + " (for " + quoted(field.name) + ")"});
    return;
  }
  if (!first) out += ',';
  first = false;
  append_json_string(out, field.name);
  out += ':';
  out += *json;
}

void RowWriter::append_fields(const CsvRecord& record, const RowMapping& row, std::string& out, std::vector<RowProblem>& problems) const {
  bool first = true;
  out += '{';
  for (const FieldMapping& field : row.fields) append_value(record, field, out, first, problems);
  out += '}';
}

void RowWriter::append_document(const CsvRecord& record, const RowMapping& row, const std::string& generated_id, std::string& out,
                                std::vector<RowProblem>& problems) const {
  std::string text;
  const auto member = [&](std::string_view key, std::string_view value) {
    out += ",\"" + std::string(key) + "\":";
    append_json_string(out, value);
  };
  if (!cell_text(record, row.customer, text, problems)) {
    if (problems.empty()) problems.push_back({record.line, row.customer.column, "the customer's id is empty"});
    return;
  }
  out += "{\"customer\":";
  append_json_string(out, text);
  member("id", cell_text(record, row.id, text, problems) ? text : generated_id);
  if (cell_text(record, row.time, text, problems)) {
    const auto at = parse_instant(text, format_for(row.time, text), mapping_->zone);
    if (!at) {
      problems.push_back({record.line, row.time.column, at.error().message});
    } else {
      member("time", format_timestamp(*at));
    }
  } else if (row.kind == RowMapping::Kind::event && problems.empty()) {
    problems.push_back({record.line, row.time.column, "the event's time is empty"});
  }
  switch (row.kind) {
    case RowMapping::Kind::event:
      member("event", row.event);
      out += ",\"data\":";
      append_fields(record, row, out, problems);
      break;
    case RowMapping::Kind::attributes:
      out += ",\"attributes\":";
      append_fields(record, row, out, problems);
      break;
    case RowMapping::Kind::tag:
      if (!cell_text(record, row.tag, text, problems)) {
        problems.push_back({record.line, row.tag.column, "the tag is empty; filter such rows with `if`"});
        return;
      }
      member("tag", text);
      break;
  }
  out += "}\n";
}

std::size_t RowWriter::write(const CsvRecord& record, std::uint64_t row, std::string& ndjson, std::vector<RowProblem>& problems) {
  const std::size_t before = ndjson.size(), problems_before = problems.size();
  if (record.cells.size() != header_.size()) {
    problems.push_back({record.line, "",
                        "the row has " + std::to_string(record.cells.size()) + " cells, the header has " + std::to_string(header_.size())});
    return 0;
  }
  row_ = row;
  std::string base;
  if (mapping_->ids_by_content) {
    std::string bytes;
    for (const std::string& cell : record.cells) bytes += cell + '\x1f';
    base = file_ + ":" + to_hex(hash128(bytes));
  } else {
    base = file_ + ":" + std::to_string(row);
  }
  std::size_t documents = 0;
  for (std::size_t i = 0; i < mapping_->rows.size(); ++i) {
    const RowMapping& mapped = mapping_->rows[i];
    if (!wanted(record, mapped)) continue;
    std::vector<RowProblem> found;
    append_document(record, mapped, mapping_->rows.size() == 1 ? base : base + "." + std::to_string(i + 1), ndjson, found);
    problems.insert(problems.end(), found.begin(), found.end());
    ++documents;
  }
  if (problems.size() == problems_before) return documents;
  ndjson.resize(before);
  return 0;
}

}  // namespace nudge::import
