#include "daemon/store/observers.h"

#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>

#include "engine/base/codec.h"

namespace nudge::daemon {

void LogSink::line(StoreLogLevel level, std::string_view text) noexcept {
  if (!log_) return;
  try {
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    std::uint64_t suppressed = 0;
    {
      const std::lock_guard lock(mutex_);
      if (second != second_) {
        second_ = second;
        lines_ = 0;
        suppressed = std::exchange(suppressed_, 0);
      }
      if (++lines_ > kLinesPerSecond) {
        ++suppressed_;
        return;
      }
    }
    if (suppressed > 0) log_(StoreLogLevel::warn, "store: " + std::to_string(suppressed) + " log lines were left out");
    log_(level, text.substr(0, kLineBytes));
  } catch (...) {
    // A log line is not worth a commit.
  }
}

namespace {

StoreLogLevel level_of(rocksdb::InfoLogLevel level) {
  switch (level) {
    case rocksdb::InfoLogLevel::DEBUG_LEVEL: return StoreLogLevel::debug;
    case rocksdb::InfoLogLevel::WARN_LEVEL: return StoreLogLevel::warn;
    case rocksdb::InfoLogLevel::ERROR_LEVEL:
    case rocksdb::InfoLogLevel::FATAL_LEVEL: return StoreLogLevel::error;
    default: return StoreLogLevel::info;
  }
}

class RocksLogger final : public rocksdb::Logger {
 public:
  explicit RocksLogger(std::shared_ptr<LogSink> sink) : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), sink_(std::move(sink)) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override { Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments); }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel()) return;
    char text[LogSink::kLineBytes];
    constexpr std::string_view kPrefix = "rocksdb: ";
    kPrefix.copy(text, kPrefix.size());
    const int n = std::vsnprintf(text + kPrefix.size(), sizeof text - kPrefix.size(), format, arguments);
    if (n < 0) return;
    std::size_t size = kPrefix.size() + std::min(static_cast<std::size_t>(n), sizeof text - kPrefix.size() - 1);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' ')) --size;
    sink_->line(level_of(level), {text, size});
  }
  // Options and build facts, hundreds of lines at each start: left out.
  void LogHeader(const char*, va_list) override {}

 private:
  std::shared_ptr<LogSink> sink_;
};

class ErrorListener final : public rocksdb::EventListener {
 public:
  ErrorListener(std::shared_ptr<Health> health, std::shared_ptr<LogSink> sink) : health_(std::move(health)), sink_(std::move(sink)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    const std::string text = "the database reports a background error: " + status->ToString();
    sink_->line(StoreLogLevel::error, text);
    // Lesser ones RocksDB works around by itself, and says when it has.
    if (status->severity() >= rocksdb::Status::Severity::kHardError) health_->set_background_error(text);
  }
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (!info.new_bg_error.ok()) return;
    sink_->line(StoreLogLevel::info, "the database recovered from its background error");
    health_->set_background_error({});
  }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    if (info.condition.cur == info.condition.prev) return;
    const auto name = [](rocksdb::WriteStallCondition c) {
      return c == rocksdb::WriteStallCondition::kStopped   ? "stopped"
             : c == rocksdb::WriteStallCondition::kDelayed ? "slowed down"
                                                           : "normal";
    };
    sink_->line(StoreLogLevel::warn,
                "writes to family " + info.cf_name + " are " + name(info.condition.cur) + ", they were " + name(info.condition.prev));
  }

 private:
  std::shared_ptr<Health> health_;
  std::shared_ptr<LogSink> sink_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> make_rocksdb_logger(std::shared_ptr<LogSink> sink) {
  return std::make_shared<RocksLogger>(std::move(sink));
}

std::shared_ptr<rocksdb::EventListener> make_error_listener(std::shared_ptr<Health> health, std::shared_ptr<LogSink> sink) {
  return std::make_shared<ErrorListener>(std::move(health), std::move(sink));
}

class WalCheck::Filter final : public rocksdb::WalFilter {
 public:
  explicit Filter(bool tolerate) : tolerate_(tolerate) {}
  const char* Name() const override { return "nudge.WalCheck"; }

  WalProcessingOption LogRecordFound(unsigned long long, const std::string& file, const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                     bool*) override {
    // A batch begins with its first number (8 bytes) and how many writes it holds (4 bytes), both little-endian.
    Reader reader(batch.Data());
    const std::uint64_t first = reader.fixed64();
    if (reader.bad()) return WalProcessingOption::kContinueProcessing;
    if (first > next_ && !hole_) {
      hole_ = WalHole{next_, first, file};
      return tolerate_ ? WalProcessingOption::kStopReplay : WalProcessingOption::kCorruptedRecord;
    }
    // Records of families that were flushed come again; the count never goes back.
    next_ = std::max(next_, first + batch.Count());
    return WalProcessingOption::kContinueProcessing;
  }

  void set_next(std::uint64_t next) { next_ = next; }
  const std::optional<WalHole>& hole() const { return hole_; }

 private:
  const bool tolerate_;
  std::uint64_t next_ = 0;
  std::optional<WalHole> hole_;
};

class WalCheck::Stop final : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "nudge.WalStop"; }
  WalProcessingOption LogRecordFound(unsigned long long, const std::string&, const rocksdb::WriteBatch&, rocksdb::WriteBatch*,
                                     bool*) override {
    return WalProcessingOption::kStopReplay;
  }
};

WalCheck::WalCheck(bool tolerate) : stop_(std::make_unique<Stop>()), filter_(std::make_unique<Filter>(tolerate)) {}
WalCheck::~WalCheck() = default;
rocksdb::WalFilter* WalCheck::stop_at_once() const { return stop_.get(); }
rocksdb::WalFilter* WalCheck::check_from(std::uint64_t next) const {
  filter_->set_next(next);
  return filter_.get();
}
const std::optional<WalHole>& WalCheck::hole() const { return filter_->hole(); }

}  // namespace nudge::daemon
