// Writes JSON text, piece by piece, without a tree. Commas and escapes are its business; balanced begin and end are the caller's.
// Not thread-safe; a value.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "engine/base/time.h"

namespace nudge::daemon {

class Json {
 public:
  Json& begin_object() { return open('{'); }
  Json& end_object() { return close('}'); }
  Json& begin_array() { return open('['); }
  Json& end_array() { return close(']'); }
  Json& key(std::string_view name) {
    comma();
    append_json_string(out_, name);
    out_.push_back(':');
    after_key_ = true;
    return *this;
  }
  Json& value(std::string_view text) {
    comma();
    append_json_string(out_, text);
    return *this;
  }
  Json& value(const std::string& text) { return value(std::string_view(text)); }
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(bool b) { return raw(b ? "true" : "false"); }
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Json& value(T n) {
    return raw(std::to_string(n));
  }
  // An instant in RFC 3339, null when there is none.
  Json& time(TimeMs t) {
    if (t == kNever || t == kAlways || t == 0) return raw("null");
    return value(format_timestamp(t));
  }
  // Text that is JSON already.
  Json& raw(std::string_view json) {
    comma();
    out_.append(json);
    return *this;
  }
  template <class T>
  Json& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  Json& field_time(std::string_view name, TimeMs t) { return key(name).time(t); }
  Json& field_raw(std::string_view name, std::string_view json) { return key(name).raw(json); }

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void comma() {
    if (after_key_) {
      after_key_ = false;
      return;
    }
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[') out_.push_back(',');
  }
  Json& open(char c) {
    comma();
    out_.push_back(c);
    return *this;
  }
  Json& close(char c) {
    out_.push_back(c);
    return *this;
  }

  std::string out_;
  bool after_key_ = false;
};

}  // namespace nudge::daemon
