// The HTTP interface, version 1: routes and their answers. docs/api.md and schemas/openapi.yaml describe it; a test compares them with the
// routes.
//
// Thread-safety: install() once, before the server starts; the handlers run on I/O, shard, committer and worker threads.
// Ownership: refers to the runtime and what is in ApiOptions, which must outlive the server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/access/accounts.h"
#include "daemon/access/audit.h"
#include "daemon/access/gate.h"
#include "daemon/app/backtests.h"
#include "daemon/app/customer_index.h"
#include "daemon/app/erasure_ledger.h"
#include "daemon/app/exports.h"
#include "daemon/app/json.h"
#include "daemon/app/personal.h"
#include "daemon/app/plans.h"
#include "daemon/app/tails.h"
#include "daemon/app/workers.h"
#include "daemon/doors/doors.h"
#include "daemon/http/http_server.h"
#include "daemon/log/secret.h"
#include "daemon/metrics/metrics.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct ApiOptions {
  std::function<Result<PlanChange>()> reload;  // reads the directories and activates; on a worker thread
  std::string maildrop_directory;              // empty: no maildrop connector
  std::string version;
  std::string data_dir;
  std::size_t batch_bytes_max = 16U << 20;
  TimeMs started_at = 0;
  std::string rules_from;  // directory, apply
  std::shared_ptr<const doors::Doors> doors = std::make_shared<const doors::Doors>();
  Secret write_key;                          // of Segment's libraries, beside the tokens that may send events
  std::vector<std::string> allowed_origins;  // of web pages that may send
};

// Who may ask, and where what they change is written down. All must outlive the server.
struct ApiAccess {
  access::Accounts& accounts;
  access::AuditLog& audit;
  access::Gate& gate;
  ErasureLedgers& ledgers;
  bool tls = false;
};
// The table of routes and roles: every route that there is (access_table.cpp).
std::span<const access::RouteAccess> access_table();

class Api {
 public:
  Api(Runtime& runtime, Workers& workers, metrics::Registry& metrics, ApiAccess access, ApiOptions options);
  // For http::Options::decorate: what changes something is written down before it is answered.
  http::Handler audited(http::Method method, std::string_view pattern, http::Handler handler);
  Result<void> install(http::HttpServer& server);
  // False: /-/ready answers 503 (starting, draining).
  void set_ready(bool ready) { ready_ = ready; }
  // Refuses who comes to a door with a wrong key, before a body is read. Nothing for all other routes: access::Gate asks there.
  std::optional<http::Response> door_gate(const http::Request& request) const;
  // Refuses a condition (If-Match …) on a change that does not know any: silence would be taken for a yes.
  static std::optional<http::Response> condition_gate(const http::Request& request);
  // Ends what runs in the background. Before the runtime stops.
  void stop() {
    backtests_.stop();
    index_.stop();
    tails_.stop();
    exports_.stop();
  }

 private:
  using Shared = std::shared_ptr<http::Responder>;
  using Read = std::function<http::Response(const http::Request&)>;

  // Routes that read the store or compile: on a worker.
  http::Handler on_worker(Read read);
  Result<void> install_intake(http::HttpServer& server);
  Result<void> install_segment(http::HttpServer& server);
  Result<void> install_doors(http::HttpServer& server);
  Result<void> install_calendar(http::HttpServer& server);
  Result<void> install_callbacks(http::HttpServer& server);
  Result<void> install_customers(http::HttpServer& server);
  Result<void> install_rules(http::HttpServer& server);
  Result<void> install_series(http::HttpServer& server);
  Result<void> install_work(http::HttpServer& server);
  Result<void> install_tasks(http::HttpServer& server);
  Result<void> install_quarantine(http::HttpServer& server);
  Result<void> install_admin(http::HttpServer& server);
  Result<void> install_policy(http::HttpServer& server);
  Result<void> install_drafts(http::HttpServer& server);
  Result<void> install_access(http::HttpServer& server);
  Result<void> install_users(http::HttpServer& server);
  Result<void> install_streams(http::HttpServer& server);
  Result<void> install_erasure(http::HttpServer& server);

  http::BodySinks intake_sinks(bool import);
  void ingest(http::Request& request, http::Responder responder, bool import, std::string customer);
  void segment_call(http::Request& request, http::Responder responder, std::string_view type);
  void cloud_events(http::Request& request, http::Responder responder);
  http::Response cloud_events_consent(const http::Request& request) const;
  void webhook(http::Request& request, http::Responder responder);
  std::optional<http::Response> webhook_gate(const http::Request& request) const;
  // Documents of a door into intake; each way answers as POST /v1/events does.
  void take_in(std::shared_ptr<http::Responder> to, std::vector<DoorDocument> documents, bool single);
  bool write_key_fits(std::string_view key) const;
  bool origin_allowed(std::string_view origin) const;
  void allow_origin(const http::Request& request, http::Response& response) const;
  http::Response preflight(const http::Request& request) const;
  http::Response calendar(const http::Request& request);
  void change_calendar(http::Request& request, http::Responder responder, bool make);
  void callback(http::Request& request, http::Responder responder);
  void customer(http::Request& request, http::Responder responder);
  void tail(http::Request& request, http::Responder responder);
  void export_all(http::Request& request, http::Responder responder);
  void export_customer(http::Request& request, http::Responder responder);
  Result<void> write_kept(Json& json, const std::vector<std::string>& names);
  http::Handler audited_change(std::string action, http::Handler handler);
  http::Handler audited_read(http::Handler handler, access::Roles roles);
  access::AuditEntry audit_entry(const http::Request& request, std::string action) const;
  http::Response customers(const http::Request& request);
  http::Response find_customers(const http::Request& request, CustomerIndex::Query query, bool rows);
  // What is to be hidden of each of these customers, by id; empty ones when the request may see all of it.
  Result<std::map<std::string, Personal>> personal_of(const http::Request& request, std::vector<std::string> customers);
  // All names of a customer, today's first; the id itself when nothing is known of it. Waits for a shard: for workers.
  std::vector<std::string> names_of(const std::string& id);
  void explain(http::Request& request, http::Responder responder);
  void preview(http::Request& request, http::Responder responder);
  http::Response explain_past(const CustomerState& state, const std::string& rule, const std::string& segment, TimeMs at,
                              const Personal* hidden);
  void segments(http::Request& request, http::Responder responder);
  void segment(http::Request& request, http::Responder responder);
  void members(http::Request& request, http::Responder responder);
  void members_at(const Shared& to, const std::shared_ptr<const Plan>& plan, const Segment& segment, TimeMs at, const std::string& after, std::size_t limit);
  http::Response series(const http::Request& request, std::string_view of) const;
  http::Response segment_changes(const http::Request& request) const;
  Result<void> install_parts(http::HttpServer& server);
  void count_parts(http::Request& request, http::Responder responder, bool of_rule);
  http::Response rules() const;
  http::Response rule(const http::Request& request) const;
  http::Response decisions(const http::Request& request);
  http::Response actions(const http::Request& request);
  http::Response action(const http::Request& request);
  http::Response trace(const http::Request& request);
  http::Response tasks(const http::Request& request);
  http::Response task(const http::Request& request);
  void task_command(http::Request& request, http::Responder responder, std::string_view word);
  void teams(http::Request& request, http::Responder responder);
  http::Response dispositions() const;
  Result<void> install_approvals(http::HttpServer& server);
  http::Response approvals(const http::Request& request);
  http::Response approval(const http::Request& request);
  Result<Request> shown_approval(const http::Request& request, const std::string& id);
  void answer_approval(http::Request& request, http::Responder responder, bool yes);
  http::Response approval_page(const http::Request& request);
  void approval_by_link(http::Request& request, http::Responder responder);
  Result<void> install_deals(http::HttpServer& server);
  Result<void> write_leads_of(Json& json, const std::vector<std::string>& names);
  Result<void> write_deals_of(Json& json, const std::vector<std::string>& names);
  http::Response deals(const http::Request& request);
  http::Response deal(const http::Request& request);
  http::Response funnel(const http::Request& request);
  void deal_command(http::Request& request, http::Responder responder, std::string_view word);
  Result<void> install_notes(http::HttpServer& server);
  void note(http::Request& request, http::Responder responder);
  Result<void> install_leads(http::HttpServer& server);
  void pools(http::Request& request, http::Responder responder);
  http::Response leads(const http::Request& request);
  http::Response lead(const http::Request& request);
  void lead_command(http::Request& request, http::Responder responder, std::string_view word);
  Result<void> install_unsubscribe(http::HttpServer& server);
  void unsubscribe(http::Request& request, http::Responder responder);
  http::Response unsubscribe_page(const http::Request& request);
  http::Response policies();
  http::Response silences();
  http::Response suppressions(const http::Request& request);
  void add_silence(http::Request& request, http::Responder responder);
  void end_silence(http::Request& request, http::Responder responder);
  void stop_all(http::Request& request, http::Responder responder);
  void settle_kept(http::Request& request, http::Responder responder, bool release);
  void suppress(http::Request& request, http::Responder responder, bool add);
  void import_suppressions(http::Request& request, http::Responder responder);
  void settle_change(std::shared_ptr<http::Responder> to, Change change, std::function<http::Response()> answer);
  Result<void> install_outbox(http::HttpServer& server);
  void tell_action(http::Request& request, http::Responder responder, Word word);
  void mend_action(http::Request& request, http::Responder responder);
  http::Response settle_actions(const http::Request& request);
  http::Response quarantine(const http::Request& request);
  void replay_one(http::Request& request, http::Responder responder);
  void replay_many(http::Request& request, http::Responder responder);
  void discard(http::Request& request, http::Responder responder);
  http::Response start_backtest(const http::Request& request);
  http::Response make_plan(const http::Request& request);
  http::Response apply_plan(const http::Request& request);
  http::Response versions(const http::Request& request);
  http::Response version(const http::Request& request);
  std::vector<std::string> connector_names() const;
  http::Response status();
  http::Response connectors();
  http::Response maildrop(const http::Request& request);
  void collect(metrics::Page& page);
  void collect_pace(metrics::Page& page, const RuntimeFigures& f);
  http::Response log_in(const http::Request& request);
  http::Response change_password(const http::Request& request);
  http::Response create_token(const http::Request& request);
  http::Response rotate_token(const http::Request& request);
  http::Response create_user(const http::Request& request);
  http::Response change_user(const http::Request& request);
  http::Response audit_records(const http::Request& request);
  http::Response back_up(const http::Request& request);
  http::Response erasure_sight(const http::Request& request);
  http::Response erase_customer(const http::Request& request);
  http::Response erasures();
  http::Response audit_verdict(const http::Request& request);

  Runtime& runtime_;
  Workers& workers_;
  metrics::Registry& metrics_;
  ApiAccess access_;
  const ApiOptions options_;
  Backtests backtests_;
  Plans plans_;
  CustomerIndex index_;
  Tails tails_;
  Exports exports_;
  std::atomic<bool> ready_{false};
  std::atomic<TimeMs> last_backup_{0};  // 0: none is known
};

// --- shared by the routes

http::Response json_response(Json json, int status = 200);
// The answer, as of that state (http::Response::state).
http::Response of_state(http::Response response, std::string state);
// The answer with a (weak) ETag that the member `moment`, which says when the question was asked, does not change.
http::Response tagged_without(http::Response response, std::string_view moment);
http::Response error_response(const Error& error);
// The query parameter as a number between `least` and `most`; `usual` when it is absent; an error that names it when it is wrong.
Result<std::uint64_t> number_param(const http::Request& request, std::string_view name, std::uint64_t usual, std::uint64_t least,
                                   std::uint64_t most);
// true or false; false when absent.
Result<bool> flag_param(const http::Request& request, std::string_view name);
// An RFC 3339 instant; nothing when absent.
Result<std::optional<TimeMs>> time_param(const http::Request& request, std::string_view name);
// A text member of a small JSON body; empty when absent.
std::string body_text(const http::Request& request, std::string_view name);

// True when the request asks for personal data as it is (?personal=full) and its roles may have it on this route; it is in the audit log.
bool sees_personal(const http::Request& request);
// Who does this: whom the credentials belong to. A machine's token, or one from this machine, may name the person it acts for; nobody else
// may name anybody, but while nobody is asked for credentials.
std::string author_of(const http::Request& request, const std::string& named);

// The values at `now`, as members "attributes" and, unless `hidden` is null, "masked" (the names of those that are masked); and the tags.
void write_attributes(Json& json, const CustomerState& state, const Catalog& catalog, TimeMs now, const Personal* hidden);
void write_tags(Json& json, const CustomerState& state, TimeMs now);
// What who asks may not see of that customer; null: nothing is hidden.
const Personal* hidden_for(const std::map<std::string, Personal>& hidden, const std::string& customer);
// Of each, `hidden` is what is not to be shown; null: nothing.
std::string shown_payload(const ActionOut& action, const Personal* hidden);
void write_decision(Json& json, const Decision& d, const Personal* hidden);
void write_action(Json& json, const ActionRecord& r, bool whole, const Personal* hidden, const ActionReceipt& receipt = {});
// `whole`: with all that happened to it.
void write_task(Json& json, const TaskRecord& r, TimeMs now, const Personal* hidden, bool whole = false);
// `catalog`: says which members are personal, to be masked; null: nothing is hidden.
void write_quarantined(Json& json, const QuarantineRecord& r, const Catalog* catalog);

}  // namespace nudge::daemon
