// What providers report after a message has left: a callback goes to its connector, which verifies and reads it; what it reports becomes
// events, entries of the suppression list, and the end of an unknown outcome. Each report is one batch: with its event, or not at all.
#include <algorithm>

#include "daemon/log/log.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/delivery_lane.h"
#include "daemon/runtime/payload.h"
#include "engine/core/reply.h"

namespace nudge::daemon {

void set_text_field(const Catalog& catalog, Input& input, std::string_view name, std::string_view text) {
  if (text.empty() || input.type == kNoEventType) return;
  const EventTypeDef& type = catalog.events[input.type];
  const FieldId field = type.find(name);
  if (field != kNoField && type.fields[field].type == Type::text) input.fields[field] = Value::of_text(text);
}

namespace {

constexpr std::size_t kCallsMax = 32;             // of one connector at once
constexpr std::int64_t kCallPatienceMs = 10'000;  // providers wait 5 to 15 seconds
constexpr std::string_view kReplied = "the customer replied: ";

std::string_view channel_of(std::string_view kind) { return kind == "smtp" ? "email" : kind; }

// When it happened, by the provider's clock, as far as that can be true.
TimeMs instant_of(const ProviderReport& report, TimeMs earliest, TimeMs now) {
  return report.at == 0 ? now : std::clamp(report.at, std::min(earliest, now), now);
}

CallbackResult refusal(const connectors::Outcome& outcome) {
  using connectors::OutcomeStatus;
  CallbackResult result;
  const bool said_no = outcome.status == OutcomeStatus::not_sent && !outcome.retryable;
  result.status = !said_no ? 503 : outcome.http_status == 401 || outcome.http_status == 404 ? outcome.http_status : 400;
  result.why = outcome.detail;
  return result;
}

}  // namespace

// One callback on its way through the books.
struct Delivery::Call {
  CallbackDone done;
  CallbackResult result;
  std::size_t left = 1;  // reports that are not on disk yet, and the one who hands them out; delivery's thread only
};

void Delivery::receive(std::string connector, std::string payload_json, CallbackDone done) {
  post_command([this, connector = std::move(connector), payload = std::move(payload_json), done = std::move(done)]() mutable {
    const auto it = lanes_.find(connector);
    CallbackResult no;
    no.status = it == lanes_.end() ? 404 : 503;
    no.why = it == lanes_.end() ? "there is no connector `" + connector + "`" : "the connector takes nothing at the moment; call again";
    if (it == lanes_.end() || !it->second->process || it->second->calls.size() >= kCallsMax) return done(no);
    Lane& lane = *it->second;
    connectors::DeliverRequest request;
    request.action_id = "callback-" + std::to_string(++calls_made_);
    request.kind = "callback";
    request.channel = "callback";
    request.payload_json = std::move(payload);
    request.created_ms = clock_.now();
    request.deadline_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count() +
        kCallPatienceMs;
    request.receive = true;
    auto call = std::make_shared<Call>();
    call->done = done;
    const std::string id = request.action_id;
    lane.calls[id] = std::move(call);
    if (lane.process->submit(std::move(request))) return;
    lane.calls.erase(id);
    done(no);
  });
}

void Delivery::on_callback(const std::string& name, const std::string& id, const connectors::Outcome& outcome) {
  post_command([this, name, id, outcome] {
    Lane& lane = *lanes_[name];
    const auto it = lane.calls.find(id);
    if (it == lane.calls.end()) return;
    const std::shared_ptr<Call> call = std::move(it->second);
    lane.calls.erase(it);
    if (outcome.status != connectors::OutcomeStatus::accepted) {
      ++(outcome.http_status == 401 ? lane.callbacks_refused : lane.callbacks_failed);
      return call->done(refusal(outcome));
    }
    Result<ProviderReports> reports = read_reports(outcome.result_json);
    if (!reports) {
      log::error("what a connector made of a callback can't be used", {{"connector", name}, {"error", reports.error()}});
      ++lane.callbacks_failed;
      call->result.status = 500;
      call->result.why = reports.error().message;
      return call->done(call->result);
    }
    ++lane.callbacks_taken;
    call->result.type = reports->answer_type;
    call->result.body = reports->answer_body;
    call->left += reports->reports.size();
    for (const ProviderReport& report : reports->reports) book_report(lane, report, call);
    report_booked(name, call, ReportEnd::none);
  });
}

// On delivery's thread.
void Delivery::report_booked(const std::string& lane_name, const std::shared_ptr<Call>& call, ReportEnd end) {
  Lane& lane = *lanes_[lane_name];
  if (end == ReportEnd::told) ++lane.reports_told, ++call->result.told;
  if (end == ReportEnd::doubled) ++lane.reports_doubled, ++call->result.doubled;
  if (end == ReportEnd::unmatched) ++lane.reports_unmatched, ++call->result.unmatched;
  if (--call->left == 0) call->done(call->result);
}

// Of the committer, once the batch is on disk.
std::function<void()> Delivery::booked(const std::string& lane, const std::shared_ptr<Call>& call, ReportEnd end, std::string busy) {
  return [this, lane, call, end, busy = std::move(busy)] {
    post_command([this, lane, call, end, busy] {
      if (!busy.empty()) busy_.erase(busy);
      report_booked(lane, call, end);
    });
  };
}

std::optional<ActionRecord> Delivery::action_of(const Lane& lane, const ProviderReport& report) {
  std::vector<std::string> ids;
  if (std::optional<std::string> id = id_from_hex(report.action)) ids.push_back(*std::move(id));
  const auto by = [&](const std::string& key) {
    if (Result<std::optional<std::string>> id = store_.get(Family::outbox, key); id && id->has_value()) ids.push_back(**std::move(id));
  };
  if (!report.ref.empty()) by(way_by_ref_key(lane.name, report.ref));
  const std::size_t own = ids.size();  // these must be actions of this very connector: it has no business with another's
  const std::string address = normal_address(report.address);
  if (!address.empty()) by(way_by_address_key(channel_of(lane.kind), address));
  if (ids.size() == own && !address.empty() && !address.starts_with('+')) by(way_by_address_key(channel_of(lane.kind), "+" + address));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Result<ActionRecord> record = find_action(store_, ids[i]);
    if (record && !erased(record->action) && (i >= own || record->connector == lane.name)) return *std::move(record);
  }
  return std::nullopt;
}

void Delivery::book_report(Lane& lane, const ProviderReport& report, const std::shared_ptr<Call>& call) {
  using State = ProviderReport::State;
  const std::optional<ActionRecord> record = action_of(lane, report);
  if (report.state == State::replied) return book_reply(lane, report, record, call);
  if (!record) {
    log::info("a provider reports on an action that is not known", {{"connector", lane.name}});
    return report_booked(lane.name, call, ReportEnd::unmatched);
  }
  if (report.state == State::ticket || report.state == State::unsubscribed) return book_word(lane, report, *record, call);
  book_receipt(lane, report, *record, call);
}

// delivered, failed, delayed: each once for an action.
void Delivery::book_receipt(Lane& lane, const ProviderReport& report, const ActionRecord& record, const std::shared_ptr<Call>& call) {
  using State = ProviderReport::State;
  const std::string id = id_bytes(record.action.id);
  Result<ActionReceipt> known = load_receipt(store_, id);
  if (!known) {
    log::error("a receipt can't be read and is written anew", {{"error", known.error()}});
    known = ActionReceipt{};
  }
  ActionReceipt receipt = *known;
  const TimeMs now = clock_.now(), at = instant_of(report, record.action.at, now);
  TimeMs& place = report.state == State::delivered ? receipt.delivered_at
                  : report.state == State::failed  ? receipt.failed_at
                                                   : receipt.delayed_at;
  if (place != 0) return report_booked(lane.name, call, ReportEnd::doubled);
  place = std::max<TimeMs>(at, 1);
  if (report.state != State::delivered) receipt.reason = (report.gone ? "it will never arrive there: " : "") + report.reason;
  std::string bytes;
  encode_receipt(bytes, receipt);
  if (report.state == State::delayed) {  // on record; rules hear of the end only
    return committer_.change([this, id, bytes, name = lane.name, call](CommitContext& c) {
      c.set.put(Family::outbox, receipt_key(id), bytes);
      c.after.push_back(booked(name, call, ReportEnd::told, {}));
    });
  }
  std::vector<Input> inputs;
  std::optional<ActionRecord> taken;  // an unknown outcome is known now: who reports on it has taken it
  if (record.state == ActionState::unknown && busy_.insert(id).second) {
    taken = record;
    taken->state = ActionState::accepted;
    taken->perhaps = false;
    taken->changed_at = now;
    taken->note = "the provider reports on it, so it has taken it";
    inputs.push_back(event_for("message_accepted", record.action, "accepted:" + std::to_string(record.tries), now));
  }
  const bool delivered = report.state == State::delivered;
  inputs.push_back(
      event_for(delivered ? "message_delivered" : "message_failed", record.action, delivered ? "delivered" : "undelivered", at));
  set_text_field(*plan_()->catalog, inputs.back(), "reason", receipt.reason);
  std::optional<Suppression> gone = report.gone ? suppression_of(record, lane.name, receipt.reason, now) : std::nullopt;
  post_.many(std::move(inputs), [this, id, bytes, name = lane.name, call, taken = std::move(taken), gone = std::move(gone)](
                                    CommitContext& c, Receipt ended) {
    c.set.put(Family::outbox, receipt_key(id), bytes);
    if (taken) book_action(c, ActionState::unknown, *taken);
    if (gone) gate_.add(c, *gone);
    c.after.push_back(booked(name, call, ended == Receipt::stored ? ReportEnd::told : ReportEnd::doubled, taken ? id : std::string()));
  });
}

// An answer of the customer. A word such as STOP counts for the address too, whoever has it.
void Delivery::book_reply(Lane& lane, const ProviderReport& report, const std::optional<ActionRecord>& record,
                          const std::shared_ptr<Call>& call) {
  const TimeMs now = clock_.now();
  const ReplyWord word = reply_word(report.text);
  std::function<void(CommitContext&)> list = [](CommitContext&) {};
  std::string address = normal_address(report.address);
  if (address.empty() && record) address = normal_address(member_text(record->action.payload, "to"));
  if (!address.empty() && word != ReplyWord::other) {
    const std::string channel(channel_of(lane.kind));
    Suppression entry{Suppression::Kind::address, address, channel, now, lane.name, std::string(kReplied) + report.text.substr(0, 40)};
    list = [this, entry, stop = word == ReplyWord::stop](CommitContext& c) {
      if (stop) return gate_.add(c, entry);
      const std::optional<Suppression> old = gate_.find({}, entry.channel, entry.value);
      // What a person or a hard bounce put there is not the customer's to take away.
      if (old && old->author == entry.author && old->reason.starts_with(kReplied)) gate_.remove(c, entry.kind, entry.value, entry.channel);
    };
  }
  if (!record) {
    log::info("a reply from an address that nothing was sent to", {{"connector", lane.name}});
    return committer_.change([this, list, name = lane.name, call](CommitContext& c) {
      list(c);
      c.after.push_back(booked(name, call, ReportEnd::unmatched, {}));
    });
  }
  Input event = event_for("message_replied", record->action, "", instant_of(report, record->action.at, now));
  event.id = "nudge:reply:" + lane.name + ":" + report.id;
  set_text_field(*plan_()->catalog, event, "text", report.text);
  post_(std::move(event), [this, list, name = lane.name, call](CommitContext& c, Receipt ended) {
    if (ended == Receipt::stored) list(c);  // told again, it must not undo what was said since
    c.after.push_back(booked(name, call, ended == Receipt::stored ? ReportEnd::told : ReportEnd::doubled, {}));
  });
}

// A complaint, or a change of a ticket.
void Delivery::book_word(Lane& lane, const ProviderReport& report, const ActionRecord& record, const std::shared_ptr<Call>& call) {
  const bool ticket = report.state == ProviderReport::State::ticket;
  const TimeMs now = clock_.now(), at = instant_of(report, record.action.at, now);
  const std::shared_ptr<const Plan> plan = plan_();
  Input event = event_for(ticket ? "ticket_updated" : "message_unsubscribed", record.action,
                          ticket ? "ticket:" + report.id : std::string("unsubscribed"), at);
  set_text_field(*plan->catalog, event, "purpose", purpose_name(record.action.purpose));
  set_text_field(*plan->catalog, event, "source", "provider");
  set_text_field(*plan->catalog, event, "reason", report.reason);
  set_text_field(*plan->catalog, event, "status", report.status);
  set_text_field(*plan->catalog, event, "raw_status", report.raw_status);
  set_text_field(*plan->catalog, event, "ticket", report.ref);
  std::optional<Suppression> gone = ticket ? std::nullopt : suppression_of(record, lane.name, report.reason, now);
  post_(std::move(event), [this, name = lane.name, call, gone = std::move(gone)](CommitContext& c, Receipt ended) {
    if (gone && ended == Receipt::stored) gate_.add(c, *gone);
    c.after.push_back(booked(name, call, ended == Receipt::stored ? ReportEnd::told : ReportEnd::doubled, {}));
  });
}

std::optional<Suppression> Delivery::suppression_of(const ActionRecord& record, const std::string& author, std::string reason,
                                                    TimeMs now) const {
  std::string address = normal_address(member_text(record.action.payload, "to"));
  if (address.empty() || gate_.test_mode()) return std::nullopt;
  return Suppression{Suppression::Kind::address, std::move(address), record.action.channel, now, author, std::move(reason)};
}

// A receipt that came before the answer to the attempt, or instead of it.
bool Delivery::reported(const ActionRecord& record) const {
  const Result<ActionReceipt> receipt = load_receipt(store_, id_bytes(record.action.id));
  return receipt && (receipt->arrived() || receipt->failed_at != 0);
}

}  // namespace nudge::daemon
