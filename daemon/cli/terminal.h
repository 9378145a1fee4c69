// What goes to the screen: colours only where a person looks, text cut and padded by how wide it is shown (Chinese characters take two
// columns). Not thread-safe; one per process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::cli {

enum class Color : unsigned char { plain, bold, dim, red, green, yellow, cyan };

class Terminal {
 public:
  enum class When : unsigned char { automatic, always, never };
  // automatic: colours when standard output is a terminal and NO_COLOR is not set.
  explicit Terminal(When when = When::automatic);

  bool colors() const { return colors_; }
  bool interactive() const { return interactive_; }  // a person watches
  std::size_t width() const { return width_; }       // columns; wide when nobody watches
  std::string paint(std::string_view text, Color color) const;

  // To standard output and standard error; a line break is added.
  void line(std::string_view text = {}) const;
  void error(std::string_view text) const;
  // Overwrites the progress line on standard error; nothing when nobody watches. Empty: removes it.
  void progress(std::string_view text) const;

 private:
  bool colors_ = false;
  bool interactive_ = false;
  bool watches_errors_ = false;
  std::size_t width_ = 200;
};

// Columns that the text takes.
std::size_t display_width(std::string_view text);
// Cut to that many columns, with … at the end when something was cut. Control characters become spaces.
std::string fit(std::string_view text, std::size_t columns);

// Lines up cells in columns. The last column may take what is left of the line.
class Table {
 public:
  // Headers that start with `>` are aligned right; they are said in the chosen language.
  explicit Table(std::vector<std::string> headers);
  void row(std::vector<std::string> cells);
  // The whole row in a colour.
  void row(std::vector<std::string> cells, Color color);
  bool empty() const { return rows_.empty(); }
  void print(const Terminal& terminal, std::string_view indent = "") const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Color color;
  };
  std::vector<std::string> headers_;
  std::vector<bool> right_;
  std::vector<Row> rows_;
};

// "1,234,567"
std::string grouped(std::int64_t n);
// "1 rule", "3 rules"
std::string counted(std::int64_t n, std::string_view one, std::string_view many = {});

}  // namespace nudge::cli
