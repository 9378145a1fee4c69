// enrich: asks an HTTP service (a model, a credit bureau, an address check) and brings its answer back. Thread-safe.
// The question is the rule's `send` as it stands; the answer is a JSON object. To ask twice does no harm: the second answer counts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/http/http_setup.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

// What an answer of the service means. Pure.
sdk::Outcome enrich_outcome(HttpReply reply, std::uint32_t attempt);

class Enrich final : public sdk::Configured<Enrich> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Enrich(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;

 private:
  HttpSetup setup_;
  std::string url_;
  std::vector<std::pair<std::string, std::string>> headers_;
  HttpClient http_;
};

}  // namespace nudge::connectors
