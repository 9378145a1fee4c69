// Actions that wait for somebody's yes, in the books: kept until they are decided, then on their way or held back for good.
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/committer.h"
#include "daemon/runtime/committer_batch.h"
#include "daemon/runtime/delivery.h"

namespace nudge::daemon {

void Committer::ask_first(const Plan& plan, ActionOut action, Batch& batch) {
  ActionRecord record;
  record.number = batch.block.first_action + batch.block.actions.size();
  record.changed_at = record.next_at = action.at;
  record.state = ActionState::kept;
  record.held = Held::approval;
  record.action = action;
  record.action.question.reset();
  StatsDelta& delta = batch.block.stats;
  ++delta[Counter::actions];
  ++delta[Counter::kept];
  ++delta.rules[action.rule_id].actions;
  ApprovalOut out;
  desk_.approvals().add(plan, std::move(action), record.number, out);
  if (!out.touched.empty()) record.note = decision_words(out.touched.back());
  keep_action(record, batch);
  keep_approvals(out, batch);
}

void Committer::keep_approvals(ApprovalOut& out, Batch& batch) {
  if (out.empty()) return;
  batch.worked = true;
  book_approvals(batch.set, out);
  // Messages that ask are never tasks, so no plan is needed to take them in.
  static const Plan kNoPlan;
  for (ActionOut& ask : out.asks) add_action(kNoPlan, std::move(ask), batch);
  WorkOut work;
  work.news = std::move(out.news);
  ApprovalOut none;
  CommitContext context{batch.set, batch.block.stats, desk_, batch.desk_changed, clock_.now(), batch.after, work, none};
  for (Request& request : out.decided) {
    ActionRecord record;
    record.number = request.number;
    record.changed_at = record.next_at = request.decided_at;
    record.note = decision_words(request);
    // Our own list is the provider: with this batch the task is there (engine/core/approved.h).
    const bool is_task = request.action.kind == "call_task";
    if (request.sent && is_task) record.state = ActionState::accepted;
    if (!request.sent) {
      record.state = ActionState::held;
      record.held = request.state == ApprovalState::refused ? Held::refused : Held::not_approved;
      ++batch.block.stats.rules[request.action.rule_id].dropped[static_cast<std::size_t>(record.held) % kHeldReasons];
    }
    record.action = std::move(request.action);
    book_action(context, ActionState::kept, record);
    if (request.sent && !is_task) batch.actions.push_back(std::move(record));
  }
  keep_work(work, batch);
}

}  // namespace nudge::daemon
