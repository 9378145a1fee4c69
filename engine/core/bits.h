// A set of small numbers: segments of a plan. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nudge {

class Bits {
 public:
  void reset(std::size_t bits, bool value = false) { words_.assign((bits + 63) / 64, value ? ~std::uint64_t{0} : 0); }
  void set(std::size_t bit) { words_[bit / 64] |= std::uint64_t{1} << (bit % 64); }
  void clear(std::size_t bit) { words_[bit / 64] &= ~(std::uint64_t{1} << (bit % 64)); }
  bool test(std::size_t bit) const { return ((words_[bit / 64] >> (bit % 64)) & 1U) != 0; }
  void merge(const Bits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= o.words_[i];
  }
  void mask(const Bits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= o.words_[i];
  }
  bool any() const {
    for (const std::uint64_t word : words_)
      if (word != 0) return true;
    return false;
  }
  // Calls f(bit) for each set bit, ascending.
  template <class F>
  void each(std::size_t bits, F&& f) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
        const std::size_t bit = i * 64 + static_cast<std::size_t>(__builtin_ctzll(word));
        if (bit < bits) f(bit);
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace nudge
