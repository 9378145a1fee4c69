// A place in a customer's state for what was worked out from its facts, to answer faster: never stored, never compared, not taken along by
// a copy, and worked out again when it is not there. Owned by the state; one thread at a time, like the state itself.
#pragma once

#include <cstddef>
#include <memory>

namespace nudge {

struct Derived {
  virtual ~Derived() = default;
  virtual std::size_t memory_bytes() const = 0;
};

class DerivedSlot {
 public:
  DerivedSlot() = default;
  DerivedSlot(const DerivedSlot& /*other*/) {}
  DerivedSlot(DerivedSlot&&) noexcept = default;
  DerivedSlot& operator=(const DerivedSlot& other) {
    if (this != &other) kept_.reset();
    return *this;
  }
  DerivedSlot& operator=(DerivedSlot&&) noexcept = default;
  ~DerivedSlot() = default;

  Derived* get() const { return kept_.get(); }
  void set(std::unique_ptr<Derived> kept) { kept_ = std::move(kept); }
  std::size_t memory_bytes() const { return kept_ ? kept_->memory_bytes() : 0; }

 private:
  std::unique_ptr<Derived> kept_;
};

}  // namespace nudge
