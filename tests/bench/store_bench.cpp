// How fast the store takes in and gives back, and what each way of compressing the log costs.
// Usage: nudge-store-bench DIRECTORY [blocks [commits-only]]. The directory must be on the disk that is to be measured; what is written
// there is removed.
//
// A block is 500 events of about 60 bytes, as the daemon packs them; each commit is one block, synced. The comparison of settings runs on
// the database itself with the store's own options, changed in one point at a time.
//
// nudge-store-bench --compact DIRECTORY compacts the store in a directory that no nudged uses, and prints its size in bytes; and on
// standard error what each family of it takes.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "daemon/store/block.h"
#include "daemon/store/crc32c.h"
#include "daemon/store/keys.h"
#include "daemon/store/options.h"
#include "daemon/store/store.h"
#include "engine/base/codec.h"

namespace {

using namespace nudge;
using namespace nudge::daemon;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::size_t kEventsPerBlock = 500;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Like a day of a shop: ids that do not compress, names that do, amounts and times that half do.
std::string make_block(std::mt19937_64& random) {
  static const char* const kNames[] = {"order_paid", "page_view", "call_done", "ticket_opened", "login", "quote_sent"};
  static const char* const kCities[] = {"上海", "北京", "Hamburg", "Lyon", "深圳", "Porto"};
  std::string block;
  Writer out(block);
  for (std::size_t i = 0; i < kEventsPerBlock; ++i) {
    out.fixed64(random());
    out.varint(random() % 100'000);
    out.string("customer-" + std::to_string(random() % 2'000'000));
    out.string(kNames[random() % 6]);
    out.svarint(1'700'000'000'000 + static_cast<std::int64_t>(random() % 1000));
    out.varint(random() % 50'000);
    out.string(kCities[random() % 6]);
  }
  return block;
}

void must(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "store bench: %s\n", what.c_str());
  std::exit(1);
}

struct Percentiles {
  double p50 = 0, p99 = 0, worst = 0;
};

Percentiles percentiles(std::vector<double> values) {
  std::ranges::sort(values);
  return {values[values.size() / 2], values[values.size() * 99 / 100], values.back()};
}

std::uint64_t directory_bytes(const std::string& path, std::string_view only = {}) {
  std::uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (only.empty() || entry.path().extension() == only) total += entry.file_size(error);
  return total;
}

// Bytes this process has had written to the disk.
std::uint64_t written_bytes() {
  std::ifstream in("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (in >> key >> value)
    if (key == "write_bytes:") return value;
  return 0;
}

void bench_commits(const std::string& path, std::size_t blocks, std::size_t sets_per_commit) {
  fs::remove_all(path);
  StoreOptions options;
  options.path = path;
  options.low_space_bytes = 0;
  auto store = Store::open(options);
  must(store.has_value(), store ? "" : store.error().message);
  std::mt19937_64 random(1);
  std::vector<std::string> samples;
  for (int i = 0; i < 64; ++i) samples.push_back(make_block(random));
  std::vector<double> latencies;
  std::uint64_t sequence = 0;
  const auto start = Clock::now();
  while (sequence < blocks) {
    std::vector<WriteSet> sets(sets_per_commit);
    for (WriteSet& set : sets) {
      ++sequence;
      set.append(sequence, samples[sequence % samples.size()]);
    }
    const auto before = Clock::now();
    const auto done = (*store)->commit_many(sets);
    must(done.has_value(), done ? "" : done.error().message);
    latencies.push_back(seconds_since(before) * 1e3);
  }
  const double took = seconds_since(start);
  const auto p = percentiles(latencies);
  std::printf("commit  %2zu block(s) of 500 events, synced: %9.0f events/s  %6.1f MB/s  commit p50 %.2f ms  p99 %.2f ms  worst %.1f ms\n",
              sets_per_commit, static_cast<double>(sequence * kEventsPerBlock) / took,
              static_cast<double>(sequence * samples[0].size()) / took / 1e6, p.p50, p.p99, p.worst);
  store->reset();
  const auto reopening = Clock::now();
  auto again = Store::open(options);
  must(again.has_value(), again ? "" : again.error().message);
  const double opened = seconds_since(reopening);
  const auto reading = Clock::now();
  const auto given = (*again)->log_blocks(1, [](std::uint64_t, std::string_view) { return true; });
  must(given.has_value() && *given == sequence, "not every block came back");
  std::printf("recover %zu blocks: open %.2f s, then %.0f events/s read and checked\n", static_cast<std::size_t>(*given), opened,
              static_cast<double>(*given * kEventsPerBlock) / seconds_since(reading));
  again->reset();
  fs::remove_all(path);
}

struct Setting {
  const char* name;
  void (*change)(rocksdb::ColumnFamilyOptions&);
};

const Setting kSettings[] = {
    {"no compression", [](rocksdb::ColumnFamilyOptions& o) { o.compression = o.bottommost_compression = rocksdb::kNoCompression; }},
    {"lz4 everywhere", [](rocksdb::ColumnFamilyOptions& o) { o.compression = o.bottommost_compression = rocksdb::kLZ4Compression; }},
    {"lz4, zstd at the bottom",
     [](rocksdb::ColumnFamilyOptions& o) {
       o.compression = rocksdb::kLZ4Compression;
       o.bottommost_compression = rocksdb::kZSTD;
       o.bottommost_compression_opts.level = 1;
     }},
    {"zstd everywhere",
     [](rocksdb::ColumnFamilyOptions& o) {
       o.compression = o.bottommost_compression = rocksdb::kZSTD;
       o.compression_opts.level = o.bottommost_compression_opts.level = 1;
     }},
    {"blob files, lz4",
     [](rocksdb::ColumnFamilyOptions& o) {
       o.enable_blob_files = true;
       o.min_blob_size = 4096;
       o.blob_compression_type = rocksdb::kLZ4Compression;
     }},
    {"blob files, zstd",
     [](rocksdb::ColumnFamilyOptions& o) {
       o.enable_blob_files = true;
       o.min_blob_size = 4096;
       o.blob_compression_type = rocksdb::kZSTD;
     }},
};

void bench_setting(const std::string& path, std::size_t blocks, const Setting& setting) {
  fs::remove_all(path);
  StoreOptions store_options;
  rocksdb::DBOptions db_options = make_db_options(store_options);
  db_options.create_if_missing = true;
  auto family = make_family_options(Family::log, store_options, make_cache(store_options));
  setting.change(family);
  rocksdb::DB* raw = nullptr;
  const auto status = rocksdb::DB::Open(rocksdb::Options(db_options, family), path, &raw);
  must(status.ok(), status.ToString());
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::mt19937_64 random(1);
  std::vector<double> latencies;
  std::uint64_t raw_bytes = 0;
  const std::uint64_t written_before = written_bytes();
  const std::clock_t cpu_before = std::clock();
  double took = 0;
  for (std::uint64_t sequence = 1; sequence <= blocks; ++sequence) {
    const std::string block = make_block(random);
    raw_bytes += block.size();
    const auto before = Clock::now();
    rocksdb::WriteBatch batch;
    must(batch.Put(log_key(sequence), block_header(sequence, sequence - 1, false, block.size(), crc32c(block)) + block).ok(), "batch");
    const auto done = db->Write(make_write_options(true), &batch);
    must(done.ok(), done.ToString());
    latencies.push_back(seconds_since(before) * 1e3);
    took += latencies.back() / 1e3;
  }
  must(db->Flush(rocksdb::FlushOptions()).ok(), "flush");
  for (std::uint64_t pending = 1, running = 1; pending + running > 0;) {
    usleep(50'000);
    db->GetIntProperty(rocksdb::DB::Properties::kCompactionPending, &pending);
    db->GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions, &running);
  }
  const double cpu = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  const double written = static_cast<double>(written_bytes() - written_before);
  const double on_disk = static_cast<double>(directory_bytes(path, ".sst") + directory_bytes(path, ".blob"));
  const auto reading = Clock::now();
  rocksdb::ReadOptions read = make_read_options();
  read.fill_cache = false;
  read.readahead_size = 2U << 20;
  std::uint64_t seen = 0;
  {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read));
    for (it->SeekToFirst(); it->Valid(); it->Next()) seen += it->value().size();
  }
  const double scan = seconds_since(reading);
  const auto p = percentiles(latencies);
  const auto size = static_cast<double>(raw_bytes);
  std::printf("%-24s %8.0f events/s  p50 %.2f  p99 %.2f  worst %6.1f ms  disk %.2fx  written %.2fx  cpu %.2f s  scan %4.0f MB/s\n",
              setting.name, static_cast<double>(blocks * kEventsPerBlock) / took, p.p50, p.p99, p.worst, on_disk / size, written / size,
              cpu, static_cast<double>(seen) / scan / 1e6);
  fs::remove_all(path);
}

void compact(const std::string& directory) {
  StoreOptions options;
  options.path = directory;
  auto store = Store::open(options);
  must(store.has_value(), store ? "" : store.error().message);
  const auto done = (*store)->compact();
  must(done.has_value(), done ? "" : done.error().message);
  for (const FamilyStats& family : (*store)->stats().families) {
    std::fprintf(stderr, "%-10.*s %12ju bytes  %10ju keys\n", static_cast<int>(family_name(family.family).size()),
                 family_name(family.family).data(), static_cast<std::uintmax_t>(family.file_bytes),
                 static_cast<std::uintmax_t>(family.keys_estimate));
  }
  store->reset();
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) bytes += entry.file_size();
  std::printf("%ju\n", bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--compact") {
    compact(argv[2]);
    return 0;
  }
  if (argc < 2) {
    std::fprintf(stderr, "usage: nudge-store-bench DIRECTORY [blocks]\n");
    return 2;
  }
  const std::string path = std::string(argv[1]) + "/nudge-store-bench";
  const std::size_t blocks = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
  for (const std::size_t sets : {1U, 4U, 16U}) bench_commits(path, blocks, sets);
  if (argc > 3) return 0;
  std::printf("\nthe log's settings, %zu blocks; disk and written are against the bytes of the blocks\n", blocks);
  for (const Setting& setting : kSettings) bench_setting(path, blocks, setting);
  return 0;
}
