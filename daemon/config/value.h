// Between the text of a setting and its typed value. Inside of daemon/config.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"

namespace nudge::config {

// What is wrong with a value, with the stable code of the message.
struct Wrong {
  std::string_view code;
  std::string message;
  std::string hint;
};

// Puts the value into settings. `items` has one text, or those of a list. Relative paths start from `folder` (empty: as they
// are). A secret is "file:PATH" or "env:NAME" and is read here.
std::expected<void, Wrong> assign(const Key& key, const std::vector<std::string>& items, std::string_view folder, Settings& settings);

// The value as the text of a file: 30s, 64MiB, [a, b]. Of a secret only whether there is one.
std::string show(const Key& key, const Settings& settings);

// "a, b ,c" → a, b, c; "" → nothing.
std::vector<std::string> split_list(std::string_view text);

// "64MiB", "1000" → bytes.
std::expected<std::int64_t, Wrong> parse_size(std::string_view text);
std::string format_size(std::int64_t bytes);

// "file:/x" → "{file: /x}"
std::string show_reference(std::string_view reference);

// A plain YAML scalar where that is safe, else in double quotes.
std::string yaml_text(std::string_view text);

}  // namespace nudge::config
