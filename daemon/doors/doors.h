// The doors' mapping in force, exchanged whole by a reload, and the way back in for what was set aside.
// Thread-safety: all of it from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/mapping.h"
#include "daemon/ingest/door.h"
#include "daemon/ingest/schema.h"

namespace nudge::doors {

// Reads a file of doors without its secrets: for a check, and to try what a message becomes. Mistakes go to diagnostics; null when there are
// any.
std::shared_ptr<const Mapping> read_doors(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics);

class Doors {
 public:
  // Reads the file (empty: none, everything goes by equal names) against a catalog. On an error the mapping stays what it was.
  Result<void> load(const std::string& file, const Catalog& catalog);
  std::shared_ptr<const Mapping> mapping() const;
  // The documents that a message from the quarantine makes today. Error (invalid): it is none of a door's.
  Result<std::vector<daemon::DoorDocument>> reopen(const daemon::IntakeSchema& schema, std::string_view kept, TimeMs received) const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Mapping> mapping_ = std::make_shared<const Mapping>();
};

}  // namespace nudge::doors
