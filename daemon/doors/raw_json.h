// Takes JSON apart without changing a byte of it: the members of an object and the items of an array as slices of the text, so that numbers
// keep their digits on the way to intake. Frames are checked (strings end, brackets match); what is inside a slice is checked by whoever
// reads it. Pure functions; slices live as long as the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace nudge::doors {

struct RawMember {
  std::string key;  // unescaped
  std::string_view value;
};

// The members of an object, in order. Error (invalid): no object, or its frame is broken.
Result<std::vector<RawMember>> raw_object(std::string_view json);
// The items of an array. Error (invalid): no array, or its frame is broken.
Result<std::vector<std::string_view>> raw_array(std::string_view json);
// A string unescaped, or a number as its token; nothing for everything else and for a broken string.
std::optional<std::string> raw_text(std::string_view json);
// What an RFC 6901 pointer ("/data/items/0/sku"; "" is the whole) leads to; nothing when there is no such member.
std::optional<std::string_view> raw_at(std::string_view json, std::string_view pointer);
// The pointer to the member `key` of what `base` leads to (RFC 6901: `~` and `/` of the key escaped).
std::string raw_pointer(std::string_view base, std::string_view key);
// The last member of that name; empty when there is none.
std::string_view raw_member(const std::vector<RawMember>& members, std::string_view key);
bool raw_is_null(std::string_view json);

}  // namespace nudge::doors
