#include "daemon/import/feed.h"

#include <fstream>
#include <iterator>

#include "daemon/ingest/intake.h"
#include "rules/doc/reader.h"

namespace nudge::import {
namespace {

constexpr TimeMs kEndOfTime = kTimeMax - kDay;

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::not_found, "cannot read " + path + ": check the name");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Takes documents through intake, one line each.
class Taker {
 public:
  Taker(std::shared_ptr<const Catalog> catalog, std::vector<Input>& inputs, std::vector<RowProblem>& problems)
      : schema_(std::move(catalog)), inputs_(inputs), problems_(problems) {
    // History may lie anywhere in time; nothing is too far ahead of the clock here.
    options_.now = kEndOfTime;
    options_.import = true;
    options_.ids = &ids_;
  }

  void take(const std::string& ndjson, std::uint64_t line) {
    std::string padded = ndjson;
    padded.append(daemon::kIntakePadding, ' ');
    const std::string_view body = std::string_view(padded).substr(0, ndjson.size());
    std::size_t at = 0;
    while (at < body.size()) {
      const std::size_t end = std::min(body.find('\n', at), body.size());
      if (end > at) {
        daemon::IntakeLine one;
        intake_.read(schema_, body, {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end - at)}, options_, one);
        if (one.problem.set()) {
          problems_.push_back({line, one.problem.field, one.problem.reason});
        } else {
          inputs_.push_back(std::move(one.input));
        }
      }
      at = end + 1;
    }
  }

 private:
  daemon::IntakeSchema schema_;
  daemon::IdSource ids_{0};
  daemon::IntakeOptions options_;
  daemon::Intake intake_;
  std::vector<Input>& inputs_;
  std::vector<RowProblem>& problems_;
};

std::string base_name(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

}  // namespace

Result<std::unique_ptr<Mapping>> load_mapping(const std::string& path, const Catalog& catalog) {
  NUDGE_ASSIGN(std::string text, read_file(path));
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document(path, std::move(text), diagnostics);
  std::unique_ptr<Mapping> mapping = read_mapping(*document, catalog, diagnostics);
  diagnostics.sort();
  if (mapping == nullptr) return fail(Code::invalid, "the mapping has mistakes\n" + doc::render_text(diagnostics));
  return mapping;
}

Result<TableSource> open_table(const std::string& path, const Mapping& mapping, const std::string& sheet) {
  NUDGE_ASSIGN(Table reader, Table::open(path, {mapping.delimiter, mapping.encoding}, sheet.empty() ? mapping.sheet : sheet));
  CsvRecord header;
  header.cells = mapping.columns;
  if (header.cells.empty()) {
    NUDGE_ASSIGN(const bool any, reader.next(header));
    if (!any) return fail(Code::invalid, path + " is empty: its first line must name the columns");
  }
  auto writer = RowWriter::make(mapping, header.cells, base_name(path), reader.is_sheet());
  if (!writer) return std::unexpected(std::move(writer).error().prefixed(path));
  return TableSource{std::move(reader), std::move(*writer)};
}

Result<void> read_inputs(const std::string& path, const Mapping* mapping, std::shared_ptr<const Catalog> catalog,
                         std::vector<Input>& inputs, std::vector<RowProblem>& problems) {
  Taker taker(std::move(catalog), inputs, problems);
  if (mapping == nullptr) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Code::not_found, "cannot read " + path + ": check the name");
    std::string line;
    for (std::uint64_t n = 1; std::getline(file, line); ++n) taker.take(line, n);
    return {};
  }
  NUDGE_ASSIGN(TableSource source, open_table(path, *mapping));
  CsvRecord record;
  std::string ndjson;
  for (std::uint64_t row = 1;; ++row) {
    NUDGE_ASSIGN(const bool more, source.reader.next(record));
    if (!more) return {};
    ndjson.clear();
    source.writer.write(record, row, ndjson, problems);
    taker.take(ndjson, record.line);
  }
}

}  // namespace nudge::import
