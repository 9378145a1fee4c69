// What few customers have, in eight bytes for all others. Owns it; copies are deep. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/base/time.h"
#include "engine/model/catalog.h"
#include "engine/model/lean_vector.h"

namespace nudge {

// Rows of a type in [from, upto] that came in late: they stay until then, however old they are, so that a sender who repeats one is told so
// (engine/core/keep.h).
struct LateRows {
  EventTypeId type = kNoEventType;
  TimeMs until = 0, from = 0, upto = 0;
  friend bool operator==(const LateRows&, const LateRows&) = default;
};

class Seldom {
 public:
  Seldom() = default;
  Seldom(const Seldom& other) { *this = other; }
  Seldom(Seldom&&) noexcept = default;
  Seldom& operator=(const Seldom& other) {
    if (this != &other) parts_ = other.parts_ == nullptr ? nullptr : std::make_unique<Parts>(*other.parts_);
    return *this;
  }
  Seldom& operator=(Seldom&&) noexcept = default;
  ~Seldom() = default;

  // Valid until it is set anew.
  const std::string& merged_into() const { return parts().merged_into; }
  void set_merged_into(std::string id) {
    if (!id.empty() || parts_ != nullptr) edit().merged_into = std::move(id);
    tidy();
  }
  // By (type, until); valid until it is changed.
  const LeanVector<LateRows>& late() const { return parts().late; }
  template <class F>
  void change_late(F change) {
    change(edit().late);
    tidy();
  }
  // What lies outside of the object.
  std::size_t memory_bytes() const {
    return parts_ == nullptr ? 0 : sizeof(Parts) + parts_->merged_into.capacity() + parts_->late.memory_bytes();
  }

 private:
  struct Parts {
    std::string merged_into;
    LeanVector<LateRows> late;
  };
  const Parts& parts() const {
    static const Parts kNothing;
    return parts_ == nullptr ? kNothing : *parts_;
  }
  Parts& edit() {
    if (parts_ == nullptr) parts_ = std::make_unique<Parts>();
    return *parts_;
  }
  void tidy() {
    if (parts_ != nullptr && parts_->merged_into.empty() && parts_->late.empty()) parts_.reset();
  }

  std::unique_ptr<Parts> parts_;
};

}  // namespace nudge
