/* A plugin of a later version: a longer table, a higher minor. NEEDS_MINOR and MAJOR make the variants that must be refused. */
#include <string.h>

#include "nudge/connector.h"

#ifndef NEEDS_MINOR
#define NEEDS_MINOR 1
#endif
#ifndef MAJOR
#define MAJOR 1
#endif

struct new_api {
  nudge_connector_api known;
  void (*start_campaign)(nudge_connector*, int64_t); /* of a later version */
  uint64_t capabilities;
};

static const char kDescription[] =
    "{\"kind\":\"newer\",\"version\":\"9.0\",\"channels\":[\"sms\"],\"idempotency\":\"query\",\"default_on_unknown\":\"verify\","
    "\"config_schema\":{},\"later_field\":true}";
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
  (void)config, (void)size, (void)error;
  if (!NUDGE_HAS_FIELD(host, nudge_host, get_secret)) return 1;
  *out = (nudge_connector*)&instance;
  return 0;
}
static void deliver(nudge_connector* self, const nudge_request* request, nudge_result* result) {
  (void)self, (void)request;
  result->status = NUDGE_ACCEPTED;
}
static void query(nudge_connector* self, const nudge_request* request, nudge_result* result) {
  (void)self, (void)request;
  result->status = NUDGE_NOT_SENT;
}
static void close_it(nudge_connector* self) { (void)self; }

const nudge_connector_api* nudge_connector_entry(void) {
  static const struct new_api table = {
      {sizeof(struct new_api), MAJOR, 9, NEEDS_MINOR, describe, validate, create, deliver, close_it, query}, 0, 7};
  return &table.known;
}
