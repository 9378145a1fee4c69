#include "daemon/import/zip.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nudge::import {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::uint64_t kDirectoryMax = 64U << 20;

std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t length) {
  std::uint64_t n = 0;
  for (std::size_t i = length; i > 0; --i) n = n << 8U | static_cast<unsigned char>(bytes[at + i - 1]);
  return n;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t length) {
  std::string out(length, '\0');
  std::size_t have = 0;
  while (have < length) {
    const ssize_t n = ::pread(fd, out.data() + have, length - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Code::corrupt, "the file ends too early; was it copied whole?");
    have += static_cast<std::size_t>(n);
  }
  return out;
}

}  // namespace

struct ZipEntry::Impl {
  int fd = -1;
  std::uint64_t at = 0, left = 0, size = 0, packed = 0, given = 0;
  std::uint32_t crc_wanted = 0;
  uLong crc = 0;
  bool stored = false, ended = false;
  std::string input;
  z_stream stream{};

  ~Impl() {
    if (!stored) inflateEnd(&stream);
  }
  Result<void> fill() {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, left));
    NUDGE_ASSIGN(input, read_at(fd, at, n));
    at += n;
    left -= n;
    return {};
  }
};

ZipEntry::ZipEntry(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZipEntry::ZipEntry(ZipEntry&&) noexcept = default;
ZipEntry& ZipEntry::operator=(ZipEntry&&) noexcept = default;
ZipEntry::~ZipEntry() = default;

double ZipEntry::progress() const {
  return impl_->packed == 0 ? 1 : 1 - static_cast<double>(impl_->left) / static_cast<double>(impl_->packed);
}

Result<void> ZipEntry::next(std::string& out) {
  Impl& impl = *impl_;
  out.clear();
  if (impl.ended) return {};
  if (impl.stored) {
    NUDGE_TRY(impl.fill());
    out.swap(impl.input);
    impl.ended = impl.left == 0;
  } else {
    out.resize(kPiece);
    impl.stream.next_out = reinterpret_cast<Bytef*>(out.data());
    impl.stream.avail_out = kPiece;
    int result = Z_OK;
    while (impl.stream.avail_out > 0 && result == Z_OK) {
      if (impl.stream.avail_in == 0) {
        if (impl.left == 0) return fail(Code::corrupt, "the file is damaged: a part of it ends too early");
        NUDGE_TRY(impl.fill());
        impl.stream.next_in = reinterpret_cast<Bytef*>(impl.input.data());
        impl.stream.avail_in = static_cast<uInt>(impl.input.size());
      }
      result = inflate(&impl.stream, Z_NO_FLUSH);
    }
    if (result != Z_OK && result != Z_STREAM_END) return fail(Code::corrupt, "the file is damaged: a part of it can't be unpacked");
    out.resize(kPiece - impl.stream.avail_out);
    impl.ended = result == Z_STREAM_END;
  }
  impl.given += out.size();
  impl.crc = crc32(impl.crc, reinterpret_cast<const Bytef*>(out.data()), static_cast<uInt>(out.size()));
  if (impl.ended && (impl.crc != impl.crc_wanted || impl.given != impl.size))
    return fail(Code::corrupt, "the file is damaged: a part of it does not fit its checksum");
  return {};
}

Zip::Zip(Zip&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), entries_(std::move(other.entries_)) {}
Zip& Zip::operator=(Zip&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(entries_, other.entries_);
  return *this;
}
Zip::~Zip() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Zip> Zip::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno == ENOENT ? Code::not_found : Code::io, "cannot read " + path + ": " + std::strerror(errno));
  Zip zip(fd, path);
  if (Result<void> read = zip.read_directory(); !read) return std::unexpected(std::move(read).error().prefixed(path));
  return zip;
}

Result<void> Zip::read_directory() {
  struct stat status{};
  if (fstat(fd_, &status) != 0) return fail(Code::io, std::strerror(errno));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto tail_size = static_cast<std::size_t>(std::min<std::uint64_t>(size, 66'000));
  NUDGE_ASSIGN(const std::string tail, read_at(fd_, size - tail_size, tail_size));
  const std::size_t end = tail.rfind("PK\x05\x06");
  if (end == std::string::npos || end + 22 > tail.size())
    return fail(Code::corrupt, "the file is damaged: its end is missing; was it copied whole?");
  std::uint64_t bytes = number(tail, end + 12, 4), offset = number(tail, end + 16, 4);
  if (end >= 20 && tail.substr(end - 20, 4) == "PK\x06\x07") {
    NUDGE_ASSIGN(const std::string big, read_at(fd_, number(tail, end - 12, 8), 56));
    bytes = number(big, 40, 8);
    offset = number(big, 48, 8);
  }
  if (bytes > kDirectoryMax || offset > size || bytes > size - offset)
    return fail(Code::corrupt, "the file is damaged: its table of contents is wrong");
  NUDGE_ASSIGN(const std::string directory, read_at(fd_, offset, static_cast<std::size_t>(bytes)));
  for (std::size_t at = 0; at + 46 <= directory.size() && directory.compare(at, 4, "PK\x01\x02") == 0;) {
    const std::size_t name = number(directory, at + 28, 2), extra = number(directory, at + 30, 2), comment = number(directory, at + 32, 2);
    if (at + 46 + name + extra + comment > directory.size()) break;
    Place place;
    place.flags = static_cast<std::uint16_t>(number(directory, at + 8, 2));
    place.method = static_cast<std::uint16_t>(number(directory, at + 10, 2));
    place.crc = static_cast<std::uint32_t>(number(directory, at + 16, 4));
    place.packed = number(directory, at + 20, 4);
    place.size = number(directory, at + 24, 4);
    place.offset = number(directory, at + 42, 4);
    for (std::size_t e = at + 46 + name; e + 4 <= at + 46 + name + extra;) {
      const std::size_t length = number(directory, e + 2, 2);
      std::size_t field = e + 4;
      const std::size_t last = std::min(field + length, at + 46 + name + extra);
      if (number(directory, e, 2) == 1) {
        for (std::uint64_t* value : {&place.size, &place.packed, &place.offset}) {
          if (*value != 0xffffffff || field + 8 > last) continue;
          *value = number(directory, field, 8);
          field += 8;
        }
      }
      e = last;
    }
    entries_[directory.substr(at + 46, name)] = place;
    at += 46 + name + extra + comment;
  }
  return {};
}

Result<ZipEntry> Zip::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return fail(Code::not_found, "it has no part " + name);
  const Place& place = found->second;
  if ((place.flags & 1U) != 0) return fail(Code::invalid, "it is protected by a password; save it without one");
  if (place.method != 0 && place.method != 8) return fail(Code::invalid, "it is packed in a way that nudge does not read; save it again");
  NUDGE_ASSIGN(const std::string head, read_at(fd_, place.offset, 30));
  auto impl = std::make_unique<ZipEntry::Impl>();
  impl->fd = fd_;
  impl->at = place.offset + 30 + number(head, 26, 2) + number(head, 28, 2);
  impl->left = impl->packed = place.packed;
  impl->size = place.size;
  impl->crc_wanted = place.crc;
  impl->stored = place.method == 0;
  impl->ended = place.size == 0;
  if (!impl->stored && inflateInit2(&impl->stream, -15) != Z_OK) return fail(Code::internal, "zlib can't be started");
  return ZipEntry(std::move(impl));
}

}  // namespace nudge::import
