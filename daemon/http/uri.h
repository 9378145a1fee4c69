// Percent-decoding and query strings. Pure functions; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nudge::http {

// Decodes %XX into `out` (replaced). False: a broken escape, a control character or invalid UTF-8 in the result.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& out);

// "a=1&b=x%20y" → pairs in order; a name without '=' has an empty value. False: as percent_decode.
bool parse_query(std::string_view query, std::vector<std::pair<std::string, std::string>>& out);

// ASCII only, as HTTP compares names.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace nudge::http
