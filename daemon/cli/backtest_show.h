// The report of a backtest for people: text of 80 columns, and one page of HTML that asks for nothing outside itself.
#pragma once

#include <string>

#include "daemon/cli/commands.h"

namespace nudge::cli {

// `report`: as schemas/backtest.schema.json describes it. Lines of at most 80 columns.
std::string backtest_text(const Json& report, const Terminal& terminal);
std::string backtest_html(const Json& report);

}  // namespace nudge::cli
