#include "schemas/embedded.h"

#include <cstdio>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"

namespace nudge::cli {

Exit schema(const Output& out, const std::string& name) {
  const std::string_view text = schemas::find(name);
  if (text.empty()) {
    std::string known;
    for (const schemas::File& file : schemas::all()) known += (known.empty() ? "" : ", ") + std::string(file.name);
    return report(out, {Code::not_found, say("there is no schema {1}; there are {2}", {name, known})});
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return Exit::ok;
}

}  // namespace nudge::cli
