// Tokens, accounts and the audit log of a running daemon.
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "daemon/cli/commands.h"
#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

Json text(std::string value) {
  Json json;
  json.kind = Json::Kind::text;
  json.text = std::move(value);
  return json;
}

Json number(std::int64_t value) {
  Json json;
  json.kind = Json::Kind::number;
  json.text = std::to_string(value);
  return json;
}

Json list(const std::vector<std::string>& values) {
  Json json;
  json.kind = Json::Kind::list;
  for (const std::string& value : values) json.items.push_back(text(value));
  return json;
}

Json object() {
  Json json;
  json.kind = Json::Kind::object;
  return json;
}

std::string first_line(std::istream& in) {
  std::string line;
  std::getline(in, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

/// Typed twice without showing it; or the first line of a file, or of standard input (-).
Result<std::string> read_password(const std::string& file) {
  if (!file.empty() && file != "-") {
    std::ifstream in(file);
    if (!in) return fail(Code::not_found, say("cannot read the password file {1}", {file}));
    return first_line(in);
  }
  const auto line_of_input = [] {
    std::string line;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) line.push_back(static_cast<char>(c));
    if (line.ends_with('\r')) line.pop_back();
    return line;
  };
  termios before{};
  if (file == "-" || ::tcgetattr(STDIN_FILENO, &before) != 0) return line_of_input();
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::fprintf(stderr, "%s", say("password: ").c_str());
  std::string first = line_of_input();
  std::fprintf(stderr, "\n%s", say("once more: ").c_str());
  const std::string second = line_of_input();
  std::fprintf(stderr, "\n");
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  if (first != second) return fail(Code::invalid, say("the two are not the same; try again"));
  return first;
}

std::string state_of(const Json& token) {
  if (!token["revoked"].is_null()) return "revoked " + moment(token["revoked"]);
  return token["expires"].is_null() ? say("never expires") : say("until {1}", {moment(token["expires"])});
}

/// A token by its name or its id.
Result<std::string> find_token(Client& client, const std::string& name) {
  NUDGE_ASSIGN(const Json answer, client.get("/v1/tokens"));
  for (const Json& token : answer["tokens"].items)
    if (token["id"].text == name || (token["name"].text == name && token["revoked"].is_null())) return token["id"].text;
  return fail(Code::not_found, say("there is no token '{1}' in use; see `nudge token list`", {name}));
}

Exit show_secret(const Output& out, const Json& answer) {
  if (out.json) {
    out.terminal.line(answer.compact());
    return Exit::ok;
  }
  // Alone on standard output, so that a shell can take it.
  out.terminal.error(say("Keep it: it is shown this once, and only its hash is stored."));
  out.terminal.line(answer["token"].text);
  return Exit::ok;
}

Result<void> remove(Client& client, const std::string& path) {
  NUDGE_ASSIGN(const Reply reply, client.send("DELETE", path));
  if (reply.status < 200 || reply.status > 299) return std::unexpected(error_of(reply));
  return {};
}

}  // namespace

Exit create_token(const Output& out, Client& client, const AccessOptions& options) {
  Json body = object();
  body.members.push_back({"name", text(options.name)});
  body.members.push_back({"roles", list(options.roles)});
  if (options.days > 0) body.members.push_back({"expires_days", number(options.days)});
  const auto answer = client.post("/v1/tokens", body.compact());
  return answer ? show_secret(out, *answer) : report(out, answer.error());
}

Exit rotate_token(const Output& out, Client& client, const AccessOptions& options) {
  const auto id = find_token(client, options.name);
  if (!id) return report(out, id.error());
  Json body = object();
  body.members.push_back({"overlap_seconds", number(options.overlap_seconds)});
  const auto answer = client.post("/v1/tokens/" + *id + "/rotate", body.compact());
  return answer ? show_secret(out, *answer) : report(out, answer.error());
}

Exit revoke_token(const Output& out, Client& client, const AccessOptions& options) {
  const auto id = find_token(client, options.name);
  if (!id) return report(out, id.error());
  if (const auto done = remove(client, "/v1/tokens/" + *id); !done) return report(out, done.error());
  out.terminal.line(out.json ? R"({"status":"revoked"})" : say("revoked"));
  return Exit::ok;
}

Exit tokens(const Output& out, Client& client) {
  const auto answer = client.get("/v1/tokens");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"NAME", "ID", "ROLES", "CREATED", "BY", "STATE"});
  for (const Json& t : (*answer)["tokens"].items)
    table.row({t["name"].text, t["id"].text, t["roles"].shown(), moment(t["created"]), t["created_by"].text, state_of(t)},
              t["revoked"].is_null() ? Color::plain : Color::dim);
  table.empty() ? out.terminal.line(say("there are no tokens")) : table.print(out.terminal);
  return Exit::ok;
}

Exit create_user(const Output& out, Client& client, const AccessOptions& options) {
  const auto password = read_password(options.password_file);
  if (!password) return report(out, password.error());
  Json body = object();
  body.members.push_back({"name", text(options.name)});
  body.members.push_back({"roles", list(options.roles)});
  body.members.push_back({"password", text(*password)});
  const auto answer = client.post("/v1/users", body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("{1} may log in now: {2}", {options.name, (*answer)["roles"].shown()}));
  return Exit::ok;
}

Exit change_user(const Output& out, Client& client, const AccessOptions& options) {
  Json body = object();
  if (!options.roles.empty()) body.members.push_back({"roles", list(options.roles)});
  if (options.disable || options.enable) {
    Json disabled;
    disabled.kind = Json::Kind::boolean;
    disabled.truth = options.disable;
    body.members.push_back({"disabled", disabled});
  }
  if (options.new_password) {
    const auto password = read_password(options.password_file);
    if (!password) return report(out, password.error());
    body.members.push_back({"password", text(*password)});
  }
  const auto answer = client.post("/v1/users/" + url_escape(options.name), body.compact());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say("changed"));
  return Exit::ok;
}

Exit remove_user(const Output& out, Client& client, const AccessOptions& options) {
  if (const auto done = remove(client, "/v1/users/" + url_escape(options.name)); !done) return report(out, done.error());
  out.terminal.line(out.json ? R"({"status":"removed"})" : say("removed"));
  return Exit::ok;
}

Exit users(const Output& out, Client& client) {
  const auto answer = client.get("/v1/users");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"NAME", "ROLES", "CREATED", "STATE"});
  for (const Json& u : (*answer)["users"].items)
    table.row({u["name"].text, u["roles"].shown(), moment(u["created"]), u["disabled"].truth ? "disabled" : ""},
              u["disabled"].truth ? Color::dim : Color::plain);
  table.empty() ? out.terminal.line(say("there are no accounts")) : table.print(out.terminal);
  return Exit::ok;
}

Exit audit_list(const Output& out, Client& client, const AccessOptions& options) {
  Table table({">NUMBER", "AT", "WHO", "FROM", "WHAT", ">STATUS", "DETAIL"});
  for (std::string after = std::to_string(options.after);;) {
    const auto answer = client.get("/v1/audit" + query({{"after", after}, {"limit", "1000"}}));
    if (!answer) return report(out, answer.error());
    for (const Json& r : (*answer)["records"].items) {
      if (out.json)
        out.terminal.line(r.compact());
      else
        table.row({r["number"].shown(), moment(r["at"]), r["actor"].text, r["address"].text, r["action"].text, r["status"].shown(),
                   r["detail"].text.empty() ? r["target"].text : r["detail"].text});
    }
    if ((*answer)["next"].is_null()) break;
    after = (*answer)["next"].shown();
  }
  if (!out.json) table.empty() ? out.terminal.line(say("nothing was changed yet")) : table.print(out.terminal);
  return Exit::ok;
}

Exit audit_verify(const Output& out, Client& client, const AccessOptions& options) {
  std::vector<std::pair<std::string_view, std::string>> known;
  if (!options.head.empty()) {
    const std::size_t colon = options.head.find(':');
    if (colon == std::string::npos)
      return report(out, {Code::invalid, say("--head wants NUMBER:HASH, as an earlier `nudge audit verify` printed it")});
    known = {{"number", options.head.substr(0, colon)}, {"hash", options.head.substr(colon + 1)}};
  }
  const auto answer = client.get("/v1/audit/verdict" + query(known));
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
  } else if ((*answer)["whole"].truth) {
    out.terminal.line(
        say("whole: {1} records. Note this down elsewhere, and give it to the next check with --head:", {(*answer)["number"].shown()}));
    out.terminal.line((*answer)["number"].shown() + ":" + (*answer)["hash"].text);
  } else {
    out.terminal.error((*answer)["problem"].text);
  }
  return (*answer)["whole"].truth ? Exit::ok : Exit::failed;
}

}  // namespace nudge::cli
