#include "daemon/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/cli/words.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace nudge::cli {
namespace {

// One code point and how many bytes it takes; a broken byte counts as itself.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
};

CodePoint next_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t bytes = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (bytes == 1 || bytes > text.size()) return {lead, 1};
  char32_t value = lead & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) value = (value << 6U) | (byte(i) & 0x3fU);
  return {value, bytes};
}

// The ranges of UAX #11 that matter on a screen: CJK, Hangul, full-width forms, emoji.
std::size_t columns_of(char32_t c) {
  if (c < 0x300) return 1;
  if ((c >= 0x300 && c <= 0x36f) || c == 0x200b || c == 0x200d || (c >= 0xfe00 && c <= 0xfe0f)) return 0;
  constexpr std::array<std::pair<char32_t, char32_t>, 9> kWide = {{{0x1100, 0x115f},
                                                                   {0x2e80, 0x303e},
                                                                   {0x3041, 0xa4cf},
                                                                   {0xac00, 0xd7a3},
                                                                   {0xf900, 0xfaff},
                                                                   {0xfe30, 0xfe6f},
                                                                   {0xff00, 0xff60},
                                                                   {0x1f300, 0x1faff},
                                                                   {0x20000, 0x3fffd}}};
  return std::any_of(kWide.begin(), kWide.end(), [&](const auto& range) { return c >= range.first && c <= range.second; }) ? 2 : 1;
}

}  // namespace

Terminal::Terminal(When when) {
  interactive_ = isatty(STDOUT_FILENO) != 0;
  watches_errors_ = isatty(STDERR_FILENO) != 0;
  const char* no_color = std::getenv("NO_COLOR");
  colors_ = when == When::always || (when == When::automatic && interactive_ && (no_color == nullptr || *no_color == 0));
  winsize size{};
  if (interactive_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) width_ = size.ws_col;
}

std::string Terminal::paint(std::string_view text, Color color) const {
  if (!colors_ || color == Color::plain) return std::string(text);
  constexpr std::array<std::string_view, 7> kCodes = {"0", "1", "2", "31", "32", "33", "36"};
  return "\033[" + std::string(kCodes[static_cast<std::size_t>(color)]) + "m" + std::string(text) + "\033[0m";
}

void Terminal::line(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void Terminal::error(std::string_view text) const {
  progress({});
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

void Terminal::progress(std::string_view text) const {
  if (!watches_errors_) return;
  std::fprintf(stderr, "\r\033[K%s", fit(text, width_ - 1).c_str());
  std::fflush(stderr);
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const CodePoint c = next_code_point(text);
    columns += columns_of(c.value);
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::string fit(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  const std::size_t whole = display_width(text);
  while (!text.empty()) {
    const CodePoint c = next_code_point(text);
    const std::size_t w = columns_of(c.value);
    if (whole > columns && used + w + 1 > columns) return out + "…";
    if (c.value < 0x20 || c.value == 0x7f) {
      out += ' ';
    } else {
      out += text.substr(0, c.bytes);
    }
    used += w;
    text.remove_prefix(c.bytes);
  }
  return out;
}

Table::Table(std::vector<std::string> headers) : headers_(std::move(headers)) {
  for (std::string& header : headers_) {
    right_.push_back(header.starts_with('>'));
    if (right_.back()) header.erase(0, 1);
    header = say(header);
  }
}

void Table::row(std::vector<std::string> cells) { row(std::move(cells), Color::plain); }

void Table::row(std::vector<std::string> cells, Color color) {
  cells.resize(headers_.size());
  rows_.push_back({std::move(cells), color});
}

void Table::print(const Terminal& terminal, std::string_view indent) const {
  std::vector<std::size_t> widths;
  for (const std::string& header : headers_) widths.push_back(display_width(header));
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(fit(row.cells[i], 10'000)));
  }
  // Whoever is widest gives way until the line fits.
  if (terminal.interactive()) {
    const auto total = [&] {
      std::size_t sum = indent.size() + 2 * (widths.size() - 1);
      for (const std::size_t w : widths) sum += w;
      return sum;
    };
    while (total() > terminal.width()) {
      const auto widest = std::max_element(widths.begin(), widths.end());
      if (*widest <= 12) break;
      --*widest;
    }
  }
  const auto print_row = [&](const std::vector<std::string>& cells, Color color) {
    std::string line(indent);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = fit(cells[i], widths[i]);
      const std::string space(widths[i] - std::min(widths[i], display_width(cell)), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? space + cell : cell + (i + 1 < cells.size() ? space : "");
    }
    terminal.line(terminal.paint(line.substr(0, line.find_last_not_of(' ') + 1), color));
  };
  print_row(headers_, Color::bold);
  for (const Row& row : rows_) print_row(row.cells, row.color);
}

std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3 + (n < 0 ? 1U : 0U);) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string counted(std::int64_t n, std::string_view one, std::string_view many) {
  if (language() == Language::chinese) return say("{1} " + std::string(one), {grouped(n)});
  if (n == 1) return "1 " + std::string(one);
  return grouped(n) + " " + (many.empty() ? std::string(one) + "s" : std::string(many));
}

}  // namespace nudge::cli
