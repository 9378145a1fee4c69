// The lists of erasures of this installation: the one in the data directory, and those beside the backups that it has made. What is written
// to one of them is written to all that can be reached; a backup catches up with the rest.
//
// Thread-safe. Ownership: refers to the audit log, whose pseudonyms stand in the lists.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "daemon/access/audit.h"
#include "daemon/runtime/erasure.h"
#include "daemon/store/ledger.h"

namespace nudge::daemon {

class ErasureLedgers {
 public:
  // Reads the list of the data directory. When it comes with a restored one, the audit log takes the key of its pseudonyms.
  // `maildrop`: the directory of messages that are kept instead of sent; empty: none.
  static Result<std::unique_ptr<ErasureLedgers>> open(std::string data_dir, std::string maildrop, access::AuditLog& audit);
  // What the runtime has to know of them.
  ErasureLedger for_runtime();
  // A backup is to be made in this directory: from now on its list is kept too. Error: the list is not written; no backup should be then.
  Result<void> backup_to(const std::string& directory);

 private:
  ErasureLedgers(std::string data_dir, std::string maildrop, access::AuditLog& audit)
      : data_dir_(std::move(data_dir)), maildrop_(std::move(maildrop)), audit_(audit) {}
  Result<void> record(const Erasure& e);
  Result<void> empty_maildrop(const std::vector<std::pair<std::string, TimeMs>>& customers) const;
  std::vector<std::string> backup_directories() const;

  const std::string data_dir_, maildrop_;
  access::AuditLog& audit_;
  std::mutex mutex_;
  Ledger ledger_;
};

}  // namespace nudge::daemon
