// Tasks in the daemon: people's words on them and their clocks, taken to the committer, which decides them one after the other in the order
// of the log; and what follows, told to the rules. What became of a task and the event that tells of it reach the disk in one batch; the
// event is then stored with its customer, also when a crash came between.
//
// Thread-safety: everything from any thread, from start() to stop().
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "daemon/runtime/committer.h"
#include "daemon/runtime/delivery.h"

namespace nudge::daemon {

class Tasks {
 public:
  // The message of the conflict with what `still` asks for.
  static constexpr std::string_view kMovedOn = "the task is not as it was when it was looked at; look again";
  Tasks(Store& store, LogicalClock& clock, Committer& committer, PostEvent post, std::function<std::shared_ptr<const Plan>()> plan);
  ~Tasks();

  // Before start(): of whose old tasks nothing is told any more.
  void use_erased(const ErasedIds& erased) { erased_ = &erased; }
  // Tells what was left untold, and starts the clock.
  Result<void> start();
  void stop();
  // From the committer: when the next task's clock strikes; what is to be told.
  void due(TimeMs next);
  void tell(News news);
  // The plan is another.
  void plan_changed();

  using Done = std::function<void(Result<void>)>;
  // A person's word; `done` is told once it is on disk.
  // `still`: asked first, of the task as it is then; false: nothing is done, and the answer is kMovedOn.
  void apply(TaskCommand command, Done done, std::function<bool(const Task&)> still = nullptr);
  // The answer to what waits for a yes; the same. Of two answers the first decides, and the second is told that nothing is open.
  void answer(ApprovalCommand command, Done done);
  void apply(LeadCommand command, Done done);
  void apply(DealCommand command, Done done);
  // Stores an event that somebody wrote down; `done` is told how it ended once it is on disk.
  void record(Input input, std::function<void(Receipt)> done);
  // Looks at the desk between two batches, on the committer's thread: whoever has how much.
  void look(std::function<void(const Desk&, TimeMs now)> see, std::function<void(const Error*)> done);

 private:
  // Makes a change where the committer works; `done` hears what came of it once all of it is on disk.
  void commit(std::function<Result<void>(CommitContext&)> change, Done done);
  void run();
  void strike();
  Result<void> tell_again();

  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  const PostEvent post_;
  const std::function<std::shared_ptr<const Plan>()> plan_;
  const ErasedIds* erased_ = nullptr;

  std::mutex mutex_;
  std::condition_variable wake_;
  TimeMs next_ = kNever;  // guarded by mutex_, like the two below
  bool striking_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

// Reads the open tasks into the desk, at the start. The desk keeps no more of them than it must, and reads one again when something happens
// to it; `broken` is told, on the thread that uses the desk, when that fails: nothing that comes of it may be written then.
Result<void> load_tasks(const Store& store, Desk& desk, std::function<void(Error)> broken);
// Puts what a change did to tasks into the books: records and counters.
void book_work(WriteSet& set, StatsDelta& delta, const WorkOut& work);
// … and what is to be told of the tasks of one batch; the block's sequence number names it. Returns its key: there until all are stored.
std::string book_news(WriteSet& set, std::uint64_t sequence, const std::vector<Input>& news);
// Takes out of what is still to be told what `gone` is true for.
Result<void> forget_news(const Store& store, WriteSet& set, const std::function<bool(const Input&)>& gone);

}  // namespace nudge::daemon
