#include "engine/core/opportunities.h"

#include <algorithm>

#include "engine/base/codec.h"
#include "engine/core/render_filter.h"
#include "engine/core/telling.h"

namespace nudge {

namespace {

constexpr std::uint8_t kVersion = 1;

std::string stages_of(const Funnel& funnel) {
  std::string out;
  for (const FunnelStage& stage : funnel.stages) out += (out.empty() ? "" : ", ") + stage.name;
  return out;
}

void note(Opportunity& deal, TimeMs at, std::string_view what, std::string_view by, std::string_view reason) {
  if (deal.steps.size() >= kDealStepsKept) deal.steps.erase(deal.steps.begin() + 1);  // the first says how it began
  deal.steps.push_back({at, std::string(what), deal.stage, std::string(by), std::string(reason)});
}

}  // namespace

std::string_view deal_state_name(DealState s) {
  static constexpr std::string_view kNames[] = {"", "open", "won", "lost"};
  return kNames[static_cast<std::size_t>(s)];
}

std::size_t stage_index(const Funnel& funnel, std::string_view stage) {
  return static_cast<std::size_t>(std::ranges::find(funnel.stages, stage, &FunnelStage::name) - funnel.stages.begin());
}

const DealDone* find_done(const Opportunity& deal, std::string_view stage, std::string_view task) {
  const auto it = std::ranges::find_if(deal.done, [&](const DealDone& d) { return d.stage == stage && d.task == task; });
  return it == deal.done.end() ? nullptr : &*it;
}

void Opportunities::touch(const Opportunity& deal, DealOut& out) {
  std::erase_if(out.touched, [&](const Opportunity& d) { return d.id == deal.id; });
  out.touched.push_back(deal);
}

void Opportunities::arm(const Plan& plan, Opportunity& deal, TimeMs not_before) {
  if (deal.stall_at != kNever) clocks_.erase({deal.stall_at, deal.id});
  deal.stall_at = kNever;
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  if (funnel == nullptr || deal.stalled || deal.state != DealState::open) return;
  const std::size_t place = stage_index(*funnel, deal.stage);
  if (place == funnel->stages.size() || funnel->stages[place].stalled_after == 0) return;
  deal.stall_at = std::max(deal.active_at + funnel->stages[place].stalled_after, not_before);
  clocks_.emplace(deal.stall_at, deal.id);
}

void Opportunities::load(Opportunity deal) {
  if (deal.state != DealState::open) return;
  if (deal.stall_at != kNever) clocks_.emplace(deal.stall_at, deal.id);
  of_customer_[deal.customer].insert(deal.id);
  std::string id = deal.id;
  open_[std::move(id)] = std::move(deal);
}

void Opportunities::forget(std::string_view customer) {
  const auto list = of_customer_.find(customer);
  if (list == of_customer_.end()) return;
  for (const std::string& id : list->second) {
    const auto deal = open_.find(id);
    if (deal->second.stall_at != kNever) clocks_.erase({deal->second.stall_at, id});
    open_.erase(deal);
  }
  of_customer_.erase(list);
}

void Opportunities::merged(std::string_view alias, std::string_view customer, TimeMs now, DealOut& out) {
  const auto list = of_customer_.find(alias);
  if (list == of_customer_.end() || alias == customer) return;
  const std::set<std::string> ids = std::move(list->second);
  of_customer_.erase(list);
  for (const std::string& id : ids) {
    Opportunity& deal = open_.find(id)->second;
    deal.customer = customer;
    of_customer_[deal.customer].insert(id);
    note(deal, now, "merged", {}, "the customer was known as " + std::string(alias));
    touch(deal, out);
  }
}

void Opportunities::tell(const Plan& plan, Opportunity& deal, std::string_view what, std::string_view previous, std::string_view by,
                         std::string_view reason, TimeMs at, DealOut& out) {
  note(deal, at, what, by, reason);
  const std::string type = "opportunity_" + std::string(what);
  if (plan.catalog->find_event(type) == kNoEventType) return;
  Telling event(*plan.catalog, type, deal.customer, "nudge:" + to_hex(hash128("opportunity\n" + deal.id)) + ":" + std::string(what) + ":" + std::to_string(++deal.told), at);
  event.text("opportunity", deal.id).text("funnel", deal.funnel).text("stage", deal.stage).text("previous", previous).text("title", deal.title);
  event.text("owner", deal.owner).text("by", by).text("reason", reason).set("stage_since", Value::of_timestamp(deal.since));
  if (deal.has_amount) event.set("amount", Value::of_decimal(deal.amount));
  if (const Funnel* funnel = plan.find_funnel(deal.funnel)) {
    const std::size_t place = stage_index(*funnel, deal.stage);
    if (place < funnel->stages.size() && deal.state == DealState::open) event.set("probability", Value::of_integer(funnel->stages[place].percent));
  }
  out.news.push_back(event.take());
}

Result<void> Opportunities::apply(const Plan& plan, const DealCommand& command, TimeMs now, DealOut& out) {
  if (command.kind == DealCommand::Kind::open) return start(plan, command, now, out);
  const auto it = open_.find(command.id);
  if (it == open_.end()) return fail(Code::not_found, "there is no open opportunity " + command.id);
  if (!command.owner.empty() && find_member(plan, command.owner) == nullptr)
    return fail(Code::invalid, "\"" + command.owner + "\" is in no team; `owner` is the id of a member");
  switch (command.kind) {
    case DealCommand::Kind::move: return move(plan, it->second, command, now, out);
    case DealCommand::Kind::change: return change(plan, it->second, command, now, out);
    case DealCommand::Kind::task_done:
    case DealCommand::Kind::task_undone: return check(plan, it->second, command, now, out);
    default: return end(plan, it->second, command, now, out);
  }
}

Result<void> Opportunities::start(const Plan& plan, const DealCommand& command, TimeMs now, DealOut& out) {
  const Funnel* funnel = command.funnel.empty() && plan.funnels.size() == 1 ? &plan.funnels[0] : plan.find_funnel(command.funnel);
  if (funnel == nullptr) {
    std::string names;
    for (const Funnel& f : plan.funnels) names += (names.empty() ? "" : ", ") + f.name;
    return fail(Code::invalid, "there is no funnel \"" + command.funnel + "\"" + (names.empty() ? "; funnels stand under `funnels:` in the rules" : "; there are " + names));
  }
  const std::string stage = command.stage.empty() ? funnel->stages[0].name : command.stage;
  const std::size_t place = stage_index(*funnel, stage);
  if (place == funnel->stages.size())
    return fail(Code::invalid, "the funnel " + funnel->name + " has no stage \"" + stage + "\"; its stages are " + stages_of(*funnel));
  if (!command.owner.empty() && find_member(plan, command.owner) == nullptr)
    return fail(Code::invalid, "\"" + command.owner + "\" is in no team; `owner` is the id of a member");
  if (command.id.empty()) return fail(Code::invalid, "an opportunity needs an id");
  if (open_.contains(command.id)) return fail(Code::conflict, "there is an opportunity " + command.id + " already");
  Opportunity& deal = open_[command.id];
  deal.id = command.id;
  deal.customer = command.customer;
  deal.funnel = funnel->name;
  deal.stage = stage;
  deal.title = command.title;
  deal.owner = command.owner;
  deal.has_amount = command.has_amount;
  deal.amount = command.amount;
  deal.opened = deal.since = deal.active_at = now;
  deal.furthest = static_cast<std::uint32_t>(place);
  of_customer_[deal.customer].insert(deal.id);
  tell(plan, deal, "opened", {}, command.by, command.reason, now, out);
  arm(plan, deal, kAlways);
  touch(deal, out);
  out.id = deal.id;
  return {};
}

Result<void> Opportunities::move(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out) {
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  if (funnel == nullptr) return fail(Code::conflict, "the funnel " + deal.funnel + " is in the rules no more; the opportunity can only be won or lost");
  const std::size_t place = stage_index(*funnel, command.stage);
  if (place == funnel->stages.size())
    return fail(Code::invalid, "the funnel " + funnel->name + " has no stage \"" + command.stage + "\"; its stages are " + stages_of(*funnel));
  if (deal.stage == command.stage) return {};  // said twice
  const std::string before = deal.stage;
  deal.stage = command.stage;
  deal.since = deal.active_at = std::max(now, deal.since + 1);
  deal.furthest = std::max(deal.furthest, static_cast<std::uint32_t>(place));
  deal.stalled = false;
  tell(plan, deal, "moved", before, command.by, command.reason, deal.since, out);
  arm(plan, deal, kAlways);
  touch(deal, out);
  return {};
}

Result<void> Opportunities::change(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out) {
  if (!command.has_amount && command.title.empty() && command.owner.empty())
    return fail(Code::invalid, "say what is another now: {\"amount\": \"1200.00\"}, `title` or `owner`");
  if (command.has_amount) {
    deal.has_amount = true;
    deal.amount = command.amount;
  }
  if (!command.title.empty()) deal.title = command.title;
  if (!command.owner.empty()) deal.owner = command.owner;
  tell(plan, deal, "changed", {}, command.by, command.reason, now, out);
  touch(deal, out);
  return {};
}

// A key task is done, or was not after all. Doing one is a follow-up; that it is undone is none.
Result<void> Opportunities::check(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out) {
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  const std::string stage = command.stage.empty() ? deal.stage : command.stage;
  const std::size_t place = funnel == nullptr ? 0 : stage_index(*funnel, stage);
  if (funnel == nullptr || place == funnel->stages.size())
    return fail(Code::invalid, "the funnel " + deal.funnel + " has no stage \"" + stage + "\"");
  const std::vector<std::string>& tasks = funnel->stages[place].tasks;
  if (std::ranges::find(tasks, command.task) == tasks.end()) {
    std::string words;
    for (const std::string& task : tasks) words += (words.empty() ? "" : ", ") + task;
    return fail(Code::invalid, "\"" + command.task + "\" is no key task of the stage " + stage + (words.empty() ? ", which has none" : "; its tasks are " + words));
  }
  const bool done = command.kind == DealCommand::Kind::task_done, was = find_done(deal, stage, command.task) != nullptr;
  if (done == was) return {};  // said twice
  if (done)
    deal.done.push_back({stage, command.task, command.by, now});
  else
    std::erase_if(deal.done, [&](const DealDone& d) { return d.stage == stage && d.task == command.task; });
  if (done) {
    deal.active_at = std::max(deal.active_at, now);
    deal.stalled = false;
    tell(plan, deal, "task_done", {}, command.by, command.task, now, out);
    arm(plan, deal, kAlways);
  } else {
    note(deal, now, "task_undone", command.by, command.task);
  }
  touch(deal, out);
  return {};
}

Result<void> Opportunities::end(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out) {
  const bool won = command.kind == DealCommand::Kind::win;
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  std::string words;
  if (funnel != nullptr) {
    for (const std::string& reason : funnel->lost_reasons) words += (words.empty() ? "" : ", ") + reason;
  }
  if (!won && command.reason.empty()) return fail(Code::invalid, "say why it was lost: {\"reason\": \"…\"}" + (words.empty() ? "" : "; one of " + words));
  if (!won && !words.empty() && std::ranges::find(funnel->lost_reasons, command.reason) == funnel->lost_reasons.end())
    return fail(Code::invalid, "\"" + command.reason + "\" is no reason to lose an opportunity of this funnel; the reasons are " + words);
  if (command.has_amount) {
    deal.has_amount = true;
    deal.amount = command.amount;
  }
  deal.state = won ? DealState::won : DealState::lost;
  deal.closed = std::max(now, deal.since);
  deal.reason = command.reason;
  if (won && funnel != nullptr) deal.furthest = static_cast<std::uint32_t>(funnel->stages.size());
  arm(plan, deal, kAlways);
  tell(plan, deal, won ? "won" : "lost", {}, command.by, command.reason, deal.closed, out);
  touch(deal, out);
  if (const auto list = of_customer_.find(deal.customer); list != of_customer_.end()) {
    list->second.erase(deal.id);
    if (list->second.empty()) of_customer_.erase(list);
  }
  open_.erase(std::string(deal.id));
  return {};
}

void Opportunities::hear(const Plan& plan, const LeadSignal& signal, DealOut& out) {
  const auto list = of_customer_.find(signal.customer);
  if (list == of_customer_.end() || signal.event == kNoEventType) return;
  for (const std::string& id : list->second) {
    Opportunity& deal = open_.find(id)->second;
    const Funnel* funnel = plan.find_funnel(deal.funnel);
    if (funnel == nullptr || signal.at <= deal.active_at || std::ranges::find(funnel->follow_ups, signal.event) == funnel->follow_ups.end()) continue;
    deal.active_at = signal.at;
    deal.stalled = false;
    arm(plan, deal, kAlways);
    touch(deal, out);
  }
}

void Opportunities::run(const Plan& plan, TimeMs now, DealOut& out) {
  while (!clocks_.empty() && clocks_.begin()->first <= now) {
    const auto [at, id] = *clocks_.begin();
    Opportunity& deal = open_.find(id)->second;
    deal.stalled = true;
    arm(plan, deal, kAlways);
    tell(plan, deal, "stalled", {}, {}, "nothing has happened since " + format_timestamp(deal.active_at), at, out);
    touch(deal, out);
  }
}

void Opportunities::plan_changed(const Plan& plan, TimeMs now, DealOut& out) {
  for (auto& [id, deal] : open_) {
    const TimeMs before = deal.stall_at;
    arm(plan, deal, kAlways);
    if (deal.stall_at == before) continue;
    arm(plan, deal, now);
    if (deal.stall_at != before) touch(deal, out);
  }
}

void encode_deal(std::string& bytes, const Opportunity& d) {
  Writer out(bytes);
  out.u8(kVersion);
  for (const std::string* text : {&d.id, &d.customer, &d.funnel, &d.stage, &d.title, &d.owner, &d.reason}) out.string(*text);
  out.u8(static_cast<std::uint8_t>(d.state));
  out.u8(static_cast<std::uint8_t>((d.has_amount ? 1 : 0) | (d.stalled ? 2 : 0)));
  out.svarint(d.amount.units);
  for (const TimeMs t : {d.opened, d.since, d.active_at, d.closed, d.stall_at}) out.fixed64(static_cast<std::uint64_t>(t));
  out.varint(d.furthest);
  out.varint(d.told);
  out.varint(d.steps.size());
  for (const DealStep& step : d.steps) {
    out.svarint(step.at);
    for (const std::string* text : {&step.what, &step.stage, &step.by, &step.reason}) out.string(*text);
  }
  out.varint(d.done.size());
  for (const DealDone& done : d.done) {
    out.svarint(done.at);
    for (const std::string* text : {&done.stage, &done.task, &done.by}) out.string(*text);
  }
}

Result<Opportunity> decode_deal(std::string_view bytes) {
  Reader in(bytes);
  Opportunity d;
  const std::uint8_t version = in.u8();
  for (std::string* text : {&d.id, &d.customer, &d.funnel, &d.stage, &d.title, &d.owner, &d.reason}) *text = in.string();
  const std::uint8_t state = in.u8(), flags = in.u8();
  d.state = static_cast<DealState>(state);
  d.has_amount = (flags & 1) != 0;
  d.stalled = (flags & 2) != 0;
  d.amount = Decimal{in.svarint()};
  for (TimeMs* t : {&d.opened, &d.since, &d.active_at, &d.closed, &d.stall_at}) *t = static_cast<TimeMs>(in.fixed64());
  d.furthest = static_cast<std::uint32_t>(in.varint());
  d.told = static_cast<std::uint32_t>(in.varint());
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    DealStep& step = d.steps.emplace_back();
    step.at = in.svarint();
    for (std::string* text : {&step.what, &step.stage, &step.by, &step.reason}) *text = in.string();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    DealDone& done = d.done.emplace_back();
    done.at = in.svarint();
    for (std::string* text : {&done.stage, &done.task, &done.by}) *text = in.string();
  }
  if (version != kVersion || in.bad() || state < 1 || state > 3)
    return fail(Code::corrupt, "a stored opportunity can't be read: it is damaged or was written by a newer version");
  return d;
}

}  // namespace nudge
