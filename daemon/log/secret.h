// A text that must not show up in logs, errors or status pages. Printing, formatting and logging it give "***".
// Value type; not thread-safe to write.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace nudge {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret&) = default;
  Secret& operator=(Secret&&) noexcept = default;
  // Overwrites the bytes, so that a later core file or swap page does not hold them.
  ~Secret() {
    for (volatile char* p = value_.data(); p != value_.data() + value_.size(); ++p) *p = 0;
  }

  // The value itself: for the one call that needs it. Never store what this returns.
  std::string_view reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend bool operator==(const Secret& a, const Secret& b) { return a.value_ == b.value_; }
  // What may be shown.
  static constexpr std::string_view shown() { return "***"; }

 private:
  std::string value_;
};

// Stream-like printing gives "***"; a template, so that no stream header is needed here.
template <class Stream>
auto operator<<(Stream& stream, const Secret&) -> decltype(stream << Secret::shown()) {
  return stream << Secret::shown();
}

}  // namespace nudge
