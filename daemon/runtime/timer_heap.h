// A heap of customers by the instant at which something is due for them. The place of an item is kept in the item itself, so changing one
// costs a walk along the heap's height and no allocation. Not thread-safe.
//
// Invariants: (1) items_[i] is not due before items_[(i - 1) / 4]; (2) items_[i].item->heap_index == i; (3) an item that is not in the heap
// has kNotInHeap.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/base/time.h"

namespace nudge::daemon {

template <class Item>
class TimerHeap {
 public:
  static constexpr std::uint32_t kNotInHeap = 0xffffffff;

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  TimeMs next() const { return items_.empty() ? kNever : items_[0].due; }
  Item* top() const { return items_[0].item; }

  // Puts the item at `due`, wherever it was; kNever takes it out.
  void set(Item* item, TimeMs due) {
    if (due == kNever) return remove(item);
    if (item->heap_index == kNotInHeap) {
      item->heap_index = static_cast<std::uint32_t>(items_.size());
      items_.push_back({due, item});
      up(item->heap_index);
      return;
    }
    const std::size_t i = item->heap_index;
    const TimeMs before = items_[i].due;
    items_[i].due = due;
    if (due < before)
      up(i);
    else if (due > before)
      down(i);
  }

  void remove(Item* item) {
    const std::size_t i = item->heap_index;
    if (i == kNotInHeap) return;
    item->heap_index = kNotInHeap;
    const Node last = items_.back();
    items_.pop_back();
    if (i == items_.size()) return;
    place(i, last);
    up(i);
    down(last.item->heap_index);
  }

 private:
  struct Node {
    TimeMs due;
    Item* item;
  };
  void place(std::size_t i, Node node) {
    items_[i] = node;
    node.item->heap_index = static_cast<std::uint32_t>(i);
  }
  void up(std::size_t i) {
    const Node node = items_[i];
    while (i > 0 && node.due < items_[(i - 1) / 4].due) {
      place(i, items_[(i - 1) / 4]);
      i = (i - 1) / 4;
    }
    place(i, node);
  }
  void down(std::size_t i) {
    const Node node = items_[i];
    while (true) {
      const std::size_t first = 4 * i + 1;
      if (first >= items_.size()) break;
      std::size_t least = first;
      for (std::size_t k = first + 1; k < first + 4 && k < items_.size(); ++k) {
        if (items_[k].due < items_[least].due) least = k;
      }
      if (items_[least].due >= node.due) break;
      place(i, items_[least]);
      i = least;
    }
    place(i, node);
  }

  std::vector<Node> items_;
};

}  // namespace nudge::daemon
