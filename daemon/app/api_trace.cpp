// GET /v1/trace/{id}: the way of one event, from the log to the last attempt of what it set off, by the id that its sender gave it.
#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/log_block.h"
#include "daemon/store/block.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kBlocksRead = 5'000;  // for one answer; `next` goes on
constexpr std::uint64_t kListMost = 10'000;
constexpr std::size_t kFoundMost = 20;  // customers that used the same id

struct Found {
  std::uint64_t block = 0;
  TimeMs instant = 0;  // at which it was judged
  std::uint64_t plan = 0;
  Input input;
};

struct Search {
  std::vector<Found> found;
  std::uint64_t next = 0;  // go on below this block; 0: that was all
};

// The inputs with that id, newest first. With a customer the first one is all: an id is unique for a customer.
Result<Search> find_inputs(const Store& store, std::string_view id, std::string_view customer, std::uint64_t before) {
  Search out;
  std::optional<Error> error;
  std::uint64_t read = 0;
  const auto look = [&](std::string_view key, std::string_view value) -> Result<void> {
    const std::uint64_t sequence = parse_log_key(key).value_or(0);
    NUDGE_ASSIGN(const Block frame, open_block(sequence, value));
    std::string room;
    NUDGE_ASSIGN(const std::string_view content, block_content(frame, room));
    NUDGE_ASSIGN(const LogBlock block, decode_block(content, BlockPart::units));
    for (const LogUnit& unit : block.units) {
      NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) {
        if (entry.kind != EntryKind::step || (!customer.empty() && entry.customer != customer)) return;
        for (Input& input : entry.inputs) {
          if (input.id == id) out.found.push_back({sequence, entry.instant, unit.plan, std::move(input)});
        }
      }));
    }
    return {};
  };
  NUDGE_TRY(store.scan(
      Family::log, log_key(1), before == 0 ? std::string() : log_key(before),
      [&](std::string_view key, std::string_view value) {
        if (++read > kBlocksRead || out.found.size() >= kFoundMost) {
          out.next = parse_log_key(key).value_or(0) + 1;
          return false;
        }
        if (Result<void> looked = look(key, value); !looked) error = looked.error();
        return !error && (customer.empty() || out.found.empty());
      },
      ScanOptions{.backward = true, .fill_cache = false}));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

// What the event set off: rules that it triggered, and segments that were entered or left, and attributes that changed, in its moment.
bool follows(const Cause& cause, TimeMs at, const Found& found) {
  if (cause.kind == Cause::Kind::event) return cause.row_id == found.input.id;
  return cause.kind != Cause::Kind::schedule && at == found.instant;
}

std::string_view kind_name(InputKind kind) {
  switch (kind) {
    case InputKind::event: return "event";
    case InputKind::attributes: return "attributes";
    case InputKind::tag: return "tag";
    default: return "other";
  }
}

// Numbers of event types are those of the plan that was in force then.
std::string event_name(Runtime& runtime, const Found& found) {
  std::shared_ptr<const Plan> plan = runtime.plan();
  if (plan->sequence != found.plan) {
    if (auto then = runtime.plan_at(found.instant); then) plan = *std::move(then);
  }
  return found.input.type < plan->catalog->events.size() ? plan->catalog->events[found.input.type].name : std::string();
}

// `hidden`: what is not to be shown; null: nothing.
Result<void> write_way(Json& json, Runtime& runtime, const Found& found, const Personal* hidden) {
  const Store& store = runtime.store();
  const Input& input = found.input;
  json.begin_object().field("customer", input.customer).field("id", input.id).field("kind", kind_name(input.kind));
  if (input.kind == InputKind::event) json.field("event", event_name(runtime, found));
  json.field_time("time", input.time).field_time("judged_at", found.instant).field("block", found.block).field("plan", found.plan);
  json.field("import", input.import);
  NUDGE_ASSIGN(const std::vector<Decision> decisions, decisions_of(store, input.customer, {.limit = kListMost}));
  json.key("decisions").begin_array();
  for (auto d = decisions.rbegin(); d != decisions.rend(); ++d)
    if (follows(d->cause, d->at, found)) write_decision(json, *d, hidden);
  json.end_array();
  const ActionFilter ours = [&](const ActionRecord& r) { return follows(r.action.cause, r.action.cause.at, found); };
  NUDGE_ASSIGN(const std::vector<ActionRecord> actions, actions_of(store, input.customer, {.limit = kListMost}, ours));
  json.key("actions").begin_array();
  for (auto r = actions.rbegin(); r != actions.rend(); ++r) write_action(json, *r, true, hidden);
  json.end_array().key("tasks").begin_array();
  for (auto r = actions.rbegin(); r != actions.rend(); ++r) {
    if (const Result<TaskRecord> task = task_by_id(store, id_bytes(r->action.id))) write_task(json, *task, runtime.now(), hidden);
  }
  json.end_array().end_object();
  return {};
}

}  // namespace

http::Response Api::trace(const http::Request& request) {
  std::string id(request.param("id")), customer(request.query_param("customer").value_or(""));
  const Result<std::uint64_t> before = number_param(request, "before", 0, 0, UINT64_MAX);
  if (!before) return error_response(before.error());
  const Store& store = runtime_.store();
  // An action leads to the event that set it off.
  if (const std::optional<std::string> action = id_from_hex(id)) {
    if (const Result<ActionRecord> record = find_action(store, *action); record && !record->action.cause.row_id.empty()) {
      id = record->action.cause.row_id;
      customer = record->action.customer;
    }
  }
  Result<Search> search = find_inputs(store, id, customer, *before);
  if (search)
    std::erase_if(search->found, [this](const Found& f) { return runtime_.eraser().erased().covers(f.input.customer, f.instant); });
  if (!search) return error_response(search.error());
  if (search->found.empty() && search->next == 0) {
    return error_response(
        {Code::not_found,
         "nothing with the id `" + id +
             "` is in the log: it did not come in, was set aside (see the quarantine), or came in before the log that is kept"});
  }
  std::vector<std::string> names;
  for (const Found& found : search->found) names.push_back(found.input.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("id", id).key("found").begin_array();
  for (const Found& found : search->found) {
    const auto of = hidden->find(found.input.customer);
    if (Result<void> written = write_way(json, runtime_, found, of == hidden->end() ? nullptr : &of->second); !written) return error_response(written.error());
  }
  json.end_array().key("next");
  if (search->next != 0)
    json.value(search->next);
  else
    json.raw("null");
  json.end_object();
  return json_response(std::move(json));
}

}  // namespace nudge::daemon
