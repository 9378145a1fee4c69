#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/config/config.h"
#include "rules/doc/diagnostic.h"
#include "rules/doc/reader.h"

using namespace nudge;
using namespace nudge::config;

namespace {

Loaded good(std::string text, const Sources& sources = {}) {
  auto loaded = load_text("nudge.yaml", std::move(text), "/etc/nudge", sources);
  if (!loaded) FAIL(loaded.error().message);
  return std::move(*loaded);
}

std::string bad(std::string text, const Sources& sources = {}) {
  const auto loaded = load_text("nudge.yaml", std::move(text), "/etc/nudge", sources);
  return loaded ? "no error" : loaded.error().message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const Origin& origin(const Loaded& loaded, std::string_view name) {
  return loaded.origins[static_cast<std::size_t>(std::ranges::find(keys(), name, &Key::name) - keys().begin())];
}

class TempFile {
 public:
  TempFile(std::string_view text, mode_t mode) {
    char name[] = "/tmp/nudge-config-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    path_ = name;
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
    ::chmod(name, mode);
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("config: every default is one that its own row allows, and no name comes twice") {
  std::vector<std::string_view> names;
  for (const Key& key : keys()) {
    CAPTURE(key.name);
    CHECK(std::ranges::find(names, key.name) == names.end());
    names.push_back(key.name);
    CHECK_FALSE(key.help.empty());
    if (key.initial.empty()) continue;
    Sources sources;
    sources.flags.emplace_back(key.name, key.initial);
    const auto loaded = load(sources);
    if (!loaded) FAIL_CHECK(loaded.error().message);
  }
  const Settings settings = default_settings();
  CHECK(settings.http_host == "127.0.0.1");
  CHECK(settings.http_port == 8650);
  CHECK(settings.clock_skew == Milliseconds(300'000));
  CHECK(settings.http_body_bytes_max == 1024 * 1024);
  CHECK(settings.rules_dirs == std::vector<std::string>{"rules"});
  CHECK(settings.http_token.empty());
}

TEST_CASE("config: flag before environment before file before default") {
  const std::string text = "http:\n  port: 1001\n  host: 127.0.0.2\n  idle_timeout: 5s\n";
  Sources sources;
  sources.environment = {{"NUDGE_HTTP_PORT", "1002"}, {"NUDGE_HTTP_HOST", "127.0.0.3"}, {"NUDGE_PORT_8650_TCP", "x"}};
  sources.flags = {{"http.port", "1003"}, {"rules_dirs", "a, b"}};
  const Loaded loaded = good(text, sources);
  CHECK(loaded.settings.http_port == 1003);
  CHECK(loaded.settings.http_host == "127.0.0.3");
  CHECK(loaded.settings.http_idle_timeout == Milliseconds(5000));
  CHECK(loaded.settings.http_pipeline_max == 32);
  CHECK(loaded.settings.rules_dirs == std::vector<std::string>{"a", "b"});
  CHECK(origin(loaded, "http.port").where == "--http.port");
  CHECK(origin(loaded, "http.host").where == "NUDGE_HTTP_HOST");
  CHECK(origin(loaded, "http.idle_timeout").where == "nudge.yaml:4:3");
  CHECK(origin(loaded, "http.pipeline_max").source == Source::initial);
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(has(loaded.warnings[0], "NUDGE_PORT_8650_TCP"));
}

TEST_CASE("config: values of every type") {
  const Loaded loaded = good(
      "data_dir: state\nrules_dirs: [rules, /opt/rules]\ntimezone: Asia/Shanghai\nclock_skew: 1m30s\n"
      "http:\n  insecure_ok: true\n  body_bytes_max: 4MiB\n  head_bytes_max: 10000\n  allowed_hosts: crm.example.com\n"
      "log:\n  level: debug\n  format: json\n  file:\nengine:\n");
  CHECK(loaded.settings.data_dir == "/etc/nudge/state");
  CHECK(loaded.settings.rules_dirs == std::vector<std::string>{"/etc/nudge/rules", "/opt/rules"});
  CHECK(loaded.settings.timezone == "Asia/Shanghai");
  CHECK(loaded.settings.clock_skew == Milliseconds(90'000));
  CHECK(loaded.settings.http_insecure_ok);
  CHECK(loaded.settings.http_body_bytes_max == 4 * 1024 * 1024);
  CHECK(loaded.settings.http_head_bytes_max == 10000);
  CHECK(loaded.settings.http_allowed_hosts == std::vector<std::string>{"crm.example.com"});
  CHECK(loaded.settings.log_level == "debug");
  CHECK(loaded.settings.log_file == "");
}

TEST_CASE("config: all mistakes at once, each with its place and advice") {
  Sources sources;
  sources.environment = {{"NUDGE_HTTP_PORT", "many"}};
  sources.flags = {{"log.levle", "debug"}};
  const std::string text =
      bad("htpp:\n  port: 1\nhttp:\n  port: 70000\n  idle_timout: 5s\n  idle_timeout: 5\n  insecure_ok: \"true\"\n  body_bytes_max: 3MB\n"
          "log: loud\ntimezone: Mars/Phobos\nclock_skew: [1]\nconnectors:\n  mail: {host: x}\n  \"bad name\": {kind: smtp}\n",
          sources);
  CAPTURE(text);
  CHECK(has(text, "nudge.yaml:1:1"));
  CHECK(has(text, "there is no setting `htpp`"));
  CHECK(has(text, "nudge.yaml:4:9"));
  CHECK(has(text, "choose from 0 to 65535"));
  CHECK(has(text, "did you mean `http.idle_timeout`?"));
  CHECK(has(text, "nudge.yaml:6:17"));
  CHECK(has(text, "write a number with a unit: 500ms, 30s, 5m, 2h"));
  CHECK(has(text, "nudge.yaml:7:16"));
  CHECK(has(text, "remove the quotes"));
  CHECK(has(text, "write a number with a unit: 512KiB, 64MiB, 2GiB"));
  CHECK(has(text, "log is a group of settings"));
  CHECK(has(text, "Mars/Phobos"));
  CHECK(has(text, "clock_skew is a single value, not a list"));
  CHECK(has(text, "the connector `mail` has no kind"));
  CHECK(has(text, "`bad name` is no name for a connector"));
  CHECK(has(text, "NUDGE_HTTP_PORT"));
  CHECK(has(text, "did you mean `log.level`?"));
  CHECK(has(text, "13 errors"));
}

TEST_CASE("config: hostile files are refused") {
  CHECK(has(bad("http: &a {port: 1}\nlog: *a\n"), "anchors"));
  CHECK(has(bad("http: {port: 1}\nhttp: {port: 2}\n"), "http"));
  CHECK(has(bad("- 1\n"), "a configuration is a map of keys"));
  CHECK(has(bad(std::string(2 << 20, '#')), "1048576"));
  CHECK(has(load({.file = "/nonexistent/nudge.yaml"}).error().message, "/nonexistent/nudge.yaml"));
  CHECK(has(load({.file = "/tmp"}).error().message, "cannot read the configuration file"));
}

TEST_CASE("config: secrets come by reference and never show") {
  const TempFile secret("hunter2\n", 0600);
  const TempFile open_secret("hunter2\n", 0644);
  const Loaded loaded = good("http:\n  token: {file: " + secret.path() + "}\n");
  CHECK(loaded.settings.http_token.reveal() == "hunter2");
  CHECK(has(print_config(loaded), "token: {file: " + secret.path() + "}"));
  CHECK_FALSE(has(print_config(loaded), "hunter2"));
  ::setenv("NUDGE_TEST_TOKEN", "from-env", 1);
  CHECK(good("http:\n  token: {env: NUDGE_TEST_TOKEN}\n").settings.http_token.reveal() == "from-env");
  ::unsetenv("NUDGE_TEST_TOKEN");
  CHECK(has(bad("http:\n  token: {env: NUDGE_TEST_TOKEN}\n"), "`NUDGE_TEST_TOKEN` is not set"));
  CHECK(has(bad("http:\n  token: {file: " + open_secret.path() + "}\n"), "chmod 600"));
  const TempFile group_secret("hunter2\n", 0640);
  CHECK(has(bad("http:\n  token: {file: " + group_secret.path() + "}\n"), "chmod 600"));
  // Only root can make a file somebody else's; where the tests run without its rights this part is left out.
  if (::geteuid() == 0) {
    REQUIRE(::chown(group_secret.path().c_str(), 65534, 65534) == 0);
    CHECK(good("http:\n  token: {file: " + group_secret.path() + "}\n").settings.http_token.reveal() == "hunter2");
    REQUIRE(::chmod(group_secret.path().c_str(), 0660) == 0);
    CHECK(has(bad("http:\n  token: {file: " + group_secret.path() + "}\n"), "chmod g-w,o= "));
    REQUIRE(::chmod(group_secret.path().c_str(), 0644) == 0);
    CHECK(has(bad("http:\n  token: {file: " + group_secret.path() + "}\n"), "chmod g-w,o= "));
  }
  CHECK(has(bad("http:\n  token: {file: /nonexistent}\n"), "missing, unreadable or empty"));
  // The message about a literal does not repeat it.
  CHECK(has(bad("http:\n  token: hunter2\n"), "nudge.yaml:2:3"));
  CHECK_FALSE(has(bad("http:\n  token: hunter2\n"), "hunter2"));
  Sources sources;
  sources.flags = {{"http.token", "hunter2"}};
  CHECK(has(bad("", sources), "must not be written here"));
  CHECK_FALSE(has(bad("", sources), "hunter2"));
}

TEST_CASE("config: how fast and in which order a connector is given actions, and the same again out of what is printed") {
  const Loaded first = good(
      "connectors:\n  text: {kind: sms, process: {cpu_seconds: 60, open_files: 64}, delivery: {rate: [20/s, 3000/h, 7/90s], burst: 5, "
      "account: main, order: customer, on_unknown: hold, settle: 2m, key_window: 1d, breaker_after: 0, tries: 3}}\n  mail: {kind: smtp, "
      "delivery: {rate: 20/min}}\n");
  const Loaded again = good(print_config(first));
  for (const Loaded* loaded : {&first, &again}) {
    REQUIRE(loaded->connectors.size() == 2);
    const Connector& text = loaded->connectors[0];
    const DeliveryLimits& d = text.delivery;
    CHECK(d.rates == std::vector<std::pair<std::int64_t, Milliseconds>>{{20, Milliseconds(1000)}, {3000, Milliseconds(3'600'000)}, {7, Milliseconds(90'000)}});
    CHECK(d.burst == 5);
    CHECK(d.account == "main");
    CHECK(d.order == "customer");
    CHECK(d.on_unknown == "hold");
    CHECK(d.settle == Milliseconds(120'000));
    CHECK(d.key_window == Milliseconds(86'400'000));
    CHECK(d.breaker_after == 0);
    CHECK(d.tries == 3);
    CHECK(text.cpu_seconds_max == 60);
    CHECK(text.open_files_max == 64);
    CHECK(loaded->connectors[1].delivery.rates[0].second == Milliseconds(60'000));
    CHECK(loaded->connectors[1].delivery.tries == 12);
  }
  const auto wrong = [](std::string_view text) { return bad("connectors: {m: {kind: smtp, delivery: " + std::string(text) + "}}"); };
  for (const char* rate : {"10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/fortnight", "10 /s", "[10/s, 5]", "1000001/s", "3/0s"})
    CHECK_MESSAGE(has(wrong("{rate: " + std::string(rate) + "}"), "is no rate"), rate);
  CHECK(has(wrong("{order: any, colour: red}"), "delivery has no limit `colour`"));
  CHECK(has(wrong("{order: rule}"), "order can't be `rule`"));
  CHECK(has(wrong("{on_unknown: pray}"), "on_unknown can't be `pray`"));
  CHECK(has(wrong("{tries: 0}"), "tries"));
  CHECK(has(wrong("fast"), "delivery is a map of limits"));
}

TEST_CASE("config: connectors are handed on as JSON, with nudge's own limits taken out") {
  const Loaded loaded = good(
      "connectors:\n"
      "  mail:\n    kind: smtp\n    host: mx.example.com\n    port: 25\n    tls: false\n    from: \"007\"\n    password: {file: "
      "/run/mail}\n    tags: [a, 1.5, null]\n"
      "    process: {timeout: 5s, in_flight_max: 4, queue_max: 10, memory: 256MiB}\n"
      "  bot: {kind: script, command: [/usr/bin/python3, bot.py]}\n"
      "  box: {kind: maildrop}\n");
  REQUIRE(loaded.connectors.size() == 3);
  const Connector& mail = loaded.connectors[0];
  CHECK(mail.name == "mail");
  CHECK(mail.kind == "smtp");
  CHECK(mail.where == "nudge.yaml:2:3");
  CHECK(mail.config_json ==
        R"({"host":"mx.example.com","port":25,"tls":false,"from":"007","password":{"file":"/run/mail"},"tags":["a",1.5,null]})");
  CHECK(mail.timeout == Milliseconds(5000));
  CHECK(mail.in_flight_max == 4);
  CHECK(mail.queue_max == 10);
  CHECK(mail.memory_bytes_max == 256 << 20);
  CHECK(loaded.connectors[1].command == std::vector<std::string>{"/usr/bin/python3", "bot.py"});
  CHECK(loaded.connectors[2].config_json == "{}");
  CHECK(has(bad("connectors: {m: {kind: smtp, process: {timeout: 0s}}}"), "timeout is 0"));
  CHECK(has(bad("connectors: {m: {kind: smtp, process: {nice: 3}}}"), "process has no limit `nice`"));
  CHECK(has(bad("connectors: {m: {kind: smtp, process: 3}}"), "process is a map"));
  CHECK(has(bad("connectors: {m: {kind: smtp, command: bot.py}}"), "absolute path"));
  CHECK(has(bad("connectors: [a]"), "connectors is a map"));
}

TEST_CASE("config: what is printed is a file that gives the same configuration") {
  const std::string text =
      "data_dir: /var/lib/nudge\nrules_dirs: [/a b, \"/c: d\"]\nclock_skew: 90s\nhttp:\n  port: 1\n  body_bytes_max: 3MiB\n  "
      "allowed_hosts: [\"*\"]\n"
      "log:\n  format: json\nconnectors:\n  mail: {kind: smtp, host: \"x # y\", port: 25, process: {timeout: 7s}}\n";
  const Loaded first = good(text);
  const std::string printed = print_config(first);
  CAPTURE(printed);
  const Loaded second = good(printed);
  for (const Key& key : keys()) {
    CAPTURE(key.name);
    if ((key.type == Type::path || key.type == Type::paths) && origin(first, key.name).source == Source::initial) continue;
    CHECK(std::visit([&](auto member) { return first.settings.*member == second.settings.*member; }, key.place));
  }
  CHECK(second.settings.schemas_dir == std::filesystem::absolute("schemas").string());
  REQUIRE(second.connectors.size() == 1);
  CHECK(second.connectors[0].config_json == first.connectors[0].config_json);
  CHECK(second.connectors[0].timeout == Milliseconds(7000));
  CHECK(has(printed, "# nudge.yaml:5:3"));
  CHECK(has(printed, "# default"));
}

TEST_CASE("config: a reload names what needs a restart") {
  const Settings running = good("http: {port: 1}\nlog: {level: info}\n").settings;
  CHECK(needs_restart(running, good("http: {port: 1}\nlog: {level: debug}\ndrain_deadline: 1m\n").settings).empty());
  CHECK(needs_restart(running, good("data_dir: other\nhttp: {port: 2}\n").settings) == std::vector<std::string>{"data_dir", "http.port"});
}

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// With NUDGE_UPDATE set the files are written anew instead.
void check_file(const std::string& path, const std::string& wanted) {
  if (::getenv("NUDGE_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << wanted;
  CHECK_MESSAGE(read_file(path) == wanted, path << " does not fit daemon/config/table.cpp; run config_test with NUDGE_UPDATE=1");
}

}  // namespace

TEST_CASE("config: the shipped reference and schema are those of the table") {
  const std::string root = NUDGE_SOURCE_DIR;
  check_file(root + "/schemas/config.schema.json", json_schema());
  const std::string path = root + "/docs/configuration.md";
  const std::string page = read_file(path);
  const std::string_view begin = "NUDGE_UPDATE=1 -->\n";
  const std::size_t from = page.find(begin) + begin.size();
  const std::size_t to = page.find("\n## Connectors");
  REQUIRE(from <= to);
  REQUIRE(to != std::string::npos);
  check_file(path, page.substr(0, from) + reference_markdown() + page.substr(to));
}

TEST_CASE("config: reference and schema name every key") {
  const std::string reference = reference_markdown();
  const std::string schema = json_schema();
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("schema", schema, diagnostics);  // JSON is YAML
  CHECK(diagnostics.ok());
  const doc::Entry* properties = document->root().find("properties");
  REQUIRE(properties != nullptr);
  for (const Key& key : keys()) {
    CAPTURE(key.name);
    CHECK(has(reference, "| `" + std::string(key.name) + "` |"));
    const std::size_t dot = key.name.find('.');
    const doc::Entry* entry = properties->value->find(key.name.substr(0, dot));
    REQUIRE(entry != nullptr);
    if (dot == std::string_view::npos) continue;
    const doc::Entry* inner = entry->value->find("properties");
    REQUIRE(inner != nullptr);
    CHECK(inner->value->find(key.name.substr(dot + 1)) != nullptr);
  }
}
