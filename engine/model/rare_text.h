// A text that is nearly always empty, in eight bytes. Owns it; copies are deep. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace nudge {

class RareText {
 public:
  RareText() = default;
  explicit RareText(std::string text) { *this = std::move(text); }
  RareText(const RareText& other) : RareText(other.text()) {}
  RareText(RareText&&) noexcept = default;
  RareText& operator=(std::string text) {
    text_ = text.empty() ? nullptr : std::make_unique<std::string>(std::move(text));
    return *this;
  }
  RareText& operator=(const RareText& other) {
    if (this != &other) *this = other.text();
    return *this;
  }
  RareText& operator=(RareText&&) noexcept = default;
  ~RareText() = default;

  bool empty() const { return text_ == nullptr; }
  // Valid until it is set anew.
  const std::string& text() const {
    static const std::string kEmpty;
    return text_ == nullptr ? kEmpty : *text_;
  }
  // What lies outside of the object.
  std::size_t memory_bytes() const { return text_ == nullptr ? 0 : sizeof(std::string) + text_->capacity(); }

 private:
  std::unique_ptr<std::string> text_;
};

}  // namespace nudge
