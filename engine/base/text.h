// Unicode text: validity, full case folding. Comparison is of bytes as received; nothing is trimmed or normalised.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nudge {

// True for well-formed UTF-8 (no surrogates, no over-long forms, nothing above U+10FFFF).
bool is_utf8(std::string_view bytes);
// Full Unicode case folding (CaseFolding.txt, status C and F): "Straße" -> "strasse". Input must be valid UTF-8.
std::string fold_case(std::string_view text);
// Number of code points.
std::size_t length_utf8(std::string_view text);
// The first n code points.
std::string_view prefix_utf8(std::string_view text, std::size_t n);
// Appends text as the inside of a JSON string, with the escapes of RFC 8259.
void append_json_escaped(std::string& out, std::string_view text);
// Appends text as a quoted JSON string.
void append_json_string(std::string& out, std::string_view text);

// True for 3 to 20 digits with +, spaces, -, (, ), . or / between them: what the type `phone` takes.
bool is_phone(std::string_view text);

}  // namespace nudge
