// Data into a running nudged: CSV and Excel by a mapping, or documents as they are.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <thread>

#include "daemon/cli/commands.h"
#include "daemon/cli/import_proposal.h"
#include "daemon/cli/words.h"
#include "daemon/import/feed.h"
#include "engine/base/hash.h"
#include "engine/base/text.h"
#include "rules/lang/load.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kBatchBytes = 700 * 1024;  // of one request; the daemon takes at least 1 MiB
constexpr int kTriesMax = 60;                    // with pauses of up to 5 s: some minutes of back-pressure
constexpr std::size_t kProblemsShown = 10;

struct Sent {
  std::int64_t stored = 0, duplicate = 0, conflict = 0, quarantined = 0;
};

/// Where each document of a batch came from, for messages.
struct Batch {
  std::string ndjson;
  std::vector<std::uint64_t> lines;
};

class ErrorFile {
 public:
  // `source`: the file that is read. `go_on`: behind what an import that was broken off has written.
  Result<void> open(const std::string& path, const std::string& source, bool sheet, bool go_on) {
    source_ = source;
    sheet_ = sheet;
    if (path.empty()) return {};
    std::error_code error;
    const bool behind = go_on && std::filesystem::file_size(path, error) > 0 && !error;
    file_.open(path, std::ios::binary | (behind ? std::ios::app : std::ios::trunc));
    if (!file_) return fail(Code::io, say("cannot write {1}: check the directory and its permissions", {path}));
    if (!behind) file_ << "file,line,column,reason\n";
    return {};
  }
  void add(const Output& out, const import::RowProblem& problem) {
    if (++count_ <= kProblemsShown) {
      const std::string line = std::to_string(problem.line);
      if (sheet_) {
        out.terminal.error(problem.column.empty() ? say("row {1}: {2}", {line, problem.reason})
                                                  : say("row {1}, column {2}: {3}", {line, problem.column, problem.reason}));
      } else {
        out.terminal.error(problem.column.empty() ? say("line {1}: {2}", {line, problem.reason})
                                                  : say("line {1}, column {2}: {3}", {line, problem.column, problem.reason}));
      }
    }
    if (file_.is_open())
      file_ << quoted(source_) << "," << problem.line << "," << quoted(problem.column) << "," << quoted(problem.reason) << "\n";
  }
  std::size_t count() const { return count_; }

 private:
  static std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      out += c;
      if (c == '"') out += c;
    }
    return out + "\"";
  }
  std::ofstream file_;
  std::string source_;
  bool sheet_ = false;
  std::size_t count_ = 0;
};

/// Up to which row everything is on disk, kept beside the file while it is imported: an import that was broken off goes on there.
class Progress {
 public:
  Progress(const ImportOptions& options, const std::string& mapping_text) {
    struct stat status{};
    if (options.dry_run || options.file == "-" || ::stat(options.file.c_str(), &status) != 0) return;
    path_ = options.file + ".nudge-import";
    mark_ = std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) +
            " " + to_hex(hash128(mapping_text + "\n" + options.sheet + (options.live ? "\nlive" : "")));
  }
  /// The last row that is on disk; 0: none, or the file, the mapping or what is wanted has changed since.
  std::uint64_t last_row() const {
    std::ifstream in(path_);
    std::string mark;
    std::uint64_t row = 0;
    if (path_.empty() || !std::getline(in, mark) || mark != mark_ || !(in >> row)) return 0;
    return row;
  }
  /// Where it can't be written, the import can't go on by itself; it can still be run again.
  void keep(std::uint64_t row) const {
    if (path_.empty()) return;
    {
      std::ofstream to(path_ + ".new", std::ios::trunc);
      to << mark_ << "\n" << row << "\n";
      if (!to) return;
    }
    std::error_code error;
    std::filesystem::rename(path_ + ".new", path_, error);
  }
  void forget() const {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove(path_, error);
  }

 private:
  std::string path_, mark_;
};

/// Posts, and waits out back-pressure. The ids of the documents make sending again harmless.
Result<Json> post_patiently(const Output& out, Client& client, std::string_view path, const std::string& body) {
  for (int attempt = 1;; ++attempt) {
    auto reply = client.send("POST", path, body, "application/x-ndjson");
    const bool busy = reply && (reply->status == 429 || reply->status == 502 || reply->status == 503);
    if (reply && !busy) {
      if (reply->status >= 300) return std::unexpected(error_of(*reply));
      return Json::parse(reply->body);
    }
    if (attempt == kTriesMax || (!reply && attempt >= 5)) return reply ? std::unexpected(error_of(*reply)) : std::unexpected(reply.error());
    auto pause = std::chrono::milliseconds(std::min(5000, 100 * attempt));
    if (reply && reply->retry_after.count() > 0) pause = std::min<std::chrono::milliseconds>(reply->retry_after, std::chrono::seconds(30));
    out.terminal.progress(reply ? say("nudged is busy; going on in a moment") : say("nudged does not answer; trying again"));
    std::this_thread::sleep_for(pause);
  }
}

Result<void> send_batch(const Output& out, Client& client, std::string_view path, Batch& batch, Sent& sent, ErrorFile& errors) {
  if (batch.lines.empty()) return {};
  NUDGE_ASSIGN(const Json answer, post_patiently(out, client, path, batch.ndjson));
  sent.stored += answer["stored"].integer();
  sent.duplicate += answer["duplicate"].integer();
  sent.conflict += answer["conflict"].integer();
  sent.quarantined += answer["quarantined"].integer();
  for (const Json& line : answer["results"].items) {
    const std::string status = line["status"].shown();
    if (status != "conflict" && status != "quarantined") continue;
    const auto index = static_cast<std::size_t>(line["index"].integer());
    errors.add(out, {index < batch.lines.size() ? batch.lines[index] : 0, line["field"].shown(), line["reason"].shown()});
  }
  batch.ndjson.clear();
  batch.lines.clear();
  return {};
}

std::string bar(double done) {
  constexpr std::size_t kWidth = 30;
  const auto full = static_cast<std::size_t>(done * kWidth);
  std::string out = "[";
  for (std::size_t i = 0; i < kWidth; ++i) out += i < full ? "█" : "·";
  return out + "]";
}

void show_sent(const Output& out, std::uint64_t rows, std::size_t left_out, const Sent& sent) {
  if (out.json) {
    out.terminal.line("{\"rows\":" + std::to_string(rows) + ",\"stored\":" + std::to_string(sent.stored) +
                      ",\"duplicate\":" + std::to_string(sent.duplicate) + ",\"conflict\":" + std::to_string(sent.conflict) +
                      ",\"quarantined\":" + std::to_string(sent.quarantined) + ",\"problems\":" + std::to_string(left_out) + "}");
    return;
  }
  out.terminal.line(say("{1}: {2} stored, {3} known already",
                        {counted(static_cast<std::int64_t>(rows), "row"), grouped(sent.stored), grouped(sent.duplicate)}) +
                    (sent.conflict > 0 ? say(", {1} in conflict with what is stored", {grouped(sent.conflict)}) : "") +
                    (sent.quarantined > 0 ? say(", {1} in quarantine", {grouped(sent.quarantined)}) : "") +
                    (left_out > 0 ? say(", {1}", {counted(static_cast<std::int64_t>(left_out), "problem")}) : ""));
}

/// The catalog of the directory, else the one that the daemon uses, else (when it can't tell) of ./schemas.
Result<std::vector<lang::Source>> catalog_sources(Client& client, const std::string& directory) {
  if (!directory.empty()) return lang::read_catalog_directory(directory);
  std::error_code error;
  const bool here = std::filesystem::is_directory("schemas", error);
  Result<Json> answer = client.get("/v1/versions");
  if (answer) answer = client.get("/v1/versions/" + (*answer)["in_force"].shown());
  if (!answer) {
    if (here) return lang::read_catalog_directory("schemas");
    Error why = answer.error();
    why.message += "\n" + say("The catalog is taken from nudged when --schemas does not name its directory");
    return std::unexpected(std::move(why));
  }
  std::vector<lang::Source> sources;
  for (const Json& file : (*answer)["catalog"].items) sources.push_back({file["name"].text, file["text"].text});
  return sources;
}

class Importer {
 public:
  Importer(const Output& out, Client& client, const ImportOptions& options) : out_(out), client_(client), options_(options) {}

  Result<void> run() {
    NUDGE_ASSIGN(const std::vector<lang::Source> sources, catalog_sources(client_, options_.schemas));
    lang::CatalogResult catalog = lang::load_catalog(sources);
    if (catalog.catalog == nullptr)
      return fail(Code::invalid, say("the catalog has mistakes") + "\n" + doc::render_text(catalog.diagnostics));
    NUDGE_ASSIGN(const auto mapping, import::load_mapping(options_.mapping, *catalog.catalog));
    NUDGE_ASSIGN(import::TableSource source, import::open_table(options_.file, *mapping, options_.sheet));
    if (const std::string noticed = source.reader.noticed(); !noticed.empty()) out_.terminal.error(options_.file + ": " + noticed);
    std::ifstream mapping_file(options_.mapping, std::ios::binary);
    progress_.emplace(options_, std::string(std::istreambuf_iterator<char>(mapping_file), {}));
    from_row_ = options_.from_row;
    if (const std::uint64_t last = from_row_ == 0 ? progress_->last_row() : 0; last != 0) {
      from_row_ = last + 1;
      out_.terminal.error(say("going on after row {1}, where the last import of this file was broken off; --from-row 1 begins anew",
                              {std::to_string(last)}));
    }
    NUDGE_TRY(errors_.open(options_.errors, options_.file, source.reader.is_sheet(), from_row_ > 1));
    NUDGE_TRY(rows(source));
    out_.terminal.progress({});
    progress_->forget();
    return {};
  }

  std::uint64_t rows_read() const { return row_; }
  const ErrorFile& errors() const { return errors_; }
  const Sent& sent() const { return sent_; }
  std::int64_t documents() const { return documents_; }
  const std::string& example() const { return example_; }

 private:
  Result<void> rows(import::TableSource& source) {
    const std::string path = std::string(options_.live ? "/v1/events" : "/v1/import") + "?results=problems";
    import::CsvRecord record;
    std::vector<import::RowProblem> problems;
    Batch batch;
    for (;;) {
      NUDGE_ASSIGN(const bool more, source.reader.next(record));
      if (!more) break;
      ++row_;
      if (row_ < from_row_) continue;
      const std::size_t n = source.writer.write(record, row_, batch.ndjson, problems);
      documents_ += static_cast<std::int64_t>(n);
      batch.lines.insert(batch.lines.end(), n, record.line);
      for (const import::RowProblem& problem : problems) errors_.add(out_, problem);
      problems.clear();
      if (example_.empty() && n > 0) example_ = batch.ndjson;
      if (options_.dry_run) {
        batch.ndjson.clear();
        batch.lines.clear();
      } else if (batch.lines.size() >= options_.batch || batch.ndjson.size() >= kBatchBytes) {
        NUDGE_TRY(send(path, batch));
      }
      if (row_ % 500 == 0) out_.terminal.progress(bar(source.reader.progress()) + " " + counted(static_cast<std::int64_t>(row_), "row"));
    }
    return options_.dry_run ? Result<void>() : send(path, batch);
  }

  Result<void> send(const std::string& path, Batch& batch) {
    if (auto sent = send_batch(out_, client_, path, batch, sent_, errors_); !sent) {
      Error error = std::move(sent).error();
      error.message +=
          "\n" + say("Rows up to about {1} were sent. Run the same command again: what is stored already is recognised by its id",
                     {std::to_string(row_)});
      return std::unexpected(std::move(error));
    }
    progress_->keep(row_);
    return {};
  }

  const Output& out_;
  Client& client_;
  const ImportOptions& options_;
  ErrorFile errors_;
  Sent sent_;
  std::uint64_t row_ = 0, from_row_ = 0;
  std::optional<Progress> progress_;
  std::int64_t documents_ = 0;
  std::string example_;
};

}  // namespace

Exit import_file(const Output& out, Client& client, const ImportOptions& options) {
  if (options.mapping.empty()) {
    const Result<std::vector<lang::Source>> sources = catalog_sources(client, options.schemas);
    if (!sources) return report(out, sources.error());
    const lang::CatalogResult catalog = lang::load_catalog(*sources);
    if (catalog.catalog == nullptr)
      return report(out, {Code::invalid, say("the catalog has mistakes") + "\n" + doc::render_text(catalog.diagnostics)});
    return propose_mapping(out, options.file, options.sheet, *catalog.catalog);
  }
  Importer importer(out, client, options);
  const Result<void> ran = importer.run();
  out.terminal.progress({});
  if (!ran) return report(out, ran.error());
  const std::size_t problems = importer.errors().count();
  if (problems > kProblemsShown)
    out.terminal.error(say("… {1} in all", {counted(static_cast<std::int64_t>(problems), "problem")}) +
                       (options.errors.empty() ? say("; --errors FILE keeps them") : say(", all in {1}", {options.errors})));
  if (options.dry_run) {
    if (out.json) {
      out.terminal.line("{\"rows\":" + std::to_string(importer.rows_read()) + ",\"documents\":" + std::to_string(importer.documents()) +
                        ",\"problems\":" + std::to_string(problems) + "}");
    } else {
      out.terminal.line(say("dry run: {1} would give {2}, with {3}. The first:",
                            {counted(static_cast<std::int64_t>(importer.rows_read()), "row"), counted(importer.documents(), "document"),
                             counted(static_cast<std::int64_t>(problems), "problem")}));
      std::string_view example = importer.example();
      while (!example.empty()) {
        const std::size_t end = example.find('\n');
        out.terminal.line("  " + std::string(example.substr(0, end)));
        example = end == std::string_view::npos ? std::string_view() : example.substr(end + 1);
      }
    }
  } else {
    show_sent(out, importer.rows_read(), problems, importer.sent());
  }
  return problems == 0 ? Exit::ok : Exit::failed;
}

namespace {

bool blank(std::string_view line) { return line.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// One document or an array: sent as it is, answered by itself.
Exit post_whole(const Output& out, Client& client, const std::string& text, bool history) {
  const auto answer = client.post(history ? "/v1/import" : "/v1/events", text);
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json                        ? answer->compact()
                    : (*answer)["status"].is_null() ? say("{1} stored, {2} set aside", {grouped((*answer)["stored"].integer()),
                                                                                        grouped((*answer)["quarantined"].integer())})
                                                    : say((*answer)["status"].shown()));
  return (*answer)["quarantined"].integer() + (*answer)["conflict"].integer() == 0 ? Exit::ok : Exit::failed;
}

/// One document a line: those of `head`, then those that are still to be read. However many there are, one batch is held.
Exit post_lines(const Output& out, Client& client, std::istringstream head, std::istream& rest, bool history) {
  const std::string path = std::string(history ? "/v1/import" : "/v1/events") + "?results=problems";
  ErrorFile errors;
  Sent sent;
  Batch batch;
  std::uint64_t line = 0;
  const auto send = [&] { return send_batch(out, client, path, batch, sent, errors); };
  for (std::string text; std::getline(head, text) || std::getline(rest, text);) {
    ++line;
    if (blank(text)) continue;
    batch.ndjson.append(text).push_back('\n');
    batch.lines.push_back(line);
    if (batch.lines.size() < 500 && batch.ndjson.size() < kBatchBytes) continue;
    if (const auto done = send(); !done) return report(out, done.error());
  }
  if (const auto done = send(); !done) return report(out, done.error());
  show_sent(out, line, errors.count(), sent);
  return errors.count() == 0 ? Exit::ok : Exit::failed;
}

}  // namespace

Exit post_events(const Output& out, Client& client, const std::string& file, bool history) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened) return report(out, {Code::not_found, say("cannot read {1}: check the name; - reads standard input", {file})});
  }
  std::istream& in = file == "-" ? std::cin : opened;
  // A whole document in the first line and something in a later one: one document a line, of which there may be many.
  std::string text, first, line;
  while (first.empty() && std::getline(in, line)) {
    text += line + "\n";
    if (!blank(line)) first = line;
  }
  if (first.empty()) return report(out, {Code::invalid, say("there is nothing to send: {1} is empty", {file})});
  const bool begins_whole = first[first.find_first_not_of(" \t\r")] == '{' && Json::parse(first);
  bool more = false;
  while (begins_whole && !more && std::getline(in, line)) {
    text += line + "\n";
    more = !blank(line);
  }
  if (more) return post_lines(out, client, std::istringstream(text), in, history);
  text.append(std::istreambuf_iterator<char>(in), {});
  const bool alone = blank(std::string_view(text).substr(text.find(first) + first.size()));
  if (first[first.find_first_not_of(" \t\r")] == '[' || alone || Json::parse(text)) return post_whole(out, client, text, history);
  return post_lines(out, client, std::istringstream(text), in, history);
}

}  // namespace nudge::cli
