#include "rules/lint/report.h"

#include <map>

#include "engine/base/hash.h"
#include "engine/base/text.h"
#include "rules/lang/codes.h"

namespace nudge::lint {
namespace {

using doc::Diagnostic;
using doc::Severity;

/// Workflow commands end at the line and give `%` a meaning of its own; properties end at commas and colons.
std::string github_escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '%': out += "%25"; break;
      case '\r': out += "%0D"; break;
      case '\n': out += "%0A"; break;
      case ':':
      case ',':
        if (property)
          out += c == ':' ? "%3A" : "%2C";
        else
          out += c;
        break;
      default: out += c;
    }
  }
  return out;
}

std::string quoted_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// A path as other programs take it: from the top of the repository, without `./`.
std::string_view plain_path(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  return path;
}

std::string uri_of(std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : plain_path(path)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~/").contains(c);
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
  }
  return out;
}

/// The same for the same message of the same file, wherever it stands; the n-th of equal ones is told apart by n.
class Fingerprints {
 public:
  std::string of(const Diagnostic& d) {
    const std::string what = d.code + '\0' + std::string(plain_path(d.file)) + '\0' + d.path + '\0' + d.message;
    return to_hex(hash128(what + '\0' + std::to_string(seen_[what]++)));
  }

 private:
  std::map<std::string, int> seen_;
};

std::string with_help(const Diagnostic& d) { return d.hint.empty() ? d.message : d.message + ". " + d.hint; }

}  // namespace

std::string render_github(const doc::Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics.items()) {
    out += d.severity == Severity::kError ? "::error " : d.severity == Severity::kWarning ? "::warning " : "::notice ";
    out += "file=" + github_escaped(plain_path(d.file), true) + ",line=" + std::to_string(d.line) + ",col=" + std::to_string(d.column);
    if (d.length > 0) out += ",endColumn=" + std::to_string(d.column + d.length);
    const lang::CodeInfo* info = lang::find_code(d.code);
    out += ",title=" + github_escaped(d.code + (info == nullptr ? "" : ": " + std::string(info->title)), true);
    out += "::" + github_escaped(with_help(d), false) + "\n";
  }
  return out;
}

std::string render_gitlab(const doc::Diagnostics& diagnostics) {
  Fingerprints fingerprints;
  std::string out = "[";
  for (const Diagnostic& d : diagnostics.items()) {
    if (out.size() > 1) out += ',';
    const char* severity = d.severity == Severity::kError ? "critical" : d.severity == Severity::kWarning ? "minor" : "info";
    out += "\n{\"description\":" + quoted_json(with_help(d)) + ",\"check_name\":" + quoted_json(d.code) +
           ",\"fingerprint\":" + quoted_json(fingerprints.of(d)) + ",\"severity\":\"" + severity +
           "\",\"location\":{\"path\":" + quoted_json(plain_path(d.file)) + ",\"lines\":{\"begin\":" + std::to_string(d.line) + "}}}";
  }
  return out + "\n]";
}

std::string render_sarif(const doc::Diagnostics& diagnostics, std::string_view version) {
  std::map<std::string, std::size_t> rules;
  std::string described, results;
  Fingerprints fingerprints;
  for (const Diagnostic& d : diagnostics.items()) {
    const std::string level(severity_name(d.severity));
    const auto [rule, fresh] = rules.emplace(d.code, rules.size());
    if (fresh) {
      const lang::CodeInfo* info = lang::find_code(d.code);
      const std::string_view title = info == nullptr ? std::string_view(d.code) : info->title;
      described += (described.empty() ? "" : ",") + ("{\"id\":" + quoted_json(d.code)) +
                   ",\"shortDescription\":{\"text\":" + quoted_json(title) + "}";
      if (info != nullptr) described += ",\"fullDescription\":{\"text\":" + quoted_json(info->explanation) + "}";
      described += ",\"defaultConfiguration\":{\"level\":\"" + level + "\"}}";
    }
    results += (results.empty() ? "" : ",") + ("\n{\"ruleId\":" + quoted_json(d.code)) + ",\"ruleIndex\":" + std::to_string(rule->second);
    results += ",\"level\":\"" + level + "\",\"message\":{\"text\":" + quoted_json(with_help(d)) + "}";
    results += ",\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":" + quoted_json(uri_of(d.file)) +
               "},\"region\":{\"startLine\":" + std::to_string(d.line) + ",\"startColumn\":" + std::to_string(d.column);
    if (d.length > 0) results += ",\"endColumn\":" + std::to_string(d.column + d.length);
    results += "}}}],\"partialFingerprints\":{\"nudge/v1\":" + quoted_json(fingerprints.of(d)) + "}}";
  }
  return "{\"$schema\":\"https://json.schemastore.org/"
         "sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"nudge\",\"version\":" +
         quoted_json(version) + ",\"rules\":[" + described + "]}},\"columnKind\":\"unicodeCodePoints\",\"results\":[" + results + "]}]}";
}

}  // namespace nudge::lint
