// crm: shows our call tasks in the company's CRM and keeps them up to date there. Thread-safe.
// A task is one record over there, known by the task's id: each push says all of it again (an upsert), so a repeat makes no second one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/http/http_setup.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

// A task as engine/core/task_push.h says it.
struct CrmTask {
  std::string id;       // of the task, the same in all its pushes
  std::string state;    // open offered accepted done cancelled expired
  std::string subject;  // one line, at most 255 characters
  std::string text;     // script, reason, what came of it: for people
  std::string priority = "normal";
  std::string due;  // RFC 3339 in UTC; empty: none
  std::string customer;
  std::string owner, owner_name;
};
// Reads a payload; returns what is wrong with it, or an empty text.
std::string read_crm_task(std::string_view payload, CrmTask& task);
// The day of an instant where the clocks are so many minutes ahead of UTC, as 2026-01-31; empty: it is none.
std::string day_of(std::string_view instant, std::int64_t offset_minutes);
// "+08:00" as minutes. False: it is none.
bool read_offset(std::string_view text, std::int64_t& minutes);

class CrmSystem {
 public:
  CrmSystem() = default;
  CrmSystem(const CrmSystem&) = delete;
  CrmSystem& operator=(const CrmSystem&) = delete;
  virtual ~CrmSystem() = default;
  virtual sdk::Outcome push(const sdk::Request& request, const CrmTask& task) = 0;
};
std::unique_ptr<CrmSystem> make_salesforce(const HttpSetup& setup, const sdk::Host& host, const sdk::Config& config);
sdk::Fields salesforce_fields();

class Crm final : public sdk::Configured<Crm> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Crm(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;

 private:
  std::unique_ptr<CrmSystem> system_;
};

}  // namespace nudge::connectors
