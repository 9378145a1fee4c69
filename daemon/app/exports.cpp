#include "daemon/app/exports.h"

#include <algorithm>
#include <array>
#include <map>

#include "daemon/app/api.h"
#include "daemon/app/courtesy.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/documents.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::array kKinds{std::string_view("documents"), std::string_view("decisions"),  std::string_view("actions"),
                            std::string_view("tasks"),     std::string_view("quarantine"), std::string_view("audit")};
constexpr std::size_t kPiece = 32U << 10;  // gathered before the pipe is written
constexpr std::size_t kAskedAtOnce = 256;  // customers whose personal data is asked for in one go

// Lines that wait for what is to be hidden of their customers.
class Lines {
 public:
  Lines(Runtime& runtime, Pipe& pipe, bool full)
      : runtime_(runtime), pipe_(pipe), full_(full), courtesy_([&runtime] { return runtime.last_block(); }) {}
  // `hide`: masks the customer's own values in the line.
  bool add(const std::string& customer, std::string line, bool hide) {
    courtesy_.rest();
    waiting_.push_back({hide && !full_ ? customer : std::string(), std::move(line)});
    return waiting_.size() < kAskedAtOnce || flush();
  }
  bool flush() {
    std::vector<std::string> names;
    for (const auto& [customer, line] : waiting_)
      if (!customer.empty()) names.push_back(customer);
    std::ranges::sort(names);
    const auto [first, last] = std::ranges::unique(names);
    names.erase(first, last);
    auto hidden = std::make_shared<std::vector<Personal>>(names.size());
    if (!runtime_.ask_and_wait(names, [hidden](Shard& shard, std::size_t i, const CustomerState* state) {
          if (state != nullptr) (*hidden)[i] = Personal::of(*state, *shard.plan().catalog);
        }))
      return false;
    std::string text;
    for (auto& [customer, line] : waiting_) {
      const auto found = std::ranges::lower_bound(names, customer);
      text += customer.empty() ? line : (*hidden)[static_cast<std::size_t>(found - names.begin())].hide_json(line);
      text.push_back('\n');
    }
    waiting_.clear();
    return text.empty() || pipe_.write(text);
  }

 private:
  Runtime& runtime_;
  Pipe& pipe_;
  const bool full_;
  Courtesy courtesy_;
  std::vector<std::pair<std::string, std::string>> waiting_;
};

std::unexpected<Error> gone() { return fail(Code::unavailable, "whoever asked has gone"); }

}  // namespace

void each_document(const CustomerState& state, const Catalog& catalog, bool full, const std::function<void(std::string)>& each) {
  const LeafText masked_leaf = [](const LeafDef& leaf, const ValueView& value) { return leaf.pii ? masked_json(value) : to_json(value); };
  const LeafText text = full ? LeafText() : masked_leaf;
  Input input;
  input.customer = state.id;
  // Updates of attributes that came in one document have one id.
  std::map<std::pair<TimeMs, std::string>, std::vector<AttributeUpdate>> updates;
  for (std::size_t i = 0; i < state.attributes.size(); ++i)
    updates[{state.attributes.time(i), std::string(state.attributes.id(i))}].push_back(
        {state.attributes.attribute(i), Value(state.attributes.value(i))});
  input.kind = InputKind::attributes;
  for (auto& [key, list] : updates) {
    input.time = key.first;
    input.id = key.second;
    input.attributes = std::move(list);
    each(as_document(input, catalog, text));
  }
  input.attributes.clear();
  input.kind = InputKind::tag;
  for (const TagUpdate& tag : state.tags) {
    input.time = tag.time;
    input.id = tag.id;
    input.tag = tag.tag;
    input.tag_removed = tag.removed;
    input.tag_expires = tag.expires;
    each(as_document(input, catalog, text));
  }
  input.kind = InputKind::event;
  const std::optional<Personal> hidden = full ? std::nullopt : std::optional<Personal>(Personal::of(state, catalog));
  for (const auto& [type, rows] : state.events) {
    if (type >= catalog.events.size()) continue;
    const EventTypeDef& def = catalog.events[type];
    input.type = type;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      input.time = rows.time(row);
      input.id = rows.id(row);
      input.fields.assign(def.fields.size(), Value());
      for (std::size_t f = 0; f < def.fields.size(); ++f) {
        const auto field = static_cast<FieldId>(f);
        if (rows.has_field(row, field)) input.fields[f] = Value(rows.field(row, field, kind_of(def.fields[f].type)));
      }
      std::string document = as_document(input, catalog, text);
      each(def.built_in && hidden ? hidden->hide_json(document) : std::move(document));
    }
  }
}

bool Exports::known(std::string_view what) { return std::ranges::find(kKinds, what) != kKinds.end(); }

void Exports::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Run& run : runs_) run.pipe->cut();
  for (Run& run : runs_) run.thread.join();
  runs_.clear();
}

Result<void> Exports::start(std::string what, bool full, http::Responder& responder) {
  const std::lock_guard lock(mutex_);
  runs_.remove_if([](Run& run) {
    if (!run.done) return false;
    run.thread.join();
    return true;
  });
  if (stopping_) return fail(Code::unavailable, "nudge stops");
  if (runs_.size() >= kAtOnce)
    return fail(Code::unavailable, std::to_string(kAtOnce) + " exports are under way already; come back when one of them is through");
  Run& run = runs_.emplace_back();
  http::Response head;
  head.content_type = "application/x-ndjson";
  run.pipe = Pipe::open(std::move(responder), std::move(head));
  run.thread = std::thread([this, &run, what = std::move(what), full] {
    // An answer that ends as it should is whole; after a mistake it is cut.
    if (work(what, full, *run.pipe))
      run.pipe->end();
    else
      run.pipe->cut();
    run.done = true;
  });
  return {};
}

Result<void> Exports::work(std::string_view what, bool full, Pipe& pipe) {
  if (what == "documents") return documents(full, pipe);
  if (what == "decisions") return decisions(full, pipe);
  if (what != "audit") return records(what, full, pipe);
  bool good = true;
  NUDGE_TRY(audit_.read(0, [&](std::uint64_t, std::string_view line) { return good = pipe.write(std::string(line) + "\n"); }));
  return good ? Result<void>() : gone();
}

Result<void> Exports::documents(bool full, Pipe& pipe) {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  std::string text;
  std::atomic<bool> good{true};
  Courtesy courtesy([this] { return runtime_.last_block(); });
  NUDGE_TRY(runtime_.read_states(
      *plan->catalog, 1,
      [&](unsigned, CustomerState& state) {
        courtesy.rest();
        each_document(state, *plan->catalog, full, [&](std::string document) {
          if (!good) return;
          text += document;
          text.push_back('\n');
          if (text.size() < kPiece) return;
          good = pipe.write(text);
          text.clear();
        });
      },
      [&](double) { return good.load(); }));
  if (!good || (!text.empty() && !pipe.write(text))) return gone();
  return {};
}

Result<void> Exports::decisions(bool full, Pipe& pipe) {
  Lines lines(runtime_, pipe, full);
  std::optional<Error> error;
  bool good = true;
  NUDGE_TRY(runtime_.store().log_blocks(1, [&](std::uint64_t, std::string_view bytes) {
    const Result<LogBlock> block = decode_block(bytes, BlockPart::all);
    if (!block) {
      error = block.error();
      return false;
    }
    for (const Decision& d : block->decisions) {
      if (d.customer.empty() || runtime_.eraser().erased().covers(d.customer, d.at)) continue;
      Json json;
      write_decision(json, d, nullptr);
      good = good && lines.add(d.customer, json.take(), !d.detail.empty() || !d.cause.key.empty());
    }
    return good;
  }));
  if (error) return std::unexpected(*std::move(error));
  return good && lines.flush() ? Result<void>() : gone();
}

Result<void> Exports::records(std::string_view what, bool full, Pipe& pipe) {
  Lines lines(runtime_, pipe, full);
  std::optional<Error> error;
  bool good = true;
  const TimeMs now = runtime_.now();
  const Snapshot snapshot = runtime_.store().snapshot();
  const ScanOptions options{.snapshot = &snapshot, .fill_cache = false};
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const auto take = [&](auto decoded, auto&& write, const auto& customer) {
    if (!decoded) {
      error = decoded.error();
      return false;
    }
    Json json;
    write(json, *decoded);
    return good = lines.add(customer(*decoded), json.take(), true);
  };
  const auto scan = [&](Family family, std::string_view from, std::string_view to, auto&& each) {
    return runtime_.store().scan(family, from, to, [&](std::string_view, std::string_view value) { return each(value); }, options);
  };
  const auto of_action = [](const auto& r) { return r.action.customer; };
  if (what == "actions") {
    const auto write = [](Json& json, const ActionRecord& r) { write_action(json, r, true, nullptr); };
    for (const bool pending : {true, false}) {
      const std::string prefix = action_key(pending, "");
      NUDGE_TRY(scan(Family::outbox, prefix, prefix_end(prefix), [&](std::string_view value) { return take(decode_action_record(value), write, of_action); }));
      if (error || !good) break;
    }
    for (const bool open : {true, false}) {  // those of call tasks
      if (error || !good) break;
      const std::string prefix = task_key(open, "");
      NUDGE_TRY(scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view value) {
        const Result<Task> task = decode_task(value);
        if (task && !task->sole_record) return true;
        return take(task ? Result<ActionRecord>(action_of(*task)) : std::unexpected(task.error()), write, of_action);
      }));
    }
  } else if (what == "tasks") {
    for (const bool open : {true, false}) {
      const std::string prefix = task_key(open, "");
      NUDGE_TRY(scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view value) {
        return take(decode_task(value), [now](Json& json, const TaskRecord& r) { write_task(json, r, now, nullptr); }, of_action);
      }));
      if (error || !good) break;
    }
  } else {
    NUDGE_TRY(scan(Family::quarantine, "", "", [&](std::string_view value) {
      return take(
          decode_quarantine_record(value),
          [&](Json& json, const QuarantineRecord& r) { write_quarantined(json, r, full ? nullptr : plan->catalog.get()); },
          [](const QuarantineRecord&) { return std::string(); });
    }));
  }
  if (error) return std::unexpected(*std::move(error));
  return good && lines.flush() ? Result<void>() : gone();
}

}  // namespace nudge::daemon
