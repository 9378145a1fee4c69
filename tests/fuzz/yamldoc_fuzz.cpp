// The YAML reader: whatever the bytes, it ends, reports, and leaves a tree that keeps its promises.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "rules/doc/reader.h"
#include "rules/doc/scalar.h"

using namespace nudge;

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

std::size_t walk(const doc::Document& document, const doc::Node& node, std::size_t depth) {
  require(depth <= doc::ReadLimits{}.depth_max + 1);
  require(node.mark.line >= 1 && node.mark.column >= 1 && node.mark.offset <= document.source().size());
  (void)doc::read_bool(node);
  (void)doc::read_integer(node);
  (void)doc::read_decimal(node);
  (void)doc::read_number(node);
  (void)doc::read_duration(node);
  (void)doc::read_date(node);
  (void)doc::read_timestamp(node);
  (void)doc::read_text(node);
  std::size_t nodes = 1;
  std::set<std::string_view> keys;
  for (const doc::Entry& entry : node.entries) {
    require(entry.value != nullptr);
    require(!entry.key.empty());
    require(keys.insert(entry.key).second);
    nodes += 1 + walk(document, *entry.value, depth + 1);
  }
  for (const doc::Node* item : node.items) nodes += walk(document, *item, depth + 1);
  return nodes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("fuzz.yaml", text, diagnostics);
  require(document != nullptr);
  const std::size_t nodes = walk(*document, document->root(), 0);
  require(nodes <= doc::ReadLimits{}.nodes_max + 2);
  require(document->complete() || !diagnostics.ok());
  diagnostics.sort();
  (void)doc::render_text(diagnostics, true);
  (void)doc::render_json(diagnostics);
  // The same bytes give the same tree and the same messages.
  doc::Diagnostics again;
  const auto second = doc::read_document("fuzz.yaml", text, again);
  again.sort();
  require(walk(*second, second->root(), 0) == nodes);
  require(doc::render_json(again) == doc::render_json(diagnostics));
  return 0;
}
