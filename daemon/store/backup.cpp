#include "daemon/store/backup.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "daemon/store/directory.h"

namespace nudge::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarker = "nudge-backup";
constexpr std::string_view kFirstLine = "nudge backup 1";
constexpr std::size_t kPiece = std::size_t{1} << 20;

struct FileEntry {
  std::string path;  // "db/000123.sst"
  std::uint64_t size = 0;
  std::string hash;
};
struct Listing {
  std::string at;
  std::vector<FileEntry> files;
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const FileEntry& file : files) sum += file.size;
    return sum;
  }
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void add(const char* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += kHex[digest[i] >> 4U];
      out += kHex[digest[i] & 15U];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

// Reads a file; writes it to `to` as well unless that is -1. The hash of what was read.
Result<FileEntry> pass(const std::string& path, int to, const std::string& to_name) {
  const Descriptor from(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (from.get() < 0) return std::unexpected(system_error("cannot open", path, errno));
  Sha256 hash;
  FileEntry out;
  std::vector<char> piece(kPiece);
  for (;;) {
    const ssize_t n = ::read(from.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(system_error("cannot read", path, errno));
    if (n == 0) break;
    hash.add(piece.data(), static_cast<std::size_t>(n));
    out.size += static_cast<std::uint64_t>(n);
    for (ssize_t done = 0; to >= 0 && done < n;) {
      const ssize_t written = ::write(to, piece.data() + done, static_cast<std::size_t>(n - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return std::unexpected(system_error("cannot write", to_name, errno));
      done += written;
    }
  }
  out.hash = hash.hex();
  return out;
}

// Copies to a new file of mode 0600 that is on disk when this returns.
Result<FileEntry> copy_synced(const std::string& from, const std::string& to) {
  const Descriptor file(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return std::unexpected(system_error("cannot write", to, errno));
  NUDGE_ASSIGN(FileEntry entry, pass(from, file.get(), to));
  if (::fsync(file.get()) != 0) return std::unexpected(system_error("cannot sync", to, errno));
  return entry;
}

Result<void> write_synced(const std::string& path, const std::string& text) {
  const std::string aside = path + ".new";
  {
    const Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0 || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0)
      return std::unexpected(system_error("cannot write", aside, errno));
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) return std::unexpected(system_error("cannot put in place", path, errno));
  return sync_directory(fs::path(path).parent_path().string());
}

std::string list_path(const std::string& directory, std::uint64_t number) { return directory + "/backups/" + std::to_string(number); }
std::string file_path(const std::string& directory, const std::string& hash) { return directory + "/files/" + hash; }

Result<std::vector<std::uint64_t>> numbers(const std::string& directory) {
  if (!path_exists(directory + "/" + std::string(kMarker)))
    return fail(Code::not_found, "there are no backups in " + directory + "; name the directory that `nudge backup` wrote to");
  std::vector<std::uint64_t> out;
  std::error_code error;
  for (fs::directory_iterator it(directory + "/backups", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::uint64_t number = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (bad == std::errc() && rest == name.data() + name.size() && number > 0) out.push_back(number);
  }
  if (error) return std::unexpected(system_error("cannot list", directory + "/backups", error.value()));
  std::ranges::sort(out);
  return out;
}

// The list ends with its own hash, so a cut one is no list.
Result<Listing> read_list(const std::string& directory, std::uint64_t number) {
  const std::string path = list_path(directory, number);
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::not_found, "there is no backup " + std::to_string(number) + " in " + directory + "; see `nudge backup list`");
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  const auto broken = [&] {
    return fail(Code::corrupt, "the list of backup " + std::to_string(number) + " (" + path + ") is damaged; use another one");
  };
  constexpr std::size_t kTail = 65;
  if (all.size() < kTail + kFirstLine.size()) return broken();
  const std::string content = all.substr(0, all.size() - kTail);
  Sha256 hash;
  hash.add(content.data(), content.size());
  if (hash.hex() + "\n" != all.substr(content.size())) return broken();
  std::istringstream lines(content);
  std::string line;
  Listing out;
  if (!std::getline(lines, line) || line != kFirstLine)
    return fail(Code::invalid, "the backup " + path + " was written by a newer nudge; restore it with that one");
  std::getline(lines, out.at);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    FileEntry entry;
    if (!(fields >> entry.hash >> entry.size >> entry.path) || entry.path.find("..") != std::string::npos || entry.path.starts_with('/'))
      return broken();
    out.files.push_back(std::move(entry));
  }
  return out;
}

Result<void> prepare(const std::string& directory) {
  if (!directory.starts_with('/')) return fail(Code::invalid, "a backup's directory is an absolute path, on the machine of nudged");
  NUDGE_TRY(prepare_directory(directory, true));
  const std::string marker = directory + "/" + std::string(kMarker);
  if (!path_exists(marker)) {
    std::error_code error;
    const bool bare = fs::is_empty(directory, error);
    // Never among somebody else's files.
    if (error || !bare)
      return fail(Code::conflict, "the directory " + directory + " holds something that is no backup; name a new or an empty one");
    NUDGE_TRY(prepare_directory(directory + "/files", true));
    NUDGE_TRY(prepare_directory(directory + "/backups", true));
    NUDGE_TRY(write_synced(marker, std::string(kFirstLine) + "\n"));
  }
  return {};
}

// Adds what is not there yet; afterwards reads back what was added.
Result<std::uint64_t> add_files(const std::string& from, const std::string& directory, Listing& list) {
  std::uint64_t added = 0;
  std::vector<FileEntry> fresh;
  std::error_code error;
  for (fs::recursive_directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    const std::string path = it->path().string();
    NUDGE_ASSIGN(FileEntry entry, pass(path, -1, ""));
    entry.path = fs::path(path).lexically_relative(from).string();
    struct stat there{};
    const std::string place = file_path(directory, entry.hash);
    const bool known = ::stat(place.c_str(), &there) == 0 && static_cast<std::uint64_t>(there.st_size) == entry.size;
    if (!known) {
      NUDGE_ASSIGN(const FileEntry copied, copy_synced(path, place + ".new"));
      if (copied.hash != entry.hash) return fail(Code::io, path + " changed while it was copied; this is a bug");
      if (::rename((place + ".new").c_str(), place.c_str()) != 0) return std::unexpected(system_error("cannot put in place", place, errno));
      added += entry.size;
      fresh.push_back(entry);
    }
    list.files.push_back(std::move(entry));
  }
  if (error) return std::unexpected(system_error("cannot read", from, error.value()));
  NUDGE_TRY(sync_directory(directory + "/files"));
  for (const FileEntry& entry : fresh) {
    NUDGE_ASSIGN(const FileEntry read, pass(file_path(directory, entry.hash), -1, ""));
    if (read.hash != entry.hash)
      return fail(Code::io, "the disk of " + directory + " does not give back what was written; use another one");
  }
  return added;
}

Result<void> prune(const std::string& directory, std::uint64_t keep) {
  NUDGE_ASSIGN(std::vector<std::uint64_t> all, numbers(directory));
  if (keep == 0 || all.size() <= keep) return {};
  const std::size_t gone = all.size() - keep;
  std::set<std::string> needed;
  for (std::size_t i = gone; i < all.size(); ++i) {
    NUDGE_ASSIGN(const Listing list, read_list(directory, all[i]));
    for (const FileEntry& entry : list.files) needed.insert(entry.hash);
  }
  std::error_code error;
  for (std::size_t i = 0; i < gone; ++i) fs::remove(list_path(directory, all[i]), error);
  NUDGE_TRY(sync_directory(directory + "/backups"));
  for (fs::directory_iterator it(directory + "/files", error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!needed.contains(it->path().filename().string())) fs::remove(it->path(), ignored);
  }
  return {};
}

Result<std::uint64_t> chosen(const std::string& directory, std::uint64_t number) {
  if (number != 0) return number;
  NUDGE_ASSIGN(const std::vector<std::uint64_t> all, numbers(directory));
  if (all.empty()) return fail(Code::not_found, "there is no complete backup in " + directory);
  return all.back();
}

}  // namespace

Result<BackupInfo> create_backup(Store& store, const BackupOptions& options) {
  NUDGE_TRY(prepare(options.directory));
  NUDGE_ASSIGN(const DirectoryLock lock, DirectoryLock::acquire(options.directory));
  std::error_code error;
  fs::remove_all(options.scratch, error);
  NUDGE_TRY(store.checkpoint_to(options.scratch));
  Listing list;
  list.at = options.at;
  Result<std::uint64_t> added = add_files(options.scratch, options.directory, list);
  fs::remove_all(options.scratch, error);
  if (!added) return std::unexpected(std::move(added).error());
  std::ranges::sort(list.files, {}, &FileEntry::path);
  NUDGE_ASSIGN(const std::vector<std::uint64_t> before, numbers(options.directory));
  const std::uint64_t number = before.empty() ? 1 : before.back() + 1;
  std::string text = std::string(kFirstLine) + "\n" + list.at + "\n";
  for (const FileEntry& entry : list.files) text += entry.hash + " " + std::to_string(entry.size) + " " + entry.path + "\n";
  Sha256 hash;
  hash.add(text.data(), text.size());
  NUDGE_TRY(write_synced(list_path(options.directory, number), text + hash.hex() + "\n"));
  NUDGE_TRY(prune(options.directory, options.keep));
  return BackupInfo{number, list.at, list.files.size(), list.bytes(), *added};
}

Result<std::vector<BackupInfo>> list_backups(const std::string& directory) {
  NUDGE_ASSIGN(const std::vector<std::uint64_t> all, numbers(directory));
  std::vector<BackupInfo> out;
  for (const std::uint64_t number : all) {
    NUDGE_ASSIGN(const Listing list, read_list(directory, number));
    out.push_back({number, list.at, list.files.size(), list.bytes(), 0});
  }
  return out;
}

Result<BackupInfo> verify_backup(const std::string& directory, std::uint64_t wanted) {
  NUDGE_ASSIGN(const std::uint64_t number, chosen(directory, wanted));
  NUDGE_ASSIGN(const Listing list, read_list(directory, number));
  for (const FileEntry& entry : list.files) {
    const Result<FileEntry> read = pass(file_path(directory, entry.hash), -1, "");
    if (!read || read->hash != entry.hash || read->size != entry.size)
      return fail(Code::corrupt, "backup " + std::to_string(number) + " can't be restored: its file " + entry.path + " (files/" +
                                     entry.hash + ") is " + (read ? "not what was written" : "missing or unreadable") +
                                     "; remove that file and back up again");
  }
  return BackupInfo{number, list.at, list.files.size(), list.bytes(), 0};
}

Result<BackupInfo> restore_backup(const std::string& directory, std::uint64_t wanted, const std::string& store_path) {
  NUDGE_ASSIGN(const std::uint64_t number, chosen(directory, wanted));
  NUDGE_ASSIGN(const Listing list, read_list(directory, number));
  if (path_exists(store_path))
    return fail(Code::conflict,
                store_path + " exists; a backup is restored beside it, never over it: name another data directory, or move this one away");
  const std::string aside = store_path + ".partial";
  std::error_code error;
  fs::remove_all(aside, error);
  NUDGE_TRY(prepare_directory(aside, true));
  const auto copy = [&]() -> Result<void> {
    std::set<std::string> folders;
    for (const FileEntry& entry : list.files) {
      const std::string to = aside + "/" + entry.path;
      const std::string folder = fs::path(to).parent_path().string();
      if (folder != aside && folders.insert(folder).second) NUDGE_TRY(prepare_directory(folder, true));
      NUDGE_ASSIGN(const FileEntry copied, copy_synced(file_path(directory, entry.hash), to));
      if (copied.hash != entry.hash)
        return fail(Code::corrupt, "the file " + entry.path + " of backup " + std::to_string(number) +
                                       " is not what was written; try an older one (--number)");
    }
    for (const std::string& folder : folders) NUDGE_TRY(sync_directory(folder));
    NUDGE_TRY(sync_directory(aside));
    if (::rename(aside.c_str(), store_path.c_str()) != 0) return std::unexpected(system_error("cannot put in place", store_path, errno));
    return sync_directory(fs::path(store_path).parent_path().string());
  };
  if (Result<void> done = copy(); !done) {
    fs::remove_all(aside, error);
    return std::unexpected(std::move(done).error());
  }
  return BackupInfo{number, list.at, list.files.size(), list.bytes(), 0};
}

}  // namespace nudge::daemon
