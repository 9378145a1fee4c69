/* A plugin as a shop might have built it against ABI 1.0: its table ends at `close`, and it knows no later field. */
#include <string.h>

#include "nudge/connector.h"

struct old_api { /* nudge_connector_api as 1.0 had it */
  uint32_t struct_size, abi_major, abi_minor, needs_minor;
  void (*describe)(const char**, size_t*);
  int32_t (*validate)(const char*, size_t, nudge_text*);
  int32_t (*create)(const nudge_host*, const char*, size_t, nudge_text*, nudge_connector**);
  void (*deliver)(nudge_connector*, const nudge_request*, nudge_result*);
  void (*close)(nudge_connector*);
};

static const char kDescription[] =
    "{\"kind\":\"older\",\"version\":\"0.1\",\"channels\":[\"sms\"],\"idempotency\":\"none\",\"default_on_unknown\":\"hold\","
    "\"config_schema\":{}}";
static int instance;

static void describe(const char** json, size_t* size) {
  *json = kDescription;
  *size = sizeof kDescription - 1;
}
static int32_t validate(const char* config, size_t size, nudge_text* problems) {
  (void)config, (void)size, (void)problems;
  return 0;
}
static int32_t create(const nudge_host* host, const char* config, size_t size, nudge_text* error, nudge_connector** out) {
  (void)host, (void)config, (void)size, (void)error;
  *out = (nudge_connector*)&instance;
  return 0;
}
static void deliver(nudge_connector* self, const nudge_request* request, nudge_result* result) {
  (void)self;
  result->status = NUDGE_ACCEPTED;
  result->provider_ref.size = request->action_id.size;
  memcpy(result->provider_ref.data, request->action_id.data, request->action_id.size);
}
static void close_it(nudge_connector* self) { (void)self; }

const nudge_connector_api* nudge_connector_entry(void) {
  static const struct old_api table = {sizeof(struct old_api), 1, 0, 0, describe, validate, create, deliver, close_it};
  return (const nudge_connector_api*)&table;
}
