// maildrop: keeps every message of every channel as one JSON file. The connector that works with no account anywhere.
// Thread-safe. Idempotent: the file's name is the action id, and a file that is there is never written again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/configured.h"

namespace nudge::connectors {

class Maildrop final : public sdk::Configured<Maildrop> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Maildrop(const sdk::Host& host, const sdk::Config& config);

  sdk::Outcome deliver(const sdk::Request& request) override;
  sdk::Outcome query(const sdk::Request& request) override;

 private:
  sdk::Host host_;
  std::string directory_;
  bool sync_;
};

// The file's content for one action: one JSON object on one line, the payload's bytes as they came.
std::string maildrop_record(const sdk::Request& request, std::int64_t now_ms);

}  // namespace nudge::connectors
