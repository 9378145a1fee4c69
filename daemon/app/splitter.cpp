#include "daemon/app/splitter.h"

#include <algorithm>

namespace nudge::daemon {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some programs put it before UTF-8

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

void Splitter::fail_with(Code code, std::string message) {
  if (!failed_) failed_ = Error{code, std::move(message)};
}

std::string Splitter::where() const {
  if (array_) return "a document of the array";
  return "line " +
         std::to_string(
             lines_ + static_cast<std::uint64_t>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(last_), '\n')) + 1);
}

void Splitter::feed(std::string_view bytes) {
  if (failed_) return;
  rest_.append(bytes);
  scan();
}

void Splitter::end() {
  if (ended_ || failed_) return;
  ended_ = true;
  scan();
}

void Splitter::scan() {
  if (array_) {
    scan_array();
  } else if (const std::size_t newline = std::string_view(rest_).substr(scanned_).rfind('\n'); newline != std::string::npos) {
    last_ = scanned_ + newline + 1;
    scanned_ = rest_.size();
  } else {
    scanned_ = rest_.size();
  }
  // The first end behind so many bytes: a part must not have more documents than a request may.
  if (cut_ == 0 && last_ >= kPartBytes) cut_ = array_ ? last_ : rest_.find('\n', kPartBytes - 1) + 1;
  if (cut_ == 0 && ended_ && !rest_.empty() && (!array_ || scanned_ == rest_.size())) cut_ = array_ ? last_ : rest_.size();
  if (array_ && ended_ && cut_ == 0 && scanned_ == rest_.size() && place_ != Place::after)
    fail_with(Code::invalid, "the array does not end: a `]`, a `}` or a quote is missing");
  if (scanned_ - last_ > most_)
    fail_with(Code::too_large, where() + " is longer than " + std::to_string(most_) + " bytes (intake.batch_bytes_max)");
}

// Remembers where items end. Brackets and quotes are all that is looked at; intake reads each document by itself.
void Splitter::scan_array() {
  for (; scanned_ < rest_.size() && last_ < kPartBytes && !failed_; ++scanned_) {
    const char c = rest_[scanned_];
    if (place_ == Place::inside) {
      if (quoted_) {
        if (escaped_)
          escaped_ = false;
        else if (c == '\\')
          escaped_ = true;
        else if (c == '"')
          quoted_ = false;
      } else if (c == '"') {
        quoted_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if ((c == '}' || c == ']') && depth_ > 0) {
        --depth_;
      } else if (c == ']') {
        place_ = Place::after;
        rest_[scanned_] = ' ';
        last_ = scanned_ + 1;
      } else if (c == ',' && depth_ == 0) {
        last_ = scanned_ + 1;
      }
    } else if (!is_space(c)) {
      if (place_ == Place::before && c == '[') {
        place_ = Place::inside;
        rest_[scanned_] = ' ';
      } else if (place_ == Place::before && scanned_ < kByteOrderMark.size() && c == kByteOrderMark[scanned_]) {
        rest_[scanned_] = ' ';
      } else {
        fail_with(Code::invalid,
                  place_ == Place::after
                      ? "there is text after the end of the array"
                      : "a body of this length is a JSON array, or has one document a line and the content type application/x-ndjson");
      }
    } else if (place_ == Place::after) {
      last_ = scanned_ + 1;
    }
  }
}

const Splitter::Part& Splitter::part() {
  if (made_) return part_;
  made_ = true;
  part_.text.assign(rest_, 0, cut_);
  part_.lines = static_cast<std::uint64_t>(std::ranges::count(part_.text, '\n')) + (!array_ && !part_.text.ends_with('\n') ? 1 : 0);
  if (array_) {
    const std::size_t tail = part_.text.find_last_not_of(" \t\r\n");
    if (tail != std::string::npos && part_.text[tail] == ',' && !(ended_ && cut_ == rest_.size() && place_ == Place::after))
      part_.text[tail] = ' ';
    part_.text = "[" + part_.text + "]";
  }
  return part_;
}

void Splitter::take_part() {
  lines_ += part_.lines;
  rest_.erase(0, cut_);
  scanned_ -= std::min(scanned_, cut_);
  last_ -= std::min(last_, cut_);
  cut_ = 0;
  made_ = false;
  part_.text.clear();
  if (!failed_ && (!rest_.empty() || ended_)) scan();
}

}  // namespace nudge::daemon
