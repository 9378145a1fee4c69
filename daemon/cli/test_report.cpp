#include "daemon/cli/test_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "daemon/cli/words.h"
#include "engine/base/text.h"

namespace nudge::cli {
namespace {

using testing::CoverageReport;
using testing::Difference;
using testing::Failure;
using testing::Gap;

constexpr std::size_t kSideMin = 20;  // narrower columns than this are no help

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
    }
  }
  return out;
}

std::string quoted_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// "rule r, customer c, action 1": the words before the names in the chosen language, and words that stand alone.
std::string said(std::string_view text) {
  if (language() == Language::english) return std::string(text);
  static const std::vector<std::string_view> kAlone = {"fired",       "held back",       "what happened", "actions",    "members",
                                                       "count",       "entries",         "exits",         "open tasks", "duplicates",
                                                       "conflicts",   "nothing",         "none",          "in it",      "not in it",
                                                       "to be in it", "not to be in it", "when",          "goal",       "exit"};
  static const std::vector<std::string_view> kBefore = {"rule",   "customer", "segment", "trait",       "score",
                                                        "action", "step",     "band of", "held back by"};
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(", "), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    if (!out.empty()) out += "，";
    if (std::ranges::find(kAlone, part) != kAlone.end()) {
      out += say(part);
      continue;
    }
    const auto head = std::ranges::find_if(kBefore, [&](std::string_view word) { return part.starts_with(std::string(word) + " "); });
    out += head == kBefore.end() ? std::string(part) : say(std::string(*head) + " {1}", {part.substr(head->size() + 1)});
  }
  return out;
}

/// Both sides and their name as they are shown.
std::vector<Difference> shown(std::vector<Difference> all) {
  for (Difference& d : all) {
    d.what = said(d.what);
    for (std::string* side : {&d.expected, &d.got}) {
      if (*side == "nothing" || *side == "none" || side->ends_with("in it")) *side = said(*side);
    }
  }
  return all;
}

/// Characters up to the first difference, as a person counts.
std::size_t same_characters(std::string_view a, std::string_view b) {
  const std::size_t bytes = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  return static_cast<std::size_t>(std::count_if(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(bytes),
                                                [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string padded(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  return std::string(text) + std::string(width < columns ? columns - width : 0, ' ');
}

/// Both sides beside each other where they fit, else one below the other with the place where they part.
void show_differences(const Terminal& t, const std::vector<Difference>& all) {
  const std::string expected = say("expected"), got = say("got");
  std::size_t what = 0, left = display_width(expected), right = display_width(got);
  for (const Difference& d : all) {
    what = std::max(what, display_width(d.what));
    left = std::max(left, display_width(d.expected));
    right = std::max(right, display_width(d.got));
  }
  const std::string margin(10, ' ');
  const std::size_t room = std::min<std::size_t>(t.width(), 160);
  if (10 + what + 2 + left + 2 + right <= std::max(room, 10 + what + 4 + 2 * kSideMin)) {
    t.line(margin + std::string(what, ' ') + "  " + t.paint(padded(expected, left), Color::dim) + "  " + t.paint(got, Color::dim));
    for (const Difference& d : all) {
      const bool same = d.expected == d.got;
      t.line(margin + padded(d.what, what) + "  " + t.paint(padded(d.expected, left), same ? Color::plain : Color::green) + "  " +
             t.paint(d.got, same ? Color::plain : Color::red));
    }
    return;
  }
  const std::size_t head = std::max(display_width(expected), display_width(got));
  for (const Difference& d : all) {
    t.line(margin + t.paint(d.what, Color::bold));
    t.line(margin + "  " + padded(expected, head) + "  " + t.paint(d.expected, Color::green));
    t.line(margin + "  " + padded(got, head) + "  " + t.paint(d.got, Color::red));
    const std::size_t same = same_characters(d.expected, d.got);
    if (same > 3 && d.expected.starts_with('"') && d.expected != d.got)
      t.line(margin + "  " + say("they part after character {1}", {std::to_string(same)}));
  }
}

void show_failure(const Terminal& t, const Failure& f) {
  std::string head = f.file + ":" + std::to_string(f.line) + ":";
  if (!f.subject.empty()) head += " " + said(f.subject);
  if (!f.note.empty()) head += " " + f.note;
  t.line("        " + head);
  if (!f.differences.empty()) show_differences(t, shown(f.differences));
  for (const std::string& line : f.context) t.line("          " + t.paint(line, Color::dim));
}

std::string gap_words(const Gap& gap) {
  switch (gap.kind) {
    case Gap::Kind::never_fired: return say("{1}: no test made it fire", {said(gap.owner)});
    case Gap::Kind::never_reached: return say("{1}: no test reached {2}", {said(gap.owner), gap.what});
    case Gap::Kind::never_true: return say("{1}: never true in a test: {2}", {said(gap.owner), gap.what});
    case Gap::Kind::never_false: return say("{1}: never false in a test: {2}", {said(gap.owner), gap.what});
    case Gap::Kind::never_asked: return say("{1}: never asked in a test: {2}", {said(gap.owner), gap.what});
  }
  return {};
}

std::string percent_text(double percent) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", percent);
  return buffer;
}

}  // namespace

std::string seconds_text(double seconds) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", seconds);
  return buffer;
}

void show_test(const Terminal& t, const Ran& ran, bool verbose) {
  const testing::TestResult& r = ran.result;
  if (r.ok()) {
    if (verbose) t.line("  " + t.paint(say("ok  "), Color::green) + "  " + r.name);
    return;
  }
  t.line("  " + t.paint(say("FAIL"), Color::red) + "  " + r.name);
  for (const Failure& f : r.failures) show_failure(t, f);
}

Result<void> write_junit(const std::string& path, const std::vector<Ran>& all) {
  struct Suite {
    std::vector<const Ran*> tests;
    std::size_t failed = 0;
    double seconds = 0;
  };
  std::map<std::string, Suite> suites;
  Suite total;
  for (const Ran& ran : all) {
    Suite& suite = suites[ran.result.file];
    suite.tests.push_back(&ran);
    for (Suite* s : {&suite, &total}) {
      s->failed += ran.result.ok() ? 0U : 1U;
      s->seconds += ran.seconds;
    }
  }
  const auto counts = [](std::size_t tests, const Suite& s) {
    return " tests=\"" + std::to_string(tests) + "\" failures=\"" + std::to_string(s.failed) + "\" errors=\"0\" skipped=\"0\" time=\"" +
           seconds_text(s.seconds) + "\"";
  };
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nudge test\"" << counts(all.size(), total) << ">\n";
  for (const auto& [name, suite] : suites) {
    file << " <testsuite name=\"" << xml_escaped(name) << "\"" << counts(suite.tests.size(), suite) << ">\n";
    for (const Ran* ran : suite.tests) {
      const testing::TestResult& r = ran->result;
      file << "  <testcase name=\"" << xml_escaped(r.name) << "\" classname=\"" << xml_escaped(name) << "\" file=\"" << xml_escaped(name)
           << "\" line=\"" << r.line << "\" time=\"" << seconds_text(ran->seconds) << "\"";
      if (r.ok()) {
        file << "/>\n";
        continue;
      }
      // One failure per test case: what the schema of most servers allows.
      std::string text;
      for (const Failure& f : r.failures) text += f.file + ":" + std::to_string(f.line) + ": " + f.message() + "\n";
      const std::string first = r.failures.front().message();
      file << ">\n   <failure type=\"expectation\" message=\"" << xml_escaped(first.substr(0, first.find('\n'))) << "\">"
           << xml_escaped(text) << "</failure>\n  </testcase>\n";
    }
    file << " </testsuite>\n";
  }
  file << "</testsuites>\n";
  file.close();
  if (!file) return fail(Code::io, say("cannot write {1}: check the directory and its permissions", {path}));
  return {};
}

std::string tests_json(const std::vector<Ran>& all, const CoverageReport* coverage) {
  std::string out = "{\"tests\":[";
  std::size_t failed = 0;
  for (const Ran& ran : all) {
    const testing::TestResult& r = ran.result;
    failed += r.ok() ? 0U : 1U;
    out += (out.back() == '[' ? "" : ",") + std::string("{\"name\":") + quoted_json(r.name) + ",\"file\":" + quoted_json(r.file) +
           ",\"line\":" + std::to_string(r.line) + ",\"result\":" + (r.ok() ? "\"passed\"" : "\"failed\"") +
           ",\"expectations\":" + std::to_string(r.expectations) + ",\"failures\":[";
    for (const Failure& f : r.failures) {
      out += (out.back() == '[' ? "" : ",") + std::string("{\"file\":") + quoted_json(f.file) + ",\"line\":" + std::to_string(f.line) +
             ",\"message\":" + quoted_json(f.message()) + ",\"differences\":[";
      for (const Difference& d : f.differences) {
        out += (out.back() == '[' ? "" : ",") + std::string("{\"what\":") + quoted_json(d.what) +
               ",\"expected\":" + quoted_json(d.expected) + ",\"got\":" + quoted_json(d.got) + "}";
      }
      out += "]}";
    }
    out += "]}";
  }
  out += "],\"passed\":" + std::to_string(all.size() - failed) + ",\"failed\":" + std::to_string(failed);
  if (coverage != nullptr) out += ",\"coverage\":" + coverage_json(*coverage);
  return out + "}";
}

void show_coverage(const Terminal& t, const CoverageReport& report) {
  for (const Gap& gap : report.gaps) {
    t.line(t.paint(gap.file + ":" + std::to_string(gap.line) + ":" + std::to_string(gap.column) + ":", Color::bold) + " " + gap_words(gap));
  }
  t.line(say("coverage: {1} % ({2} of {3}: firings, steps, each part of a condition once true and once false)",
             {percent_text(report.percent()), std::to_string(report.covered), std::to_string(report.total)}));
}

std::string coverage_json(const CoverageReport& report) {
  std::string out = "{\"percent\":" + percent_text(report.percent()) + ",\"covered\":" + std::to_string(report.covered) +
                    ",\"total\":" + std::to_string(report.total) + ",\"gaps\":[";
  for (const Gap& gap : report.gaps) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"file\":") + quoted_json(gap.file) + ",\"line\":" + std::to_string(gap.line) +
           ",\"column\":" + std::to_string(gap.column) + ",\"kind\":\"" + std::string(testing::gap_name(gap.kind)) +
           "\",\"owner\":" + quoted_json(gap.owner) + ",\"what\":" + quoted_json(gap.what) + "}";
  }
  return out + "]}";
}

std::string coverage_html(const CoverageReport& report) {
  std::string out =
      std::string("<!doctype html>\n<html lang=\"") + (language() == Language::chinese ? "zh-Hans" : "en") +
      "\"><head><meta charset=\"utf-8\"><title>" + xml_escaped(say("Coverage of the tests of rules")) +
      "</title>\n<style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
      "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em .6em;border-bottom:1px solid #ddd;"
      "vertical-align:top}td:first-child{font-family:monospace;white-space:nowrap}meter{width:20em}</style></head>\n<body><h1>" +
      xml_escaped(say("Coverage of the tests of rules")) + "</h1>\n<p><meter min=\"0\" max=\"100\" value=\"" +
      percent_text(report.percent()) + "\"></meter> " + percent_text(report.percent()) + " % (" + std::to_string(report.covered) + "/" +
      std::to_string(report.total) + ")</p>\n<table>\n";
  for (const Gap& gap : report.gaps) {
    out += "<tr><td>" + xml_escaped(gap.file + ":" + std::to_string(gap.line)) + "</td><td>" + xml_escaped(gap_words(gap)) + "</td></tr>\n";
  }
  return out + "</table>\n</body></html>\n";
}

}  // namespace nudge::cli
