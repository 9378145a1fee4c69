#include "daemon/cli/policy.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>

#include "daemon/cli/moments.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

class Body {
 public:
  Body() { json_.kind = Json::Kind::object; }
  Body& add(std::string key, const std::string& text) {
    if (text.empty()) return *this;
    Json value;
    value.kind = Json::Kind::text;
    value.text = text;
    json_.members.push_back({std::move(key), std::move(value)});
    return *this;
  }
  std::string text() const { return json_.compact(); }

 private:
  Json json_;
};

std::string author_of(const PolicyWords& words) {
  if (!words.author.empty()) return words.author;
  const char* user = std::getenv("USER");
  return user == nullptr || *user == '\0' ? "unknown" : user;
}

Exit send(const Output& out, Client& client, const std::string& path, const Body& body,
          const std::function<std::string(const Json&)>& say_it) {
  const auto answer = client.post(path, body.text());
  if (!answer) return report(out, answer.error());
  out.terminal.line(out.json ? answer->compact() : say_it(*answer));
  return Exit::ok;
}

// Which of the three a suppression speaks of.
Result<std::pair<std::string, std::string>> subject_of(const PolicyWords& words) {
  std::vector<std::pair<std::string, std::string>> given;
  if (!words.customer.empty()) given.emplace_back("customer", words.customer);
  if (!words.address.empty()) given.emplace_back("address", words.address);
  if (!words.domain.empty()) given.emplace_back("domain", words.domain);
  if (given.size() != 1) return fail(Code::invalid, say("say whom: one of --customer, --address, --domain"));
  return given.front();
}

}  // namespace

Exit policies(const Output& out, Client& client) {
  const auto answer = client.get("/v1/policies");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({"POLICY", "KIND", "SAYS"});
  for (const Json& p : (*answer)["policies"].items) table.row({p["name"].shown(), p["kind"].shown(), p["says"].shown()});
  table.empty() ? out.terminal.line(say("no policies are loaded; who unsubscribed is left alone all the same")) : table.print(out.terminal);
  for (const auto& held : (*answer)["held_back"].members) out.terminal.line("  " + held.key + ": " + held.value.shown());
  for (const Json& b : (*answer)["braked"].items)
    out.terminal.line(out.terminal.paint(say("the rule {1} is stopped: {2}", {b["rule"].shown(), b["why"].shown()}), Color::red));
  if ((*answer)["stopped"].truth)
    out.terminal.line(out.terminal.paint(
        say("nothing leaves: stopped by {1}: {2}", {(*answer)["stopped_by"].shown(), (*answer)["stopped_why"].shown()}), Color::red));
  return Exit::ok;
}

Exit silence_add(const Output& out, Client& client, const PolicyWords& words) {
  Body body;
  body.add("rule", words.rule).add("channel", words.channel).add("category", words.category).add("customer", words.customer);
  body.add("for", words.length).add("until", words.until).add("author", author_of(words)).add("reason", words.reason);
  return send(out, client, "/v1/silences", body, [](const Json& s) {
    return say("silence {1}: {2}, until {3}", {s["id"].shown(), s["matches"].shown(), s["until"].shown()});
  });
}

Exit silence_list(const Output& out, Client& client) {
  const auto answer = client.get("/v1/silences");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
    return Exit::ok;
  }
  Table table({">ID", "MATCHES", "UNTIL", "BY", "REASON"});
  for (const Json& s : (*answer)["silences"].items)
    table.row({s["id"].shown(), s["matches"].shown(), s["until"].shown(), s["author"].shown(), s["reason"].shown()});
  table.empty() ? out.terminal.line(say("nothing is silenced")) : table.print(out.terminal);
  return Exit::ok;
}

Exit silence_end(const Output& out, Client& client, const PolicyWords& words) {
  Body body;
  body.add("author", author_of(words)).add("reason", words.reason);
  return send(out, client, "/v1/silences/" + url_escape(words.word) + "/end", body,
              [&](const Json&) { return say("silence {1} has ended", {words.word}); });
}

Exit stop_all(const Output& out, Client& client, const PolicyWords& words) {
  Body body;
  body.add("stop", words.word).add("author", author_of(words)).add("reason", words.reason);
  return send(out, client, "/v1/stop-all", body, [](const Json& s) {
    return s["stopped"].truth ? say("nothing leaves any more; `nudge stop-all off` lets it go on") : say("actions leave again");
  });
}

Exit suppress(const Output& out, Client& client, const PolicyWords& words, bool add) {
  const auto subject = subject_of(words);
  if (!subject) return report(out, subject.error());
  Body body;
  body.add("kind", subject->first).add("value", subject->second).add("channel", words.channel);
  body.add("author", author_of(words)).add("reason", words.reason);
  return send(out, client, add ? "/v1/suppressions" : "/v1/suppressions/remove", body, [add](const Json& s) {
    return add ? say("{1} is suppressed", {s["value"].shown()}) : say("{1} is no longer suppressed", {s["value"].shown()});
  });
}

Exit suppress_list(const Output& out, Client& client) {
  Table table({"KIND", "VALUE", "CHANNEL", "SINCE", "BY", "REASON"});
  std::string after;
  do {
    const auto answer = client.get("/v1/suppressions" + query({{"after", after}}));
    if (!answer) return report(out, answer.error());
    if (out.json) out.terminal.line(answer->compact());
    for (const Json& s : (*answer)["suppressions"].items)
      table.row({s["kind"].shown(), s["value"].shown(), s["channel"].shown(), s["at"].shown(), s["author"].shown(), s["reason"].shown()});
    after = (*answer)["next"].is_null() ? std::string() : (*answer)["next"].text;
  } while (!after.empty());
  if (out.json) return Exit::ok;
  table.empty() ? out.terminal.line(say("the suppression list is empty")) : table.print(out.terminal);
  return Exit::ok;
}

Exit suppress_import(const Output& out, Client& client, const PolicyWords& words) {
  std::string text;
  if (words.word == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(words.word, std::ios::binary);
    if (!file) return report(out, {Code::io, say("{1} can't be read", {words.word})});
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto answer =
      client.post("/v1/suppressions/import" + query({{"author", author_of(words)}, {"reason", words.reason}}), text, "text/csv");
  if (!answer) return report(out, answer.error());
  if (out.json) {
    out.terminal.line(answer->compact());
  } else {
    out.terminal.line(say("{1} entries are on the list", {(*answer)["imported"].shown()}));
    for (const Json& r : (*answer)["refused"].items)
      out.terminal.line("  " + say("line {1}: {2}", {r["line"].shown(), r["reason"].shown()}));
  }
  return (*answer)["refused"].items.empty() ? Exit::ok : Exit::failed;
}

Exit settle_kept(const Output& out, Client& client, const PolicyWords& words, bool release) {
  Body body;
  body.add("author", author_of(words)).add("reason", words.reason);
  return send(out, client, "/v1/rules/" + url_escape(words.word) + (release ? "/release" : "/discard"), body, [release](const Json& s) {
    return release ? say("{1} kept actions go out; the rule goes on", {s["actions"].shown()})
                   : say("{1} kept actions are given up; the rule goes on", {s["actions"].shown()});
  });
}

}  // namespace nudge::cli
