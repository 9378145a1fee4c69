// Who may use which route: the one table. The gate goes by it, the audit log takes its words from it, GET /v1/access shows it, and
// tests/e2e/access walks all of it. A route without a row is for admins only, and fails that test.
#include <array>

#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

using access::RouteAccess;
using http::Method;
using namespace access;  // the names of roles

constexpr Roles kAnyRole = kEveryRole;
constexpr Roles kSales = kSalesperson | kManager;
// May see rules and figures: nothing of a single customer.
constexpr Roles kReaders = kViewer | kSales | kAuthor | kOperator;
// May see customers, with what is personal masked.
constexpr Roles kKnowsCustomers = kSales | kAuthor | kOperator;

// Whoever has the key that the route itself asks for.
constexpr Roles kDoor = kAnybody | kOwnKey;

constexpr RouteAccess kTable[] = {
    {Method::get, "/-/healthy", kAnybody, ""},
    {Method::get, "/-/ready", kAnybody, ""},
    // The pages of the console; what they show they ask for themselves.
    {Method::get, "/", kAnybody, ""},
    {Method::get, "/console", kAnybody, ""},
    {Method::get, "/console/", kAnybody, ""},
    {Method::get, "/console/{rest...}", kAnybody, ""},

    {Method::post, "/v1/session", kAnybody, "session.open"},
    {Method::get, "/v1/session", kAnyRole, ""},
    {Method::del, "/v1/session", kAnyRole, "session.close"},
    {Method::post, "/v1/session/password", kAnyRole, "session.password"},

    {Method::post, "/v1/events", kIngest, ""},
    {Method::post, "/v1/customers/{id}", kIngest, ""},
    {Method::del, "/v1/customers/{id}", kAdmin, "customer.erase"},
    {Method::get, "/v1/customers/{id}/erasure", kAdmin, ""},
    {Method::get, "/v1/erasures", kAdmin, ""},
    {Method::post, "/v1/import", kIngest | kOperator, ""},

    {Method::post, "/v1/cloudevents", kIngest, ""},
    {Method::options, "/v1/cloudevents", kDoor, ""},  // a sender asks whether it may deliver
    // Webhooks: the door asks for the signature, or for a token where the mapping wants none (Api::webhook_gate).
    {Method::post, "/v1/webhooks/{name}", kDoor, ""},

    // Segment's libraries: the door asks for the write key, which may stand in the body (Api::segment_call).
    {Method::post, "/v1/identify", kDoor, ""},
    {Method::options, "/v1/identify", kDoor, ""},
    {Method::post, "/v1/identify/", kDoor, ""},
    {Method::options, "/v1/identify/", kDoor, ""},
    {Method::post, "/v1/track", kDoor, ""},
    {Method::options, "/v1/track", kDoor, ""},
    {Method::post, "/v1/track/", kDoor, ""},
    {Method::options, "/v1/track/", kDoor, ""},
    {Method::post, "/v1/page", kDoor, ""},
    {Method::options, "/v1/page", kDoor, ""},
    {Method::post, "/v1/page/", kDoor, ""},
    {Method::options, "/v1/page/", kDoor, ""},
    {Method::post, "/v1/screen", kDoor, ""},
    {Method::options, "/v1/screen", kDoor, ""},
    {Method::post, "/v1/screen/", kDoor, ""},
    {Method::options, "/v1/screen/", kDoor, ""},
    {Method::post, "/v1/group", kDoor, ""},
    {Method::options, "/v1/group", kDoor, ""},
    {Method::post, "/v1/group/", kDoor, ""},
    {Method::options, "/v1/group/", kDoor, ""},
    {Method::post, "/v1/alias", kDoor, ""},
    {Method::options, "/v1/alias", kDoor, ""},
    {Method::post, "/v1/alias/", kDoor, ""},
    {Method::options, "/v1/alias/", kDoor, ""},
    {Method::post, "/v1/batch", kDoor, ""},
    {Method::options, "/v1/batch", kDoor, ""},
    {Method::post, "/v1/batch/", kDoor, ""},
    {Method::options, "/v1/batch/", kDoor, ""},
    {Method::post, "/v1/i", kDoor, ""},
    {Method::options, "/v1/i", kDoor, ""},
    {Method::post, "/v1/i/", kDoor, ""},
    {Method::options, "/v1/i/", kDoor, ""},
    {Method::post, "/v1/t", kDoor, ""},
    {Method::options, "/v1/t", kDoor, ""},
    {Method::post, "/v1/t/", kDoor, ""},
    {Method::options, "/v1/t/", kDoor, ""},
    {Method::post, "/v1/p", kDoor, ""},
    {Method::options, "/v1/p", kDoor, ""},
    {Method::post, "/v1/p/", kDoor, ""},
    {Method::options, "/v1/p/", kDoor, ""},
    {Method::post, "/v1/s", kDoor, ""},
    {Method::options, "/v1/s", kDoor, ""},
    {Method::post, "/v1/s/", kDoor, ""},
    {Method::options, "/v1/s/", kDoor, ""},
    {Method::post, "/v1/g", kDoor, ""},
    {Method::options, "/v1/g", kDoor, ""},
    {Method::post, "/v1/g/", kDoor, ""},
    {Method::options, "/v1/g/", kDoor, ""},
    {Method::post, "/v1/a", kDoor, ""},
    {Method::options, "/v1/a", kDoor, ""},
    {Method::post, "/v1/a/", kDoor, ""},
    {Method::options, "/v1/a/", kDoor, ""},
    {Method::post, "/v1/b", kDoor, ""},
    {Method::options, "/v1/b", kDoor, ""},
    {Method::post, "/v1/b/", kDoor, ""},
    {Method::options, "/v1/b/", kDoor, ""},
    {Method::post, "/v1/import/", kDoor, ""},
    {Method::options, "/v1/import/", kDoor, ""},

    // Providers: the connector verifies the signature, or the key in the address (api_callbacks.cpp).
    {Method::post, "/v1/callbacks/{connector}", kDoor, ""},
    {Method::post, "/v1/callbacks/{connector}/{key}", kDoor, ""},

    {Method::get, "/v1/customers", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/customers/{id}", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/tail/{what}", kKnowsCustomers, "", kAdmin},
    {Method::get, "/v1/export/{what}", kOperator, "", kAdmin},  // the audit log for admins only; each one is on record as `export`
    {Method::get, "/v1/customers/{id}/export", kManager, "customer.export"},  // as it is: for the customer who asks
    {Method::get, "/v1/explain", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/preview", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/rules", kReaders, ""},
    {Method::get, "/v1/rules/{name}", kReaders, ""},
    {Method::get, "/v1/rules/{name}/parts", kReaders, ""},
    {Method::get, "/v1/segments", kReaders, ""},
    {Method::get, "/v1/segments/{name}", kReaders, ""},
    {Method::get, "/v1/segments/{name}/members", kKnowsCustomers, ""},
    {Method::get, "/v1/segments/{name}/changes", kKnowsCustomers, ""},
    {Method::get, "/v1/series", kReaders, ""},
    {Method::get, "/v1/rules/{name}/series", kReaders, ""},
    {Method::get, "/v1/segments/{name}/series", kReaders, ""},
    {Method::get, "/v1/segments/{name}/parts", kReaders, ""},
    {Method::get, "/v1/decisions", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/actions", kKnowsCustomers, "", kSales},
    {Method::get, "/v1/actions/{id}", kSales | kOperator, "", kSales},  // whole messages
    {Method::get, "/v1/trace/{id}", kSales | kOperator, "", kSales},  // whole messages, too
    {Method::get, "/v1/tasks", kSales | kOperator, "", kSales},
    {Method::get, "/v1/tasks/{id}", kSales | kOperator, "", kSales},
    {Method::get, "/v1/approvals", kManager | kOperator, "", kManager},
    {Method::get, "/v1/approvals/{id}", kManager | kOperator, "", kManager},
    {Method::get, "/v1/teams", kSales | kOperator, ""},
    {Method::get, "/v1/teams/{name}", kSales | kOperator, ""},
    {Method::get, "/v1/dispositions", kReaders, ""},
    {Method::get, "/v1/funnel", kSales | kOperator, ""},
    {Method::get, "/v1/opportunities", kSales | kOperator, "", kSales},
    {Method::get, "/v1/opportunities/{id}", kSales | kOperator, "", kSales},
    {Method::get, "/v1/pools", kSales | kOperator, ""},
    {Method::get, "/v1/leads", kSales | kOperator, "", kSales},
    {Method::get, "/v1/leads/{id}", kSales | kOperator, "", kSales},
    {Method::get, "/v1/versions", kReaders, ""},
    {Method::get, "/v1/versions/{version}", kReaders, ""},
    {Method::get, "/v1/status", kReaders, ""},
    {Method::get, "/v1/connectors", kReaders, ""},
    {Method::get, "/metrics", kViewer | kOperator, ""},
    {Method::get, "/v1/access", kReaders, ""},

    // Whose tasks: daemon/app/api_tasks.cpp.
    {Method::post, "/v1/tasks/{id}/accept", kSales, "task.accept"},
    {Method::post, "/v1/tasks/{id}/decline", kSales, "task.decline"},
    {Method::post, "/v1/tasks/{id}/complete", kSales, "task.complete"},
    {Method::post, "/v1/tasks/{id}/release", kSales, "task.release"},
    {Method::post, "/v1/tasks/{id}/reassign", kManager, "task.reassign"},
    {Method::post, "/v1/tasks/{id}/cancel", kManager, "task.cancel"},
    // Only who is asked, or an admin: daemon/app/api_approvals.cpp.
    {Method::post, "/v1/approvals/{id}/approve", kManager, "approval.approve"},
    {Method::post, "/v1/approvals/{id}/reject", kManager, "approval.reject"},
    {Method::get, "/a/{token}", kAnybody, ""},   // a manager, by the link in a message
    {Method::post, "/a/{token}", kAnybody, ""},  // the same; the route itself puts it on record, for a link of ours only
    {Method::post, "/v1/customers/{id}/notes", kSales, "customer.note"},
    // Whose leads: daemon/app/api_leads.cpp.
    {Method::post, "/v1/leads", kManager, "lead.put"},
    {Method::post, "/v1/leads/{id}/claim", kSales, "lead.claim"},
    {Method::post, "/v1/leads/{id}/assign", kManager, "lead.assign"},
    {Method::post, "/v1/leads/{id}/return", kSales, "lead.return"},
    {Method::post, "/v1/leads/{id}/transfer", kSales, "lead.transfer"},
    {Method::post, "/v1/leads/{id}/close", kSales, "lead.close"},
    // Whose opportunities: daemon/app/api_deals.cpp.
    {Method::post, "/v1/opportunities", kSales, "opportunity.open"},
    {Method::post, "/v1/opportunities/{id}", kSales, "opportunity.change"},
    {Method::post, "/v1/opportunities/{id}/move", kSales, "opportunity.move"},
    {Method::post, "/v1/opportunities/{id}/win", kSales, "opportunity.win"},
    {Method::post, "/v1/opportunities/{id}/lose", kSales, "opportunity.lose"},
    {Method::post, "/v1/opportunities/{id}/done", kSales, "opportunity.done"},
    {Method::post, "/v1/opportunities/{id}/undone", kSales, "opportunity.undone"},
    {Method::get, "/c/{file}", kAnybody, ""},  // a calendar program, by the secret in the address
    {Method::post, "/v1/calendars/{owner}", kSales, "calendar.make"},
    {Method::del, "/v1/calendars/{owner}", kSales, "calendar.revoke"},
    {Method::post, "/v1/actions/{id}/retry", kOperator, "action.retry"},
    {Method::post, "/v1/actions/{id}/discard", kOperator, "action.discard"},
    {Method::post, "/v1/actions/{id}/release", kOperator, "action.release"},
    {Method::post, "/v1/actions/{id}/arrived", kOperator, "action.arrived"},
    {Method::post, "/v1/actions/{id}/mend", kOperator, "action.mend"},
    {Method::post, "/v1/outbox/settle", kOperator, "outbox.settle"},
    {Method::post, "/v1/connectors/{name}/restart", kOperator, "connector.restart"},

    {Method::get, "/v1/policies", kReaders, ""},
    {Method::get, "/v1/silences", kKnowsCustomers, ""},
    {Method::post, "/v1/silences", kOperator | kManager, "silence.add"},
    {Method::post, "/v1/silences/{id}/end", kOperator | kManager, "silence.end"},
    {Method::post, "/v1/stop-all", kOperator | kManager, "stop-all"},
    {Method::post, "/v1/rules/{name}/release", kOperator, "rule.release"},
    {Method::post, "/v1/rules/{name}/discard", kOperator, "rule.discard"},
    {Method::get, "/v1/suppressions", kOperator | kManager, ""},  // addresses
    {Method::post, "/v1/suppressions", kOperator | kSales, "suppression.add"},
    {Method::post, "/v1/suppressions/remove", kOperator | kManager, "suppression.remove"},
    {Method::post, "/v1/suppressions/import", kOperator | kManager, "suppression.import"},
    {Method::get, "/u/{token}", kAnybody, ""},   // a customer, by the link in a message
    {Method::post, "/u/{token}", kAnybody, ""},  // the same; it is in the log of events

    {Method::post, "/v1/backtests", kAuthor, "backtest.start"},
    {Method::get, "/v1/backtests", kAuthor, ""},
    {Method::get, "/v1/backtests/{id}", kAuthor, ""},
    {Method::del, "/v1/backtests/{id}", kAuthor, "backtest.cancel"},
    {Method::post, "/v1/plans", kAuthor, ""},  // compares, changes nothing
    {Method::get, "/v1/plans/{id}", kAuthor, ""},
    {Method::post, "/v1/plans/{id}/apply", kAuthor, "rules.apply"},
    {Method::post, "/v1/reload", kAuthor | kOperator, "rules.reload"},

    {Method::get, "/v1/quarantine", kOperator, "", kOperator},
    {Method::get, "/v1/quarantine/{number}", kOperator, "", kOperator},
    {Method::post, "/v1/quarantine/replay", kOperator, "quarantine.replay"},
    {Method::post, "/v1/quarantine/{number}/replay", kOperator, "quarantine.replay"},
    {Method::post, "/v1/quarantine/{number}/discard", kOperator, "quarantine.discard"},
    {Method::get, "/v1/maildrop", kOperator, "", kOperator},
    {Method::get, "/v1/digest", kOperator, ""},
    {Method::post, "/v1/digest/replay", kOperator, ""},  // reads only

    {Method::get, "/v1/tokens", kAdmin, ""},
    {Method::post, "/v1/tokens", kAdmin, "token.create"},
    {Method::post, "/v1/tokens/{id}/rotate", kAdmin, "token.rotate"},
    {Method::del, "/v1/tokens/{id}", kAdmin, "token.revoke"},
    {Method::get, "/v1/users", kAdmin, ""},
    {Method::post, "/v1/users", kAdmin, "user.create"},
    {Method::post, "/v1/users/{name}", kAdmin, "user.change"},
    {Method::del, "/v1/users/{name}", kAdmin, "user.remove"},
    {Method::post, "/v1/backup", kAdmin, "backup.create"},
    {Method::get, "/v1/audit", kAdmin, ""},
    {Method::get, "/v1/audit/verdict", kAdmin, ""},
};

}  // namespace

std::span<const RouteAccess> access_table() { return kTable; }

}  // namespace nudge::daemon
