// Personal data: what the catalog marks `pii` is shown masked, to everybody, until somebody who may asks for it by name
// (?personal=full; docs/privacy.md). Pure functions and values; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/app/json.h"
#include "engine/model/customer.h"

namespace nudge::daemon {

// "138****1234", "l***@example.com", "王***": enough to tell two apart on a screen, not enough to reach anybody.
std::string masked(std::string_view text);
// The same as JSON of any value: a text or list of texts masked, anything else "***".
std::string masked_json(const ValueView& value);

// What of one customer is personal, to be hidden wherever it stands: in rendered messages, reasons, explanations.
class Personal {
 public:
  Personal() = default;
  // All that the marked attributes and fields say or said.
  static Personal of(const CustomerState& state, const Catalog& catalog);
  bool empty() const { return texts_.empty(); }
  // The text with each of them masked, also where it is escaped for HTML.
  std::string hide(std::string_view text) const;
  // The same within JSON text.
  std::string hide_json(std::string_view json) const;

 private:
  void add(const ValueView& value);
  void finish();
  std::vector<std::pair<std::string, std::string>> texts_, json_texts_;  // and what stands for it; the longest first
};

// The JSON of a value that may be shown: masked when its leaf is personal, with what else is personal masked in it. `hidden` null: as it is.
std::string shown_json(const LeafDef& leaf, const ValueView& value, const Personal* hidden);

// True when the catalog marks anything.
bool any_personal(const Catalog& catalog);
// The document or message in `raw` with the values of members masked whose name is that of a marked attribute or field; all of it when it is no
// JSON.
std::string hide_members(std::string_view raw, const Catalog& catalog);

}  // namespace nudge::daemon
