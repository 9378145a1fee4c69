// What is wrong with a nudged, and what to do; and the same for somebody who is to help, without secrets and personal data.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

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
    return d.wrong(say("the data directory {1} can't be read: {2}", {directory, std::strerror(errno)}), say("run this as nudged's user"));
  if ((info.st_mode & 077U) != 0)
    d.wrong(say("others may look into the data directory {1}", {directory}), "chmod 700 " + directory);
  else
    d.good(say("the data directory is private"));
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
  const Json& disk = status["disk"];
  const std::int64_t free = disk["free_bytes"].integer(), used = disk["file_bytes"].integer();
  if (free < used / 2)
    d.look(say("the disk has {1} MiB left, the data takes {2} MiB", {grouped(free >> 20), grouped(used >> 20)}),
           say("make room before it is full"));
  else
    d.good(say("the disk has {1} MiB left", {grouped(free >> 20)}));
}

void look_at_access(Doctor& d, Client& client) {
  const auto me = client.get("/v1/session");
  if (me && (*me)["actor"].text == "anybody")
    d.look(say("nobody is asked for credentials"), "nudge --local DIR user create NAME --role admin");
  const auto verdict = client.get("/v1/audit/verdict");
  if (!verdict) return;  // not an admin
  if ((*verdict)["whole"].truth)
    d.good(say("the record of changes is whole"));
  else
    d.wrong((*verdict)["problem"].text, say("somebody changed the data directory, or the disk did: compare with a backup"));
}

Doctor examine(Client& client, const std::string& directory) {
  Doctor d;
  look_at_directory(d, directory);
  const auto status = client.get("/v1/status");
  if (!status) {
    d.wrong(status.error().message, say("start it, and read the end of its log; `nudged --dry-run` checks configuration and rules"));
    return d;
  }
  look_at_status(d, *status);
  look_at_access(d, client);
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
             m.key == "description";
    });
    for (JsonMember& m : out.members) m.value = without_words(m.value);
  }
  for (Json& item : out.items) item = without_words(item);
  return out;
}

Result<void> write_new(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  return written ? Result<void>{} : fail(Code::io, say("cannot write {1}: {2}", {path, std::strerror(errno)}));
}

}  // namespace

Exit doctor(const Output& out, Client& client, const std::string& directory) {
  const Doctor d = examine(client, directory);
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

Exit support(const Output& out, Client& client, const std::string& directory, const std::string& to) {
  if (::mkdir(to.c_str(), 0700) != 0) return report(out, {Code::io, say("cannot make the directory {1}: {2}", {to, std::strerror(errno)})});
  std::string list;
  const auto keep = [&](const std::string& name, const std::string& text) -> Result<void> {
    list += name + "\n";
    return write_new(to + "/" + name, text);
  };
  Result<void> done = keep("doctor.txt", text_of(examine(client, directory)));
  const std::pair<const char*, const char*> parts[] = {{"/v1/status", "status.json"},     {"/v1/connectors", "connectors.json"},
                                                       {"/v1/rules", "rules.json"},       {"/v1/segments", "segments.json"},
                                                       {"/v1/versions", "versions.json"}, {"/v1/access", "access.json"}};
  for (const auto& [path, name] : parts) {
    const auto answer = client.get(path);
    if (done) done = keep(name, answer ? without_words(*answer).compact() + "\n" : "no answer: " + answer.error().message + "\n");
  }
  if (const auto metrics = client.send("GET", "/metrics"); done && metrics) done = keep("metrics.txt", metrics->body);
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
