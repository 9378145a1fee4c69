// Counters, gauges and histograms, shown in the Prometheus text format 0.0.4.
//
// Thread-safety: everything from any thread. Adding to a counter or histogram is lock-free (one or two relaxed atomic
// additions); creating a metric and rendering take a lock. Ownership: the Registry owns its metrics; references stay valid
// as long as it lives. Labels are fixed at creation and must be few: rule, connector, status; never a customer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nudge::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Only goes up. By convention the name ends in _total.
class alignas(64) Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A value that goes up and down.
class alignas(64) Gauge {
 public:
  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(double difference) noexcept { value_.fetch_add(difference, std::memory_order_relaxed); }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations by size. Bounds are upper ends (included), ascending; +Inf is added.
class alignas(64) Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);
  void observe(double value) noexcept;
  std::span<const double> bounds() const noexcept { return bounds_; }
  // Observations in the i-th bucket alone (not cumulated); i == bounds().size() is +Inf.
  std::uint64_t in_bucket(std::size_t i) const noexcept { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// For latencies in seconds: 0.1 ms to 10 s, about three per decade.
std::span<const double> latency_bounds();

enum class Type : std::uint8_t { counter, gauge, histogram };

// What a collector writes to while the page is rendered: metrics whose labels come and go (rules, connectors).
class Page {
 public:
  // Starts a family; all its samples follow. A name that is not allowed, or was there already, is skipped with its samples.
  virtual void family(std::string_view name, Type type, std::string_view help) = 0;
  virtual void sample(const Labels& labels, double value) = 0;

 protected:
  ~Page() = default;
};
using Collector = std::function<void(Page&)>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The metric of that name and labels; created if new. A name or label that Prometheus does not allow, or a name that
  // exists with another type, is a bug of ours: the metric works but is not shown, and nudge_metrics_rejected_total counts it.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::span<const double> bounds, Labels labels = {});
  // Asked for while rendering, on the rendering thread; must be quick and must not touch the registry. What it captures
  // must outlive the registry.
  void collect(Collector collector);

  // The whole page; content type kContentType.
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace nudge::metrics
