// A growable array of plain data in 16 bytes: a customer has many small ones, so it grows by small steps instead of doubling. Like a
// vector, it owns its items and is not thread-safe; pointers to items are valid until it grows. Holds up to 2^32 - 1 items
// (std::length_error beyond).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace nudge {

template <class T>
class CompactArray {
  static_assert(std::is_trivially_copyable_v<T>, "items are moved as bytes");

 public:
  CompactArray() = default;
  CompactArray(const CompactArray& other) { *this = other; }
  CompactArray(CompactArray&& other) noexcept { swap(other); }
  CompactArray& operator=(const CompactArray& other) {
    if (this == &other) return *this;
    clear();
    reserve(other.size_);
    if (other.size_ > 0) std::memcpy(data_, other.data_, other.size_ * sizeof(T));
    size_ = other.size_;
    return *this;
  }
  CompactArray& operator=(CompactArray&& other) noexcept {
    CompactArray taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~CompactArray() { std::free(data_); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* data() const { return data_; }
  T* data() { return data_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& operator[](std::size_t i) { return data_[i]; }
  std::size_t memory_bytes() const { return capacity_ * sizeof(T); }

  void clear() { size_ = 0; }
  // Exactly this many, when there are fewer.
  void reserve(std::size_t items) {
    if (items > capacity_) resize_block(items);
  }
  // Makes room for n items before item `at`, their bytes zero, and returns the first.
  T* insert(std::size_t at, std::size_t n) {
    const std::size_t need = size_ + n;
    if (need > capacity_) {
      // A sixteenth more than needed, and to where the allocator's block ends anyway: those are 16 bytes apart, 8 of them its own.
      const std::size_t bytes = (need + need / 16) * sizeof(T);
      resize_block(std::max<std::size_t>((bytes + 7) / 16 * 16 + 8, 24) / sizeof(T));
    }
    T* place = data_ + at;
    if (at < size_) std::memmove(place + n, place, (size_ - at) * sizeof(T));
    std::memset(static_cast<void*>(place), 0, n * sizeof(T));
    size_ = static_cast<std::uint32_t>(need);
    return place;
  }

 private:
  void swap(CompactArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  void resize_block(std::size_t items) {
    if (items > 0xffffffffU) throw std::length_error("a customer has more than four billion items of one sort");
    void* block = std::realloc(data_, items * sizeof(T));
    if (block == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(block);
    capacity_ = static_cast<std::uint32_t>(items);
  }

  T* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace nudge
