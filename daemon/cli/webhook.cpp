// What a call of a webhook (or a CloudEvent) becomes: tried on a file, without a daemon and without a signature.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "daemon/doors/cloudevents.h"
#include "daemon/doors/doors.h"
#include "daemon/doors/webhook.h"
#include "daemon/ingest/intake.h"
#include "engine/base/text.h"
#include "rules/doc/reader.h"
#include "rules/lang/load.h"

namespace nudge::cli {
namespace {

struct Call {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::pair<std::string_view, std::string_view>> views() const { return {headers.begin(), headers.end()}; }
};

Result<std::string> read_whole(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Code::not_found, say("cannot read {1}: check the name; - reads standard input", {file}));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool add_header(Call& call, std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || line.substr(0, colon).find_first_of(" \t\"{") != std::string_view::npos)
    return false;
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with('\r') || value.ends_with(' ')) value.remove_suffix(1);
  call.headers.emplace_back(line.substr(0, colon), value);
  return true;
}

// Lines of headers up to an empty one, then the body; or the body alone. A request line before them ("POST /… HTTP/1.1") is skipped.
Call parse_call(const std::string& text) {
  Call call;
  std::string_view left = text;
  bool first = true;
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool request = first && line.starts_with("POST ");
    if (line.empty() && !first) {
      call.body = left.substr(std::min(end + 1, left.size()));
      return call;
    }
    if (!request && !add_header(call, line)) break;
    left.remove_prefix(std::min(end + 1, left.size()));
    first = false;
  }
  return {{}, text};
}

bool is_cloud_event(const Call& call) {
  const auto views = call.views();
  return doors::header_of(views, "content-type").starts_with("application/cloudevents") || doors::has_event_headers(views);
}

Result<std::vector<daemon::DoorDocument>> open_call(const doors::Mapping& mapping, const daemon::IntakeSchema& schema, const Call& call,
                                                    const std::string& name) {
  std::vector<daemon::DoorDocument> documents;
  if (name.empty() && is_cloud_event(call)) {
    const auto views = call.views();
    NUDGE_ASSIGN(const doors::EventMode mode, doors::cloud_event_mode(doors::header_of(views, "content-type")));
    std::string event = call.body;
    if (mode == doors::EventMode::binary) {
      NUDGE_ASSIGN(event, doors::structured_event(views, call.body));
    }
    doors::open_cloud_event(mapping.cloud_events.messages, schema, event, documents);
    return documents;
  }
  const auto found = name.empty() && mapping.webhooks.size() == 1 ? mapping.webhooks.begin() : mapping.webhooks.find(name);
  if (found == mapping.webhooks.end()) {
    std::string known;
    for (const auto& [one, webhook] : mapping.webhooks) known += (known.empty() ? "" : ", ") + one;
    return fail(Code::invalid, name.empty() ? say("say which webhook with --name; the mapping has: {1}", {known})
                                            : say("the mapping has no webhook `{1}`; it has: {2}", {name, known}));
  }
  doors::open_webhook(found->first, found->second, schema, call.views(), call.body, documents);
  return documents;
}

// Whether intake takes it today.
Problem checked(const daemon::IntakeSchema& schema, daemon::DoorDocument& document) {
  if (document.problem.set()) return document.problem;
  static daemon::IdSource ids{0};
  daemon::IntakeOptions options;
  options.now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  options.ids = &ids;
  daemon::Intake intake;
  daemon::IntakeLine line;
  const auto length = static_cast<std::uint32_t>(document.json.size());
  std::string padded = document.json;
  padded.append(daemon::kIntakePadding, ' ');
  intake.read(schema, std::string_view(padded).substr(0, length), {0, length}, options, line);
  return std::move(line.problem);
}

void show(const Output& out, const daemon::DoorDocument& document, const Problem& problem, std::string& json) {
  if (out.json) {
    json += json.empty() ? "" : ",";
    json += "{\"fits\":" + std::string(problem.set() ? "false" : "true");
    if (!document.json.empty()) json += ",\"document\":" + document.json;
    if (problem.set()) {
      for (const auto& [key, text] :
           {std::pair<const char*, const std::string&>("code", problem.code), {"field", problem.field}, {"reason", problem.reason}}) {
        json += ",\"" + std::string(key) + "\":";
        append_json_string(json, text);
      }
    }
    json += "}";
    return;
  }
  if (!document.json.empty()) out.terminal.line(document.json);
  if (!problem.set()) return out.terminal.line("  " + out.terminal.paint(say("fits"), Color::green));
  out.terminal.line("  " + out.terminal.paint(say("does not fit"), Color::red) + " (" + problem.code + "): " + problem.reason);
}

}  // namespace

Exit try_webhook(const Output& out, const WebhookTry& options) {
  auto sources = lang::read_catalog_directory(options.schemas);
  if (!sources) return report(out, sources.error());
  lang::CatalogResult catalog = lang::load_catalog(*sources);
  if (catalog.catalog == nullptr)
    return report(out, {Code::invalid, say("the catalog has mistakes") + "\n" + doc::render_text(catalog.diagnostics)});
  auto text = read_whole(options.doors);
  if (!text) return report(out, text.error());
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document(options.doors, *std::move(text), diagnostics);
  const auto mapping = doors::read_doors(*document, *catalog.catalog, diagnostics);
  if (mapping == nullptr) return report(out, {Code::invalid, say("the mapping has mistakes") + "\n" + doc::render_text(diagnostics)});
  const auto given = read_whole(options.file);
  if (!given) return report(out, given.error());
  Call call = parse_call(*given);
  for (const std::string& header : options.headers) {
    if (!add_header(call, header)) return report(out, {Code::invalid, say("`{1}` is no header: write `Name: value`", {header})});
  }
  const daemon::IntakeSchema schema(std::shared_ptr<const Catalog>(std::move(catalog.catalog)));
  auto documents = open_call(*mapping, schema, call, options.name);
  if (!documents) return report(out, documents.error());
  std::string json;
  bool all_fit = true;
  for (daemon::DoorDocument& one : *documents) {
    const Problem problem = checked(schema, one);
    all_fit = all_fit && !problem.set();
    show(out, one, problem, json);
  }
  if (out.json) out.terminal.line("{\"documents\":[" + json + "]}");
  if (!out.json && documents->empty()) out.terminal.line(say("the mapping ignores this message: nothing would be stored"));
  return all_fit ? Exit::ok : Exit::failed;
}

}  // namespace nudge::cli
