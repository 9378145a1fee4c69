#include <algorithm>
#include <cctype>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "rules/lang/codes.h"

namespace nudge::cli {

Exit explain_code(const Output& out, const std::string& given) {
  std::string code = given;
  std::ranges::transform(code, code.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (code == "ALL") {  // the whole table, for the pages of docs/codes
    for (const lang::CodeInfo& one : lang::all_codes()) {
      if (explain_code(out, std::string(one.code)) != Exit::ok) return Exit::failed;
      out.terminal.line();
    }
    return Exit::ok;
  }
  const lang::CodeInfo* info = lang::find_code(code);
  if (info == nullptr) {
    return report(
        out, {Code::not_found, say("there is no code {1}: codes look like R0304 and stand in the messages of `nudge check`", {given})});
  }
  std::string_view title = info->title, explanation = info->explanation;
  if (language() == Language::chinese) {
    const auto translated = std::ranges::find(chinese_codes(), info->code, &CodePhrase::code);
    if (translated != chinese_codes().end()) {
      title = translated->title;
      explanation = translated->explanation;
    }
  }
  out.terminal.line(out.terminal.paint(info->code, Color::bold) + "  " + std::string(title));
  out.terminal.line();
  out.terminal.line(explanation);
  return Exit::ok;
}

}  // namespace nudge::cli
