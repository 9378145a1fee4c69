// The C ABI: layout against a golden list, the version gate, and what the loader does with good and bad plugins.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

#include "connectors/host/plugin.h"
#include "connectors/sdk/plugin.h"
#include "connectors/sdk/raw_json.h"

struct offset_row {
  const char* name;
  size_t at;
};
extern "C" const offset_row nudge_abi_c_offsets[];

namespace {

using nudge::connectors::OutcomeStatus;
using nudge::connectors::Plugin;

#define ROW(type, field) {#type "." #field, offsetof(type, field)}
#define SIZE(type) {"sizeof " #type, sizeof(type)}
const std::map<std::string, size_t> kCppOffsets = {
#include "offsets.inc"
};

// Written down by hand on 64-bit Linux. A change here breaks every plugin that is out there: only ever append.
const std::map<std::string, size_t> kGolden = {{"nudge_str.data", 0},
                                               {"nudge_str.size", 8},
                                               {"sizeof nudge_str", 16},
                                               {"nudge_text.data", 0},
                                               {"nudge_text.capacity", 8},
                                               {"nudge_text.size", 16},
                                               {"sizeof nudge_text", 24},
                                               {"nudge_host.struct_size", 0},
                                               {"nudge_host.abi_major", 4},
                                               {"nudge_host.abi_minor", 8},
                                               {"nudge_host.reserved", 12},
                                               {"nudge_host.context", 16},
                                               {"nudge_host.log", 24},
                                               {"nudge_host.now_ms", 32},
                                               {"nudge_host.get_secret", 40},
                                               {"sizeof nudge_host", 48},
                                               {"nudge_request.struct_size", 0},
                                               {"nudge_request.abi_major", 4},
                                               {"nudge_request.abi_minor", 8},
                                               {"nudge_request.attempt", 12},
                                               {"nudge_request.created_ms", 16},
                                               {"nudge_request.deadline_ms", 24},
                                               {"nudge_request.action_id", 32},
                                               {"nudge_request.kind", 48},
                                               {"nudge_request.channel", 64},
                                               {"nudge_request.customer_id", 80},
                                               {"nudge_request.payload", 96},
                                               {"nudge_request.provider_ref", 112},
                                               {"sizeof nudge_request", 128},
                                               {"nudge_result.struct_size", 0},
                                               {"nudge_result.abi_major", 4},
                                               {"nudge_result.abi_minor", 8},
                                               {"nudge_result.status", 12},
                                               {"nudge_result.retryable", 16},
                                               {"nudge_result.http_status", 20},
                                               {"nudge_result.retry_after_ms", 24},
                                               {"nudge_result.provider_ref", 32},
                                               {"nudge_result.detail", 56},
                                               {"nudge_result.result", 80},
                                               {"sizeof nudge_result", 104},
                                               {"nudge_connector_api.struct_size", 0},
                                               {"nudge_connector_api.abi_major", 4},
                                               {"nudge_connector_api.abi_minor", 8},
                                               {"nudge_connector_api.needs_minor", 12},
                                               {"nudge_connector_api.describe", 16},
                                               {"nudge_connector_api.validate", 24},
                                               {"nudge_connector_api.create", 32},
                                               {"nudge_connector_api.deliver", 40},
                                               {"nudge_connector_api.close", 48},
                                               {"nudge_connector_api.query", 56},
                                               {"nudge_connector_api.receive", 64},
                                               {"sizeof nudge_connector_api", 72}};

std::string load_problem(const std::string& path) {
  auto plugin = Plugin::load(path, [](int, const std::string&) {});
  return plugin ? "" : plugin.error();
}

nudge_str str(std::string_view s) { return {s.data(), s.size()}; }

nudge_request request(std::string_view payload) {
  nudge_request r{};
  r.struct_size = sizeof r;
  r.abi_major = NUDGE_ABI_MAJOR;
  r.abi_minor = NUDGE_ABI_MINOR;
  r.attempt = 2;
  r.action_id = str("abc123");
  r.payload = str(payload);
  return r;
}

}  // namespace

TEST_CASE("the layout is the golden one, in C99 and in C++") {
  std::map<std::string, size_t> c;
  for (const offset_row* row = nudge_abi_c_offsets; row->name != nullptr; ++row) c[row->name] = row->at;
  CHECK(c.size() == 52);
  CHECK(c == kGolden);
  CHECK(kCppOffsets == kGolden);
}

TEST_CASE("version gate: major equal, minor as far as the plugin needs; both versions are in the message") {
  nudge_connector_api api{};
  api.struct_size = sizeof api;
  struct Row {
    uint32_t major, minor, needs, host_minor;
    const char* expect;
  };
  for (const Row& row : {Row{1, 1, 0, 1, ""}, Row{1, 0, 0, 1, ""}, Row{1, 9, 1, 1, ""}, Row{1, 9, 2, 1, "1.2"}, Row{2, 0, 0, 1, "2.0"},
                         Row{0, 5, 0, 1, "0.5"}}) {
    api.abi_major = row.major;
    api.abi_minor = row.minor;
    api.needs_minor = row.needs;
    const std::string problem = nudge::connectors::version_problem(api, 1, row.host_minor);
    CAPTURE(problem);
    CHECK(problem.empty() == (*row.expect == '\0'));
    CHECK(problem.find(row.expect) != std::string::npos);
    if (!problem.empty()) CHECK(problem.find("1.1") != std::string::npos);
  }
  api.abi_major = 1;
  api.abi_minor = 0;
  api.needs_minor = 0;
  api.struct_size = offsetof(nudge_connector_api, close);
  CHECK(nudge::connectors::version_problem(api, 1, 1).find("shorter") != std::string::npos);
}

TEST_CASE("an answer passes whole or not at all; a host without a place for it is told so") {
  auto plugin = Plugin::load(PLUGINS "/misbehave.so", [](int, const std::string&) {});
  REQUIRE(plugin);
  REQUIRE((*plugin)->create("{}"));
  const auto asked = [&](const char* what) { return (*plugin)->deliver(request(std::string("{\"do\":\"") + what + "\"}")); };
  CHECK(asked("answer").result_json == "{\"a\": 12.10,\n \"b\":[1]}");
  CHECK(asked("ok").result_json.empty());
  const auto long_one = asked("long_answer");
  CHECK(long_one.status == OutcomeStatus::not_sent);
  CHECK_FALSE(long_one.retryable);
  CHECK(long_one.result_json.empty());
  for (const char* what : {"broken_answer", "list_answer"}) {
    const auto broken = asked(what);
    CHECK(broken.status == OutcomeStatus::unknown);
    CHECK(broken.detail.find("no JSON object") != std::string::npos);
  }
  CHECK(asked("answer_and_refuse").result_json.empty());

  // A host of ABI 1.1 hands in a struct that ends before `result`, and whatever lies behind it must not be touched.
  nudge::sdk::Outcome outcome = nudge::sdk::Outcome::accepted("");
  outcome.result = "{}";
  nudge_result result{};
  result.struct_size = offsetof(nudge_result, result);
  char behind = 'x';
  result.result = {&behind, 1, 7};
  char detail[100];
  result.detail = {detail, sizeof detail, 0};
  nudge::sdk::detail::answer(&result, [&] { return outcome; });
  CHECK(result.status == NUDGE_NOT_SENT);
  CHECK(behind == 'x');
  CHECK(result.result.size == 7);
}

TEST_CASE("an older and a newer plugin load and work; the others are refused with the reason") {
  auto older = Plugin::load(PLUGINS "/older.so", [](int, const std::string&) {});
  REQUIRE(older);
  REQUIRE((*older)->create("{}"));
  const auto outcome = (*older)->deliver(request("{}"));
  CHECK(outcome.status == OutcomeStatus::accepted);
  CHECK(outcome.provider_ref == "abc123");
  CHECK((*older)->query(request("{}")).status == OutcomeStatus::unknown);  // 1.0 has no query

  auto newer = Plugin::load(PLUGINS "/newer.so", [](int, const std::string&) {});
  REQUIRE(newer);
  REQUIRE((*newer)->create("{}"));
  CHECK((*newer)->deliver(request("{}")).status == OutcomeStatus::accepted);
  CHECK((*newer)->query(request("{}")).status == OutcomeStatus::not_sent);

  CHECK(load_problem(PLUGINS "/too_new.so").find("1.99") != std::string::npos);
  CHECK(load_problem(PLUGINS "/other_major.so").find("2.9") != std::string::npos);
  CHECK(load_problem(PLUGINS "/no_symbol.so").find("nudge_connector_entry") != std::string::npos);
  CHECK(load_problem(PLUGINS "/missing.so").find("no plugin at") != std::string::npos);
  CHECK(load_problem("relative.so").find("absolute") != std::string::npos);
  const std::string open_to_all = "/tmp/nudge-open-" + std::to_string(::getpid()) + ".so";  // /tmp itself can be written by everybody
  REQUIRE(::symlink(PLUGINS "/newer.so", open_to_all.c_str()) == 0);
  CHECK(load_problem(open_to_all).find("chmod o-w /tmp") != std::string::npos);
  ::unlink(open_to_all.c_str());
}

TEST_CASE("answers that break the rules are made harmless") {
  auto plugin = Plugin::load(PLUGINS "/misbehave.so", [](int, const std::string&) {});
  REQUIRE(plugin);
  REQUIRE((*plugin)->create("{}"));
  const auto garbage = (*plugin)->deliver(request(R"({"do":"garbage"})"));
  CHECK(garbage.status == OutcomeStatus::unknown);
  CHECK(garbage.detail.find("77") != std::string::npos);
  const auto huge = (*plugin)->deliver(request(R"({"do":"huge"})"));
  CHECK(huge.status == OutcomeStatus::accepted);
  CHECK(huge.provider_ref.size() == 512);
  CHECK(huge.detail.size() == 2048);
  const auto bad = (*plugin)->deliver(request(R"({"do":"badtext"})"));
  CHECK(bad.provider_ref == "r? f");
  CHECK(bad.detail == "??? lone surrogate ");
  const auto thrown = (*plugin)->deliver(request(R"({"do":"throw"})"));
  CHECK(thrown.status == OutcomeStatus::unknown);
  CHECK(thrown.detail == "thrown inside deliver");
  CHECK((*plugin)->validate(R"({"mode":"refuse"})").size() == 2);
  auto other = Plugin::load(PLUGINS "/misbehave.so", [](int, const std::string&) {});
  REQUIRE(other);
  CHECK((*other)->create(R"({"mode":"cannot"})").error() == "no licence");
}

TEST_CASE("secrets: by reference only, hidden in answers and log lines, refused when everybody can read the file") {
  char path[] = "/tmp/nudge-secret-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, "s3cr3t-value\n", 13) == 13);
  ::close(fd);
  std::string logged;
  const std::string config = R"({"password": {"file":")" + std::string(path) + R"("}})";
  {
    auto plugin = Plugin::load(PLUGINS "/misbehave.so", [&](int, const std::string& text) { logged += text; });
    REQUIRE(plugin);
    REQUIRE((*plugin)->create(config));
    const auto outcome = (*plugin)->deliver(request(R"({"do":"secret"})"));
    CHECK(outcome.status == OutcomeStatus::accepted);
    CHECK(outcome.detail == "it was ***");
    CHECK(logged == "the secret is ***");
  }
  ::chmod(path, 0644);
  {
    auto plugin = Plugin::load(PLUGINS "/misbehave.so", [](int, const std::string&) {});
    REQUIRE((*plugin)->create(config));
    const auto outcome = (*plugin)->deliver(request(R"({"do":"secret"})"));
    CHECK(outcome.status == OutcomeStatus::bad_config);
    CHECK(outcome.detail.find("chmod 600") != std::string::npos);
  }
  ::unlink(path);
  nudge::connectors::Secrets secrets;
  CHECK(secrets.resolve(R"({"env":"NUDGE_TEST_NOT_SET"})").error().find("NUDGE_TEST_NOT_SET is not set") != std::string::npos);
  ::setenv("NUDGE_TEST_SET", "from-env", 1);
  CHECK(secrets.resolve(R"({"env":"NUDGE_TEST_SET"})").value() == "from-env");
  CHECK(secrets.redact("x from-env y") == "x *** y");
  for (const char* bad : {R"("text")", R"({"vault":"x"})", R"({"env":1})", "{}", R"({"env":"A","file":"B"})", "nonsense"})
    CHECK_FALSE(secrets.resolve(bad).has_value());
}

TEST_CASE("raw_member keeps the bytes of a member") {
  using nudge::sdk::raw_member;
  struct Row {
    const char* object;
    const char* key;
    const char* expect;
  };
  for (const Row& row :
       {Row{R"({"a": 12.10 ,"b":2})", "a", "12.10"}, Row{R"({"x":{"a":1},"a":{"b":[1,2,{"}":"]"}]}})", "a", R"({"b":[1,2,{"}":"]"}]})"},
        Row{R"({"a":"q\"}\\","b":true})", "b", "true"}, Row{R"({"a":"q\"}\\","b":true})", "a", R"("q\"}\\")"}, Row{R"({})", "a", ""},
        Row{R"({"a":1,"a":2})", "a", "2"}, Row{R"([1])", "a", ""}, Row{"{\n \"a\" :\n [ ]\n}", "a", "[ ]"}, Row{R"({"a":)", "a", ""}}) {
    CAPTURE(row.object);
    CHECK(raw_member(row.object, row.key) == row.expect);
  }
}
