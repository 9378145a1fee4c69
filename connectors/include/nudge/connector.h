/* The border between nudge and a connector plugin: plain C99, fixed-width integers, pointers with lengths.
 *
 * A plugin is a shared library that exports ONE function, nudge_connector_entry, which returns a table of functions. It
 * runs inside a process of its own (`nudge-connector`), so a crash or a hang costs one connector and nothing else.
 *
 * Laws of this header
 *  1. Every struct begins with struct_size, abi_major, abi_minor. Fields are only ever appended, and the minor version
 *     goes up when one is. Whoever READS a struct compares struct_size with the end of a field before touching it.
 *  2. Who allocates frees. What a function receives is valid until it returns; nothing is kept by pointer across calls.
 *  3. All text is UTF-8, (pointer, length), not necessarily zero-terminated. Payload, config and description are JSON.
 *  4. Nothing is thrown across; no longjmp, no fork. A plugin that ends its process has crashed.
 *  5. `deliver`, `query` and `receive` are called from several threads at once on one instance, as many as the connector's configured
 *     concurrency. `create` and `close` are called from one thread, with no other call running.
 *  6. A plugin is never unloaded; a new version of it needs a new process.
 *
 * Versions: 1.0 ended at `close`. 1.1 appended `query`. 1.2 appended `result` to nudge_result. 1.3 appended `receive`.
 */
#ifndef NUDGE_CONNECTOR_H
#define NUDGE_CONNECTOR_H

#include <stddef.h>
#include <stdint.h>

#define NUDGE_ABI_MAJOR 1u
#define NUDGE_ABI_MINOR 3u
#define NUDGE_ENTRY_SYMBOL "nudge_connector_entry"

#if defined(__GNUC__)
#define NUDGE_EXPORT __attribute__((visibility("default")))
#else
#define NUDGE_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* True when a struct that was filled in by the other side reaches to the end of FIELD. */
#ifdef __cplusplus
#define NUDGE_FIELD_END(type, field) (offsetof(type, field) + sizeof(type::field))
#else
#define NUDGE_FIELD_END(type, field) (offsetof(type, field) + sizeof(((type*)0)->field))
#endif
#define NUDGE_HAS_FIELD(pointer, type, field) ((pointer)->struct_size >= NUDGE_FIELD_END(type, field))

/* What became of one attempt. Zero is never a valid answer: a plugin that forgets to answer has said nothing. */
enum {
  NUDGE_ACCEPTED = 1,  /* the provider took it over */
  NUDGE_NOT_SENT = 2,  /* provably not taken over; `retryable` says whether trying again can help */
  NUDGE_UNKNOWN = 3,   /* it may have arrived; only the rule author's on_unknown decides what comes next */
  NUDGE_BAD_CONFIG = 4 /* not sent, and nothing will be until a person mends the configuration */
};

enum { NUDGE_LOG_DEBUG = 0, NUDGE_LOG_INFO = 1, NUDGE_LOG_WARNING = 2, NUDGE_LOG_ERROR = 3 };

/* Text that belongs to the caller. */
typedef struct nudge_str {
  const char* data; /* may be NULL when size is 0 */
  size_t size;
} nudge_str;

/* Room for text that the callee writes. It copies at most `capacity` bytes to `data` and sets `size` to what it copied. */
typedef struct nudge_text {
  char* data;
  size_t capacity;
  size_t size;
} nudge_text;

/* What the host offers. Valid from create until close; every function may be called from any thread. */
typedef struct nudge_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  void* context; /* hand it back as the first argument */
  /* One line for the log; never put a secret or a message's text into it. */
  void (*log)(void* context, int32_t level, const char* text, size_t size);
  /* Milliseconds since 1970-01-01 UTC. */
  int64_t (*now_ms)(void* context);
  /* Resolves a secret that the configuration names by reference. `reference` is the JSON of the config value:
   * {"file":"/path"} or {"env":"NAME"}. Returns 0 and the value in `value`, or another number and the reason (which
   * never holds the secret) in `value`. */
  int32_t (*get_secret)(void* context, const char* reference, size_t size, nudge_text* value);
} nudge_host;

/* One action to deliver, or to ask about. */
typedef struct nudge_request {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t attempt;    /* 1 for the first try */
  int64_t created_ms;  /* when the action was decided: the same at every attempt */
  int64_t deadline_ms; /* an answer after this instant is not heard any more; 0 = none */
  nudge_str action_id; /* hexadecimal; the same at every attempt: the idempotency key */
  nudge_str kind;      /* the action's verb, e.g. "sms" */
  nudge_str channel;   /* the touchpoint, e.g. "email" */
  nudge_str customer_id;
  nudge_str payload;      /* JSON object: the rendered action, the same bytes at every attempt */
  nudge_str provider_ref; /* query only: what an earlier attempt returned, or empty */
} nudge_request;

/* The answer. The host hands it in with status 0 and both texts empty. */
typedef struct nudge_result {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  int32_t status;         /* NUDGE_ACCEPTED ... NUDGE_BAD_CONFIG */
  int32_t retryable;      /* with NUDGE_NOT_SENT: 1 = try again later, 0 = never */
  int32_t http_status;    /* or the SMTP code; 0 = none */
  int64_t retry_after_ms; /* the provider's own wish, counted from now; 0 = none */
  nudge_text provider_ref;
  nudge_text detail; /* one sentence for people; no secret, no message text */
  /* Since 1.2, so beyond struct_size at an older host. With NUDGE_ACCEPTED, from connectors that ask somebody something:
   * the answer, one JSON object of at most `capacity` bytes. One that does not fit must not be cut: answer NUDGE_NOT_SENT. */
  nudge_text result;
} nudge_result;

typedef struct nudge_connector nudge_connector; /* the plugin's own instance */

/* The plugin's table. It lives in static storage. */
typedef struct nudge_connector_api {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;   /* of the header it was built with */
  uint32_t needs_minor; /* the lowest minor version of a host that it can work with; usually 0 */

  /* Required. Points *json at a description in static storage: {"kind","version","channels":[..],"config_schema":{..},
   * "idempotency":"key"|"query"|"none","default_on_unknown":"hold"|"retry"|"verify"}. */
  void (*describe)(const char** json, size_t* size);

  /* Required. Checks a configuration without touching the network. Returns the number of mistakes and writes them to
   * `problems`, one a line: "field: what is wrong and how to mend it". */
  int32_t (*validate)(const char* config, size_t size, nudge_text* problems);

  /* Required. Makes an instance. Returns 0, or another number and the reason in `error`. */
  int32_t (*create)(const nudge_host* host, const char* config, size_t size, nudge_text* error, nudge_connector** instance);

  /* Required. One attempt; blocks until there is an answer, and gives up by itself before deadline_ms. */
  void (*deliver)(nudge_connector* instance, const nudge_request* request, nudge_result* result);

  /* Required. Frees the instance. */
  void (*close)(nudge_connector* instance);

  /* Since 1.1; optional (NULL or beyond struct_size). Asks the provider what became of an action: ACCEPTED = it has it,
   * NOT_SENT = it certainly never got it, UNKNOWN = it can't say (yet). */
  void (*query)(nudge_connector* instance, const nudge_request* request, nudge_result* result);

  /* Since 1.3; optional. What the provider sent to POST /v1/callbacks/NAME: receipts, replies, changes of a ticket. `payload` is
   * {"url","headers","body","trusted"}, see PROTOCOL.md. The connector verifies who sent it, before anything else. ACCEPTED with
   * `result` {"reports":[..],"answer":{..}}; NOT_SENT, not retryable, with http_status 401 when it is not from the provider, 400 when
   * it can't be understood. It must not wait for anybody: no network. */
  void (*receive)(nudge_connector* instance, const nudge_request* request, nudge_result* result);
} nudge_connector_api;

/* The one exported symbol. Returns the same table every time. */
NUDGE_EXPORT const nudge_connector_api* nudge_connector_entry(void);

typedef const nudge_connector_api* (*nudge_connector_entry_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
