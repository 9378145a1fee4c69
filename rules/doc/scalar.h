// Strict readers of single values: `12` is an integer, `"12"` is text, and nothing else is either. YAML's surprises (`010` is eight,
// `yes` is true, `1e3` is a float) do not exist here.
//
// Every reader takes a Node and answers the value or one sentence that says what is wrong, fit for Diagnostic::message.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "engine/base/decimal.h"
#include "engine/base/time.h"
#include "rules/doc/node.h"

namespace nudge::doc {

/// What is wrong and how to mend it.
struct Misread {
  std::string message;
  std::string hint;
};
template <class T>
using Read = std::expected<T, Misread>;

/// `true` or `false`, unquoted.
Read<bool> read_bool(const Node& node);
/// `-5`, `12`: digits only, no leading zero, 64 bits.
Read<std::int64_t> read_integer(const Node& node);
/// An integer between two bounds, both included.
Read<std::int64_t> read_integer(const Node& node, std::int64_t low, std::int64_t high);
/// `12`, `0.5`, `1e3` as an exact decimal: 12 digits before the point and 6 after it.
Read<Decimal> read_decimal(const Node& node);
/// `12`, `0.5`, `1e3` as a finite binary number.
Read<double> read_number(const Node& node);
/// `90d`, `2h`, `1d12h`.
Read<DurationMs> read_duration(const Node& node);
/// `2026-02-01`.
Read<DateDays> read_date(const Node& node);
/// `2026-02-01T09:00:00+08:00`.
Read<TimeMs> read_timestamp(const Node& node);
/// Text: quoted, or plain where it does not look like a number, a boolean or null.
Read<std::string_view> read_text(const Node& node);

/// True for a plain scalar that YAML 1.2 would read as boolean, number or null; such a value is no text.
bool looks_typed(const Node& node);
/// True when the text is a number as JSON writes it: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_json_number(std::string_view text);
/// True for 1 to 128 of [A-Za-z0-9_-], starting with a letter or digit: names of rules, segments, teams …
bool is_name(std::string_view text);

}  // namespace nudge::doc
