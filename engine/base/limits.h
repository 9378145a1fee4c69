// Every limit of the engine in one place, with units last in the name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/time.h"

namespace nudge::limits {

inline constexpr std::size_t kCustomerIdBytes = 256;
inline constexpr std::size_t kEventIdBytes = 256;
inline constexpr std::size_t kNameBytes = 128;        // of an attribute, event type, field, rule …
inline constexpr std::size_t kTextBytes = 64 * 1024;  // of one text value
inline constexpr std::size_t kListItems = 1000;       // of one list value
inline constexpr std::size_t kAttributes = 4096;      // leaves in a catalog
inline constexpr std::size_t kEventTypes = 4096;
inline constexpr std::size_t kFieldsPerEvent = 64;  // leaves of one event type: their presence is one machine word
inline constexpr std::size_t kConditionDepth = 32;
inline constexpr std::size_t kNodes = 1'000'000;  // nodes of a plan's graph
inline constexpr std::size_t kRegexProgramBytes = 256 * 1024;
inline constexpr std::size_t kRenderedBytes = 256 * 1024;      // of one rendered template
inline constexpr DurationMs kWindow = 3660 * kDay;             // a window of ten years and a bit
inline constexpr std::size_t kRunsPerCustomer = 10'000;        // delayed steps under way for one customer
inline constexpr std::uint32_t kChainDepth = 16;               // firings that feed each other by writes, without delay
inline constexpr std::size_t kInstantsPerAdvance = 1'000'000;  // boundaries judged in one catch-up of one customer

}  // namespace nudge::limits
