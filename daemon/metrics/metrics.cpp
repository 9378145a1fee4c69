#include "daemon/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace nudge::metrics {
namespace {

constexpr std::string_view kRejectedName = "nudge_metrics_rejected_total";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_metric_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c) || c == ':'; });
}

bool is_label_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) && !name.starts_with("__") &&
         std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); });
}

bool are_labels(const Labels& labels, Type type) {
  std::set<std::string_view> seen;
  return std::ranges::all_of(labels, [&](const auto& label) {
    return is_label_name(label.first) && !(type == Type::histogram && label.first == "le") && seen.insert(label.first).second;
  });
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::counter: return "counter";
    case Type::gauge: return "gauge";
    case Type::histogram: return "histogram";
  }
  return "untyped";
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char text[40];
    out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// {a="b",c="d"} without the braces.
std::string label_text(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out.append(name).append("=\"");
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

void append_family(std::string& out, std::string_view name, Type type, std::string_view help) {
  out.append("# HELP ").append(name).append(" ");
  append_escaped(out, help, false);
  out.append("\n# TYPE ").append(name).append(" ").append(type_name(type)).append("\n");
}

template <class Number>
void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels, Number value) {
  out.append(name).append(suffix);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, const std::string& labels, const Histogram& histogram) {
  const std::string prefix = labels.empty() ? "le=\"" : labels + ",le=\"";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.in_bucket(i);
    std::string bucket = prefix;
    if (i < histogram.bounds().size()) {
      append_number(bucket, histogram.bounds()[i]);
    } else {
      bucket += "+Inf";
    }
    bucket += '"';
    append_sample(out, name, "_bucket", bucket, total);
  }
  append_sample(out, name, "_sum", labels, histogram.sum());
  append_sample(out, name, "_count", labels, total);  // the same number as the +Inf bucket, always
}

struct Metric {
  std::string labels;
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
};

struct Family {
  Type type;
  std::string help;
  std::map<std::string, Metric> metrics;  // by label text
};

class TextPage final : public Page {
 public:
  TextPage(std::string& out, std::set<std::string, std::less<>>& names, std::uint64_t& rejected)
      : out_(out), names_(names), rejected_(rejected) {}

  void family(std::string_view name, Type type, std::string_view help) override {
    seen_.clear();
    open_ = is_metric_name(name) && type != Type::histogram && names_.emplace(name).second;
    if (!open_) {
      ++rejected_;
      return;
    }
    name_ = name;
    append_family(out_, name, type, help);
  }

  void sample(const Labels& labels, double value) override {
    if (!open_) return;
    std::string text = label_text(labels);
    if (!are_labels(labels, Type::gauge) || !seen_.insert(text).second) {
      ++rejected_;
      return;
    }
    append_sample(out_, name_, "", text, value);
  }

 private:
  std::string& out_;
  std::set<std::string, std::less<>>& names_;
  std::uint64_t& rejected_;
  std::set<std::string> seen_;
  std::string name_;
  bool open_ = false;
};

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds.begin(), bounds.end()) {
  std::erase_if(bounds_, [](double bound) { return !std::isfinite(bound); });
  std::ranges::sort(bounds_);
  const auto repeated = std::ranges::unique(bounds_);
  bounds_.erase(repeated.begin(), repeated.end());
  counts_ = std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1);
}

void Histogram::observe(double value) noexcept {
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::span<const double> latency_bounds() {
  static constexpr std::array kBounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                      0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
  return kBounds;
}

struct Registry::Impl {
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;  // guarded by mutex
  std::vector<Collector> collectors;                    // guarded by mutex
  std::deque<Metric> unseen;                            // rejected ones, kept alive; guarded by mutex
  mutable std::uint64_t rejected = 0;                   // guarded by mutex

  Metric& find(std::string_view name, Type type, std::string_view help, const Labels& labels) {
    const auto family = families.find(name);
    const bool fits = family == families.end() || family->second.type == type;
    if (!fits || !is_metric_name(name) || name == kRejectedName || !are_labels(labels, type)) {
      ++rejected;
      return unseen.emplace_back();
    }
    Family& known = families.try_emplace(std::string(name), Family{type, std::string(help), {}}).first->second;
    const std::string key = label_text(labels);
    Metric& metric = known.metrics[key];
    metric.labels = key;
    return metric;
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  Metric& metric = impl_->find(name, Type::counter, help, labels);
  if (!metric.counter) metric.counter = std::make_unique<Counter>();
  return *metric.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  Metric& metric = impl_->find(name, Type::gauge, help, labels);
  if (!metric.gauge) metric.gauge = std::make_unique<Gauge>();
  return *metric.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::span<const double> bounds, Labels labels) {
  const std::lock_guard lock(impl_->mutex);
  Metric& metric = impl_->find(name, Type::histogram, help, labels);
  if (!metric.histogram) metric.histogram = std::make_unique<Histogram>(bounds);
  return *metric.histogram;
}

void Registry::collect(Collector collector) {
  const std::lock_guard lock(impl_->mutex);
  impl_->collectors.push_back(std::move(collector));
}

std::string Registry::render() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  std::set<std::string, std::less<>> names;
  for (const auto& [name, family] : impl_->families) {
    names.insert(name);
    append_family(out, name, family.type, family.help);
    for (const auto& [key, metric] : family.metrics) {
      if (metric.counter) append_sample(out, name, "", metric.labels, metric.counter->value());
      if (metric.gauge) append_sample(out, name, "", metric.labels, metric.gauge->value());
      if (metric.histogram) append_histogram(out, name, metric.labels, *metric.histogram);
    }
  }
  std::uint64_t rejected = 0;
  TextPage page(out, names, rejected);
  for (const Collector& collector : impl_->collectors) collector(page);
  append_family(out, kRejectedName, Type::counter, "Metrics with a name or label that is not allowed; a bug of nudge");
  append_sample(out, kRejectedName, "", "", impl_->rejected + rejected);
  return out;
}

}  // namespace nudge::metrics
