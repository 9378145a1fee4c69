// ConnectorProcess against real processes: good ones, and ones that crash, hang, talk garbage or flood. Each test counts that
// every request that was taken is answered exactly once.
#include "connectors/host/connector_process.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

using namespace nudge::connectors;

namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Collects outcomes; fails the test when one comes twice.
class Collector {
 public:
  OutcomeFn outcome_fn() {
    return [this](const DeliverRequest& request, const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      outcomes_.emplace(request.action_id, outcome);
      ++count_;
      more_.notify_all();
    };
  }
  LogFn log_fn() {
    return [this](int, std::string_view, std::string_view text) {
      const std::lock_guard lock(mutex_);
      log_ += std::string(text) + "\n";
      ++log_lines_;
    };
  }
  Outcome wait(const std::string& id, int seconds = 20) {
    std::unique_lock lock(mutex_);
    const bool came = more_.wait_for(lock, std::chrono::seconds(seconds), [&] { return outcomes_.contains(id); });
    CAPTURE(id);
    REQUIRE(came);
    return outcomes_.find(id)->second;
  }
  void wait_count(std::size_t count, int seconds = 30) {
    std::unique_lock lock(mutex_);
    REQUIRE(more_.wait_for(lock, std::chrono::seconds(seconds), [&] { return count_ >= count; }));
  }
  std::size_t times(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return outcomes_.count(id);
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::size_t log_lines() {
    const std::lock_guard lock(mutex_);
    return log_lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::multimap<std::string, Outcome> outcomes_;
  std::size_t count_ = 0, log_lines_ = 0;
  std::string log_;
};

ConnectorSpec plugin_spec(const std::string& plugin = PLUGINS "/misbehave.so") {
  ConnectorSpec spec;
  spec.name = "under-test";
  spec.kind = "misbehave";
  spec.plugin = plugin;
  spec.runner = RUNNER;
  spec.timeout_ms = 10'000;
  spec.backoff_ms_min = 20;
  return spec;
}

ConnectorSpec program_spec(const std::string& mode) {
  ConnectorSpec spec = plugin_spec("");
  spec.command = {"/usr/bin/python3", PROGRAMS "/fake.py"};
  spec.config_json = "{\"mode\": \"" + mode + "\"}";
  return spec;
}

DeliverRequest request(const std::string& id, const std::string& what = "ok") {
  DeliverRequest r;
  r.action_id = id;
  r.kind = "sms";
  r.channel = "sms";
  r.customer_id = "王芳";
  r.payload_json = "{\"do\":\"" + what + "\"}";
  r.created_ms = now_ms();
  return r;
}

template <class Condition>
bool eventually(Condition condition, int seconds = 20) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void check_books(const ConnectorStatus& s) {
  CHECK(s.taken == s.accepted + s.not_sent + s.unknown + s.bad_config + s.in_flight + s.queued);
}

bool alive(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  for (int i = 0; i < 3 && stat >> word; ++i) {}
  return stat && word != "Z";
}

}  // namespace

TEST_CASE("deliveries and queries go through a plugin, several at once") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.in_flight_max = 8;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 16; ++i) REQUIRE(process.submit(request("a" + std::to_string(i), "slow")));
  collector.wait_count(16);
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took < std::chrono::milliseconds(16 * 400 / 2));  // two rounds of 400 ms when eight run at once
  const Outcome first = collector.wait("a0");
  CHECK(first.status == OutcomeStatus::accepted);
  CHECK(first.provider_ref == "ref-a0");
  CHECK(first.detail == "attempt 1");
  DeliverRequest question = request("q1");
  question.query = true;
  REQUIRE(process.submit(question));
  CHECK(collector.wait("q1").status == OutcomeStatus::unknown);
  const ConnectorStatus status = process.status();
  CHECK(status.state == ConnectorState::ready);
  CHECK(status.restarts == 0);
  CHECK(status.accepted == 16);
  CHECK(status.description_json.find("\"kind\":\"misbehave\"") != std::string::npos);
  process.stop(5000);
  CHECK(collector.count() == 17);
  check_books(process.status());
}

TEST_CASE("a crash costs what was in flight, once, and the next process goes on") {
  Collector collector;
  ConnectorProcess process(plugin_spec(), collector.outcome_fn(), collector.log_fn());
  int crashes = 0;
  for (const char* how : {"crash", "abort", "exit", "crash"}) {
    const std::string id = "c" + std::to_string(crashes++);
    REQUIRE(process.submit(request(id, how)));
    const Outcome outcome = collector.wait(id);
    CAPTURE(outcome.detail);
    CHECK(outcome.status == OutcomeStatus::unknown);
    CHECK(outcome.detail.find(std::string(how) == "exit" ? "exit code 3" : "signal") != std::string::npos);
    REQUIRE(process.submit(request("after" + id)));
    CHECK(collector.wait("after" + id).status == OutcomeStatus::accepted);
  }
  CHECK(process.status().restarts == 4);
  CHECK(process.status().last_error.find("signal") != std::string::npos);
  process.stop(5000);
  CHECK(collector.count() == 8);
  check_books(process.status());
}

TEST_CASE("a hang ends as unknown at the deadline, then the process is replaced") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.timeout_ms = 20'000;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  const int pid = process.status().pid;
  DeliverRequest hanging = request("h1", "hang");
  hanging.deadline_ms = now_ms() + 300;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(process.submit(hanging));
  REQUIRE(process.submit(request("slow1", "slow")));  // in flight beside it: it must keep its own answer
  CHECK(collector.wait("h1").status == OutcomeStatus::unknown);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  CHECK(collector.wait("slow1").status == OutcomeStatus::accepted);
  REQUIRE(process.submit(request("h2")));
  CHECK(collector.wait("h2").status == OutcomeStatus::accepted);
  CHECK(eventually([&] { return process.status().restarts == 1; }));
  CHECK(process.status().pid != pid);
  CHECK_FALSE(alive(pid));
  CHECK(process.status().unknown == 1);
}

TEST_CASE("programs that break the protocol") {
  struct Row {
    const char* mode;
    OutcomeStatus expect;
    const char* detail;
    bool restarted;
  };
  for (const Row& row :
       {Row{"ok", OutcomeStatus::accepted, "", false}, Row{"garbage", OutcomeStatus::unknown, "no JSON object: Traceback", true},
        Row{"binary", OutcomeStatus::unknown, "no JSON object", true}, Row{"oversized", OutcomeStatus::unknown, "over 256 KiB", true},
        Row{"endless", OutcomeStatus::unknown, "over 256 KiB", true}, Row{"foreign_id", OutcomeStatus::unknown, "never given", true},
        Row{"bad_status", OutcomeStatus::unknown, "perhaps", false}, Row{"die_after_answer", OutcomeStatus::accepted, "", true}}) {
    CAPTURE(row.mode);
    Collector collector;
    ConnectorProcess process(program_spec(row.mode), collector.outcome_fn(), collector.log_fn());
    REQUIRE(process.submit(request("x1")));
    const Outcome outcome = collector.wait("x1");
    CAPTURE(outcome.detail);
    CHECK(outcome.status == row.expect);
    CHECK(outcome.detail.find(row.detail) != std::string::npos);
    if (row.restarted) CHECK(eventually([&] { return process.status().restarts >= 1; }));
    process.stop(3000);
    CHECK(collector.count() == 1);
    check_books(process.status());
  }
}

TEST_CASE("a doubled and a late answer are counted, not followed") {
  Collector collector;
  ConnectorProcess twice(program_spec("twice"), collector.outcome_fn(), collector.log_fn());
  REQUIRE(twice.submit(request("t1")));
  REQUIRE(twice.submit(request("t2")));
  CHECK(collector.wait("t1").status == OutcomeStatus::accepted);
  CHECK(collector.wait("t2").status == OutcomeStatus::accepted);
  CHECK(eventually([&] { return twice.status().stray_replies == 2; }));
  CHECK(collector.count() == 2);
  CHECK(twice.status().restarts == 0);

  Collector late_collector;
  ConnectorSpec spec = program_spec("late");
  spec.timeout_ms = 700;
  ConnectorProcess late(spec, late_collector.outcome_fn(), late_collector.log_fn());
  REQUIRE(eventually([&] { return late.status().state == ConnectorState::ready; }));
  DeliverRequest slow = request("l1");
  slow.payload_json = R"({"seconds": 0.9})";
  DeliverRequest next = request("l2");
  next.payload_json = R"({"seconds": 0.0})";
  REQUIRE(late.submit(slow));
  REQUIRE(late.submit(next));  // the program works one by one: it waits behind the slow one
  CHECK(late_collector.wait("l1").status == OutcomeStatus::unknown);
  late_collector.wait("l2");
  CHECK(late_collector.times("l1") == 1);
  check_books(late.status());
}

TEST_CASE("one request that hangs costs itself: its neighbours and those after it are answered by the same process") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.timeout_ms = 2'500;
  spec.in_flight_max = 8;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  const int pid = process.status().pid;
  REQUIRE(process.submit(request("hangs", "hang")));
  constexpr int kGood = 70;  // 400 ms each in seven places: before, at and after the moment when the hanging one is late
  for (int i = 0; i < kGood; ++i) REQUIRE(process.submit(request("g" + std::to_string(i), "slow")));
  CHECK(collector.wait("hangs").status == OutcomeStatus::unknown);
  CHECK(collector.count() < kGood);  // others were in flight then
  for (int i = 0; i < kGood; ++i) {
    const Outcome outcome = collector.wait("g" + std::to_string(i));
    CAPTURE(outcome.detail);
    CHECK(outcome.status == OutcomeStatus::accepted);
    CHECK(process.status().pid == pid);
  }
  // The lost place comes back with a new process as soon as there is nothing that it could harm.
  CHECK(eventually([&] { return process.status().restarts == 1 && process.status().state == ConnectorState::ready; }));
  CHECK(process.status().unknown == 1);
  check_books(process.status());
}

TEST_CASE("half of the places lost: the rest is answered, then the process starts anew") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.timeout_ms = 1'500;
  spec.in_flight_max = 4;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  for (const char* id : {"h1", "h2"}) REQUIRE(process.submit(request(id, "hang")));
  for (int i = 0; i < 24; ++i) REQUIRE(process.submit(request("g" + std::to_string(i), "slow")));
  for (int i = 0; i < 24; ++i) CHECK(collector.wait("g" + std::to_string(i)).status == OutcomeStatus::accepted);
  CHECK(process.status().restarts == 1);
  CHECK(process.status().unknown == 2);
}

TEST_CASE("a process that does not say that it is well is ended") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.timeout_ms = 1'000;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  REQUIRE(::kill(process.status().pid, SIGSTOP) == 0);
  REQUIRE(process.submit(request("f1")));
  CHECK(collector.wait("f1").status == OutcomeStatus::unknown);
  CHECK(eventually([&] { return process.status().restarts == 1; }));
  CHECK(process.status().last_error.find("has not answered whether it is well") != std::string::npos);
  REQUIRE(process.submit(request("f2")));
  CHECK(collector.wait("f2").status == OutcomeStatus::accepted);
}

TEST_CASE("a refused configuration is state failed with the reason, and answers bad_config") {
  struct Row {
    ConnectorSpec spec;
    const char* reason;
  };
  ConnectorSpec refuse = plugin_spec();
  refuse.config_json = R"({"mode":"refuse"})";
  ConnectorSpec cannot = plugin_spec();
  cannot.config_json = R"({"mode":"cannot"})";
  ConnectorSpec nothing = plugin_spec("");
  ConnectorSpec relative = plugin_spec("misbehave.so");
  for (const Row& row :
       {Row{refuse, "second: is wrong too"}, Row{cannot, "no licence"}, Row{plugin_spec(PLUGINS "/other_major.so"), "ABI 2.9"},
        Row{plugin_spec(PLUGINS "/missing.so"), "no plugin at"}, Row{program_spec("refuse"), "the account is closed"},
        Row{program_spec("protocol"), "protocol 7"}, Row{nothing, "either a plugin or a command"}, Row{relative, "absolute path"}}) {
    CAPTURE(row.reason);
    Collector collector;
    ConnectorProcess process(row.spec, collector.outcome_fn(), collector.log_fn());
    REQUIRE(process.submit(request("f1")));
    const Outcome outcome = collector.wait("f1");
    CHECK(outcome.status == OutcomeStatus::bad_config);
    CHECK(outcome.detail.find(row.reason) != std::string::npos);
    CHECK(process.status().state == ConnectorState::failed);
    REQUIRE(process.submit(request("f2")));
    CHECK(collector.wait("f2").status == OutcomeStatus::bad_config);
    process.stop(1000);
    CHECK(process.status().state == ConnectorState::stopped);
  }
}

TEST_CASE("a failed connector heals by itself once its configuration works") {
  Collector collector;
  ConnectorSpec spec = plugin_spec("");
  char directory[] = "/tmp/nudge-heal-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string script = std::string(directory) + "/late.so";
  spec.plugin = script;
  spec.failed_retry_ms = 50;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  CHECK(eventually([&] { return process.status().state == ConnectorState::failed; }));
  REQUIRE(::symlink(PLUGINS "/misbehave.so", script.c_str()) == 0);
  CHECK(eventually([&] { return process.status().state == ConnectorState::ready; }));
  REQUIRE(process.submit(request("heal")));
  CHECK(collector.wait("heal").status == OutcomeStatus::accepted);
  ::unlink(script.c_str());
  ::rmdir(directory);
}

TEST_CASE("a program that can't start, or never says hello, backs off; its queue ends as not_sent") {
  ConnectorSpec missing = program_spec("ok");
  missing.command = {"/nonexistent/program"};
  ConnectorSpec silent = program_spec("silent");
  silent.timeout_ms = 200;
  for (const ConnectorSpec& spec : {missing, silent}) {
    Collector collector;
    ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
    DeliverRequest r = request("n1");
    r.deadline_ms = now_ms() + 600;
    REQUIRE(process.submit(r));
    const Outcome outcome = collector.wait("n1");
    CHECK(outcome.status == OutcomeStatus::not_sent);
    CHECK(outcome.retryable);
    CHECK(process.status().restarts >= 1);
    CHECK_FALSE(process.status().last_error.empty());
    if (spec.command[0] == "/nonexistent/program")
      CHECK(process.status().last_error.find("can't run /nonexistent/program") != std::string::npos);
  }
}

TEST_CASE("the queue is bounded, and limits of a request are checked") {
  Collector collector;
  ConnectorSpec spec = program_spec("deaf");
  spec.queue_max = 5;
  spec.in_flight_max = 1;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(process.submit(request("b0")));
  REQUIRE(eventually([&] { return process.status().in_flight == 1; }));
  int taken = 1;
  for (int i = 1; i < 20; ++i)
    if (process.submit(request("b" + std::to_string(i)))) ++taken;
  CHECK(taken == 6);
  DeliverRequest big = request("big");
  big.payload_json = "{\"t\":\"" + std::string(2 << 20, 'x') + "\"}";
  CHECK_FALSE(process.submit(big));
  DeliverRequest broken = request("broken");
  broken.payload_json = "[1]";
  CHECK_FALSE(process.submit(broken));
  const auto begin = std::chrono::steady_clock::now();
  process.stop(300);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
  CHECK(collector.count() == 6);
  CHECK(collector.wait("b0").status == OutcomeStatus::unknown);  // handed over, never answered
  CHECK(collector.wait("b1").status == OutcomeStatus::not_sent);
  CHECK(collector.wait("b5").retryable);
  CHECK_FALSE(process.submit(request("late")));
  check_books(process.status());
}

TEST_CASE("a payload of nearly 1 MiB passes, as do line breaks between its tokens") {
  Collector collector;
  ConnectorProcess process(plugin_spec(), collector.outcome_fn(), collector.log_fn());
  DeliverRequest big = request("big");
  big.payload_json = "{\n \"text\":\r\n \"" + std::string(1'000'000, 'x') + "\"\n}";
  REQUIRE(process.submit(big));
  CHECK(collector.wait("big").status == OutcomeStatus::accepted);
}

TEST_CASE("the deepest payload that submit() takes is delivered, the next deeper one is refused") {
  Collector collector;
  ConnectorProcess process(plugin_spec(), collector.outcome_fn(), collector.log_fn());
  const auto nested = [](const std::string& id, std::size_t depth) {
    DeliverRequest r = request(id);
    r.payload_json = "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
    return r;
  };
  REQUIRE(process.submit(nested("d32", 32)));
  CHECK(collector.wait("d32").status == OutcomeStatus::accepted);
  CHECK_FALSE(process.submit(nested("d33", 33)));
}

TEST_CASE("a plugin that prints to standard output can't disturb the protocol") {
  Collector collector;
  ConnectorProcess process(plugin_spec(), collector.outcome_fn(), collector.log_fn());
  REQUIRE(process.submit(request("p1", "print")));
  CHECK(collector.wait("p1").status == OutcomeStatus::accepted);
  CHECK(eventually([&] { return collector.log().find("not a protocol line") != std::string::npos; }));
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("many threads fit into little memory") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.memory_bytes_max = 256u << 20;
  spec.in_flight_max = 64;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  for (int i = 0; i < 200; ++i) REQUIRE(process.submit(request("t" + std::to_string(i))));
  collector.wait_count(200);
  CHECK(process.status().accepted == 200);
  CHECK(process.status().restarts == 0);
}

TEST_CASE("memory is limited: a greedy plugin gets bad_alloc or dies, nobody else notices") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.memory_bytes_max = 512u << 20;
  spec.in_flight_max = 1;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(process.submit(request("m1", "memory")));
  CHECK(collector.wait("m1").status == OutcomeStatus::unknown);
  REQUIRE(process.submit(request("m2")));
  collector.wait("m2");
  REQUIRE(process.submit(request("m3")));
  CHECK(collector.wait("m3").status != OutcomeStatus::bad_config);
}
#endif

TEST_CASE("the child sees a minimal environment with what its configuration names") {
  ::setenv("NUDGE_TEST_TOKEN", "token-value", 1);
  ::setenv("NUDGE_TEST_OTHER", "other", 1);
  Collector collector;
  ConnectorSpec spec = program_spec("environment");
  spec.config_json = R"({"mode":"environment","nested":[{"token":{"env":"NUDGE_TEST_TOKEN"}}]})";
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  REQUIRE(process.submit(request("e1")));
  const std::string names = collector.wait("e1").detail;
  CAPTURE(names);
  CHECK(names.find("NUDGE_TEST_TOKEN") != std::string::npos);
  CHECK(names.find("NUDGE_TEST_OTHER") == std::string::npos);
  CHECK(names.find("HOME") == std::string::npos);
}

TEST_CASE("what the child started goes with it") {
  Collector collector;
  int helper = 0, pid = 0;
  {
    ConnectorProcess process(program_spec("child"), collector.outcome_fn(), collector.log_fn());
    REQUIRE(process.submit(request("g1")));
    helper = std::stoi(collector.wait("g1").provider_ref);
    pid = process.status().pid;
    CHECK(alive(helper));
    CHECK(alive(pid));
  }
  CHECK(eventually([&] { return !alive(helper) && !alive(pid); }, 5));
}

TEST_CASE("books add up under a storm of crashes: every request exactly once") {
  Collector collector;
  ConnectorSpec spec = plugin_spec();
  spec.in_flight_max = 4;
  spec.backoff_ms_max = 40;
  ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
  constexpr int kRequests = 400;
  int taken = 0;
  for (int i = 0; i < kRequests; ++i)
    if (process.submit(request("s" + std::to_string(i), i % 37 == 36 ? "crash" : i % 53 == 0 ? "throw" : "ok"))) ++taken;
  CHECK(taken == kRequests);
  collector.wait_count(kRequests, 60);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(collector.count() == kRequests);
  for (int i = 0; i < kRequests; ++i) CHECK(collector.times("s" + std::to_string(i)) == 1);
  const ConnectorStatus status = process.status();
  check_books(status);
  CHECK(status.restarts >= 10);
  CHECK(status.accepted > kRequests / 2);
  CHECK(status.unknown >= 10);
}

TEST_CASE("kill -9 from outside, restart by order, and stop twice") {
  Collector collector;
  ConnectorProcess process(plugin_spec(), collector.outcome_fn(), collector.log_fn());
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready; }));
  const int first = process.status().pid;
  ::kill(first, SIGKILL);
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready && process.status().pid != first; }));
  const int second = process.status().pid;
  process.restart();
  REQUIRE(eventually([&] { return process.status().state == ConnectorState::ready && process.status().pid != second; }));
  REQUIRE(process.submit(request("k1")));
  CHECK(collector.wait("k1").status == OutcomeStatus::accepted);
  process.stop(2000);
  process.stop(2000);
  CHECK(process.status().state == ConnectorState::stopped);
}

TEST_CASE("the example connector in Python speaks the protocol") {
  char directory[] = "/tmp/nudge-example-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  Collector collector;
  ConnectorSpec spec = plugin_spec("");
  spec.command = {"/usr/bin/python3", EXAMPLES "/file_connector.py"};
  spec.config_json = "{\"directory\":\"" + std::string(directory) + "\"}";
  {
    ConnectorProcess process(spec, collector.outcome_fn(), collector.log_fn());
    REQUIRE(process.submit(request("ab01")));
    CHECK(collector.wait("ab01").status == OutcomeStatus::accepted);
    DeliverRequest question = request("ab02");
    question.query = true;
    REQUIRE(process.submit(question));
    CHECK(collector.wait("ab02").status == OutcomeStatus::not_sent);
    process.stop(3000);
  }
  std::ifstream file(std::string(directory) + "/ab01.json");
  std::string text;
  CHECK(std::getline(file, text));
  CHECK(text.find("\"do\"") != std::string::npos);
  ::unlink((std::string(directory) + "/ab01.json").c_str());
  ::rmdir(directory);
  Collector refused;
  spec.config_json = "{}";
  ConnectorProcess process(spec, refused.outcome_fn(), refused.log_fn());
  REQUIRE(process.submit(request("ab03")));
  CHECK(refused.wait("ab03").status == OutcomeStatus::bad_config);
}
