// What providers report after a message has left: receipts, replies, changes of a ticket. Read from what a connector made of a callback,
// and kept beside the action. Pure functions and plain data with versioned codecs; not thread-safe; the committer is the only writer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/records.h"
#include "daemon/store/store.h"

namespace nudge::daemon {

// One report of a connector, see connectors/PROTOCOL.md. Texts are what the provider wrote: data.
struct ProviderReport {
  enum class State : std::uint8_t { delivered, failed, delayed, replied, unsubscribed, ticket };
  State state = State::delivered;
  std::string action, ref, address;  // whose: the first of them that is known counts
  std::string id;                    // of the report; the same when it is told twice
  std::string code, reason, text, status, raw_status;
  TimeMs at = 0;  // 0: not said
  bool gone = false;
};
struct ProviderReports {
  std::vector<ProviderReport> reports;
  std::string answer_type, answer_body;  // for the provider
};
// Reads `{"reports":[…],"answer":{…}}`. An error names what is wrong with it: nothing of it counts then.
Result<ProviderReports> read_reports(std::string_view json);

// What was reported of an action so far. Each of the three is told once, whatever the order they come in.
struct ActionReceipt {
  TimeMs delivered_at = 0, failed_at = 0, delayed_at = 0;  // 0: not reported
  std::string reason;                                      // of the failure or delay
  bool arrived() const { return delivered_at != 0; }
  bool any() const { return delivered_at != 0 || failed_at != 0 || delayed_at != 0; }
};
void encode_receipt(std::string& out, const ActionReceipt& r);
Result<ActionReceipt> decode_receipt(std::string_view bytes);
std::string receipt_key(std::string_view id_bytes);
// What is kept of an action; empty when nothing was reported.
Result<ActionReceipt> load_receipt(const Store& store, std::string_view id_bytes);

// The ways back from a report that does not name the action: the provider's own id, or the address it went to. Values are the id's bytes.
std::string way_by_ref_key(std::string_view connector, std::string_view ref);
std::string way_by_address_key(std::string_view channel, std::string_view address);  // the last action to it
// Writes both for an action that a connector with callbacks has handed over.
void put_ways_back(WriteSet& set, const ActionRecord& record);
// Takes away what is kept beside an action that is erased.
void erase_ways_back(WriteSet& set, const ActionRecord& record);

}  // namespace nudge::daemon
