// The tree that the strict YAML reader builds: scalars, lists and maps with the position of every key and value.
//
// Thread-safety: a Document is immutable once read_document() has returned it; any number of threads may read it.
// Ownership: a Document owns its source text and all nodes (one arena). Nodes, texts and spans live as long as it does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>

namespace nudge::doc {

/// A place in a source text. Lines and columns count from 1; a column counts Unicode characters, an offset counts bytes.
struct Mark {
  std::uint32_t offset = 0;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  /// Characters to underline from here; 0 when unknown (one caret is drawn).
  std::uint32_t length = 0;
};

enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };

struct Node;

/// One `key: value` of a map. Keys are always scalars.
struct Entry {
  std::string_view key;
  Mark key_mark;
  const Node* value = nullptr;
};

/// One value. Trivially destructible: it lies in the Document's arena.
struct Node {
  Kind kind = Kind::kNull;
  /// Scalars only: written in quotes or as a block (`|`, `>`), so it is text whatever it looks like.
  bool quoted = false;
  /// Refused or cut off by a mistake that was reported where it stands: readers say nothing more about it.
  bool refused = false;
  Mark mark;
  std::string_view text;               ///< scalars only
  std::span<const Node* const> items;  ///< lists only, in order
  std::span<const Entry> entries;      ///< maps only, in order; keys are unique

  [[nodiscard]] bool is_null() const { return kind == Kind::kNull; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::kScalar; }
  [[nodiscard]] bool is_list() const { return kind == Kind::kList; }
  [[nodiscard]] bool is_map() const { return kind == Kind::kMap; }
  /// The entry with this key, or nullptr. Linear: meant for the few keys that a reader knows, not for lookup tables.
  [[nodiscard]] const Entry* find(std::string_view key) const;
};

/// "a list", "a map", "text", "nothing": for messages.
std::string_view kind_name(const Node& node);

/// A source text and the tree read from it.
class Document {
 public:
  /// Takes over the text. `name` is what messages call it, usually a path relative to the rule directory.
  Document(std::string name, std::string source);
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& source() const { return source_; }
  /// Never null; an empty file has a null node as its root.
  [[nodiscard]] const Node& root() const { return *root_; }
  /// False when reading stopped early: what is missing may stand in the part that was not read.
  [[nodiscard]] bool complete() const { return complete_; }
  /// Line and column of a byte offset.
  [[nodiscard]] Mark mark_at(std::size_t offset) const;
  /// The text of a line (from 1) without its line break; empty when there is no such line.
  [[nodiscard]] std::string_view line_text(std::uint32_t line) const;
  /// Where an offset lies in the tree, as people say it: `rules > dormant-return > if > all[2]`. Empty at the top.
  [[nodiscard]] std::string path_at(std::size_t offset) const;

 private:
  friend class TreeBuilder;
  std::string name_;
  std::string source_;
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena_;
  std::vector<std::uint32_t> line_starts_;
  const Node* root_;
  bool complete_ = false;
  Node empty_;
};

}  // namespace nudge::doc
