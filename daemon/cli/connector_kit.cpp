#include "daemon/cli/connector_kit.h"

#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>

#include "connectors/host/connector_process.h"
#include "daemon/cli/examples.h"
#include "daemon/cli/faulty_peer.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

namespace json = boost::json;
using connectors::ConnectorProcess;
using connectors::ConnectorSpec;
using connectors::ConnectorState;
using connectors::DeliverRequest;
using connectors::Outcome;
using connectors::OutcomeStatus;
using Mood = FaultyPeer::Mood;

constexpr const char* kSecret = "kit-secret-3f9a1c77";
constexpr const char* kSecretName = "NUDGE_KIT_SECRET";
constexpr const char* kPlaceholder = "{{provider}}";
constexpr std::size_t kAtOnce = 16;
constexpr std::int64_t kWaitOutMsMax = 10'000;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<std::string> text_or_file(const std::string& word) {
  if (!word.starts_with('@')) return word;
  std::ifstream file(word.substr(1), std::ios::binary);
  if (!file) return nudge::fail(Code::not_found, say("{1} can't be read", {word.substr(1)}));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string replaced(std::string text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// One process of the connector, with all that it said.
class Trial {
 public:
  explicit Trial(ConnectorSpec spec)
      : process_(
            std::move(spec), [this](const DeliverRequest& request, const Outcome& outcome) { heard(request, outcome); },
            [this](int, std::string_view, std::string_view text) {
              const std::lock_guard lock(mutex_);
              said_ += text;
              said_ += '\n';
            }) {}
  ~Trial() { process_.stop(0); }

  // Waits until it is ready, or has refused.
  connectors::ConnectorStatus settle(std::chrono::seconds patience = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
      const auto status = process_.status();
      if (status.state == ConnectorState::ready || status.state == ConnectorState::failed) return status;
      ::usleep(5000);
    }
    return process_.status();
  }
  void send(DeliverRequest request) {
    if (!process_.submit(request)) heard(request, {.status = OutcomeStatus::unknown, .detail = say("not taken")});
  }
  // All outcomes for the id, when there are `count` or the time is over.
  std::vector<Outcome> wait(const std::string& id, std::size_t count, std::int64_t ms) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return outcomes_[id].size() >= count; });
    return outcomes_[id];
  }
  std::string said() const {
    const std::lock_guard lock(mutex_);
    return said_;
  }
  ConnectorProcess& process() { return process_; }

 private:
  void heard(const DeliverRequest& request, const Outcome& outcome) {
    {
      const std::lock_guard lock(mutex_);
      outcomes_[request.action_id].push_back(outcome);
      said_ += outcome.detail + "\n" + outcome.provider_ref + "\n";
    }
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<Outcome>> outcomes_;
  std::string said_;
  ConnectorProcess process_;  // last: its callbacks use what stands above
};

class Kit {
 public:
  Kit(const Output& out, const ConnectorTestOptions& options, std::string config, std::string payload)
      : out_(out), options_(options), config_(std::move(config)), payload_(std::move(payload)), peer_(options.answer) {
    if (const char* own = ::getenv(kSecretName); own != nullptr && *own != '\0') secret_ = own;
  }

  Exit run() {
    trial_ = std::make_unique<Trial>(spec(peer_.url()));
    if (!hello()) return finish();
    refuses_what_it_does_not_know();
    if (config_.find(kPlaceholder) != std::string::npos || secret_.find(kPlaceholder) != std::string::npos) {
      provider();
      nobody_there();
    } else {
      out_.terminal.line(say("the configuration has no {1}: how it takes a misbehaving provider is left out", {kPlaceholder}));
    }
    odd_text();
    many_at_once();
    crash();
    const std::string secret = replaced(secret_, kPlaceholder, peer_.url());
    check(say("no secret in what it says"), (said_ + trial_->said()).find(secret) == std::string::npos,
          say("the secret of {1} stood in a detail, a reference or a log line", {kSecretName}));
    return finish();
  }

 private:
  ConnectorSpec spec(const std::string& url) const {
    ConnectorSpec spec;
    spec.name = "kit";
    spec.kind = "kit";
    if (options_.command.size() == 1 && options_.command[0].ends_with(".so"))
      spec.plugin = options_.command[0];
    else
      spec.command = options_.command;
    spec.config_json = replaced(config_, kPlaceholder, url);
    // Some providers' addresses are secrets themselves.
    ::setenv(kSecretName, replaced(secret_, kPlaceholder, url).c_str(), 1);
    spec.timeout_ms = options_.timeout_ms;
    spec.in_flight_max = 8;
    spec.backoff_ms_min = 50;
    return spec;
  }

  void check(const std::string& what, bool good, const std::string& why) {
    ++(good ? passed_ : failed_);
    out_.terminal.line((good ? out_.terminal.paint("ok    ", Color::green) : out_.terminal.paint("FAIL  ", Color::red)) + what);
    if (!good) out_.terminal.line("      " + why);
  }

  Exit finish() {
    out_.terminal.line(say("{1} passed, {2} failed", {std::to_string(passed_), std::to_string(failed_)}));
    return failed_ == 0 ? Exit::ok : Exit::failed;
  }

  std::string next_id() { return "c0ffee" + std::to_string(1000 + ++ids_); }

  DeliverRequest request(const std::string& id, std::uint32_t attempt = 1) const {
    DeliverRequest r;
    r.action_id = id;
    r.kind = r.channel = options_.channel;
    r.attempt = attempt;
    r.customer_id = "c1";
    r.payload_json = payload_;
    r.created_ms = now_ms();
    r.deadline_ms = now_ms() + options_.timeout_ms;
    return r;
  }

  Outcome deliver(Trial& trial, const DeliverRequest& r) {
    trial.send(r);
    const std::vector<Outcome> all = trial.wait(r.action_id, 1, options_.timeout_ms + 3000);
    return all.empty() ? Outcome{.status = OutcomeStatus::unknown, .detail = say("nothing was heard")} : all.back();
  }

  static std::string shown(const Outcome& o) {
    std::string text(to_string(o.status));
    if (o.status == OutcomeStatus::not_sent) text += ", " + (o.retryable ? say("retryable") : say("not retryable"));
    if (o.retry_after_ms > 0) text += ", " + say("after {1} ms", {std::to_string(o.retry_after_ms)});
    return text + (o.detail.empty() ? "" : " (" + o.detail + ")");
  }

  bool hello() {
    const auto status = trial_->settle();
    check(say("starts with this configuration"), status.state == ConnectorState::ready, status.last_error);
    if (status.state != ConnectorState::ready) return false;
    json::error_code error;
    const json::value value = json::parse(status.description_json, error);
    const auto text = [&](const char* name) {
      const auto* member = !error && value.is_object() ? value.get_object().if_contains(name) : nullptr;
      return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
    };
    idempotency_ = text("idempotency");
    const std::string on_unknown = text("default_on_unknown");
    const bool good = !text("kind").empty() && (idempotency_ == "key" || idempotency_ == "query" || idempotency_ == "none") &&
                      (on_unknown == "hold" || on_unknown == "retry" || on_unknown == "verify");
    check(say("says what it is: kind, idempotency, default_on_unknown"), good, status.description_json);
    return true;
  }

  void refuses_what_it_does_not_know() {
    ConnectorSpec odd = spec(peer_.url());
    const std::size_t end = odd.config_json.rfind('}');
    if (end == std::string::npos) return;
    const bool empty = odd.config_json.find('"') == std::string::npos;
    odd.config_json.insert(end, std::string(empty ? "" : ",") + "\"no_such_field_of_yours\":1");
    Trial trial(odd);
    const auto status = trial.settle();
    check(say("refuses a configuration with an unknown field"), status.state == ConnectorState::failed,
          say("it started: a mistyped field would be ignored in silence"));
    said_ += trial.said();
  }

  void provider() {
    const auto wants = [&](const std::string& what, Mood mood, const std::function<bool(const Outcome&)>& good,
                           const std::string& expected) {
      peer_.be(mood);
      const Outcome outcome = deliver(*trial_, request(next_id()));
      check(what, good(outcome), say("got {1}; expected {2}", {shown(outcome), expected}));
      // As nudged would: the whole account waits for as long as the provider said.
      ::usleep(static_cast<useconds_t>(std::clamp<std::int64_t>(outcome.retry_after_ms, 0, kWaitOutMsMax)) * 1000);
    };
    const auto accepted = [](const Outcome& o) { return o.status == OutcomeStatus::accepted; };
    const auto later = [](const Outcome& o) { return o.status == OutcomeStatus::not_sent && o.retryable; };
    const auto unknown = [](const Outcome& o) { return o.status == OutcomeStatus::unknown; };
    wants(say("delivers"), Mood::well, accepted, "accepted");
    wants(say("waits for a slow provider"), Mood::slow, accepted, "accepted");
    wants(
        say("429: again later, not before Retry-After"), Mood::limited,
        [&](const Outcome& o) { return later(o) && o.retry_after_ms >= 7000; }, say("not_sent, retryable, after 7000 ms"));
    wants(
        say("500: again later, or unknown"), Mood::broken, [&](const Outcome& o) { return later(o) || unknown(o); }, "not_sent, retryable");
    wants(
        say("a page instead of an answer"), Mood::garbage, [](const Outcome& o) { return o.status != OutcomeStatus::bad_config; },
        say("any but bad_config"));
    // What may be asked twice may say so; anything else would be a guess.
    const auto lost = [&](const Outcome& o) { return unknown(o) || (later(o) && idempotency_ == "key"); };
    wants(say("taken, and then silence: unknown"), Mood::silent, lost, "unknown");
    peer_.be(Mood::hangs);
    const std::int64_t begin = now_ms();
    const Outcome hung = deliver(*trial_, request(next_id()));
    check(say("a provider that hangs: an answer of its own before the deadline"),
          lost(hung) && now_ms() - begin < options_.timeout_ms && trial_->process().status().restarts == 0,
          say("got {1}; expected {2}", {shown(hung), "unknown"}));
    peer_.be(Mood::redirect);
    const Outcome moved = deliver(*trial_, request(next_id()));
    check(say("follows no redirect"), moved.status != OutcomeStatus::accepted && peer_.seen().size() == 1, shown(moved));
    repeats();
  }

  // Two attempts of one action.
  void repeats() {
    peer_.be(Mood::broken);
    const std::string id = next_id();
    deliver(*trial_, request(id));
    const std::vector<FaultyPeer::Seen> first = peer_.seen();
    peer_.be(Mood::well);
    trial_->send(request(id, 2));
    trial_->wait(id, 2, options_.timeout_ms + 3000);
    const std::vector<FaultyPeer::Seen> second = peer_.seen();
    const bool both = !first.empty() && !second.empty();
    if (idempotency_ != "key") return;
    const auto carries = [&](const FaultyPeer::Seen& s) { return (s.head + s.body).find(id) != std::string::npos; };
    check(say("idempotency key: the action id is in each attempt"), both && carries(first.front()) && carries(second.back()),
          say("the provider could not know the second attempt for a repeat"));
  }

  void nobody_there() {
    Trial trial(spec(nobody_url()));
    trial.settle();
    const Outcome outcome = deliver(trial, request(next_id()));
    check(say("no connection: again later"), outcome.status == OutcomeStatus::not_sent && outcome.retryable, shown(outcome));
    said_ += trial.said();
  }

  void odd_text() {
    peer_.be(Mood::well);
    DeliverRequest odd = request(next_id());
    odd.payload_json.insert(odd.payload_json.rfind('}'),
                            std::string(odd.payload_json.find('"') == std::string::npos ? "" : ",") +
                                R"("odd":"王芳 \" \\ \n \u0000 \ud83d\ude00","deep":{"a":[{"b":[null,1e3]}]})");
    trial_->send(odd);
    const auto all = trial_->wait(odd.action_id, 1, options_.timeout_ms + 3000);
    check(say("takes any text"), all.size() == 1 && trial_->process().status().restarts == 0, say("no answer of its own"));
  }

  void many_at_once() {
    peer_.be(Mood::well);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < kAtOnce; ++i) ids.push_back(next_id());
    for (const std::string& id : ids) trial_->send(request(id));
    std::size_t once = 0;
    for (const std::string& id : ids) once += trial_->wait(id, 1, options_.timeout_ms + 3000).size() == 1 ? 1U : 0U;
    check(say("many at once, each answered once"), once == kAtOnce && trial_->process().status().stray_replies == 0,
          say("{1} of {2} were answered", {std::to_string(once), std::to_string(kAtOnce)}));
  }

  void crash() {
    const int pid = trial_->process().status().pid;
    (void)spec(peer_.url());  // the secret of the first trial again
    if (pid > 0) ::kill(pid, SIGKILL);
    // Until it is seen: what is handed to the dying process is lost with it, and rightly unknown.
    for (int i = 0; i < 2000 && trial_->process().status().restarts == 0; ++i) ::usleep(5000);
    trial_->settle();
    const Outcome outcome = deliver(*trial_, request(next_id()));
    check(say("starts again after a crash"), trial_->process().status().restarts > 0 && outcome.status == usual(), shown(outcome));
  }
  // As all is well: what it says then. A connector that is tried without a provider may say anything.
  OutcomeStatus usual() { return deliver(*trial_, request(next_id())).status; }

  const Output& out_;
  const ConnectorTestOptions& options_;
  const std::string config_, payload_;
  FaultyPeer peer_;
  std::unique_ptr<Trial> trial_;
  std::string secret_ = kSecret, idempotency_, said_;
  int ids_ = 0, passed_ = 0, failed_ = 0;
};

}  // namespace

Exit test_connector(const Output& out, const ConnectorTestOptions& options) {
  Result<std::string> config = text_or_file(options.config);
  if (!config) return report(out, config.error());
  Result<std::string> payload = text_or_file(
      options.payload.empty() ? R"({"to":"a@example.com","subject":"Try","text":"Hello","event":"try","data":{}})" : options.payload);
  if (!payload) return report(out, payload.error());
  for (const auto& [name, text] : {std::pair{"--config", &*config}, {"--payload", &*payload}}) {
    json::error_code error;
    const json::value value = json::parse(*text, error);
    if (error || !value.is_object()) return report(out, {Code::invalid, say("{1} must be a JSON object", {name})});
  }
  ConnectorTestOptions absolute = options;
  if (char* path = ::realpath(options.command[0].c_str(), nullptr); path != nullptr) {
    absolute.command[0] = path;
    std::free(path);
  }
  if (!absolute.command[0].starts_with('/')) return report(out, {Code::not_found, say("{1} can't be read", {options.command[0]})});
  return Kit(out, absolute, *config, *payload).run();
}

Exit new_connector(const Output& out, const ConnectorNewOptions& options) {
  const std::string& name = options.name;
  if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos || name[0] == '_')
    return report(out, {Code::invalid, say("{1} is no name for a connector: use small letters, digits and _", {name})});
  const bool python = options.language == "python";
  const std::string path = name + (python ? ".py" : ".cpp");
  if (::access(path.c_str(), F_OK) == 0) return report(out, {Code::conflict, say("{1} is there already; nothing was written", {path})});
  std::string text(python ? kPythonConnector : kCppConnector);
  text = python ? replaced(std::move(text), "\"kind\": \"file\"", "\"kind\": \"" + name + "\"")
                : replaced(std::move(text), "\"pager\"", "\"" + name + "\"");
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) return report(out, {Code::io, say("{1} can't be written", {path})});
  out.terminal.line(say("wrote {1}", {path}));
  out.terminal.line(
      say("next: {1}", {python ? "nudge connector test --config '{\"directory\": \"/var/tmp/try\"}' -- /usr/bin/python3 " + path
                               : "docs/connectors.md#write-one-in-c"}));
  return Exit::ok;
}

}  // namespace nudge::cli
