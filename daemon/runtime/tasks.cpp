#include "daemon/runtime/tasks.h"

#include "daemon/log/log.h"
#include "daemon/store/keys.h"
#include "engine/core/approved.h"
#include "engine/core/take_back.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kStruckAtOnce = 512;  // clocks of tasks in one batch: what else is waiting for the disk comes in between

// The news of one batch that were not all stored with their customers yet: their inputs.
std::string untold_key(std::uint64_t sequence) { return Key{}.u8('b').u64(sequence).take(); }
// The earlier form: one each, in the order of their ids.
std::string untold_each_key(std::string_view event_id) { return Key{}.u8('e').raw(event_id).take(); }

void put_task(WriteSet& set, const Task& task) {
  const std::string id = id_bytes(task.action.id);
  std::string bytes;
  encode_task(bytes, task);
  if (!is_open(task.state)) set.erase(Family::task, task_key(true, id));
  set.put(Family::task, task_key(is_open(task.state), id), bytes);
}

}  // namespace

void book_work(WriteSet& set, StatsDelta& delta, const WorkOut& work) {
  for (const Task& task : work.made) {
    ++delta[Counter::tasks];
    ++delta[Counter::tasks_open];
    put_task(set, task);
  }
  for (const Task& task : work.touched) {
    if (!is_open(task.state)) {
      --delta[Counter::tasks_open];
      ++delta[Counter::tasks_done];
    }
    put_task(set, task);
  }
  delta[Counter::tasks_overdue] += static_cast<std::int64_t>(work.overdue);
}

std::string book_news(WriteSet& set, std::uint64_t sequence, const std::vector<Input>& news) {
  std::string bytes;
  Writer out(bytes);
  for (const Input& input : news) encode_input(out, input);
  std::string key = untold_key(sequence);
  set.put(Family::task, key, bytes);
  return key;
}

Result<void> forget_news(const Store& store, WriteSet& set, const std::function<bool(const Input&)>& gone) {
  bool damaged = false;
  for (const std::string& mark : {Key{}.u8('b').take(), untold_each_key("")}) {
    NUDGE_TRY(store.scan(Family::task, mark, prefix_end(mark), [&](std::string_view key, std::string_view value) {
      Reader in(value);
      std::string left;
      Writer out(left);
      bool any = false;
      while (!damaged && !in.at_end()) {
        Input input;
        damaged = !decode_input(in, input);
        if (gone(input))
          any = true;
        else
          encode_input(out, input);
      }
      if (any && left.empty()) set.erase(Family::task, key);
      if (any && !left.empty()) set.put(Family::task, key, left);
      return !damaged;
    }));
  }
  if (damaged) return fail(Code::corrupt, "a stored piece of news about a task can't be read: it is damaged or was written by a newer version");
  return {};
}

Result<void> load_tasks(const Store& store, Desk& desk, std::function<void(Error)> broken) {
  desk.work().keep_elsewhere([&store, broken = std::move(broken)](const Hash128& id) {
    Result<std::optional<std::string>> bytes = store.get(Family::task, task_key(true, id_bytes(id)));
    if (bytes && bytes->has_value()) {
      Result<Task> task = decode_task(**bytes);
      if (task) return *std::move(task);
      broken(std::move(task).error());
    } else {
      broken(bytes ? Error{Code::corrupt, "the record of an open task is missing"} : std::move(bytes).error());
    }
    Task none;  // of no use: nothing is written any more
    none.action.id = id;
    return none;
  });
  std::optional<Error> error;
  const std::string open = task_key(true, "");
  NUDGE_TRY(store.scan(Family::task, open, prefix_end(open), [&](std::string_view, std::string_view value) {
    Result<Task> task = decode_task(value);
    if (!task) {
      error = std::move(task).error();
      return false;
    }
    desk.work().load(*std::move(task));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  const std::string untold = Key{}.u8('b').take();
  return store.scan(Family::task, untold, prefix_end(untold), [&](std::string_view, std::string_view value) {
    Reader in(value);
    Input input;
    while (!in.at_end() && decode_input(in, input)) {  // a damaged one is told of by Tasks::start
      if (const std::optional<Decision> undone = taken_back_by(input)) desk.remember_taken_back(*undone);
    }
    return true;
  });
}

Tasks::Tasks(Store& store, LogicalClock& clock, Committer& committer, PostEvent post, std::function<std::shared_ptr<const Plan>()> plan)
    : store_(store), clock_(clock), committer_(committer), post_(std::move(post)), plan_(std::move(plan)) {}

Tasks::~Tasks() { stop(); }

Result<void> Tasks::start() {
  NUDGE_TRY(tell_again());
  thread_ = std::thread([this] { run(); });
  plan_changed();  // it may be another than at the end of the last life
  return {};
}

void Tasks::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Tasks::due(TimeMs next) {
  {
    const std::lock_guard lock(mutex_);
    next_ = next;
    striking_ = false;
  }
  wake_.notify_all();
}

void Tasks::tell(News news) {
  if (erased_ != nullptr) std::erase_if(news.inputs, [this](const Input& input) { return erased_->covers(input.customer, input.time); });
  auto left = std::make_shared<std::size_t>(news.inputs.size());  // of the committer's thread
  for (Input& input : news.inputs) {
    const std::optional<Decision> undone = taken_back_by(input);
    post_(std::move(input), [key = news.key, left, undone](CommitContext& c, Receipt) {
      if (--*left == 0) c.set.erase(Family::task, key);
      if (undone) c.desk.told_taken_back(*undone);
    });
  }
}

void Tasks::plan_changed() {
  committer_.change([this](CommitContext& c) {
    c.desk.plan_changed(*plan_(), c.now, c.work);
    if (!c.work.touched.empty()) c.desk_changed = true;
  });
}

void Tasks::commit(std::function<Result<void>(CommitContext&)> change, Done done) {
  auto result = std::make_shared<Result<void>>();
  committer_.change([change = std::move(change), result](CommitContext& c) { *result = change(c); },
                    [result, done = std::move(done)](const Error* failure) {
                      if (failure != nullptr) return done(std::unexpected(*failure));
                      done(std::move(*result));
                    });
}

void Tasks::apply(TaskCommand command, Done done, std::function<bool(const Task&)> still) {
  commit(
      [this, command = std::move(command), still = std::move(still)](CommitContext& c) -> Result<void> {
        // Everything that was due by now comes first: an offer that has run out is nobody's to accept.
        c.desk.run_clocks(*plan_(), c.now, c.work);
        c.desk_changed = true;
        if (const Task* task = still ? c.desk.work().find(command.task) : nullptr; task != nullptr && !still(*task))
          return fail(Code::conflict, std::string(kMovedOn));
        return c.desk.work().apply(*plan_(), c.desk.roster(), command, c.now, c.work);
      },
      std::move(done));
}

void Tasks::answer(ApprovalCommand command, Done done) {
  commit(
      [this, command = std::move(command)](CommitContext& c) {
        c.desk.approvals().run(*plan_(), c.now - 1, c.approvals);  // an answer that comes after the deadline is none
        Result<void> result = c.desk.approvals().apply(*plan_(), command, c.now, c.approvals);
        if (make_approved(*plan_(), c.desk, c.approvals.decided, c.work)) c.desk_changed = true;
        return result;
      },
      std::move(done));
}

void Tasks::apply(LeadCommand command, Done done) {
  commit(
      [this, command = std::move(command)](CommitContext& c) {
        // A lead whose time is over is its owner's no more.
        c.desk.run_clocks(*plan_(), c.now, c.work);
        Result<void> result = c.desk.leads().apply(*plan_(), command, c.now, c.work.leads);
        if (!c.work.touched.empty()) c.desk_changed = true;
        return result;
      },
      std::move(done));
}

void Tasks::apply(DealCommand command, Done done) {
  commit(
      [this, command = std::move(command)](CommitContext& c) {
        c.desk.run_clocks(*plan_(), c.now, c.work);
        Result<void> result = c.desk.deals().apply(*plan_(), command, c.now, c.work.deals);
        if (!c.work.touched.empty()) c.desk_changed = true;
        return result;
      },
      std::move(done));
}

void Tasks::record(Input input, std::function<void(Receipt)> done) {
  post_(std::move(input), [done = std::move(done)](CommitContext& c, Receipt receipt) { c.after.emplace_back([done, receipt] { done(receipt); }); });
}

void Tasks::look(std::function<void(const Desk&, TimeMs now)> see, std::function<void(const Error*)> done) {
  committer_.change([see = std::move(see)](CommitContext& c) { see(c.desk, c.now); }, std::move(done));
}

void Tasks::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const TimeMs now = clock_.now();
    if (next_ < now && !striking_) {
      striking_ = true;
      lock.unlock();
      strike();
      lock.lock();
      continue;
    }
    const TimeMs wait = striking_ || next_ == kNever ? kDay : next_ - now + 1;
    wake_.wait_for(lock, std::min(clock_.patience(), std::chrono::milliseconds(std::max<TimeMs>(1, wait))));
  }
}

void Tasks::strike() {
  committer_.change([this](CommitContext& c) {
    c.desk.run_clocks(*plan_(), c.now - 1, c.work, kStruckAtOnce);  // never early: the clock has passed it
    c.desk.approvals().run(*plan_(), c.now - 1, c.approvals);
    make_approved(*plan_(), c.desk, c.approvals.decided, c.work);
    c.desk_changed = true;
  });
}

Result<void> Tasks::tell_again() {
  std::vector<News> untold_news;
  bool damaged = false;
  for (const std::string& mark : {Key{}.u8('b').take(), untold_each_key("")}) {
    NUDGE_TRY(store_.scan(Family::task, mark, prefix_end(mark), [&](std::string_view key, std::string_view value) {
      Reader in(value);
      News& news = untold_news.emplace_back();
      news.key = key;
      while (!damaged && !in.at_end()) damaged = !decode_input(in, news.inputs.emplace_back());
      return !damaged;
    }));
  }
  if (damaged) return fail(Code::corrupt, "a stored piece of news about a task can't be read: it is damaged or was written by a newer version");
  for (News& news : untold_news) tell(std::move(news));
  // Of an earlier form: tasks whose making was not told.
  std::vector<std::string> untold;
  const std::string old = task_untold_key("");
  NUDGE_TRY(store_.scan(Family::task, old, prefix_end(old), [&](std::string_view key, std::string_view) {
    untold.emplace_back(key.substr(old.size()));
    return true;
  }));
  for (const std::string& id : untold) {
    for (const bool open : {true, false}) {
      NUDGE_ASSIGN(const auto bytes, store_.get(Family::task, task_key(open, id)));
      if (!bytes) continue;
      NUDGE_ASSIGN(const Task task, decode_task(*bytes));
      post_(task_event(*plan_()->catalog, task.action, "task_created", "created", task.action.at, {}),
            [id](CommitContext& c, Receipt) { c.set.erase(Family::task, task_untold_key(id)); });
    }
  }
  return {};
}

}  // namespace nudge::daemon
