#include "daemon/store/watermark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "daemon/store/crc32c.h"
#include "daemon/store/directory.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

namespace {

constexpr std::uint64_t kMagic = 0x31574d47'4455'4eULL;  // "NUDGMW1"
constexpr std::size_t kSlotBytes = 64;                   // within a sector, so that a torn write hurts one slot at most
constexpr off_t kSlotDistance = 4096;                    // pages of their own
constexpr off_t kFileBytes = 2 * kSlotDistance;

struct Slot {
  std::uint64_t generation = 0;
  Mark mark;
};

std::string encode(const Slot& slot) {
  std::string bytes;
  Writer out(bytes);
  out.fixed64(kMagic);
  out.fixed64(slot.generation);
  bytes.append(slot.mark.store.data(), slot.mark.store.size());
  out.fixed64(slot.mark.log_sequence);
  out.fixed64(slot.mark.write_number);
  out.fixed64(crc32c(bytes));
  bytes.resize(kSlotBytes, '\0');
  return bytes;
}

std::optional<Slot> decode(std::string_view bytes) {
  Reader in(bytes);
  Slot slot;
  if (in.fixed64() != kMagic) return std::nullopt;
  slot.generation = in.fixed64();
  for (char& c : slot.mark.store) c = static_cast<char>(in.u8());
  slot.mark.log_sequence = in.fixed64();
  slot.mark.write_number = in.fixed64();
  const std::size_t checked = bytes.size() - in.left();
  if (in.fixed64() != crc32c(bytes.substr(0, checked)) || in.bad()) return std::nullopt;
  return slot;
}

Result<void> write_slot(int fd, const std::string& path, const Slot& slot) {
  const std::string bytes = encode(slot);
  const off_t at = static_cast<off_t>(slot.generation % 2) * kSlotDistance;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = pwrite(fd, bytes.data() + done, bytes.size() - done, at + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::unexpected(system_error("cannot write the watermark", path, n < 0 ? errno : EIO));
    done += static_cast<std::size_t>(n);
  }
  return {};
}

// The newest slot that checks out.
Result<Slot> read_slots(int fd, const std::string& path) {
  std::optional<Slot> newest;
  for (off_t at = 0; at < kFileBytes; at += kSlotDistance) {
    char bytes[kSlotBytes] = {};
    const ssize_t n = pread(fd, bytes, kSlotBytes, at);
    if (n < 0) return std::unexpected(system_error("cannot read the watermark", path, errno));
    if (const auto slot = decode({bytes, static_cast<std::size_t>(n)}); slot && (!newest || slot->generation > newest->generation))
      newest = slot;
  }
  if (!newest)
    return fail(Code::corrupt,
                "the watermark " + path +
                    " is damaged, so nudged can't tell whether acknowledged events are missing. Check the disk. Restore the last "
                    "backup; or, to go on with what the database holds, start once with accept_loss");
  return *newest;
}

}  // namespace

Result<std::optional<Mark>> Watermark::read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::optional<Mark>{};
  if (fd < 0) return std::unexpected(system_error("cannot open the watermark", path, errno));
  auto slot = read_slots(fd, path);
  close(fd);
  if (!slot) return std::unexpected(std::move(slot).error());
  return std::optional<Mark>{slot->mark};
}

Result<Watermark> Watermark::create(const std::string& path, const Mark& mark) {
  // Written aside and renamed: a crash leaves the old file or the new one, never half of one.
  const std::string aside = path + ".new";
  const int fd = ::open(aside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(system_error("cannot create the watermark", aside, errno));
  Watermark watermark(path, fd);
  // Both pages are written, so later writes never need space, on any file system that writes in place.
  if (const int error = posix_fallocate(fd, 0, kFileBytes); error != 0)
    return std::unexpected(system_error("cannot allocate the watermark", aside, error));
  for (const std::uint64_t generation : {1U, 2U}) {
    NUDGE_TRY(write_slot(fd, aside, {generation, mark}));
  }
  watermark.generation_ = 2;
  watermark.mark_ = mark;
  NUDGE_TRY(watermark.sync());
  if (rename(aside.c_str(), path.c_str()) != 0) return std::unexpected(system_error("cannot put in place the watermark", path, errno));
  NUDGE_TRY(sync_directory(path.substr(0, path.rfind('/'))));
  return watermark;
}

Result<Watermark> Watermark::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::unexpected(system_error("cannot open the watermark", path, errno));
  Watermark watermark(path, fd);
  NUDGE_ASSIGN(const Slot newest, read_slots(fd, path));
  watermark.generation_ = newest.generation;
  watermark.mark_ = newest.mark;
  return watermark;
}

Watermark::Watermark(Watermark&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), generation_(other.generation_), mark_(other.mark_) {}

Watermark::~Watermark() {
  if (fd_ >= 0) close(fd_);
}

Result<void> Watermark::advance(const Mark& mark) {
  NUDGE_TRY(write_slot(fd_, path_, {generation_ + 1, mark}));
  ++generation_;
  mark_ = mark;
  return {};
}

Result<void> Watermark::sync() const {
  if (fdatasync(fd_) != 0) return std::unexpected(system_error("cannot sync the watermark", path_, errno));
  return {};
}

}  // namespace nudge::daemon
