#include "connectors/crm/crm.h"

#include <algorithm>
#include <array>

#include "connectors/http/inbound.h"
#include "connectors/http/payload.h"
#include "connectors/http/utc.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::size_t kSubjectCharactersMax = 255;

void add_line(std::string& text, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  if (!text.empty()) text += "\n\n";
  text += label;
  text += value;
}

sdk::Fields make_fields() {
  sdk::Fields fields = {
      {.name = "provider", .help = "which system", .required = true, .one_of = {"salesforce"}},
      {.name = "url",
       .type = FieldType::url,
       .help = "the company's own address, e.g. https://company.my.salesforce.com",
       .required = true},
      {.name = "owners", .type = FieldType::header_map, .help = "whose a task is over there: members of our teams, and their user ids"},
      {.name = "statuses",
       .type = FieldType::header_map,
       .help = "what the states open, offered, accepted, done, cancelled and expired are called over there, where they differ"},
      {.name = "utc_offset",
       .help = "where a due time becomes a day: what the clocks are ahead of UTC, e.g. +08:00",
       .default_json = "\"+00:00\""},
  };
  add_fields_of(fields, "salesforce", salesforce_fields());
  fields.push_back(allow_http_field());
  return with_http_fields(std::move(fields), "15000");
}

}  // namespace

std::string read_crm_task(std::string_view json, CrmTask& task) {
  const Payload payload(json);
  task.id = payload.text("task");
  if (task.id.empty()) return "the action is no push of a call task; give the connector to a `call_task`";
  for (const char c : payload.text("subject")) task.subject += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < task.subject.size(); ++at)
    if ((static_cast<unsigned char>(task.subject[at]) & 0xc0) != 0x80 && ++characters > kSubjectCharactersMax) task.subject.resize(at);
  task.state = payload.text("state");
  constexpr std::array<std::string_view, 6> kStates{"open", "offered", "accepted", "done", "cancelled", "expired"};
  if (std::find(kStates.begin(), kStates.end(), task.state) == kStates.end()) return "the task has no state that is known here";
  if (const std::string priority = payload.text("priority"); !priority.empty()) task.priority = priority;
  task.due = payload.text("due");
  task.customer = payload.text("customer");
  task.owner = payload.text("owner");
  task.owner_name = payload.text("owner_name");
  add_line(task.text, "", payload.text("script"));
  add_line(task.text, "Why: ", payload.text("reason"));
  add_line(task.text, "What came of it: ", payload.text("disposition"));
  add_line(task.text, "Note: ", payload.text("note"));
  return {};
}

std::string day_of(std::string_view instant, std::int64_t offset_minutes) {
  const std::int64_t at = parse_instant(instant);
  return at == 0 ? std::string() : iso_utc(at + offset_minutes * 60'000).substr(0, 10);
}

bool read_offset(std::string_view text, std::int64_t& minutes) {
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  if (!digit(1) || !digit(2) || !digit(4) || !digit(5)) return false;
  const auto two = [&](std::size_t at) { return static_cast<std::int64_t>(text[at] - '0') * 10 + (text[at + 1] - '0'); };
  minutes = two(1) * 60 + two(4);
  if (two(1) > 14 || two(4) > 59) return false;
  if (text[0] == '-') minutes = -minutes;
  return true;
}

const sdk::Manifest& Crm::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "crm", .version = "1.0", .channels = {"crm"}, .idempotency = "key", .default_on_unknown = "retry", .fields = make_fields()};
  return kManifest;
}

void Crm::check(sdk::Config& config) {
  check_https(config);
  std::int64_t minutes = 0;
  if (config.has("utc_offset") && !read_offset(config.text("utc_offset"), minutes))
    config.problem("utc_offset: must be hours and minutes, such as +08:00 or -05:00");
}

Crm::Crm(const sdk::Host& host, const sdk::Config& config) : system_(make_salesforce(HttpSetup(host, config), host, config)) {}

Outcome Crm::deliver(const sdk::Request& request) {
  CrmTask task;
  if (std::string wrong = read_crm_task(request.payload, task); !wrong.empty()) return Outcome::refused(std::move(wrong));
  return system_->push(request, task);
}

}  // namespace nudge::connectors
