// Reading maps and lists whose keys are known: every mistake becomes a diagnostic, reading goes on with what is right.
//
// Thread-safety: none; used within one load. Nothing here owns: documents and diagnostics outlive the readers.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/doc/diagnostic.h"
#include "rules/doc/node.h"
#include "rules/doc/scalar.h"

namespace nudge::lang {

/// A place in one of the files of a load.
struct Where {
  const doc::Document* document = nullptr;
  doc::Mark mark;
};

/// A word with its place: the name of something defined or referred to. Empty: not written.
struct Name {
  std::string_view text;
  Where where;
  explicit operator bool() const { return !text.empty(); }
};

/// A value that is typed only when it is compiled, since its type depends on what it stands beside.
struct Raw {
  const doc::Node* node = nullptr;
  Where where;  // of the value
  Where key;    // of its key
  explicit operator bool() const { return node != nullptr; }
};

/// Where messages go during the load of one file.
struct Context {
  const doc::Document& document;
  doc::Diagnostics& diagnostics;

  [[nodiscard]] Where at(const doc::Mark& mark) const { return {&document, mark}; }
  void error(std::string_view code, const doc::Mark& mark, std::string message, std::string hint = {}) const {
    diagnostics.error(code, document, mark, std::move(message), std::move(hint));
  }
};

/// One map. Each key is asked for once; finish() then reports the keys nobody asked for, with the nearest known key.
class MapReader {
 public:
  /// `what` names the map in messages: "a rule", "the trigger". Reports when the node is no map; all keys are then absent.
  MapReader(const Context& context, const doc::Node& node, const doc::Mark& key_mark, std::string what);

  [[nodiscard]] bool is_map() const { return node_.is_map(); }
  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] const doc::Node& node() const { return node_; }
  /// Where to point when something is missing: the key of this map, or its first character.
  [[nodiscard]] const doc::Mark& mark() const { return mark_; }
  [[nodiscard]] const std::string& what() const { return what_; }

  /// The entry, or nullptr when the key is absent.
  const doc::Entry* take(std::string_view key);
  /// The same; reports when it is absent.
  const doc::Entry* require(std::string_view key);
  /// Says that the key was dealt with elsewhere: finish() neither reports it nor offers it.
  void dealt_with(std::string_view key) { silent_.push_back(key); }
  [[nodiscard]] bool has(std::string_view key) const { return node_.is_map() && node_.find(key) != nullptr; }

  /// Each reads one value; absent or wrong (reported) gives the fallback.
  bool boolean(std::string_view key, bool fallback);
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t low, std::int64_t high);
  std::optional<DurationMs> duration(std::string_view key);
  std::string_view text(std::string_view key);
  /// A name as a reference: any text.
  Name name(std::string_view key);
  /// A value kept for later.
  Raw raw(std::string_view key);
  /// The index of the word among the allowed ones, or nothing.
  std::optional<std::size_t> word(std::string_view key, std::initializer_list<std::string_view> allowed);

  /// Reports unknown keys. Call last.
  void finish();

 private:
  const Context& context_;
  const doc::Node& node_;
  doc::Mark mark_;
  std::string what_;
  std::vector<std::string_view> known_;
  std::vector<std::string_view> silent_;
};

/// The items of a list; reports and answers none when it is no list. With `one_allowed`, a value that is no list counts as its only item.
std::vector<const doc::Node*> items_of(const Context& context, const doc::Node& node, const doc::Mark& key_mark, std::string_view what,
                                       bool one_allowed = false);

/// Reports a name that does not look like one (letters, digits, `-`, `_`). True when it is fine.
bool check_name(const Context& context, std::string_view name, const doc::Mark& mark, std::string_view what);

/// `a`, `b` and `c`
std::string join_words(const std::vector<std::string_view>& words, std::string_view last = "and");

}  // namespace nudge::lang
