// `allow`: what is legal but looks wrong, and is meant.
#include "rules/lang/codes.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

std::vector<Name> read_allow(MapReader& map) {
  std::vector<Name> codes;
  const doc::Entry* entry = map.take("allow");
  if (entry == nullptr) return codes;
  const Context& context = map.context();
  for (const doc::Node* item : items_of(context, *entry->value, entry->key_mark, "`allow`")) {
    const std::string_view code = item->is_scalar() ? item->text : std::string_view();
    if (!is_warning(code)) {
      std::vector<std::string_view> known;
      for (const CodeInfo& info : all_codes()) {
        if (is_warning(info.code)) known.push_back(info.code);
      }
      context.error("R0106", item->mark,
                    (item->is_scalar() ? quoted(code) : "this") + " is no code of a warning" +
                        (find_code(code) != nullptr ? ": errors can't be allowed" : ""),
                    "`allow: [" + std::string(known.front()) + "]`; the codes of warnings are " + std::string(known.front()) + " to " +
                        std::string(known.back()));
      continue;
    }
    codes.push_back({code, context.at(item->mark)});
  }
  return codes;
}

}  // namespace nudge::lang
