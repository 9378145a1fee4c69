// A plugin that does what the payload's "do" says: ok, crash, abort, exit, throw, hang, slow, garbage, huge, print, memory.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sdk/plugin.h"

namespace {

class Misbehave final : public nudge::sdk::Connector {
 public:
  static std::string_view description() {
    return R"({"kind":"misbehave","version":"1","channels":["*"],"idempotency":"none","default_on_unknown":"hold","config_schema":{}})";
  }
  static std::vector<std::string> validate(std::string_view config) {
    if (config.find("refuse") != std::string_view::npos) return {"mode: must not be refuse", "second: is wrong too"};
    return {};
  }
  static std::unique_ptr<Misbehave> create(const nudge::sdk::Host& host, std::string_view config) {
    if (config.find("cannot") != std::string_view::npos) throw std::runtime_error("no licence");
    if (config.find("slow_start") != std::string_view::npos) std::this_thread::sleep_for(std::chrono::hours(1));
    return std::make_unique<Misbehave>(host, std::string(config));
  }
  Misbehave(const nudge::sdk::Host& host, std::string config) : host_(host), config_(std::move(config)) {}

  nudge::sdk::Outcome deliver(const nudge::sdk::Request& request) override {
    using nudge::sdk::Outcome;
    const auto wants = [&](std::string_view what) {
      return request.payload.find("\"" + std::string(what) + "\"") != std::string_view::npos;
    };
    if (wants("crash")) raise_fault();
    if (wants("abort")) std::abort();
    if (wants("exit")) ::_exit(3);
    if (wants("throw")) throw std::runtime_error("thrown inside deliver");
    if (wants("hang")) std::this_thread::sleep_for(std::chrono::hours(1));
    if (wants("slow")) std::this_thread::sleep_for(std::chrono::milliseconds(400));
    if (wants("print") && ::write(1, "not a protocol line\n", 20) < 0) return Outcome::unknown("no output");
    if (wants("memory")) {
      std::vector<char*> held;  // until the limit of the process; bad_alloc then
      for (;;) {
        held.push_back(new char[16 << 20]);
        std::memset(held.back(), 1, 16 << 20);
      }
    }
    if (wants("huge")) return Outcome::accepted(std::string(100'000, 'r'), std::string(1'000'000, 'd'));
    const auto answer = [](std::string text) {
      Outcome outcome = Outcome::accepted("");
      outcome.result = std::move(text);
      return outcome;
    };
    if (wants("answer")) return answer("{\"a\": 12.10,\n \"b\":[1]}");
    if (wants("long_answer")) return answer("{\"a\":\"" + std::string(70'000, 'x') + "\"}");
    if (wants("broken_answer")) return answer("{\"a\":");
    if (wants("list_answer")) return answer("[1]");
    if (wants("answer_and_refuse")) {
      Outcome refused = answer("{}");
      refused.status = nudge::sdk::Status::not_sent;
      return refused;
    }
    if (wants("garbage")) return {static_cast<nudge::sdk::Status>(77), true, -5, "\xff\xfe", "\xc3", 70000, {}};
    if (wants("badtext"))
      return Outcome::accepted(
          "r\xff\x01"
          "f",
          "\xed\xa0\x80 lone surrogate\n");
    if (wants("secret")) {
      std::string value;
      const std::string reference = config_.substr(config_.find("{\"", 1), config_.find('}') - config_.find("{\"", 1) + 1);
      const bool good = host_.secret(reference, value);
      host_.log(2, "the secret is " + value);
      return good ? Outcome::accepted("ok", "it was " + value) : Outcome::bad_config(value);
    }
    return Outcome::accepted("ref-" + std::string(request.action_id), "attempt " + std::to_string(request.attempt));
  }

 private:
  static void raise_fault() {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn it into an ordinary exit
    ::raise(SIGSEGV);
  }
  nudge::sdk::Host host_;
  std::string config_;
};

}  // namespace

NUDGE_CONNECTOR(Misbehave)
