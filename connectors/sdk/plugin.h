// The thin C++ side of nudge/connector.h for plugin authors. Header-only, std only.
//
// Derive from nudge::sdk::Connector, then say NUDGE_CONNECTOR(MyClass) once in one .cpp. MyClass needs
//   static std::string_view description();                              JSON, see nudge/connector.h
//   static std::vector<std::string> validate(std::string_view config);   one mistake an entry
//   static std::unique_ptr<MyClass> create(const Host&, std::string_view config);   throws std::exception on failure
//   Outcome deliver(const Request&) override;                            called from several threads at once
// Nothing is thrown across the border: an exception out of deliver, query or receive becomes "unknown", because nobody can tell how
// far the attempt had come.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nudge/connector.h"

namespace nudge::sdk {

enum class Status : std::int32_t {
  accepted = NUDGE_ACCEPTED,
  not_sent = NUDGE_NOT_SENT,
  unknown = NUDGE_UNKNOWN,
  bad_config = NUDGE_BAD_CONFIG,
};

struct Outcome {
  Status status = Status::unknown;
  bool retryable = false;
  std::int64_t retry_after_ms = 0;
  std::string provider_ref = {};
  std::string detail = {};
  int http_status = 0;
  std::string result = {};  // accepted: what the other side answered, a JSON object; for connectors that ask something

  static Outcome accepted(std::string ref, std::string detail = {}, int code = 0) {
    return {Status::accepted, false, 0, std::move(ref), std::move(detail), code, {}};
  }
  static Outcome retry(std::string detail, std::int64_t after_ms = 0, int code = 0) {
    return {Status::not_sent, true, after_ms, {}, std::move(detail), code, {}};
  }
  static Outcome refused(std::string detail, int code = 0) { return {Status::not_sent, false, 0, {}, std::move(detail), code, {}}; }
  static Outcome unknown(std::string detail, int code = 0) { return {Status::unknown, false, 0, {}, std::move(detail), code, {}}; }
  static Outcome bad_config(std::string detail, int code = 0) { return {Status::bad_config, false, 0, {}, std::move(detail), code, {}}; }
};

// One request, as views: valid until deliver or query returns.
struct Request {
  std::string_view action_id, kind, channel, customer_id, payload, provider_ref;
  std::uint32_t attempt = 1;
  std::int64_t created_ms = 0;
  std::int64_t deadline_ms = 0;
};

// The host's services. Copyable; valid until the instance is closed; thread-safe.
class Host {
 public:
  explicit Host(const nudge_host* host) : host_(host) {}
  void log(int level, std::string_view text) const { host_->log(host_->context, level, text.data(), text.size()); }
  std::int64_t now_ms() const { return host_->now_ms(host_->context); }
  // `reference` is the JSON of {"file":…} or {"env":…}. False: `value` holds the reason instead.
  bool secret(std::string_view reference, std::string& value) const {
    std::string room(64 * 1024, '\0');
    nudge_text text{room.data(), room.size(), 0};
    const bool ok = host_->get_secret(host_->context, reference.data(), reference.size(), &text) == 0;
    value.assign(room.data(), text.size);
    return ok;
  }

 private:
  const nudge_host* host_;
};

class Connector {
 public:
  Connector() = default;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  virtual ~Connector() = default;
  virtual Outcome deliver(const Request&) = 0;
  // What the provider knows of the action. Override it together with "idempotency":"query" in the description.
  virtual Outcome query(const Request&) { return Outcome::unknown("this connector can't ask its provider"); }
  // What the provider called back with; connectors/http/inbound.h takes it apart. Override it together with Manifest::receives.
  virtual Outcome receive(const Request&) { return Outcome::refused("this connector takes no callbacks", 404); }
};

namespace detail {

inline void write(nudge_text* out, std::string_view text) noexcept {
  if (out == nullptr || out->data == nullptr) return;
  out->size = text.size() < out->capacity ? text.size() : out->capacity;
  if (out->size > 0) std::memcpy(out->data, text.data(), out->size);
}

inline std::string_view view(const nudge_str& s) noexcept { return s.size == 0 ? std::string_view() : std::string_view(s.data, s.size); }

inline Request view(const nudge_request& r) noexcept {
  return {view(r.action_id),    view(r.kind), view(r.channel), view(r.customer_id), view(r.payload),
          view(r.provider_ref), r.attempt,    r.created_ms,    r.deadline_ms};
}

// False: there is no room for it. Never cut: half an answer is none.
inline bool write_result(nudge_result* out, std::string_view result) noexcept {
  if (result.empty()) return true;
  if (!NUDGE_HAS_FIELD(out, nudge_result, result) || result.size() > out->result.capacity) return false;
  write(&out->result, result);
  return true;
}

template <class Call>
void answer(nudge_result* result, Call&& call) noexcept {
  try {
    const Outcome outcome = call();
    result->status = static_cast<std::int32_t>(outcome.status);
    result->retryable = outcome.retryable ? 1 : 0;
    result->http_status = outcome.http_status;
    result->retry_after_ms = outcome.retry_after_ms;
    write(&result->provider_ref, outcome.provider_ref);
    if (!write_result(result, outcome.result)) {
      result->status = NUDGE_NOT_SENT;
      result->retryable = 0;
      write(&result->detail, "the answer is longer than this host takes");
      return;
    }
    write(&result->detail, outcome.detail);
  } catch (const std::exception& error) {
    result->status = NUDGE_UNKNOWN;
    write(&result->detail, error.what());
  } catch (...) {
    result->status = NUDGE_UNKNOWN;
    write(&result->detail, "the connector failed with an exception of an unknown type");
  }
}

inline Connector* unwrap(nudge_connector* instance) noexcept { return reinterpret_cast<Connector*>(instance); }

template <class Class>
struct Table {
  static void describe(const char** json, size_t* size) noexcept {
    const std::string_view text = Class::description();
    *json = text.data();
    *size = text.size();
  }
  static std::int32_t validate(const char* config, size_t size, nudge_text* problems) noexcept {
    try {
      const std::vector<std::string> found = Class::validate(std::string_view(config, size));
      std::string lines;
      for (const std::string& problem : found) lines += problem + "\n";
      write(problems, lines);
      return static_cast<std::int32_t>(found.size());
    } catch (const std::exception& error) {
      write(problems, error.what());
      return 1;
    } catch (...) {
      return 1;
    }
  }
  static std::int32_t create(const nudge_host* host, const char* config, size_t size, nudge_text* error,
                             nudge_connector** instance) noexcept {
    try {
      std::unique_ptr<Connector> made = Class::create(Host(host), std::string_view(config, size));
      *instance = reinterpret_cast<nudge_connector*>(made.release());
      return 0;
    } catch (const std::exception& reason) {
      write(error, reason.what());
      return 1;
    } catch (...) {
      write(error, "create failed with an exception of an unknown type");
      return 1;
    }
  }
  static void deliver(nudge_connector* instance, const nudge_request* request, nudge_result* result) noexcept {
    answer(result, [&] { return unwrap(instance)->deliver(view(*request)); });
  }
  static void query(nudge_connector* instance, const nudge_request* request, nudge_result* result) noexcept {
    answer(result, [&] { return unwrap(instance)->query(view(*request)); });
  }
  static void receive(nudge_connector* instance, const nudge_request* request, nudge_result* result) noexcept {
    answer(result, [&] { return unwrap(instance)->receive(view(*request)); });
  }
  static void close(nudge_connector* instance) noexcept { delete unwrap(instance); }
};

}  // namespace detail
}  // namespace nudge::sdk

// Exports the plugin's table. Say it once, at namespace scope, in one .cpp of the module. The second form is for a plugin that can't do
// without what a minor version of the ABI added; older hosts refuse it and say why.
#define NUDGE_CONNECTOR(Class) NUDGE_CONNECTOR_NEEDS(Class, 0)
#define NUDGE_CONNECTOR_NEEDS(Class, minor)                                                            \
  extern "C" NUDGE_EXPORT const nudge_connector_api* nudge_connector_entry(void) {                     \
    using NudgeTable = ::nudge::sdk::detail::Table<Class>;                                             \
    static const nudge_connector_api table = {                                                         \
        sizeof(nudge_connector_api), NUDGE_ABI_MAJOR,       NUDGE_ABI_MINOR,     minor,                \
        &NudgeTable::describe,       &NudgeTable::validate, &NudgeTable::create, &NudgeTable::deliver, \
        &NudgeTable::close,          &NudgeTable::query,    &NudgeTable::receive};                     \
    return &table;                                                                                     \
  }
