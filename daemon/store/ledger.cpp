#include "daemon/store/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "daemon/store/directory.h"

namespace nudge::daemon {
namespace {

constexpr std::string_view kFirstLine = "nudge erasures 1";

std::string path_of(const std::string& directory) { return directory + "/" + std::string(kLedgerName); }

Result<void> write_synced(const std::string& path, const std::string& text) {
  const std::string aside = path + ".new";
  const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool good = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int why = errno;
  if (file >= 0) ::close(file);
  if (!good) return std::unexpected(system_error("cannot write", aside, why));
  if (::rename(aside.c_str(), path.c_str()) != 0) return std::unexpected(system_error("cannot put in place", path, errno));
  return sync_directory(path.substr(0, path.rfind('/')));
}

}  // namespace

bool Ledger::has(std::string_view id) const {
  return std::ranges::any_of(entries, [&](const Entry& e) { return e.id == id; });
}

Result<Ledger> read_ledger(const std::string& directory) {
  const std::string path = path_of(directory);
  Ledger ledger;
  if (!path_exists(path)) return ledger;
  std::ifstream in(path, std::ios::binary);
  std::string line, word;
  const auto broken = [&] {
    return fail(Code::corrupt, "the list of erasures " + path +
                                   " is damaged; copy the one that lies beside the backups, or that of the data directory, over it");
  };
  if (!in) return std::unexpected(system_error("cannot read", path, errno));
  if (!std::getline(in, line) || line != kFirstLine) return broken();
  if (!std::getline(in, line) || !line.starts_with("key ")) return broken();
  ledger.key = line.substr(4);
  bool ended = false;
  while (std::getline(in, line)) {
    if (line == "end") {
      ended = true;
      break;
    }
    std::istringstream words(line);
    Ledger::Entry entry;
    if (!(words >> entry.id >> entry.at)) return broken();
    while (words >> word) entry.people.push_back(word);
    ledger.entries.push_back(std::move(entry));
  }
  if (!ended || ledger.key.empty()) return broken();
  return ledger;
}

Result<void> write_ledger(const std::string& directory, const Ledger& ledger) {
  std::string text = std::string(kFirstLine) + "\nkey " + ledger.key + "\n";
  for (const Ledger::Entry& entry : ledger.entries) {
    text += entry.id + " " + entry.at;
    for (const std::string& one : entry.people) text += " " + one;
    text += "\n";
  }
  return write_synced(path_of(directory), text + "end\n");
}

Result<void> join_ledger(const std::string& directory, Ledger& ledger) {
  NUDGE_ASSIGN(const Ledger there, read_ledger(directory));
  if (!there.key.empty() && !ledger.key.empty() && there.key != ledger.key)
    return fail(Code::conflict, "the list of erasures in " + directory +
                                    " is of another installation of nudged; back each installation up to a directory of its own");
  if (ledger.key.empty()) ledger.key = there.key;
  std::size_t same = 0;
  for (const Ledger::Entry& entry : there.entries) {
    if (ledger.has(entry.id))
      ++same;
    else
      ledger.entries.push_back(entry);
  }
  std::ranges::sort(ledger.entries, {}, [](const Ledger::Entry& e) { return std::pair(e.at, e.id); });
  if (same == ledger.entries.size()) return {};
  return write_ledger(directory, ledger);
}

}  // namespace nudge::daemon
