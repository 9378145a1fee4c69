#include "daemon/app/tails.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>

#include "daemon/app/api.h"
#include "daemon/runtime/documents.h"
#include "engine/model/taken_back.h"

namespace nudge::daemon {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(50);
constexpr TimeMs kHeartbeat = 15 * kSecond;
constexpr TimeMs kPatience = 20 * kSecond;     // with somebody who takes nothing
constexpr std::uint64_t kBlocksAtOnce = 256;   // for one listener, before the next has its turn
constexpr std::size_t kTextAtOnce = 128U << 10;

// What of the customers in a list of decisions or actions is to be hidden; asked of their shards.
class HiddenOf {
 public:
  HiddenOf(Runtime& runtime, bool full) : runtime_(runtime), full_(full) {}
  const Personal* of(const std::string& customer) {
    if (full_) return nullptr;
    const auto [found, fresh] = known_.try_emplace(customer);
    if (fresh) {
      auto read = std::make_shared<Personal>();
      if (runtime_.ask_and_wait({customer}, [read](Shard& shard, std::size_t, const CustomerState* state) {
            if (state != nullptr) *read = Personal::of(*state, *shard.plan().catalog);
          }))
        found->second = *read;
    }
    return &found->second;
  }

 private:
  Runtime& runtime_;
  const bool full_;
  std::map<std::string, Personal> known_;
};

// One block's messages for one listener, each with its place.
class Writer {
 public:
  Writer(Runtime& runtime, const TailRequest& request, std::uint64_t block, std::uint64_t after, std::string& out)
      : request_(request), plan_(runtime.plan()), hidden_(runtime, request.full), block_(block), after_(after), out_(out) {}

  void event(const LogEntry& entry) {
    for (const Input& input : entry.inputs) {
      if (!request_.customer.empty() && entry.customer != request_.customer) continue;
      if (input.kind == kTakenBack) continue;
      const bool is_event = input.kind == InputKind::event;
      if (is_event && input.type >= plan_->catalog->events.size()) continue;
      if (!request_.event.empty() && (!is_event || plan_->catalog->events[input.type].name != request_.event)) continue;
      if (!next()) continue;
      const Personal* hidden = is_event && plan_->catalog->events[input.type].built_in ? hidden_.of(entry.customer) : nullptr;
      std::string document = as_document(input, *plan_->catalog, request_.full ? LeafText() : [](const LeafDef& leaf, const ValueView& value) {
        return leaf.pii ? masked_json(value) : to_json(value);
      });
      if (hidden != nullptr) document = hidden->hide_json(document);
      message("event", document);
    }
  }

  void decision(const Decision& d) {
    if (!of(d.customer, d.rule) || !next()) return;
    Json json;
    write_decision(json, d, d.detail.empty() && d.cause.key.empty() ? nullptr : hidden_.of(d.customer));
    message("decision", json.text());
  }

  void action(const ActionOut& action, std::uint64_t number) {
    if (!of(action.customer, action.rule) || !next()) return;
    const Personal* hidden = action.reason.empty() ? nullptr : hidden_.of(action.customer);
    Json json;
    json.begin_object().field("id", to_hex(action.id)).field("number", number).field("kind", action.kind).field("channel", action.channel);
    json.field("rule", action.rule).field("rule_version", action.rule_version).field("customer", action.customer);
    json.field_time("at", action.at).field_time("due", action.due).field("owner", action.owner);
    json.field("reason", hidden != nullptr ? hidden->hide(action.reason) : action.reason).end_object();
    message("action", json.text());
  }

  void edge(const LogEdge& e) {
    const auto segment = plan_->segment_of_root.find(e.root);
    if (segment == plan_->segment_of_root.end()) return;
    const std::string& name = plan_->segments[segment->second].name;
    if (!request_.customer.empty() && e.customer != request_.customer) return;
    if (!request_.segment.empty() && name != request_.segment) return;
    if (!next()) return;
    Json json;
    json.begin_object().field("customer", e.customer).field("segment", name).field("entered", e.entered).field("silent", e.silent);
    json.field_time("at", e.at).end_object();
    message("edge", json.text());
  }

  std::uint64_t index() const { return index_; }
  // There was no room for the rest of the block.
  bool full() const { return full_; }

 private:
  bool of(const std::string& customer, const std::string& rule) const {
    return (request_.customer.empty() || customer == request_.customer) && (request_.rule.empty() || rule == request_.rule);
  }
  // False: the listener has this one, or there is no room for it now.
  bool next() {
    if (full_) return false;
    if (index_ >= after_ && out_.size() >= kTextAtOnce) {
      full_ = true;
      return false;
    }
    return ++index_ > after_;
  }
  void message(std::string_view name, const std::string& json) {
    out_.append("id: ").append(TailPlace{block_, index_}.text()).append("\nevent: ").append(name).append("\ndata: ").append(json).append("\n\n");
  }

  const TailRequest& request_;
  const std::shared_ptr<const Plan> plan_;
  HiddenOf hidden_;
  const std::uint64_t block_, after_;
  std::uint64_t index_ = 0;
  bool full_ = false;
  std::string& out_;
};

}  // namespace

std::optional<TailPlace> TailPlace::parse(std::string_view text) {
  TailPlace place;
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto [a, first] = std::from_chars(text.data(), text.data() + dash, place.block);
  const auto [b, second] = std::from_chars(text.data() + dash + 1, text.data() + text.size(), place.index);
  if (first != std::errc() || second != std::errc() || a != text.data() + dash || b != text.data() + text.size()) return std::nullopt;
  return place;
}

void Tails::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& listener : listeners_) listener->pipe->end();
    listeners_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::size_t Tails::listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_.size();
}

Result<void> Tails::open(TailRequest request, http::Responder& responder) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return fail(Code::unavailable, "nudge stops");
  if (listeners_.size() >= kListeners)
    return fail(Code::unavailable, std::to_string(kListeners) + " tails are open already; close one, or come back later");
  auto listener = std::make_shared<Listener>();
  listener->at = request.after;
  listener->next = request.after.index > 0 ? request.after.block : request.after.block + 1;
  listener->asked = listener->spoken = runtime_.now();
  listener->request = std::move(request);
  http::Response head;
  head.content_type = "text/event-stream";
  // Says where this tail is, so that a listener who heard nothing yet can come back as well.
  head.body = "retry: 2000\nid: " + listener->at.text() + "\nevent: open\ndata: {}\n\n";
  listener->pipe = Pipe::open(std::move(responder), std::move(head));
  listeners_.push_back(std::move(listener));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_all();
  return {};
}

void Tails::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
  bool more = false;
  while (true) {
    std::vector<std::shared_ptr<Listener>> all;
    {
      std::unique_lock lock(mutex_);
      if (listeners_.empty()) wake_.wait(lock, [this] { return stopping_ || !listeners_.empty(); });
      if (!more) wake_.wait_for(lock, kLookEvery, [this] { return stopping_; });
      if (stopping_) return;
      all.assign(listeners_.begin(), listeners_.end());
    }
    more = false;
    const std::uint64_t last = runtime_.last_block();
    const TimeMs now = runtime_.now();
    for (const auto& listener : all) {
      if (serve(*listener, last, now, more)) continue;
      const std::lock_guard lock(mutex_);
      listeners_.remove(listener);
    }
  }
}

bool Tails::read_block(Listener& listener, std::uint64_t sequence, std::string_view bytes, std::string& out) {
  const Result<LogBlock> block = decode_block(bytes, BlockPart::all);
  if (!block) return false;
  const unsigned what = listener.request.what;
  Writer writer(runtime_, listener.request, sequence, listener.at.block == sequence ? listener.at.index : 0, out);
  // A listener may ask for blocks of before an erasure that are not rewritten yet.
  const ErasedIds& erased = runtime_.eraser().erased();
  const auto gone = [&](std::string_view customer, TimeMs at) { return customer.empty() || erased.covers(customer, at); };
  if ((what & TailRequest::events) != 0) {
    for (const LogUnit& unit : block->units) {
      if (!read_entries(unit, [&](LogEntry& entry) {
            if (!gone(entry.customer, entry.instant)) writer.event(entry);
          }))
        return false;
    }
  }
  if ((what & TailRequest::edges) != 0 && !read_edges(block->edges, [&](const LogEdge& e) {
        if (!gone(e.customer, e.at)) writer.edge(e);
      }))
    return false;
  if ((what & TailRequest::decisions) != 0) {
    for (const Decision& d : block->decisions)
      if (!gone(d.customer, d.at)) writer.decision(d);
  }
  if ((what & TailRequest::actions) != 0) {
    for (std::size_t i = 0; i < block->actions.size(); ++i)
      if (!gone(block->actions[i].customer, block->actions[i].at)) writer.action(block->actions[i], block->first_action + i);
  }
  listener.at = {sequence, writer.index()};
  listener.next = writer.full() ? sequence : sequence + 1;
  return true;
}

bool Tails::serve(Listener& listener, std::uint64_t last, TimeMs now, bool& more) {
  if (listener.pipe->gone()) return false;
  if (now - listener.asked >= kHeartbeat) {
    listener.asked = now;
    if (listener.request.still && !listener.request.still()) {
      listener.pipe->write_last("event: end\ndata: {\"code\":\"http.unauthorized\",\"detail\":\"these credentials are no longer good for this\"}\n\n");
      return false;
    }
  }
  if (listener.pipe->waiting() >= kTextAtOnce) {
    if (listener.stuck == 0) listener.stuck = now;
    if (now - listener.stuck < kPatience) return true;
    listener.pipe->write_last(
        "event: end\ndata: {\"code\":\"too_slow\",\"detail\":\"you take these more slowly than they come, or not at all; come back with "
        "Last-Event-ID to go on where you were, or ask for less (customer=, rule=, event=)\"}\n\n");
    return false;
  }
  listener.stuck = 0;
  std::string out;
  bool good = true;
  if (listener.next <= last) {
    const std::uint64_t to = std::min(last, listener.next + kBlocksAtOnce - 1);
    const Result<std::uint64_t> read =
        runtime_.store().log_blocks(listener.next, [&](std::uint64_t sequence, std::string_view bytes) {
          if (sequence > to) return false;
          good = read_block(listener, sequence, bytes, out);
          return good && listener.next > sequence;
        });
    good = good && read.has_value();
    more = more || listener.next <= last;
  }
  if (!good) {
    listener.pipe->write_last(out + "event: end\ndata: {\"code\":\"internal\",\"detail\":\"the log can't be read here; `nudge doctor` says more\"}\n\n");
    return false;
  }
  if (out.empty() && now - listener.spoken < kHeartbeat) return true;
  if (out.empty()) out = "id: " + listener.at.text() + "\n: still here\n\n";
  listener.spoken = now;
  listener.pipe->push(out);  // bounded: see above and Writer::next()
  return true;
}

}  // namespace nudge::daemon
