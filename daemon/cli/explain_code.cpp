#include <algorithm>
#include <cctype>

#include "daemon/cli/commands.h"
#include "rules/lang/codes.h"

namespace nudge::cli {

Exit explain_code(const Output& out, const std::string& given) {
  std::string code = given;
  std::ranges::transform(code, code.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const lang::CodeInfo* info = lang::find_code(code);
  if (info == nullptr) {
    return report(out,
                  {Code::not_found, "there is no code " + given + ": codes look like R0304 and stand in the messages of `nudge check`"});
  }
  out.terminal.line(out.terminal.paint(info->code, Color::bold) + "  " + std::string(info->title));
  out.terminal.line();
  out.terminal.line(info->explanation);
  return Exit::ok;
}

}  // namespace nudge::cli
