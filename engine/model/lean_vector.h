// A vector in eight bytes: its size and room lie before its items. For what a customer has few of, most often none: a million customers have
// a dozen such lists each. It grows by small steps. Otherwise like std::vector: owns its items; iterators are pointers, valid until it
// grows or shrinks; not thread-safe. Holds up to 2^32 - 1 items (std::length_error beyond).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace nudge {

template <class T>
class LeanVector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  LeanVector() = default;
  LeanVector(std::initializer_list<T> items) { assign(items.begin(), items.end()); }
  LeanVector(const LeanVector& other) { assign(other.begin(), other.end()); }
  LeanVector(LeanVector&& other) noexcept : items_(std::exchange(other.items_, nullptr)) {}
  LeanVector& operator=(const LeanVector& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  LeanVector& operator=(LeanVector&& other) noexcept {
    LeanVector taken(std::move(other));
    std::swap(items_, taken.items_);
    return *this;
  }
  ~LeanVector() { free_block(); }

  std::size_t size() const { return items_ == nullptr ? 0 : head()->size; }
  std::size_t capacity() const { return items_ == nullptr ? 0 : head()->capacity; }
  bool empty() const { return size() == 0; }
  T* data() { return items_; }
  const T* data() const { return items_; }
  T* begin() { return items_; }
  T* end() { return items_ + size(); }
  const T* begin() const { return items_; }
  const T* end() const { return items_ + size(); }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  T& front() { return items_[0]; }
  const T& front() const { return items_[0]; }
  T& back() { return items_[size() - 1]; }
  const T& back() const { return items_[size() - 1]; }
  // What the block takes; the items' own memory aside.
  std::size_t memory_bytes() const { return items_ == nullptr ? 0 : kHead + head()->capacity * sizeof(T); }

  void reserve(std::size_t items) {
    if (items > capacity()) move_to(items);
  }
  void clear() { erase(begin(), end()); }
  template <class It>
  void assign(It first, It last) {
    clear();
    reserve(static_cast<std::size_t>(std::distance(first, last)));
    for (; first != last; ++first) emplace_back(*first);
  }
  template <class... Args>
  T& emplace_back(Args&&... args) {
    const std::size_t n = size();
    if (n == capacity()) {
      T made(std::forward<Args>(args)...);  // it may be made of an item of this vector
      grow(n + 1);
      std::construct_at(items_ + n, std::move(made));
    } else {
      std::construct_at(items_ + n, std::forward<Args>(args)...);
    }
    ++head()->size;
    return items_[n];
  }
  void push_back(const T& item) { emplace_back(item); }
  void push_back(T&& item) { emplace_back(std::move(item)); }
  template <class... Args>
  T* emplace(const T* place, Args&&... args) {
    const auto at = static_cast<std::size_t>(place - begin());
    emplace_back(std::forward<Args>(args)...);
    std::rotate(items_ + at, end() - 1, end());
    return items_ + at;
  }
  T* insert(const T* place, const T& item) { return emplace(place, item); }
  T* insert(const T* place, T&& item) { return emplace(place, std::move(item)); }
  T* erase(const T* item) { return erase(item, item + 1); }
  T* erase(const T* first, const T* last) {
    T* const from = items_ + (first - items_);
    if (first == last) return from;
    T* const kept = std::move(items_ + (last - items_), end(), from);
    std::destroy(kept, end());
    head()->size = static_cast<std::uint32_t>(kept - items_);
    return from;
  }
  void pop_back() { erase(end() - 1); }

  friend bool operator==(const LeanVector& a, const LeanVector& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

 private:
  struct Head {
    std::uint32_t size;
    std::uint32_t capacity;
  };
  static constexpr std::size_t kHead = sizeof(Head);

  Head* head() { return reinterpret_cast<Head*>(reinterpret_cast<char*>(items_) - kHead); }
  const Head* head() const { return reinterpret_cast<const Head*>(reinterpret_cast<const char*>(items_) - kHead); }

  // An eighth more than needed.
  void grow(std::size_t need) { move_to(need + need / 8); }
  void move_to(std::size_t capacity) {
    static_assert(alignof(T) <= kHead && kHead % alignof(T) == 0, "items start behind the head");
    if (capacity > 0xffffffffU) throw std::length_error("a customer has more than four billion items of one sort");
    char* const block = static_cast<char*>(::operator new(kHead + capacity * sizeof(T)));
    const std::size_t n = size();
    std::construct_at(reinterpret_cast<Head*>(block), Head{static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(capacity)});
    T* const to = reinterpret_cast<T*>(block + kHead);
    std::uninitialized_move_n(items_, n, to);
    free_block();
    items_ = to;
  }
  void free_block() {
    if (items_ == nullptr) return;
    std::destroy(begin(), end());
    ::operator delete(static_cast<void*>(head()));
  }

  T* items_ = nullptr;
};

// Takes out what `gone` says; the number of them.
template <class T, class F>
std::size_t erase_if(LeanVector<T>& items, F gone) {
  T* const kept = std::remove_if(items.begin(), items.end(), gone);
  const auto n = static_cast<std::size_t>(items.end() - kept);
  items.erase(kept, items.end());
  return n;
}

}  // namespace nudge
