#include "rules/doc/reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_set>
#include <vector>

#include "engine/base/text.h"

namespace nudge::doc {
namespace {

/// Thrown through yaml-cpp to stop it at a limit; the message is already in the sink.
struct Stop : std::exception {};

/// A stream over text that is not copied.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf wants char*; it only reads
    setg(begin, begin, begin + text.size());
  }
};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kTabMessages = 20;

}  // namespace

/// Turns yaml-cpp's events into our tree. Keys and values alternate inside a map; `Open::has_key` says which one is next.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(Document& document, Diagnostics& diagnostics, const ReadLimits& limits, std::size_t base)
      : document_(document), diagnostics_(diagnostics), limits_(limits), base_(base) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    diagnostics_.error("R0007", document_, at(mark), "a second YAML document starts here; a file holds exactly one",
                       "remove the `---` line, or move what follows into a file of its own");
    throw Stop();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    Mark here = at(mark);
    const std::string_view rest = std::string_view(document_.source()).substr(here.offset);
    const bool written = rest.starts_with("~") || rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL");
    // An empty value is marked at the next token, often lines below: its key says better where it is.
    if (!written && !open_.empty() && open_.back().has_key) here = open_.back().key_mark;
    Node node;
    node.mark = here;
    if (written && !rest.starts_with("~")) node.mark.length = 4;
    place(node, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.error("R0003", document_, at(mark), "aliases (`*name`) are not allowed", "write the value out where it is used");
    Node node;
    node.mark = at(mark);
    node.refused = true;
    place(node, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    refuse_anchor(mark, anchor);
    Mark here = at(mark);
    refuse_tag(here, tag);
    const std::string_view rest = std::string_view(document_.source()).substr(here.offset);
    Node node;
    node.kind = Kind::kScalar;
    node.quoted = tag != "?";
    node.text = copy(value);
    here.length = shown_length(rest, value, node.quoted);
    if (rest.starts_with('"') || rest.starts_with('\'')) last_quoted_ = here;
    node.mark = here;
    if (value.find('\0') != std::string::npos) {
      diagnostics_.error("R0002", document_, here, "this text holds a NUL character", "remove the `\\0` escape");
    }
    place(node, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(Kind::kList, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(Kind::kMap, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapEnd() override { end(); }

  /// Closes what is still open after an error, so that what was read can be looked at.
  void finish(bool complete) {
    document_.complete_ = complete;
    while (!open_.empty()) {
      open_.back().node->refused = true;
      if (open_.back().has_key) add_entry(nullptr);
      end();
    }
  }

  /// yaml-cpp takes the end of the file for a closing quote; only the last quoted text can run there.
  void check_last_quote() {
    const std::string_view source = document_.source();
    if (!last_quoted_) return;
    const char quote = source[last_quoted_->offset];
    for (std::size_t i = last_quoted_->offset + 1; i < source.size(); ++i) {
      if (quote == '"' && source[i] == '\\') {
        ++i;
      } else if (source[i] == quote) {
        if (quote == '"' || i + 1 >= source.size() || source[i + 1] != quote) return;
        ++i;
      }
    }
    diagnostics_.error("R0011", document_, *last_quoted_, "not valid YAML: this text is never closed",
                       std::string("add the closing ") + quote);
  }

  Mark at(const YAML::Mark& mark) { return mark_at(base_ + static_cast<std::size_t>(mark.pos < 0 ? 0 : mark.pos)); }

 private:
  struct Open {
    Node* node = nullptr;
    bool is_key = false;  // this container stands where a key should be
    bool has_key = false;
    bool duplicate = false;  // the key under way was seen before: its value is read, checked and left out
    std::string_view key;
    Mark key_mark;
    std::vector<const Node*> items;
    std::vector<Entry> entries;
    std::unordered_set<std::string_view> keys;
  };

  /// Document::mark_at in constant time for places that come in order, as they do on one enormous line.
  Mark mark_at(std::size_t offset) {
    if (offset >= cursor_.offset && offset <= document_.source().size()) {
      for (std::size_t i = cursor_.offset; i < offset; ++i) {
        const auto byte = static_cast<unsigned char>(document_.source()[i]);
        if (byte == '\n') {
          ++cursor_.line;
          cursor_.column = 1;
        } else if ((byte & 0xC0U) != 0x80U) {
          ++cursor_.column;
        }
      }
      cursor_.offset = static_cast<std::uint32_t>(offset);
      return cursor_;
    }
    return document_.mark_at(offset);
  }

  static std::uint32_t shown_length(std::string_view rest, const std::string& value, bool quoted) {
    std::size_t bytes = 0;
    if (!quoted) {
      bytes = rest.starts_with(value) ? value.size() : 0;
    } else if (!rest.empty() && (rest[0] == '"' || rest[0] == '\'')) {
      const std::size_t limit = rest.substr(0, 4096).find('\n');
      for (std::size_t i = 1; i < rest.size() && i < 4096 && i < limit; ++i) {
        if (rest[0] == '"' && rest[i] == '\\') {
          ++i;
        } else if (rest[i] == rest[0]) {
          bytes = i + 1;
          break;
        }
      }
    }
    return static_cast<std::uint32_t>(length_utf8(rest.substr(0, bytes)));
  }

  std::string_view copy(const std::string& text) {
    if (text.empty()) return "";
    char* memory = static_cast<char*>(document_.arena_->allocate(text.size(), 1));
    text.copy(memory, text.size());
    return {memory, text.size()};
  }

  template <class T>
  std::span<const T> copy(const std::vector<T>& values) {
    if (values.empty()) return {};
    T* memory = static_cast<T*>(document_.arena_->allocate(values.size() * sizeof(T), alignof(T)));
    std::uninitialized_copy(values.begin(), values.end(), memory);
    return {memory, values.size()};
  }

  Node* store(const Node& node) { return ::new (document_.arena_->allocate(sizeof(Node), alignof(Node))) Node(node); }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    diagnostics_.error("R0003", document_, at(mark), "anchors (`&name`) are not allowed",
                       "remove it and write the value out where it is used");
  }

  void refuse_tag(const Mark& mark, const std::string& tag) {
    const std::string_view rest = std::string_view(document_.source()).substr(mark.offset);
    const bool written = rest.starts_with("!");
    if (!written && (tag.empty() || tag == "?" || tag == "!")) return;
    diagnostics_.error("R0004", document_, mark, "tags (`!name`) are not allowed", "remove the tag; quotes make a value text");
  }

  void count(const YAML::Mark& mark) {
    if (++nodes_ <= limits_.nodes_max) return;
    diagnostics_.error("R0009", document_, at(mark), "the file holds more than " + std::to_string(limits_.nodes_max) + " values",
                       "split it into several files");
    throw Stop();
  }

  void begin(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    const Mark here = at(mark);
    refuse_tag(here, tag);
    count(mark);
    if (open_.size() >= limits_.depth_max) {
      diagnostics_.error("R0008", document_, here, "nested more than " + std::to_string(limits_.depth_max) + " levels deep",
                         "name an inner part as a segment and refer to it");
      throw Stop();
    }
    Node node;
    node.kind = kind;
    node.mark = here;
    Open open;
    open.node = store(node);
    if (!open_.empty() && open_.back().node->kind == Kind::kMap && !open_.back().has_key) {
      open.is_key = true;
      open_.back().node->refused = true;
      refuse_key(here);
    }
    if (open_.empty()) document_.root_ = open.node;
    open_.push_back(std::move(open));
  }

  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    done.node->items = copy(done.items);
    done.node->entries = copy(done.entries);
    if (open_.empty()) return;
    if (done.is_key) {
      set_key("", done.node->mark);
      open_.back().duplicate = true;  // refused already
    } else {
      attach(done.node);
    }
  }

  void refuse_key(const Mark& mark) {
    const std::string& source = document_.source();
    if (mark.offset > 0 && source[mark.offset] == '{' && source[mark.offset - 1] == '{') {
      diagnostics_.error("R0006", document_, mark, "`{{` starts a map inside a map here; a text with placeholders needs quotes",
                         "write \"{{ customer.name }}\"");
      return;
    }
    diagnostics_.error("R0006", document_, mark, "a key must be a plain word", "write `name: value`");
  }

  /// A scalar or null: the next key of a map, or a value.
  void place(const Node& node, const YAML::Mark& mark) {
    count(mark);
    if (open_.empty()) {
      document_.root_ = store(node);
      return;
    }
    Open& top = open_.back();
    if (top.node->kind == Kind::kList || top.has_key) {
      attach(store(node));
      return;
    }
    set_key(node.text, node.mark);
    if (node.kind != Kind::kScalar || node.text.empty()) {
      refuse_key(node.mark);
      top.duplicate = true;
    } else if (node.text == "<<" && !node.quoted) {
      diagnostics_.error("R0005", document_, node.mark, "merge keys (`<<`) are not allowed", "write the keys out");
      top.duplicate = true;
    } else if (!top.keys.insert(node.text).second) {
      std::uint32_t first = 0;
      for (const Entry& entry : top.entries) {
        if (entry.key == node.text) first = entry.key_mark.line;
      }
      diagnostics_.error("R0006", document_, node.mark,
                         "the key " + quoted_key(node.text) + " stands here twice; the first is on line " + std::to_string(first),
                         "keep one of them");
      top.duplicate = true;
    }
  }

  static std::string quoted_key(std::string_view key) { return doc::quoted(key); }

  void set_key(std::string_view key, const Mark& mark) {
    Open& top = open_.back();
    top.key = key;
    top.key_mark = mark;
    top.has_key = true;
    top.duplicate = false;
  }

  void attach(const Node* node) {
    Open& top = open_.back();
    if (top.node->kind == Kind::kList) {
      top.items.push_back(node);
    } else {
      add_entry(node);
    }
  }

  void add_entry(const Node* node) {
    Open& top = open_.back();
    top.has_key = false;
    if (top.duplicate) return;
    if (node == nullptr) {
      Node missing;
      missing.mark = top.key_mark;
      missing.refused = true;
      node = store(missing);
    }
    top.entries.push_back({top.key, top.key_mark, node});
  }

  Document& document_;
  Diagnostics& diagnostics_;
  const ReadLimits& limits_;
  std::size_t base_;  // bytes of a byte order mark, which yaml-cpp is not shown
  std::size_t nodes_ = 0;
  int documents_ = 0;
  std::vector<Open> open_;
  Mark cursor_;
  std::optional<Mark> last_quoted_;
};

namespace {

/// What can be seen in the bytes alone. False: yaml-cpp must not be shown this text.
bool check_bytes(const Document& document, Diagnostics& diagnostics, std::size_t base) {
  const std::string_view text = document.source();
  if (!is_utf8(text)) {
    // The longest valid prefix ends where the damage is; a character has at most 4 bytes.
    std::size_t low = 0;
    for (std::size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i]);
      const std::size_t size = lead < 0x80U ? 1 : lead < 0xE0U ? 2 : lead < 0xF0U ? 3 : 4;
      low = i;
      if (i + size > text.size() || !is_utf8(text.substr(i, size))) break;
      i += size;
    }
    diagnostics.error("R0001", document, document.mark_at(low), "the file is not valid UTF-8 from here on",
                      "save it as UTF-8; Excel and some editors write GBK or Latin-1");
    return false;
  }
  std::size_t tabs = 0;
  bool ok = true;
  for (std::size_t i = base; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20U && byte != 0x7FU) continue;
    if (byte == '\n' || (byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) continue;
    if (byte == '\t') {
      if (++tabs <= kTabMessages) {
        diagnostics.error("R0010", document, document.mark_at(i), "a tab character; YAML is indented with spaces",
                          "replace it by spaces, or write \\t inside double quotes");
      }
      while (i < text.size() && text[i] != '\n') ++i;  // one message a line
      continue;
    }
    diagnostics.error("R0002", document, document.mark_at(i), "a control character (code " + std::to_string(byte) + ") in the text",
                      byte == '\r' ? "end lines with LF or CRLF" : "remove it; is this a YAML file?");
    ok = false;
    break;
  }
  return ok && tabs == 0;
}

std::string plain_words(const std::string& message) {
  if (message.find("the referenced anchor is not defined") != std::string::npos) return "aliases (`*name`) are not allowed";
  if (message.find("illegal map value") != std::string::npos) return "a `:` stands where no value can start";
  if (message.find("end of map not found") != std::string::npos)
    return "this line does not fit the map above it: is a `:` missing, or the indentation off?";
  if (message.find("end of sequence not found") != std::string::npos)
    return "this line does not fit the list above it: is a `-` missing, or the indentation off?";
  if (message.find("end of map flow") != std::string::npos) return "a `{` is never closed by `}`";
  if (message.find("end of sequence flow") != std::string::npos) return "a `[` is never closed by `]`";
  return message;
}

}  // namespace

std::unique_ptr<Document> read_document(std::string name, std::string source, Diagnostics& diagnostics, const ReadLimits& limits) {
  if (source.size() > limits.bytes_max) {
    diagnostics.file_error("R0009", name,
                           "the file has " + std::to_string(source.size()) + " bytes, more than " + std::to_string(limits.bytes_max),
                           "split it into several files");
    return std::make_unique<Document>(std::move(name), std::string());
  }
  auto document = std::make_unique<Document>(std::move(name), std::move(source));
  const std::string_view text = document->source();
  const std::size_t base = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  if (!check_bytes(*document, diagnostics, base)) return document;

  TreeBuilder builder(*document, diagnostics, limits, base);
  bool complete = false;
  try {
    ViewBuffer buffer(text.substr(base));
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {}
    builder.check_last_quote();
    complete = true;
  } catch (const Stop&) {
    // reported where it was thrown
  } catch (const YAML::Exception& error) {
    const std::string message = plain_words(error.msg);
    const bool alias = message.starts_with("aliases");
    diagnostics.error(
        alias ? "R0003" : "R0011", *document, builder.at(error.mark), (alias ? "" : "not valid YAML: ") + message,
        alias ? "write the value out where it is used" : "text with `: `, ` #`, `{{` or a leading `*`, `&`, `!`, `%`, `@` needs quotes");
  } catch (const std::exception& error) {
    diagnostics.error("R0011", *document, Mark{}, std::string("not valid YAML: ") + error.what());
  }
  builder.finish(complete);
  return document;
}

}  // namespace nudge::doc
