// The rule language: whatever the text, compiling ends; there is a plan exactly when there is no error; the same text gives the same plan.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rules/lang/load.h"

using namespace nudge;

namespace {

constexpr const char* kCatalog = R"(
customer:
  attributes: {name: text, phone: phone, email: text, tier: {type: text, one_of: [silver, gold]}, size: integer, spend: decimal, heat: number, news: boolean,
               contract_end: date, seen: timestamp, interests: list of text, owner: text, address: {type: object, fields: {city: text}}}
events:
  login: {fields: {device: text}}
  order_placed: {fields: {order_id: text, amount: decimal, quantity: integer, weight: number, delivery: date, gift: boolean, labels: list of text, shop: {type: object, fields: {city: text}}}}
)";

std::shared_ptr<const Catalog> shared_catalog() {
  static const std::shared_ptr<const Catalog> kShared = lang::load_catalog({{"catalog.yaml", kCatalog}}).catalog;
  if (kShared == nullptr) std::abort();
  return kShared;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const lang::Source source{"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  const lang::CompileResult result = lang::compile({source}, shared_catalog());
  if ((result.plan != nullptr) != result.diagnostics.ok()) std::abort();
  (void)doc::render_text(result.diagnostics);
  if (result.plan != nullptr) {
    const lang::CompileResult again = lang::compile({source}, shared_catalog());
    if (again.plan == nullptr || again.plan->digest != result.plan->digest) std::abort();
  }
  const lang::CatalogResult catalog = lang::load_catalog({source});
  if ((catalog.catalog != nullptr) != catalog.diagnostics.ok()) std::abort();
  return 0;
}
