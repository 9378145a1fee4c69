// What is wrong, where, and how to mend it: the messages that every reader of YAML collects, and how they are shown.
//
// Thread-safety: none; one sink belongs to one load. Ownership: a Diagnostic owns all it says and outlives its Document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "rules/doc/node.h"

namespace nudge::doc {

/// An error refuses the load; a warning is legal but most likely wrong; a note may well be meant so.
enum class Severity : std::uint8_t { kError, kWarning, kNote };
/// "error", "warning", "note"
std::string_view severity_name(Severity severity);

/// One message. `code` is stable over releases ("R0304") and has a page in docs/codes and `nudge explain-code`.
struct Diagnostic {
  std::string code;
  Severity severity = Severity::kError;
  std::string file;
  std::uint32_t line = 1;    ///< from 1
  std::uint32_t column = 1;  ///< from 1, in characters
  std::uint32_t length = 0;  ///< characters to underline; 0: one caret
  std::string message;       ///< what is wrong, one sentence without a full stop
  std::string hint;          ///< how to mend it; may be empty
  std::string path;          ///< `rules > dormant-return > if > all[2]`; empty at the top of a file
  std::string source_line;   ///< the line itself, for the snippet
};

/// Collects all messages of one load. After kMax messages further ones are only counted, so that a hostile file can't fill memory.
class Diagnostics {
 public:
  static constexpr std::size_t kMax = 1000;

  void add(Diagnostic diagnostic);
  void error(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint = {});
  void warning(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint = {});
  void note(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint = {});
  /// An error about a file as a whole (unreadable, too large).
  void file_error(std::string_view code, std::string_view file, std::string message, std::string hint = {});

  [[nodiscard]] const std::vector<Diagnostic>& items() const { return items_; }
  [[nodiscard]] std::size_t errors() const { return errors_; }
  [[nodiscard]] std::size_t warnings() const { return warnings_; }
  [[nodiscard]] std::size_t notes() const { return notes_; }
  [[nodiscard]] bool ok() const { return errors_ == 0; }
  /// Messages beyond kMax that were counted but not kept.
  [[nodiscard]] std::size_t dropped() const { return errors_ + warnings_ + notes_ - items_.size(); }
  /// By file, line, column; equal ones collapse into one. Call once after the last message.
  void sort();

 private:
  std::size_t& count_of(Severity severity);
  void report(Severity severity, std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint);

  std::vector<Diagnostic> items_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
  std::size_t notes_ = 0;
};

/// The words around messages in another language than English. With them a message is headed by the title of its code, and the English
/// sentence, which names the names, stands below as `detail`.
struct Words {
  std::string_view error, warning, note;  ///< severities
  std::string_view in, detail, help;  ///< heads of lines
  std::string_view dropped, summary;  ///< with {1}, {2}
  std::string_view (*title)(std::string_view code);
};
/// Null: English. Process-wide, for render_text only; to be chosen before other threads start. `words` must live on.
void use_words(const Words* words);

/// `file:line:col: error R0304: message` with the line, a caret, the path and the hint below it.
std::string render_text(const Diagnostic& diagnostic, bool color = false);
/// All messages and a last line that counts them.
std::string render_text(const Diagnostics& diagnostics, bool color = false);
/// {"errors":N,"warnings":N,"notes":N,"dropped":N,"diagnostics":[{"code":…,"severity":…,"file":…,"line":…,"column":…,"length":…,"message":…,"hint":…,"path":…}]}
std::string render_json(const Diagnostics& diagnostics);

/// The known name that `word` most likely meant, or "" when none is near (edit distance with transpositions, relative to length).
std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& known);
/// "did you mean `tier`?" or, when nothing is near and the list is short, "known attributes: a, b, c". Empty when there is nothing to say.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known, std::string_view plural);

/// `name` in backquotes, cut after 60 characters, control characters shown as escapes: safe to print.
std::string quoted(std::string_view text);

}  // namespace nudge::doc
