// Hits that wait to go out in one message, in the books: each is kept until the message that lists it is made, and is accepted with it.
#include "daemon/runtime/committer.h"
#include "daemon/runtime/committer_batch.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/digests.h"

namespace nudge::daemon {

void Committer::gather(ActionRecord& record, Batch& batch) {
  record.state = ActionState::kept;
  ++batch.block.stats[Counter::kept];
  DigestOut out;
  const TimeMs due = desk_.digests().add(record.action, record.number, out);
  record.note = "a line of the message of " + format_timestamp(due);
  keep_digests(out, batch);
}

void Committer::keep_digests(DigestOut& out, Batch& batch) {
  if (out.empty()) return;
  batch.worked = true;
  book_digests(batch.set, out);
  WorkOut work;
  ApprovalOut none;
  CommitContext context{batch.set, batch.block.stats, desk_, batch.desk_changed, clock_.now(), batch.after, work, none};
  static const Plan kNoPlan;
  for (DigestOut::Message& message : out.messages) {
    const Hash128 id = message.action.id;
    const TimeMs at = message.action.at;
    add_action(kNoPlan, std::move(message.action), batch);
    for (DigestPart& part : message.parts) {
      ActionRecord record;
      record.number = part.number;
      record.state = ActionState::accepted;
      record.changed_at = record.next_at = at;
      record.note = "in the message " + to_hex(id);
      record.action = std::move(part.action);
      book_action(context, ActionState::kept, record);
    }
  }
}

}  // namespace nudge::daemon
