#include "rules/lang/load.h"

#include <algorithm>

#include "rules/doc/reader.h"
#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

/// False, and reported, when the files together pass a limit.
bool check_sizes(const std::vector<Source>& sources, doc::Diagnostics& diagnostics) {
  std::size_t bytes = 0;
  for (const Source& source : sources) bytes += source.text.size();
  if (sources.size() <= kFilesMax && bytes <= kSourceBytesMax) return true;
  diagnostics.file_error("R0013", sources.front().name,
                         std::to_string(sources.size()) + " files with " + std::to_string(bytes) + " bytes are more than one load takes",
                         "at most " + std::to_string(kFilesMax) + " files and " + std::to_string(kSourceBytesMax) + " bytes");
  return false;
}

void finish(CompileResult& result, std::unique_ptr<Plan> plan) {
  result.diagnostics.sort();
  if (result.diagnostics.ok()) result.plan = std::move(plan);
}

}  // namespace

CompileResult compile(const std::vector<Source>& sources, std::shared_ptr<const Catalog> catalog, const CompileOptions& options) {
  CompileResult result;
  if (!check_sizes(sources, result.diagnostics)) return result;
  std::vector<std::unique_ptr<doc::Document>> documents;
  std::vector<FileAst> files;
  for (const Source& source : sources) {
    documents.push_back(doc::read_document(source.name, source.text, result.diagnostics));
    files.push_back(read_file(*documents.back(), result.diagnostics));
  }
  const Names names = collect(files, result.diagnostics);
  // What a file that could not be read in full defines is unknown: looking names up would only report them as missing.
  const bool complete = std::all_of(documents.begin(), documents.end(), [](const auto& document) { return document->complete(); });
  if (complete) {
    Compiler compiler(names, std::move(catalog), options, result.diagnostics);
    finish(result, compiler.run());
    if (result.plan != nullptr) result.parts = compiler.take_parts();
    const std::shared_ptr<SourceMap> map = compiler.take_map();
    if (map != nullptr && result.plan != nullptr) {
      map->documents = std::move(documents);
      result.sources = map;
    }
  } else {
    finish(result, nullptr);
  }
  return result;
}

CompileResult compile_condition(const Source& source, std::string_view name, std::shared_ptr<const Catalog> catalog) {
  CompileResult result;
  const std::unique_ptr<doc::Document> document = doc::read_document(source.name, source.text, result.diagnostics);
  std::vector<FileAst> files(1);
  files[0].document = document.get();
  SegmentAst segment;
  const Context context{*document, result.diagnostics};
  segment.name = {name, context.at(document->root().mark)};
  segment.where = read_condition(context, document->root(), document->root().mark);
  files[0].segments.push_back(std::move(segment));
  const Names names = collect(files, result.diagnostics);
  finish(result, Compiler(names, std::move(catalog), {}, result.diagnostics).run());
  return result;
}

}  // namespace nudge::lang
