// What is wrong with a nudged, and what to do; and the same for somebody who is to help, without secrets and personal data.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>

#include "daemon/app/app.h"
#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr unsigned long kFewInodes = 1000;
constexpr double kBackupSeconds = 26 * 3600.0;
constexpr std::int64_t kCertificateDays = 14;
constexpr double kLateSeconds = 60;
constexpr std::string_view kDir = "DIR";

struct Finding {
  enum class Kind : unsigned char { good, look, wrong };
  Kind kind;
  std::string what, mend;
};

class Doctor {
 public:
  void good(std::string what) { findings.push_back({Finding::Kind::good, std::move(what), {}}); }
  void look(std::string what, std::string mend) { findings.push_back({Finding::Kind::look, std::move(what), std::move(mend)}); }
  void wrong(std::string what, std::string mend) { findings.push_back({Finding::Kind::wrong, std::move(what), std::move(mend)}); }
  bool has(Finding::Kind kind) const {
    for (const Finding& f : findings)
      if (f.kind == kind) return true;
    return false;
  }
  std::vector<Finding> findings;
};

void look_at_directory(Doctor& d, const std::string& directory) {
  if (directory.empty()) return;
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0)
    return d.wrong(say("the data directory {1} can't be read: {2}", {directory, std::strerror(errno)}),
                   errno == ENOENT ? say("give --local the data_dir of nudged's configuration") : say("run this as nudged's user"));
  if ((info.st_mode & 077U) != 0)
    d.wrong(say("others may look into the data directory {1}", {directory}), "chmod 700 " + directory);
  else
    d.good(say("the data directory is private"));
  if (info.st_uid != ::geteuid())
    d.look(say("the data directory {1} belongs to another user than the one who asks", {directory}), say("run this as nudged's user"));
  struct statvfs space{};
  if (::statvfs(directory.c_str(), &space) == 0 && space.f_favail < kFewInodes && space.f_files != 0)
    d.wrong(say("the disk of {1} has room for {2} files only", {directory, std::to_string(space.f_favail)}),
            say("remove small files, or move to another disk"));
}

// What `nudged --dry-run` would say, and who may read the file.
void look_at_config(Doctor& d, const std::string& file) {
  if (file.empty()) return;
  config::Sources sources;
  sources.file = file;
  auto loaded = config::load(sources);
  if (!loaded)
    return d.wrong(loaded.error().message, say("mend the file; `nudged --config {1} --print-config` shows each setting", {file}));
  for (const std::string& warning : loaded->warnings) d.look(warning, say("remove it, or mend its name"));
  struct stat info{};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & 022U) != 0)
    d.wrong(say("others may change {1}", {file}), say("chmod go-w {1}", {file}));
  daemon::App app({.sources = sources}, *std::move(loaded));
  if (auto report = app.dry_run(); report)
    d.good(say("configuration, catalog and rules are good"));
  else
    d.wrong(report.error().message, say("mend them; a running nudged goes on with those that it has"));
}

// The value of a metric without labels.
std::optional<double> metric(std::string_view page, std::string_view name) {
  const std::string line = "\n" + std::string(name) + " ";
  const std::size_t at = page.find(line);
  if (at == std::string_view::npos) return std::nullopt;
  return std::strtod(std::string(page.substr(at + line.size(), 40)).c_str(), nullptr);
}

void look_at_metrics(Doctor& d, std::string_view page, std::int64_t now) {
  const auto of = [page](std::string_view name) { return metric(page, name).value_or(0); };
  if (metric(page, "nudge_reload_success") == 0.0)
    d.wrong(say("the last reload was refused; the rules that ran go on"), say("nudge check; the log has the messages"));
  if (const auto at = metric(page, "nudge_backup_last_success_timestamp_seconds")) {
    if (*at == 0)
      d.look(say("no backup was ever made"), say("nudge --local DIR backup create /backup/nudge --keep 14"));
    else if (static_cast<double>(now) - *at > kBackupSeconds)
      d.look(say("the last backup is {1} hours old", {grouped(static_cast<std::int64_t>((static_cast<double>(now) - *at) / 3600))}),
             say("see why the one of last night was not made"));
    else
      d.good(say("there is a backup of the last 26 hours"));
  }
  if (const double ends = of("nudge_tls_certificate_expires_timestamp_seconds"); ends != 0) {
    const auto days = static_cast<std::int64_t>((ends - static_cast<double>(now)) / 86400);
    if (days < kCertificateDays)
      d.wrong(say("the certificate expires in {1} days", {std::to_string(days)}),
              say("put a new one in its place; nudged takes it by itself"));
    else
      d.good(say("the certificate is good for {1} days", {grouped(days)}));
  }
  if (const double late = of("nudge_timer_lag_seconds"); late > kLateSeconds)
    d.look(say("rules that go by time are {1} seconds late", {grouped(static_cast<std::int64_t>(late))}),
           say("the machine is too slow for what comes in; what is late is still judged at its own instant"));
  if (of("nudge_queue_items_max") > 0 && of("nudge_queue_items") > of("nudge_queue_items_max") / 2)
    d.look(say("the queue is more than half full"), say("senders get 429 when it is full, and come back; look at disk and processor"));
  if (of("process_max_fds") > 0 && of("process_open_fds") > 0.8 * of("process_max_fds"))
    d.wrong(say("{1} of {2} files are open",
                {grouped(static_cast<std::int64_t>(of("process_open_fds"))), grouped(static_cast<std::int64_t>(of("process_max_fds")))}),
            say("raise LimitNOFILE of the service"));
  if (of("nudge_log_lost_total") > 0) d.look(say("lines of the log were lost"), say("its disk is full, or what reads it is gone"));
  if (of("nudge_store_writes_stopped") > 0)
    d.wrong(say("the disk can't keep up: no write gets through until it has tidied up"), say("wait; if it comes again, a faster disk"));
}

void look_at_status(Doctor& d, const Json& status) {
  if (status["ready"].truth && status["accepting"].truth)
    d.good(say("it takes events"));
  else
    d.wrong(say("it takes no events: {1}", {status["refusal"].shown().empty() ? "starting or stopping" : status["refusal"].shown()}),
            say("the log says more; make room when the disk is full"));
  bool adds_up = true;
  for (const Json& equation : status["balance"].items) {
    if (equation["holds"].truth) continue;
    adds_up = false;
    d.wrong(
        say("the books do not add up: {1}: {2} and {3}", {equation["equation"].text, equation["left"].shown(), equation["right"].shown()}),
        say("this is a bug in nudge; report it with `nudge support`"));
  }
  if (adds_up) d.good(say("the books add up"));
  if (const auto open = status["quarantine_open"].integer(); open > 0)
    d.look(say("{1} documents are in quarantine", {grouped(open)}),
           say("nudge quarantine list; mend the catalog or the sender; nudge quarantine replay"));
  const Json& counters = status["counters"];
  if (const auto dead = counters["dead"].integer(); dead > 0)
    d.look(say("{1} actions could not be delivered", {grouped(dead)}),
           say("nudge dead-letters list; mend the cause; retry or discard them"));
  if (const auto unknown = counters["unknown"].integer(); unknown > 0)
    d.look(say("of {1} actions nobody knows whether they arrived", {grouped(unknown)}),
           say("nudge actions --state unknown; look at the provider; retry or discard them"));
  for (const Json& connector : status["connectors"].items)
    if (connector["state"].text != "ready")
      d.wrong(say("the connector {1} is {2}", {connector["name"].text, connector["state"].text}),
              say("see its last error in the log; check its settings"));
  const Json& policies = status["policies"];
  if (policies["stopped"].truth)
    d.wrong(say("stop-all is on since {1}: nothing leaves", {policies["stopped_at"].text}),
            say("nudge policies says why; nudge stop-all off, when the reason is gone"));
  for (const Json& rule : policies["braked"].items)
    d.wrong(say("the brake has stopped the rule {1}", {rule.text}), say("nudge policies; then nudge rules release or discard"));
  if (!policies["test_mode"].items.empty())
    d.look(say("test mode: all messages go to the addresses of test_mode.send_only_to"),
           say("take it out of the configuration and restart"));
  if (const auto kept = counters["kept"].integer(); kept > 0)
    d.look(say("{1} actions wait for a person", {grouped(kept)}), say("nudge actions --state kept; nudge rules release or discard"));
  const Json& disk = status["disk"];
  const std::int64_t free = disk["free_bytes"].integer(), used = disk["file_bytes"].integer();
  if (free < used / 2)
    d.look(say("the disk has {1} MiB left, the data takes {2} MiB", {grouped(free >> 20), grouped(used >> 20)}),
           say("make room before it is full"));
  else
    d.good(say("the disk has {1} MiB left", {grouped(free >> 20)}));
}

void look_at_access(Doctor& d, Client& client) {
  if (client.without_token()->get("/v1/status"))
    d.look(say("nobody is asked for credentials"), "nudge --local DIR user create NAME --role admin");
  const auto verdict = client.get("/v1/audit/verdict");
  if (!verdict) return;  // not an admin
  if ((*verdict)["whole"].truth)
    d.good(say("the record of changes is whole"));
  else
    d.wrong((*verdict)["problem"].text, say("somebody changed the data directory, or the disk did: compare with a backup"));
}

Doctor examine(const Result<std::unique_ptr<Client>>& client, const Door& door, const DoctorCommand& command) {
  Doctor d;
  look_at_directory(d, door.local);
  look_at_config(d, command.config);
  const Result<Json> status = client ? (*client)->get("/v1/status") : std::unexpected(client.error());
  if (!status) {
    d.wrong(status.error().message, say("start it, and read the end of its log; `nudged --dry-run` checks configuration and rules"));
    return d;
  }
  if ((*status)["version"].text != kVersion)
    d.look(say("this is nudge {1}, and nudged is {2}", {std::string(kVersion), (*status)["version"].text}),
           say("restart nudged after an upgrade"));
  look_at_status(d, *status);
  look_at_access(d, **client);
  if (const auto page = (*client)->send("GET", "/metrics"); page && page->status == 200)
    look_at_metrics(d, page->body, static_cast<std::int64_t>(std::time(nullptr)));
  return d;
}

std::string text_of(const Doctor& d) {
  std::string out;
  for (const Finding& f : d.findings) {
    out += f.kind == Finding::Kind::good ? "ok     " : f.kind == Finding::Kind::look ? "look   " : "WRONG  ";
    out += f.what + "\n";
    if (!f.mend.empty()) out += "       → " + f.mend + "\n";
  }
  return out;
}

/// Whatever could hold words of a customer or a provider is left out.
Json without_words(const Json& from) {
  Json out = from;
  if (out.kind == Json::Kind::object) {
    std::erase_if(out.members, [](const JsonMember& m) {
      return m.key == "last_error" || m.key == "refusal" || m.key == "comment" || m.key == "author" || m.key == "data_dir" ||
             m.key == "description" || m.key == "stopped_why" || m.key == "stopped_by" || m.key == "test_mode";
    });
    for (JsonMember& m : out.members) m.value = without_words(m.value);
  }
  for (Json& item : out.items) item = without_words(item);
  return out;
}

/// What it runs on: nothing of who uses it.
std::string machine() {
  std::string out = "nudge " + std::string(kVersion) + "\n";
  utsname name{};
  if (::uname(&name) == 0) out += std::string(name.sysname) + " " + name.release + " " + name.machine + "\n";
  out += "processors " + std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + "\n";
  out += "memory " + std::to_string((::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE)) >> 20) + " MiB\n";
  return out;
}

/// Each setting with where it came from; secrets are references only. Addresses and paths stay here.
std::string settings_of(const std::string& file) {
  config::Sources sources;
  sources.file = file;
  const auto loaded = config::load(sources);
  if (!loaded) return "the file can't be used\n";
  std::string out;
  for (std::size_t i = 0; i < config::keys().size(); ++i) {
    const config::Key& key = config::keys()[i];
    const config::Origin& origin = loaded->origins[i];
    const bool words = key.type == config::Type::text || key.type == config::Type::texts || key.type == config::Type::path ||
                       key.type == config::Type::paths || key.type == config::Type::secret;
    out += std::string(key.name) + " = " + (words ? (origin.text.empty() ? "(empty)" : "(set)") : origin.text) +
           (origin.source == config::Source::initial ? "  # default" : "") + "\n";
  }
  for (const config::Connector& connector : loaded->connectors) out += "connector of kind " + connector.kind + "\n";
  return out;
}

/// Of a finding of several lines only the first goes out: what follows may quote anything. What is wrong with the configuration is not told
/// at all.
std::string without_paths(const std::string& findings, const Door& door) {
  std::string out;
  std::size_t at = 0;
  while (at < findings.size()) {
    const std::size_t end = std::min(findings.find('\n', at), findings.size() - 1);
    std::string line = findings.substr(at, end - at);
    at = end + 1;
    const bool ours = line.starts_with("ok  ") || line.starts_with("look ") || line.starts_with("WRONG ") || line.starts_with("       →");
    if (!ours) continue;
    for (std::size_t found = 0; !door.local.empty() && (found = line.find(door.local, found)) != std::string::npos; found += kDir.size())
      line.replace(found, door.local.size(), kDir);
    out += line + "\n";
  }
  return out;
}

Result<void> write_new(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  return written ? Result<void>{} : fail(Code::io, say("cannot write {1}: {2}", {path, std::strerror(errno)}));
}

}  // namespace

Exit doctor(const Output& out, const Door& door, const DoctorCommand& command) {
  const Doctor d = examine(connect(door), door, command);
  if (out.json) {
    for (const Finding& f : d.findings) {
      Json line, kind, what, mend;
      line.kind = Json::Kind::object;
      kind.kind = what.kind = mend.kind = Json::Kind::text;
      kind.text = f.kind == Finding::Kind::good ? "ok" : f.kind == Finding::Kind::look ? "look" : "wrong";
      what.text = f.what;
      mend.text = f.mend;
      line.members = {{"state", kind}, {"what", what}, {"mend", mend}};
      out.terminal.line(line.compact());
    }
  } else {
    std::string text = text_of(d);
    if (text.ends_with('\n')) text.pop_back();
    out.terminal.line(text);
  }
  return d.has(Finding::Kind::wrong) ? Exit::failed : Exit::ok;
}

Exit support(const Output& out, const Door& door, const DoctorCommand& command) {
  const std::string& to = command.to;
  const Result<std::unique_ptr<Client>> client = connect(door);
  if (::mkdir(to.c_str(), 0700) != 0) return report(out, {Code::io, say("cannot make the directory {1}: {2}", {to, std::strerror(errno)})});
  std::string list;
  const auto keep = [&](const std::string& name, const std::string& text) -> Result<void> {
    list += name + "\n";
    return write_new(to + "/" + name, text);
  };
  Result<void> done = keep("doctor.txt", without_paths(text_of(examine(client, door, {})), door));
  const std::pair<const char*, const char*> parts[] = {{"/v1/status", "status.json"},     {"/v1/connectors", "connectors.json"},
                                                       {"/v1/rules", "rules.json"},       {"/v1/segments", "segments.json"},
                                                       {"/v1/versions", "versions.json"}, {"/v1/access", "access.json"}};
  for (const auto& [path, name] : parts) {
    const Result<Json> answer = client ? (*client)->get(path) : std::unexpected(client.error());
    if (done) done = keep(name, answer ? without_words(*answer).compact() + "\n" : "no answer: " + answer.error().message + "\n");
  }
  if (client) {
    if (const auto metrics = (*client)->send("GET", "/metrics"); done && metrics) done = keep("metrics.txt", metrics->body);
  }
  if (done) done = keep("machine.txt", machine());
  if (!command.config.empty() && done) done = keep("config.txt", settings_of(command.config));
  if (done)
    done = keep("README.txt",
                "Made by nudge " + std::string(kVersion) +
                    " for whoever is to help: figures, names of rules and what the doctor found.\n"
                    "No customers, no messages, no secrets. Read it before you send it. `nudged --print-config` shows the settings.\n");
  if (!done) return report(out, done.error());
  out.terminal.line(say("written to {1}; read it before you send it", {to}));
  return Exit::ok;
}

}  // namespace nudge::cli
