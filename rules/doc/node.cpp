#include "rules/doc/node.h"

#include <algorithm>
#include <vector>

namespace nudge::doc {

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string_view kind_name(const Node& node) {
  switch (node.kind) {
    case Kind::kNull: return "nothing";
    case Kind::kScalar: return "a single value";
    case Kind::kList: return "a list";
    case Kind::kMap: return "a map";
  }
  return "nothing";
}

Document::Document(std::string name, std::string source)
    : name_(std::move(name)), source_(std::move(source)), arena_(std::make_unique<std::pmr::monotonic_buffer_resource>()), root_(&empty_) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < source_.size(); ++i) {
    if (source_[i] == '\n') line_starts_.push_back(static_cast<std::uint32_t>(i + 1));
  }
}

Mark Document::mark_at(std::size_t offset) const {
  const auto at = static_cast<std::uint32_t>(std::min(offset, source_.size()));
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), at);
  const std::uint32_t start = *(next - 1);
  Mark mark;
  mark.offset = at;
  mark.line = static_cast<std::uint32_t>(next - line_starts_.begin());
  for (std::uint32_t i = start; i < at; ++i) {
    // Continuation bytes of UTF-8 do not start a character.
    if ((static_cast<unsigned char>(source_[i]) & 0xC0U) != 0x80U) ++mark.column;
  }
  return mark;
}

std::string_view Document::line_text(std::uint32_t line) const {
  if (line == 0 || line > line_starts_.size()) return {};
  const std::size_t start = line_starts_[line - 1];
  std::size_t end = line < line_starts_.size() ? line_starts_[line] - 1 : source_.size();
  if (end > start && source_[end - 1] == '\r') --end;
  return std::string_view(source_).substr(start, end - start);
}

std::string Document::path_at(std::size_t offset) const {
  std::string path;
  const Node* node = root_;
  // Children start in source order, so the last one that starts at or before the offset holds it.
  while (node != nullptr) {
    const Node* next = nullptr;
    if (node->is_map()) {
      const Entry* last = nullptr;
      for (const Entry& entry : node->entries) {
        if (entry.key_mark.offset <= offset) last = &entry;
      }
      if (last != nullptr) {
        if (!path.empty()) path += " > ";
        path += last->key;
        next = last->value;
      }
    } else if (node->is_list()) {
      std::size_t index = node->items.size();
      for (std::size_t i = 0; i < node->items.size(); ++i) {
        if (node->items[i]->mark.offset <= offset) index = i;
      }
      if (index < node->items.size()) {
        path += "[" + std::to_string(index) + "]";
        next = node->items[index];
      }
    }
    node = next;
  }
  return path;
}

}  // namespace nudge::doc
