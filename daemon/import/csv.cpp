#include "daemon/import/csv.h"

#include <fcntl.h>
#include <iconv.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "engine/base/text.h"

namespace nudge::import {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kCellBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kCellsMax = 10'000;

}  // namespace

struct CsvReader::Impl {
  std::string name;
  CsvOptions options;
  gzFile file = nullptr;
  iconv_t convert = nullptr;
  std::vector<char> buffer = std::vector<char>(kBufferBytes);
  std::size_t at = 0, end = 0;
  std::uint64_t line = 1;
  std::uint64_t bytes_total = 0;
  bool failed = false;
  std::string noticed;

  ~Impl() {
    if (file != nullptr) gzclose(file);
    if (convert != nullptr) iconv_close(convert);
  }

  // The next byte, or -1 at the end.
  int get() {
    if (at == end) {
      const int n = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()));
      if (n <= 0) {
        int code = Z_OK;  // a stream that is cut off reads as an end, with this mark
        gzerror(file, &code);
        failed = n < 0 || code == Z_BUF_ERROR;
        return -1;
      }
      at = 0;
      end = static_cast<std::size_t>(n);
    }
    return static_cast<unsigned char>(buffer[at++]);
  }
  int peek() {
    const int c = get();
    if (c >= 0) --at;
    return c;
  }

  Result<void> to_utf8(std::string& cell, std::uint64_t where) const {
    if (convert == nullptr || cell.empty()) return {};
    std::string out(cell.size() * 4, '\0');
    char* from = cell.data();
    char* to = out.data();
    std::size_t from_left = cell.size(), to_left = out.size();
    iconv(convert, nullptr, nullptr, nullptr, nullptr);
    if (iconv(convert, &from, &from_left, &to, &to_left) == static_cast<std::size_t>(-1)) {
      return fail(Code::invalid, name + ":" + std::to_string(where) + ": a cell is not valid " + options.encoding);
    }
    out.resize(out.size() - to_left);
    cell = std::move(out);
    return {};
  }

  std::string_view waiting() const { return {buffer.data() + at, end - at}; }
  Result<void> find_encoding();
  void find_delimiter();
  Result<void> use(const std::string& encoding);
  Result<bool> read(CsvRecord& record);
  Result<int> quoted(std::string& cell, std::uint64_t where);
};

// Reads the rest of a quoted cell; answers the byte behind it.
Result<int> CsvReader::Impl::quoted(std::string& cell, std::uint64_t where) {
  for (;;) {
    const int c = get();
    if (c < 0) {
      return fail(Code::invalid, name + ":" + std::to_string(where) + ": the quote that opens here is never closed");
    }
    if (c == '"') {
      if (peek() != '"') return get();
      get();
    }
    if (c == '\n') ++line;
    cell += static_cast<char>(c);
    if (cell.size() > kCellBytesMax)
      return fail(Code::too_large, name + ":" + std::to_string(where) + ": a cell is longer than 1 MiB; is a quote missing?");
  }
}

Result<bool> CsvReader::Impl::read(CsvRecord& record) {
  record.cells.clear();
  int c = get();
  while (c == '\n' || c == '\r') {
    if (c == '\n') ++line;
    c = get();
  }
  if (c < 0) return false;
  record.line = line;
  std::string cell;
  for (;;) {
    if (c == '"' && cell.empty()) {
      NUDGE_ASSIGN(c, quoted(cell, record.line));
    }
    while (c >= 0 && c != options.delimiter && c != '\n' && c != '\r') {
      cell += static_cast<char>(c);
      if (cell.size() > kCellBytesMax)
        return fail(Code::too_large, name + ":" + std::to_string(record.line) + ": a cell is longer than 1 MiB");
      c = get();
    }
    NUDGE_TRY(to_utf8(cell, record.line));
    record.cells.push_back(std::move(cell));
    cell.clear();
    if (record.cells.size() > kCellsMax)
      return fail(Code::too_large, name + ":" + std::to_string(record.line) + ": more than 10,000 columns");
    if (c != options.delimiter) break;
    c = get();
  }
  if (c == '\r') c = peek() == '\n' ? get() : c;
  if (c == '\n') ++line;
  return true;
}

namespace {

// Of the bytes that are no ASCII: are they valid UTF-8 (a character may be cut off at the end), or pairs as GB2312 writes Chinese?
enum class Looks : std::uint8_t { utf8, chinese, neither };
Looks looks_like(std::string_view text) {
  for (std::size_t cut = 0; cut < 4 && cut <= text.size(); ++cut) {
    if (is_utf8(text.substr(0, text.size() - cut))) return Looks::utf8;
  }
  // In Western encodings a letter with an accent mostly stands alone; here both bytes of a pair are high.
  std::size_t pairs = 0, others = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) continue;
    const auto trail = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : static_cast<unsigned char>(0xa1);
    if (lead >= 0xa1 && lead <= 0xf7 && trail >= 0xa1 && trail <= 0xfe)
      ++pairs;
    else
      ++others;
    if (trail >= 0x40) ++i;
  }
  return pairs >= 2 && others * 20 <= pairs ? Looks::chinese : Looks::neither;
}

}  // namespace

Result<void> CsvReader::Impl::use(const std::string& encoding) {
  convert = iconv_open("UTF-8", encoding.c_str());
  // iconv_open's failure value is (iconv_t)-1.
  if (reinterpret_cast<std::intptr_t>(convert) != -1) return {};
  convert = nullptr;
  return fail(Code::invalid, "the encoding `" + encoding + "` is not known; try utf-8, gb18030, big5 or iso-8859-1");
}

// The first piece of the file is in the buffer.
Result<void> CsvReader::Impl::find_encoding() {
  const std::string_view text = waiting();
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    return fail(Code::invalid, name + " is UTF-16 (\"Unicode text\"); save it as \"CSV UTF-8\" or as .xlsx");
  // A byte order mark is no part of the first header.
  if (text.starts_with("\xef\xbb\xbf")) {
    at += 3;
    return {};
  }
  if (!options.encoding.empty()) return options.encoding == "utf-8" ? Result<void>() : use(options.encoding);
  if (looks_like(text) != Looks::chinese) return {};
  options.encoding = "gb18030";
  noticed = "the file is read as GB18030 (say `encoding:` in the mapping if that is wrong)";
  return use(options.encoding);
}

void CsvReader::Impl::find_delimiter() {
  if (options.delimiter != 0) return;
  static constexpr std::string_view kTried = ",;\t|";
  std::size_t counts[kTried.size()] = {};
  bool in_quotes = false;
  for (const char c : waiting()) {
    if (c == '"') in_quotes = !in_quotes;
    if (c == '\n' && !in_quotes) break;
    if (const std::size_t i = kTried.find(c); !in_quotes && i != std::string_view::npos) ++counts[i];
  }
  const std::size_t best = static_cast<std::size_t>(std::ranges::max_element(counts) - counts);
  options.delimiter = kTried[best];
  if (best == 0) return;
  const std::string shown = kTried[best] == '\t' ? "tabs" : "`" + std::string(1, kTried[best]) + "`";
  noticed += (noticed.empty() ? "" : "; ") + ("its columns are separated by " + shown);
}

std::string CsvReader::noticed() const { return impl_->noticed; }

CsvReader::CsvReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CsvReader::CsvReader(CsvReader&&) noexcept = default;
CsvReader& CsvReader::operator=(CsvReader&&) noexcept = default;
CsvReader::~CsvReader() = default;

Result<CsvReader> CsvReader::open(const std::string& path, const CsvOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->name = path == "-" ? "standard input" : path;
  impl->options = options;
  const int fd = path == "-" ? dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno == ENOENT ? Code::not_found : Code::io, "cannot read " + path + ": " + std::strerror(errno));
  struct stat status{};
  if (fstat(fd, &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      ::close(fd);
      return fail(Code::invalid, path + " is a directory; name one CSV file");
    }
    impl->bytes_total = static_cast<std::uint64_t>(status.st_size);
  }
  impl->file = gzdopen(fd, "rb");
  if (impl->file == nullptr) {
    ::close(fd);
    return fail(Code::io, "cannot read " + path);
  }
  gzbuffer(impl->file, kBufferBytes);
  impl->peek();
  NUDGE_TRY(impl->find_encoding());
  if (impl->at == impl->end) impl->peek();
  impl->find_delimiter();
  return CsvReader(std::move(impl));
}

Result<bool> CsvReader::next(CsvRecord& record) {
  auto read = impl_->read(record);
  if (impl_->failed) {
    int code = 0;
    const char* why = gzerror(impl_->file, &code);
    return fail(Code::corrupt, impl_->name + ":" + std::to_string(impl_->line) + ": the gzip stream is damaged here (" +
                                   (why != nullptr ? why : "") + ")");
  }
  return read;
}

double CsvReader::progress() const {
  if (impl_->bytes_total == 0) return 0;
  const auto offset = gzoffset(impl_->file);
  return offset <= 0 ? 0 : static_cast<double>(offset) / static_cast<double>(impl_->bytes_total);
}

}  // namespace nudge::import
