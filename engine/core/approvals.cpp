#include "engine/core/approvals.h"

#include "engine/core/approved.h"
#include "engine/core/render_filter.h"
#include "engine/core/work.h"

namespace nudge {

namespace {

constexpr std::uint8_t kVersion = 1;

Value text(std::string_view t) { return Value::of_text(t); }

const Member* person_asked(const Plan& plan, const Request& request) { return find_member(plan, request.person); }

// The event about it; without what an answer adds.
Input event_of(const Plan& plan, const Request& request, std::string_view type, TimeMs at, std::vector<std::pair<std::string_view, Value>> more) {
  more.emplace_back("action", text(to_hex(request.action.id)));
  more.emplace_back("channel", text(request.action.channel));
  if (!request.team.empty()) more.emplace_back("team", text(request.team));
  if (!request.person.empty()) more.emplace_back("asked", text(request.person));
  if (request.deadline != kNever) more.emplace_back("deadline", Value::of_timestamp(request.deadline));
  more.emplace_back("subject", text(request.subject));
  return task_event(*plan.catalog, request.action, type, type, at, more);
}

// What policies count as sent gives its place back. Not for what itself answers a message that was held: such rules would wake each other.
void give_place_back(const Plan& plan, const Request& request, const std::string& words, TimeMs at, ApprovalOut& out) {
  const Catalog& catalog = *plan.catalog;
  const EventTypeId cause = request.action.cause.type;
  if (cause < catalog.events.size() && catalog.events[cause].name == "message_held") return;
  Input held = task_event(catalog, request.action, "message_held", "held", at,
                          {{"action", text(to_hex(request.action.id))}, {"channel", text(request.action.channel)}, {"reason", text(words)}});
  if (held.type != kNoEventType) out.news.push_back(std::move(held));
}

}  // namespace

std::string_view approval_state_name(ApprovalState s) {
  static constexpr std::string_view kNames[] = {"", "open", "approved", "rejected", "expired"};
  return kNames[static_cast<std::size_t>(s)];
}

std::string asked_now(const Plan& plan, const Request& request) {
  const Team* team = request.team.empty() ? nullptr : plan.find_team(request.team);
  return team != nullptr && !team->manager.empty() ? team->manager : request.person;
}

void Approvals::add(const Plan& plan, ActionOut action, std::uint64_t number, ApprovalOut& out) {
  if (open_.contains(action.id)) return;
  const std::shared_ptr<const Question> question = std::move(action.question);
  action.question.reset();
  Request request;
  request.number = number;
  request.team = question->team;
  request.person = question->person;
  request.person = asked_now(plan, request);
  request.deadline = question->deadline;
  request.otherwise_send = question->otherwise_send;
  request.subject = question->subject;
  request.action = std::move(action);
  const Hash128 id = request.action.id;
  const Member* person = person_asked(plan, request);
  const std::vector<std::pair<std::string, Value>> properties = {
      {"link", text(kApprovalLink)},
      {"id", text(to_hex(id))},
      {"deadline", request.deadline == kNever ? Value() : Value::of_timestamp(request.deadline)},
      {"asked", text(person != nullptr && !person->name.empty() ? person->name : request.person)},
      {"email", person != nullptr ? text(person->email) : Value()},
      {"subject", text(request.subject)},
      {"otherwise", text(request.otherwise_send ? "send" : "drop")}};
  for (ActionOut ask : question->asks) {
    ask.asks_for = encode_asking({id, request.deadline, request.person});
    fill_late(ask, nullptr, &properties);
    out.asks.push_back(std::move(ask));
  }
  Input news = event_of(plan, request, "approval_requested", request.action.at, {});
  if (news.type != kNoEventType) out.news.push_back(std::move(news));
  out.touched.push_back(request);
  load(std::move(request));
}

void Approvals::load(Request request) {
  if (request.state != ApprovalState::open) return;
  const Hash128 id = request.action.id;
  if (request.deadline != kNever) clocks_.emplace(request.deadline, id);
  open_.insert_or_assign(id, std::move(request));
}

Result<void> Approvals::apply(const Plan& plan, const ApprovalCommand& command, TimeMs now, ApprovalOut& out) {
  const auto found = open_.find(command.id);
  if (found == open_.end()) return fail(Code::not_found, "there is no approval with this id that is still open");
  if (const std::string asked = asked_now(plan, found->second); !command.as_admin && (asked.empty() || asked != command.by))
    return fail(Code::denied, "only " + (asked.empty() ? std::string("an admin") : asked + " or an admin") + " can answer this");
  decide(plan, std::move(found->second), command.yes ? ApprovalState::given : ApprovalState::refused, command.by, command.reason, now, out);
  return {};
}

void Approvals::merged(std::string_view alias, std::string_view customer, ApprovalOut& out) {
  if (alias == customer) return;
  for (auto& [id, request] : open_) {
    if (request.action.customer != alias) continue;
    request.action.customer = customer;
    out.touched.push_back(request);
  }
}

void Approvals::run(const Plan& plan, TimeMs now, ApprovalOut& out) {
  while (!clocks_.empty() && clocks_.begin()->first <= now) {
    const auto [at, id] = *clocks_.begin();
    decide(plan, std::move(open_[id]), ApprovalState::expired, "", "", at, out);
  }
}

void Approvals::decide(const Plan& plan, Request request, ApprovalState state, std::string by, std::string reason, TimeMs now, ApprovalOut& out) {
  const Hash128 id = request.action.id;
  clocks_.erase({request.deadline, id});
  open_.erase(id);
  request.state = state;
  request.sent = state == ApprovalState::given || (state == ApprovalState::expired && request.otherwise_send);
  request.decided_at = now;
  request.decided_by = std::move(by);
  request.reason = std::move(reason);
  static constexpr std::string_view kTypes[] = {"", "", "approval_given", "approval_refused", "approval_expired"};
  std::vector<std::pair<std::string_view, Value>> more = {{"sent", Value::of_boolean(request.sent)}};
  if (!request.decided_by.empty()) more.emplace_back("by", text(request.decided_by));
  if (!request.reason.empty()) more.emplace_back("reason", text(request.reason));
  Input news = event_of(plan, request, kTypes[static_cast<std::size_t>(state)], now, std::move(more));
  if (news.type != kNoEventType) out.news.push_back(std::move(news));
  if (!request.sent) give_place_back(plan, request, decision_words(request), now, out);
  Request kept = request;
  kept.action.payload = "{}";
  out.touched.push_back(std::move(kept));
  out.decided.push_back(std::move(request));
}

std::string decision_words(const Request& request) {
  const std::string why = request.reason.empty() ? "" : ": " + request.reason;
  switch (request.state) {
    case ApprovalState::given: return "approved by " + request.decided_by + why;
    case ApprovalState::refused: return "rejected by " + request.decided_by + why;
    case ApprovalState::expired:
      return (request.person.empty() ? "nobody" : request.person + " did not") + std::string(request.person.empty() ? " answered" : " answer") +
             " until " + format_timestamp(request.deadline) + (request.otherwise_send ? "; it goes out all the same" : "");
    case ApprovalState::open: break;
  }
  return "waits for the yes of " + (request.person.empty() ? std::string("an admin") : request.person) +
         (request.deadline == kNever ? "" : " until " + format_timestamp(request.deadline) + ", then it is " + (request.otherwise_send ? "sent" : "dropped"));
}

std::string encode_asking(const Asking& asking) {
  std::string bytes;
  Writer out(bytes);
  out.u8(kVersion);
  out.fixed64(asking.id.hi);
  out.fixed64(asking.id.lo);
  out.fixed64(static_cast<std::uint64_t>(asking.deadline));
  out.string(asking.person);
  return bytes;
}

std::optional<Asking> decode_asking(std::string_view bytes) {
  Reader in(bytes);
  Asking asking;
  if (in.u8() != kVersion) return std::nullopt;
  asking.id.hi = in.fixed64();
  asking.id.lo = in.fixed64();
  asking.deadline = static_cast<TimeMs>(in.fixed64());
  asking.person = in.string();
  if (in.bad() || !in.at_end()) return std::nullopt;
  return asking;
}

void encode_request(std::string& bytes, const Request& r) {
  Writer out(bytes);
  out.u8(kVersion);
  out.varint(r.number);
  out.u8(static_cast<std::uint8_t>(r.state));
  out.string(r.team);
  out.string(r.person);
  out.fixed64(static_cast<std::uint64_t>(r.deadline));
  out.u8(static_cast<std::uint8_t>((r.otherwise_send ? 1 : 0) | (r.sent ? 2 : 0)));
  out.string(r.subject);
  out.svarint(r.decided_at);
  out.string(r.decided_by);
  out.string(r.reason);
  encode_action(out, r.action);
  if (r.action.kind == "call_task") encode_choice(out, r.action);  // nobody has it yet
}

Result<Request> decode_request(std::string_view bytes) {
  Reader in(bytes);
  Request r;
  const bool known = in.u8() == kVersion;
  r.number = in.varint();
  r.state = static_cast<ApprovalState>(in.u8());
  r.team = in.string();
  r.person = in.string();
  r.deadline = static_cast<TimeMs>(in.fixed64());
  const std::uint8_t flags = in.u8();
  r.otherwise_send = (flags & 1U) != 0;
  r.sent = (flags & 2U) != 0;
  r.subject = in.string();
  r.decided_at = in.svarint();
  r.decided_by = in.string();
  r.reason = in.string();
  if (!known || r.state < ApprovalState::open || r.state > ApprovalState::expired || !decode_action(in, r.action) || in.bad() ||
      (r.action.kind == "call_task" && !decode_choice(in, r.action)))
    return fail(Code::corrupt, "a stored approval can't be read: it is damaged or was written by a newer version");
  return r;
}

}  // namespace nudge
