// Messages in the shapes that other programs show beside the code: GitHub's workflow commands, GitLab's code quality report, SARIF 2.1.0.
//
// File names are given as the messages have them; run from the top of the repository, so that they lead there. Pure functions.
#pragma once

#include <string>

#include "rules/doc/diagnostic.h"

namespace nudge::lint {

// `::warning file=rules/a.yaml,line=3,col=5,endColumn=9,title=R1001: …::message`, one line each.
std::string render_github(const doc::Diagnostics& diagnostics);
// A JSON array of {description, check_name, fingerprint, severity, location}. Fingerprints stay when lines move.
std::string render_gitlab(const doc::Diagnostics& diagnostics);
// One run with the rules of all codes that occur.
std::string render_sarif(const doc::Diagnostics& diagnostics, std::string_view version);

}  // namespace nudge::lint
