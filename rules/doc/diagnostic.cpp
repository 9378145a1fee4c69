#include "rules/doc/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "engine/base/text.h"

namespace nudge::doc {
namespace {

constexpr std::size_t kSnippetMaxChars = 160;
constexpr std::size_t kQuotedMaxBytes = 60;
constexpr std::size_t kListedNames = 12;

const Words* words_in_use = nullptr;  // chosen once, at the start

/// {1} and {2} replaced.
std::string filled(std::string_view text, std::size_t first, std::size_t second = 0) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool placeholder = text.substr(i, 3) == "{1}" || text.substr(i, 3) == "{2}";
    if (placeholder) out += std::to_string(text[i + 1] == '1' ? first : second);
    if (placeholder) i += 2;
    if (!placeholder) out += text[i];
  }
  return out;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// Byte position of the n-th character (from 0).
std::size_t byte_of(std::string_view text, std::size_t characters) {
  std::size_t i = 0;
  while (i < text.size() && characters > 0) {
    ++i;
    while (i < text.size() && is_continuation(text[i])) ++i;
    --characters;
  }
  return i;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

/// East Asian wide characters take two cells in a terminal; the caret line has to follow.
std::size_t cells_of(std::string_view text) {
  std::size_t cells = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_continuation(text[i])) continue;
    const auto lead = static_cast<unsigned char>(text[i]);
    const bool wide = lead >= 0xE3U && lead <= 0xEDU;  // U+3000 … U+DFFF: CJK, kana, hangul
    const bool fullwidth = lead == 0xEFU && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xBCU;
    cells += (wide || fullwidth || lead >= 0xF0U) ? 2 : 1;
  }
  return cells;
}

/// The Damerau-Levenshtein distance (restricted), stopped early above `limit`.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size() + limit || b.size() > a.size() + limit) return limit + 1;
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

/// Case and the choice of `-`, `_` or space are the commonest slips, so they cost nothing.
std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == ' ' || c == '.') c = '_';
  }
  return out;
}

}  // namespace

void use_words(const Words* words) { words_in_use = words; }

std::string_view severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "note";
}

std::size_t& Diagnostics::count_of(Severity severity) {
  return severity == Severity::kError ? errors_ : severity == Severity::kWarning ? warnings_ : notes_;
}

void Diagnostics::add(Diagnostic diagnostic) {
  count_of(diagnostic.severity) += 1;
  if (items_.size() < kMax) items_.push_back(std::move(diagnostic));
}

void Diagnostics::report(Severity severity, std::string_view code, const Document& document, const Mark& mark, std::string message,
                         std::string hint) {
  Diagnostic d;
  d.code = code;
  d.severity = severity;
  d.file = document.name();
  d.line = mark.line;
  d.column = mark.column;
  d.length = mark.length;
  d.message = std::move(message);
  d.hint = std::move(hint);
  if (items_.size() < kMax) {
    d.path = document.path_at(mark.offset);
    d.source_line = document.line_text(mark.line);
  }
  add(std::move(d));
}

void Diagnostics::error(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint) {
  report(Severity::kError, code, document, mark, std::move(message), std::move(hint));
}

void Diagnostics::warning(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint) {
  report(Severity::kWarning, code, document, mark, std::move(message), std::move(hint));
}

void Diagnostics::note(std::string_view code, const Document& document, const Mark& mark, std::string message, std::string hint) {
  report(Severity::kNote, code, document, mark, std::move(message), std::move(hint));
}

void Diagnostics::file_error(std::string_view code, std::string_view file, std::string message, std::string hint) {
  Diagnostic d;
  d.code = code;
  d.file = file;
  d.message = std::move(message);
  d.hint = std::move(hint);
  add(std::move(d));
}

void Diagnostics::sort() {
  const auto key = [](const Diagnostic& d) { return std::tie(d.file, d.line, d.column, d.code, d.message); };
  std::sort(items_.begin(), items_.end(), [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  const auto end = std::unique(items_.begin(), items_.end(), [&](const Diagnostic& a, const Diagnostic& b) { return key(a) == key(b); });
  for (auto i = end; i != items_.end(); ++i) count_of(i->severity) -= 1;
  items_.erase(end, items_.end());
}

std::string render_text(const Diagnostic& d, bool color) {
  const auto paint = [color](const char* sequence) { return std::string(color ? sequence : ""); };
  const std::string reset = paint("\033[0m");
  const std::string tint = paint(d.severity == Severity::kError ? "\033[1;31m" : d.severity == Severity::kWarning ? "\033[1;35m" : "\033[1;36m");
  const Words* words = words_in_use;
  const std::string_view title = words == nullptr ? std::string_view() : words->title(d.code);
  std::string out = paint("\033[1m") + d.file + ":" + std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + reset + tint;
  if (words == nullptr) {
    out += std::string(severity_name(d.severity)) + " " + d.code + ": " + reset + d.message + "\n";
  } else {
    out += std::string(d.severity == Severity::kError ? words->error : d.severity == Severity::kWarning ? words->warning : words->note) + " " + d.code + ": " + reset +
           (title.empty() ? d.message : std::string(title)) + "\n";
  }
  if (!d.source_line.empty()) {
    const std::string number = std::to_string(d.line);
    const std::string margin(number.size(), ' ');
    // A very long line is shown around the column only.
    const std::size_t before = d.column - 1;
    const std::size_t skip = before > kSnippetMaxChars / 2 ? before - kSnippetMaxChars / 2 : 0;
    std::string_view line = std::string_view(d.source_line).substr(byte_of(d.source_line, skip));
    line = line.substr(0, byte_of(line, kSnippetMaxChars));
    std::string shown(line);
    for (char& c : shown) {
      if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) c = ' ';
    }
    const std::size_t at = byte_of(line, before - skip);
    const std::size_t rest = count_characters(line.substr(at));
    const std::size_t span = std::clamp<std::size_t>(d.length, 1, std::max<std::size_t>(rest, 1));
    const std::string_view under = line.substr(at, byte_of(line.substr(at), span));
    const std::size_t cells = std::max<std::size_t>(cells_of(under), 1);
    out += " " + number + " | " + shown + "\n";
    out += " " + margin + " | " + std::string(cells_of(line.substr(0, at)), ' ') + tint + "^" + std::string(cells - 1, '~') + reset + "\n";
  }
  const auto line = [&](std::string_view english, std::string_view other, const std::string& text) {
    if (!text.empty()) out += "   " + std::string(words == nullptr ? english : other) + text + "\n";
  };
  line("in: ", words == nullptr ? "" : words->in, d.path);
  if (!title.empty()) line("", words->detail, d.message);
  line("help: ", words == nullptr ? "" : words->help, d.hint);
  return out;
}

std::string render_text(const Diagnostics& diagnostics, bool color) {
  std::string out;
  for (const Diagnostic& d : diagnostics.items()) out += render_text(d, color) + "\n";
  const auto count = [](std::size_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); };
  if (const Words* words = words_in_use; words != nullptr) {
    if (diagnostics.dropped() > 0) out += filled(words->dropped, diagnostics.dropped()) + "\n";
    if (diagnostics.errors() + diagnostics.warnings() > 0)
      out += filled(words->summary, diagnostics.errors(), diagnostics.warnings()) + "\n";
    return out;
  }
  if (diagnostics.dropped() > 0) out += "... and " + std::to_string(diagnostics.dropped()) + " more messages that are not shown\n";
  if (!diagnostics.items().empty()) {
    out += count(diagnostics.errors(), "error") + ", " + count(diagnostics.warnings(), "warning");
    out += diagnostics.notes() == 0 ? "\n" : ", " + count(diagnostics.notes(), "note") + "\n";
  }
  return out;
}

std::string render_json(const Diagnostics& diagnostics) {
  std::string out = "{\"errors\":" + std::to_string(diagnostics.errors()) + ",\"warnings\":" + std::to_string(diagnostics.warnings()) +
                    ",\"notes\":" + std::to_string(diagnostics.notes()) + ",\"dropped\":" + std::to_string(diagnostics.dropped()) + ",\"diagnostics\":[";
  bool first = true;
  for (const Diagnostic& d : diagnostics.items()) {
    if (!first) out += ',';
    first = false;
    out += "{\"code\":";
    append_json_string(out, d.code);
    out += ",\"severity\":\"" + std::string(severity_name(d.severity)) + "\",\"file\":";
    append_json_string(out, d.file);
    out += ",\"line\":" + std::to_string(d.line) + ",\"column\":" + std::to_string(d.column) + ",\"length\":" + std::to_string(d.length);
    out += ",\"message\":";
    append_json_string(out, d.message);
    out += ",\"hint\":";
    append_json_string(out, d.hint);
    out += ",\"path\":";
    append_json_string(out, d.path);
    out += '}';
  }
  return out + "]}";
}

std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.empty() || word.size() > 100) return {};
  const std::string wanted = folded(word);
  const std::size_t limit = word.size() <= 3 ? 1 : word.size() <= 7 ? 2 : 3;
  std::string_view best;
  std::size_t best_distance = limit + 1;
  for (const std::string_view name : known) {
    const std::size_t distance = edit_distance(wanted, folded(name), limit);
    if (distance < best_distance && distance < std::max(word.size(), name.size())) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known, std::string_view plural) {
  if (const std::string_view name = nearest_name(word, known); !name.empty()) return "did you mean " + quoted(name) + "?";
  if (known.empty() || known.size() > kListedNames) return {};
  std::string out = "known " + std::string(plural) + ": ";
  for (std::size_t i = 0; i < known.size(); ++i) out += (i == 0 ? "" : ", ") + std::string(known[i]);
  return out;
}

std::string quoted(std::string_view text) {
  const std::string_view part = text.substr(0, kQuotedMaxBytes);
  std::size_t end = part.size();
  if (part.size() < text.size()) {
    while (end > 0 && is_continuation(text[end])) --end;
  }
  std::string out = "`";
  for (const char c : part.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) {
      out += c == '\n' ? "\\n" : "?";
    } else {
      out += c;
    }
  }
  if (end < text.size()) out += "…";
  return out + "`";
}

}  // namespace nudge::doc
