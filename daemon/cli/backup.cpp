// Backups: made by the daemon, looked at and restored without it.
#include "daemon/store/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "daemon/store/ledger.h"

namespace nudge::cli {
namespace {

/// The daemon has a working directory of its own.
std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char here[PATH_MAX];
  return ::getcwd(here, sizeof here) == nullptr ? path : std::string(here) + "/" + path;
}

/// What was erased since is erased there too, at the first start; and what is erased there goes into the list beside these backups.
Result<std::size_t> take_erasures(const BackupCommand& command) {
  NUDGE_ASSIGN(daemon::Ledger ledger, daemon::read_ledger(command.directory));
  if (!ledger.key.empty()) NUDGE_TRY(daemon::join_ledger(command.to, ledger));
  const std::string text = absolute(command.directory) + "\n", path = command.to + "/backup_directories";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  if (!written) return fail(Code::io, say("cannot write {1}: {2}", {path, std::strerror(errno)}));
  return ledger.entries.size();
}

std::string shown(std::uint64_t n) { return grouped(static_cast<std::int64_t>(n)); }

}  // namespace

Exit create_backup(const Output& out, Client& client, const BackupCommand& command) {
  std::string body = R"({"directory":)";
  Json directory;
  directory.kind = Json::Kind::text;
  directory.text = absolute(command.directory);
  body += directory.compact();
  if (command.keep > 0) body += ",\"keep\":" + std::to_string(command.keep);
  const auto answer = client.post("/v1/backup", body + "}");
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact()
                             : say("backup {1}: {2} files, {3} bytes, {4} of them new",
                                   {(*answer)["number"].shown(), (*answer)["files"].shown(), grouped((*answer)["bytes"].integer()),
                                    grouped((*answer)["new_bytes"].integer())}));
  return Exit::ok;
}

Exit backups(const Output& out, const BackupCommand& command) {
  const auto all = daemon::list_backups(command.directory);
  if (!all) return report(out, all.error());
  Table table({">NUMBER", "AT", ">FILES", ">BYTES"});
  for (const daemon::BackupInfo& b : *all) {
    if (out.json)
      out.terminal.line("{\"number\":" + std::to_string(b.number) + ",\"at\":\"" + b.at + "\",\"files\":" + std::to_string(b.files) +
                        ",\"bytes\":" + std::to_string(b.bytes) + "}");
    else
      table.row({std::to_string(b.number), b.at, shown(b.files), shown(b.bytes)});
  }
  if (!out.json) table.print(out.terminal);
  return Exit::ok;
}

Exit verify_backup(const Output& out, const BackupCommand& command) {
  const auto info = daemon::verify_backup(command.directory, command.number);
  if (!info) return report(out, info.error());
  out.terminal.line(say("backup {1} of {2} is whole: {3} files, {4} bytes",
                        {std::to_string(info->number), info->at, shown(info->files), shown(info->bytes)}));
  return Exit::ok;
}

Exit restore(const Output& out, const BackupCommand& command) {
  if (::mkdir(command.to.c_str(), 0700) != 0 && errno != EEXIST)
    return report(out, {Code::io, say("cannot make {1}: {2}", {command.to, std::strerror(errno)})});
  const auto info = daemon::restore_backup(command.directory, command.number, command.to + "/store");
  if (!info) return report(out, info.error());
  if (const auto erasures = take_erasures(command); !erasures) return report(out, erasures.error());
  out.terminal.line(
      say("restored backup {1} of {2} to {3}; start nudged with data_dir: {3}", {std::to_string(info->number), info->at, command.to}));
  return Exit::ok;
}

}  // namespace nudge::cli
