// A JSON value as a plain tree, for showing answers of the daemon. Asking for what is not there gives null, so readers need no checks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/status.h"

namespace nudge::cli {

struct JsonMember;

struct Json {
  enum class Kind : unsigned char { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  bool truth = false;
  std::string text;  // a text's content, a number's digits
  std::vector<Json> items;
  std::vector<JsonMember> members;

  static Result<Json> parse(std::string_view bytes);
  bool is_null() const { return kind == Kind::null; }
  // A member; null when there is none.
  const Json& operator[](std::string_view key) const;
  // The first member of these that is there.
  const Json& first_of(std::initializer_list<std::string_view> keys) const;
  // For people: text and numbers as they are, lists joined by ", ", true and false, empty for null.
  std::string shown() const;
  std::int64_t integer() const;
  double number() const;
  std::string compact() const;  // as JSON
};

struct JsonMember {
  std::string key;
  Json value;
};

}  // namespace nudge::cli
