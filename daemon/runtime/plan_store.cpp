#include "daemon/runtime/plan_store.h"

#include "daemon/runtime/meta.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint8_t kPlanVersion = 1;

std::string plan_key(std::uint64_t sequence) { return "plan/" + Key{}.u64(sequence).take(); }

void encode_sources(Writer& w, const std::vector<lang::Source>& sources) {
  w.varint(sources.size());
  for (const lang::Source& source : sources) {
    w.string(source.name);
    w.string(source.text);
  }
}

std::vector<lang::Source> decode_sources(Reader& in) {
  std::vector<lang::Source> sources;
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    lang::Source& source = sources.emplace_back();
    source.name = in.string();
    source.text = in.string();
  }
  return sources;
}

}  // namespace

CompiledPlan compile_plan(const PlanSources& sources, const Catalog* stored) {
  CompiledPlan result;
  lang::CatalogResult catalog = lang::load_catalog(sources.catalog);
  if (catalog.catalog == nullptr) {
    result.diagnostics = std::move(catalog.diagnostics);
    return result;
  }
  if (stored != nullptr) {
    if (Result<void> continued = catalog.catalog->continue_from(*stored); !continued) {
      result.error = std::move(continued).error().message;
      return result;
    }
  }
  lang::CompileOptions options;
  if (Result<Zone> zone = Zone::find(sources.timezone); zone) options.zone = *zone;
  options.connectors = sources.connectors;
  options.check_connectors = !sources.connectors.empty();
  lang::CompileResult compiled = lang::compile(sources.rules, std::shared_ptr<const Catalog>(std::move(catalog.catalog)), options);
  result.plan = std::move(compiled.plan);
  for (const doc::Diagnostic& d : catalog.diagnostics.items()) result.diagnostics.add(d);
  for (const doc::Diagnostic& d : compiled.diagnostics.items()) result.diagnostics.add(d);
  return result;
}

Result<void> PlanStore::load() {
  NUDGE_ASSIGN(const auto bytes, store_.get(Family::meta, kMetaRegistry));
  if (bytes.has_value()) {
    NUDGE_ASSIGN(registry_, Registry::decode(*bytes));
  }
  return {};
}

Result<BoundPlan> PlanStore::plan(std::uint64_t sequence) {
  if (const auto it = plans_.find(sequence); it != plans_.end()) return it->second;
  const std::string name = "the stored plan " + std::to_string(sequence);
  NUDGE_ASSIGN(const auto bytes, store_.get(Family::meta, plan_key(sequence)));
  if (!bytes) return fail(Code::corrupt, name + " is missing");
  Reader in(*bytes);
  const bool known = in.u8() == kPlanVersion;
  const auto bound_at = static_cast<TimeMs>(in.fixed64());
  const std::string_view registry_bytes = in.string();
  const std::string_view catalog_bytes = in.string();
  Hash128 digest;
  digest.hi = in.fixed64();
  digest.lo = in.fixed64();
  BoundPlan bound;
  bound.sources.timezone = in.string();
  bound.sources.catalog = decode_sources(in);
  bound.sources.rules = decode_sources(in);
  if (!known || in.bad()) return fail(Code::corrupt, name + " can't be read: damaged or of a newer version");
  NUDGE_ASSIGN(Catalog catalog, Catalog::decode(catalog_bytes));
  NUDGE_ASSIGN(Registry registry, Registry::decode(registry_bytes));
  catalog.index();
  lang::CompileOptions options;
  if (Result<Zone> zone = Zone::find(bound.sources.timezone); zone) options.zone = *zone;
  lang::CompileResult compiled = lang::compile(bound.sources.rules, std::make_shared<const Catalog>(std::move(catalog)), options);
  if (compiled.plan == nullptr || compiled.plan->digest != digest) {
    return fail(Code::corrupt,
                name +
                    " does not compile to what it was: it was written by another version of nudge. Start that version, let it "
                    "stop cleanly, then start this one");
  }
  registry.bind(*compiled.plan, bound_at);
  bound.plan = std::move(compiled.plan);
  plans_[sequence] = bound;
  return bound;
}

std::shared_ptr<const Plan> PlanStore::bind(std::unique_ptr<Plan> plan, const PlanSources& sources, TimeMs now, const PlanNote& note,
                                            WriteSet& set) {
  std::string before, catalog, after;
  registry_.encode(before);
  plan->catalog->encode(catalog);
  next_ = registry_;
  next_.bind(*plan, now);
  next_.encode(after);
  std::string record;
  Writer w(record);
  w.u8(kPlanVersion);
  w.fixed64(static_cast<std::uint64_t>(now));
  w.string(before);
  w.string(catalog);
  w.fixed64(plan->digest.hi);
  w.fixed64(plan->digest.lo);
  w.string(sources.timezone);
  encode_sources(w, sources.catalog);
  encode_sources(w, sources.rules);
  set.put(Family::meta, plan_key(plan->sequence), record);
  set.put(Family::meta, kMetaRegistry, after);
  const PlanVersion version{plan->sequence, now, note, plan->rules.size(), plan->segments.size(), to_hex(plan->digest)};
  set.put(Family::meta, version_key(version.sequence), encode_version(version));
  bound_.plan = std::move(plan);
  bound_.sources = sources;
  return bound_.plan;
}

void PlanStore::accept() {
  registry_ = next_;
  plans_[bound_.plan->sequence] = bound_;
}

}  // namespace nudge::daemon
