// `nudge import FILE` without a mapping: one to begin with, from the names of the columns.
#include <algorithm>
#include <array>

#include "daemon/cli/import_proposal.h"
#include "daemon/cli/words.h"
#include "daemon/import/table.h"
#include "engine/base/text.h"

namespace nudge::cli {
namespace {

// What names are compared by: letters and digits, small.
std::string bare(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z')
      out.push_back(static_cast<char>(c - 'A' + 'a'));
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80)
      out.push_back(c);
  }
  return out;
}

// Names of columns may hold anything; JSON's quotes are YAML's, too.
std::string yaml_text(const std::string& text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::size_t customer_column(const std::vector<std::string>& header) {
  constexpr std::array<std::string_view, 10> kUsual{"customerid", "customer", "customerno", "userid", "accountid", "id", "no", "number", "\u5ba2\u6237\u7f16\u53f7", "\u5ba2\u6237"};
  for (const std::string_view usual : kUsual) {
    const auto found = std::ranges::find_if(header, [&](const std::string& name) { return bare(name) == usual; });
    if (found != header.end()) return static_cast<std::size_t>(found - header.begin());
  }
  return 0;
}

}  // namespace

Result<std::string> proposed_mapping(const std::string& file, const std::string& sheet, const Catalog& catalog) {
  if (file == "-") return fail(Code::invalid, say("say which column is what: --mapping FILE, see docs/first-customers.md"));
  NUDGE_ASSIGN(import::Table table, import::Table::open(file, {}, sheet));
  import::CsvRecord header;
  NUDGE_ASSIGN(const bool any, table.next(header));
  if (!any) return fail(Code::invalid, say("{1} is empty", {file}));
  const std::size_t customer = customer_column(header.cells);
  std::string out, left;
  if (!sheet.empty()) out += "sheet: " + yaml_text(sheet) + "\n";
  out += "trim: true\nrows:\n  - customer: " + yaml_text(header.cells[customer]) + "\n    attributes:\n";
  for (std::size_t i = 0; i < header.cells.size(); ++i) {
    if (i == customer || header.cells[i].empty()) continue;
    const auto same = [&](const LeafDef& a) { return !a.retired && bare(a.name) == bare(header.cells[i]); };
    const auto found = std::ranges::find_if(catalog.attributes, same);
    if (found == catalog.attributes.end())
      left += "      # ?: " + yaml_text(header.cells[i]) + "\n";
    else
      out += "      " + found->name + ": " + yaml_text(header.cells[i]) + "\n";
  }
  return out + left;
}

Exit propose_mapping(const Output& out, const std::string& file, const std::string& sheet, const Catalog& catalog) {
  const Result<std::string> mapping = proposed_mapping(file, sheet, catalog);
  if (!mapping) return report(out, mapping.error());
  out.terminal.error(say("nothing was sent: say which column is what with --mapping FILE. Here is one to begin with; check the customer's column, and "
      "name the attribute of the catalog for each line with a question mark, or delete it:"));
  out.terminal.line(mapping->substr(0, mapping->size() - 1));
  return Exit::failed;
}

}  // namespace nudge::cli
