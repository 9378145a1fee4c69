#include "daemon/import/csv.h"

#include <fcntl.h>
#include <iconv.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>

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
  if (!options.encoding.empty() && options.encoding != "utf-8") {
    impl->convert = iconv_open("UTF-8", options.encoding.c_str());
    // iconv_open's failure value is (iconv_t)-1.
    if (reinterpret_cast<std::intptr_t>(impl->convert) == -1) {
      impl->convert = nullptr;
      return fail(Code::invalid, "the encoding `" + options.encoding + "` is not known; try utf-8, gb18030, big5 or iso-8859-1");
    }
  }
  // A byte order mark is no part of the first header.
  if (impl->peek() == 0xef && impl->end - impl->at >= 3 && std::memcmp(impl->buffer.data() + impl->at, "\xef\xbb\xbf", 3) == 0)
    impl->at += 3;
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
