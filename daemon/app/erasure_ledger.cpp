#include "daemon/app/erasure_ledger.h"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "daemon/app/app.h"
#include "daemon/log/log.h"

namespace nudge::daemon {
namespace {

namespace fs = std::filesystem;
namespace bj = boost::json;

constexpr const char* kDirectories = "/backup_directories";

}  // namespace

Result<std::unique_ptr<ErasureLedgers>> ErasureLedgers::open(std::string data_dir, std::string maildrop, access::AuditLog& audit) {
  std::unique_ptr<ErasureLedgers> made(new ErasureLedgers(std::move(data_dir), std::move(maildrop), audit));
  NUDGE_ASSIGN(made->ledger_, read_ledger(made->data_dir_));
  if (made->ledger_.key.empty())
    made->ledger_.key = audit.key();
  else if (made->ledger_.key != audit.key())
    NUDGE_TRY(audit.take_key(made->ledger_.key));
  return made;
}

ErasureLedger ErasureLedgers::for_runtime() {
  ErasureLedger out;
  out.record = [this](const Erasure& e) { return record(e); };
  out.forget_files = [this](const std::vector<std::pair<std::string, TimeMs>>& customers) { return empty_maildrop(customers); };
  std::map<std::string, std::vector<std::string>> of;  // pseudonym -> erasures
  for (const Ledger::Entry& entry : ledger_.entries) {
    out.erasures.emplace_back(entry.id, parse_timestamp(entry.at).value_or(0));
    for (const std::string& one : entry.people) of[one].push_back(entry.id);
  }
  out.of = [this, of = std::move(of)](std::string_view customer) {
    const auto found = of.find(audit_.pseudonym(customer));
    return found == of.end() ? std::vector<std::string>() : found->second;
  };
  return out;
}

// Messages that were kept instead of sent.
Result<void> ErasureLedgers::empty_maildrop(const std::vector<std::pair<std::string, TimeMs>>& customers) const {
  if (maildrop_.empty()) return {};
  std::error_code error;
  for (fs::directory_iterator it(maildrop_, error), end; !error && it != end; it.increment(error)) {
    std::ifstream in(it->path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    boost::system::error_code bad;
    const bj::value message = bj::parse(text.str(), bad);
    const bj::object* members = message.if_object();
    if (bad || members == nullptr) continue;
    const bj::value* customer = members->if_contains("customer_id");
    const bj::value* made = members->if_contains("created_ms");
    if (customer == nullptr || !customer->is_string() || made == nullptr || !made->is_int64()) continue;
    const std::string_view id(customer->get_string());
    if (!std::ranges::any_of(customers, [&](const auto& c) { return c.first == id && made->get_int64() <= c.second; })) continue;
    std::error_code failed;
    if (!fs::remove(it->path(), failed) && failed)
      return fail(Code::io, "cannot remove " + it->path().string() + ": " + failed.message() + "; it is a message to the customer");
  }
  return {};
}

std::vector<std::string> ErasureLedgers::backup_directories() const {
  std::vector<std::string> all;
  std::ifstream in(data_dir_ + kDirectories);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) all.push_back(line);
  return all;
}

Result<void> ErasureLedgers::record(const Erasure& e) {
  const std::lock_guard lock(mutex_);
  if (!ledger_.has(e.id)) {
    Ledger next = ledger_;
    Ledger::Entry& entry = next.entries.emplace_back();
    entry.id = e.id;
    entry.at = format_timestamp(e.at);
    for (const auto& [customer, upto] : e.customers) entry.people.push_back(audit_.pseudonym(customer));
    NUDGE_TRY(write_ledger(data_dir_, next));
    ledger_ = std::move(next);
  }
  for (const std::string& directory : backup_directories()) {
    if (const Result<void> joined = join_ledger(directory, ledger_); !joined)
      log::warn("an erasure could not be noted beside the backups; until the next backup there, a restore from it brings the customer back",
                {{"directory", directory}, {"error", joined.error()}});
  }
  return {};
}

Result<void> ErasureLedgers::backup_to(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all = backup_directories();
  if (std::ranges::find(all, directory) == all.end()) {
    all.push_back(directory);
    std::string text;
    for (const std::string& one : all) text += one + "\n";
    NUDGE_TRY(write_private_file(data_dir_ + kDirectories, text));
  }
  const std::size_t before = ledger_.entries.size();
  Ledger joined = ledger_;
  NUDGE_TRY(join_ledger(directory, joined));
  // Entries that only the other list knew are of a life after the backup that this directory was restored from; the next start makes them.
  if (joined.entries.size() != before) NUDGE_TRY(write_ledger(data_dir_, joined));
  ledger_ = std::move(joined);
  return {};
}

}  // namespace nudge::daemon
