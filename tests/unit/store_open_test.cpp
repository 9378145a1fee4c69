// What is refused at the door: other owners, other versions, missing or damaged files. Each refusal says what to do, and leaves the files
// alone.
#include <rocksdb/db.h>

#include "daemon/store/directory.h"
#include "daemon/store/watermark.h"
#include "tests/unit/store_support.h"

namespace nudge::daemon {

using namespace test;
namespace fs = std::filesystem;

namespace {

// A store with blocks 1..count, all in the write-ahead log, closed.
void fill(const std::string& path, std::uint64_t count) {
  const auto store = must_open(options_for(path));
  commit_all(*store, store->last_sequence() + 1, count);
  REQUIRE(store->close().has_value());
}

// The write-ahead log that holds the most.
std::string largest_wal(const std::string& path) {
  std::string largest;
  for (const auto& name : files_of(path + "/db", ".log"))
    if (largest.empty() || fs::file_size(name) > fs::file_size(largest)) largest = name;
  REQUIRE_FALSE(largest.empty());
  return largest;
}

// Does something to the database behind the store's back.
void with_raw_database(const std::string& path, const std::function<void(rocksdb::DB&, rocksdb::ColumnFamilyHandle& meta)>& change) {
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies({}, path + "/db", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions{});
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  REQUIRE(rocksdb::DB::Open({}, path + "/db", descriptors, &handles, &db).ok());
  const auto meta = std::ranges::find(names, "meta") - names.begin();
  change(*db, *handles[static_cast<std::size_t>(meta)]);
  for (auto* handle : handles) REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
  delete db;
}

}  // namespace

TEST_CASE("child: opens and says what came of it" * doctest::skip()) {
  const std::string directory = child_directory();
  if (directory.empty()) return;
  if (directory.ends_with("/readonly") && setuid(65534) != 0) _exit(3);
  const auto store = Store::open(options_for(directory));
  const std::string text = store ? "opened" : store.error().message;
  _exit(write(3, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 3);
}

TEST_CASE("a second process is refused and told the pid; the first is unharmed") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  commit_all(*store, 1, 3);
  {
    Child second("child: opens and says what came of it", dir / "store");
    const std::string answer = second.read_all();
    CHECK(contains(answer, "in use by process " + std::to_string(getpid())));
    CHECK(second.wait() == 0);
  }
  const Error error = must_refuse(options_for(dir / "store"));  // from this process as well
  CHECK(error.code == Code::conflict);
  commit_all(*store, 4, 6);
  CHECK(check_blocks(*store).size() == 6);
}

TEST_CASE("child: ends, and its lock is with a process of its own for a moment" * doctest::skip()) {
  const std::string directory = child_directory();
  if (directory.empty()) return;
  const auto lock = DirectoryLock::acquire(directory);
  if (fork() == 0) {
    usleep(300'000);
    _exit(0);
  }
  _exit(lock ? 0 : 3);
}

TEST_CASE("a start right after a kill waits for what the killed one was just starting") {
  const TempDir dir;
  fs::create_directories(dir / "store");
  Child killed("child: ends, and its lock is with a process of its own for a moment", dir / "store");
  REQUIRE(killed.wait() == 0);
  CHECK(DirectoryLock::acquire(dir / "store").has_value());
}

TEST_CASE("a directory that can't be used is refused") {
  const TempDir dir;
  const Error orphan = must_refuse(options_for(dir / "no/such/store"));
  CHECK(orphan.code == Code::not_found);
  CHECK(contains(orphan.message, dir / "no/such"));
  { std::ofstream(dir / "file") << "x"; }
  const Error file = must_refuse(options_for(dir / "file"));
  CHECK(file.code == Code::invalid);
  CHECK(must_refuse(options_for("")).code == Code::invalid);
  StoreOptions absent = options_for(dir / "absent");
  absent.create_if_missing = false;
  CHECK(must_refuse(absent).code == Code::not_found);
  CHECK_FALSE(fs::exists(dir / "absent"));
  fs::create_directory(dir / "empty");
  StoreOptions empty = options_for(dir / "empty");
  empty.create_if_missing = false;
  CHECK(must_refuse(empty).code == Code::not_found);
  must_open(options_for((dir / "slashes") + "//"));
}

TEST_CASE("a directory without write permission is refused, and so is one whose parent has none") {
  if (geteuid() != 0) {
    const TempDir dir;
    fs::create_directory(dir / "store");
    fs::permissions(dir / "store", fs::perms::owner_read | fs::perms::owner_exec);
    CHECK(must_refuse(options_for(dir / "store")).code == Code::denied);
    return;
  }
  const TempDir dir;  // root may write anywhere, so another user tries
  fs::permissions(dir.path(), static_cast<fs::perms>(0755));
  Child parent("child: opens and says what came of it", dir / "readonly");
  CHECK(contains(parent.read_all(), dir.path() + " is not writable for user id 65534"));
  fs::create_directory(dir / "readonly");
  Child itself("child: opens and says what came of it", dir / "readonly");
  CHECK(contains(itself.read_all(), (dir / "readonly") + " is not writable for user id 65534"));
}

TEST_CASE("files are for the owner only") {
  const TempDir dir;
  must_open(options_for(dir / "store"));
  for (const char* name : {"store", "store/db"}) {
    CAPTURE(name);
    CHECK((fs::status(dir / name).permissions() & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
  }
}

TEST_CASE("a newer format and an unknown family are refused") {
  const TempDir dir;
  fill(dir / "store", 5);
  with_raw_database(dir / "store",
                    [](rocksdb::DB& db, rocksdb::ColumnFamilyHandle& meta) { REQUIRE(db.Put({}, &meta, "store/format", "3").ok()); });
  const Error newer = must_refuse(options_for(dir / "store"));
  CHECK(newer.code == Code::invalid);
  CHECK(contains(newer.message, "store format 3"));
  CHECK(contains(newer.message, "newer nudged"));

  // An older one is brought forward: from then on the older nudged refuses it.
  fill(dir / "older", 5);
  with_raw_database(dir / "older",
                    [](rocksdb::DB& db, rocksdb::ColumnFamilyHandle& meta) { REQUIRE(db.Put({}, &meta, "store/format", "1").ok()); });
  CHECK(must_open(options_for(dir / "older"))->last_sequence() == 5);
  with_raw_database(dir / "older", [](rocksdb::DB& db, rocksdb::ColumnFamilyHandle& meta) {
    std::string format;
    REQUIRE(db.Get({}, &meta, "store/format", &format).ok());
    CHECK(format == std::to_string(kStoreFormat));
  });

  fill(dir / "other", 5);
  with_raw_database(dir / "other", [](rocksdb::DB& db, rocksdb::ColumnFamilyHandle&) {
    rocksdb::ColumnFamilyHandle* added = nullptr;
    REQUIRE(db.CreateColumnFamily({}, "segment_index", &added).ok());
    REQUIRE(db.DestroyColumnFamilyHandle(added).ok());
  });
  const Error unknown = must_refuse(options_for(dir / "other"));
  CHECK(unknown.code == Code::invalid);
  CHECK(contains(unknown.message, "segment_index"));
}

TEST_CASE("a lost family is refused") {
  const TempDir dir;
  fill(dir / "store", 5);
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies({}, dir / "store/db", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions{});
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  REQUIRE(rocksdb::DB::Open({}, dir / "store/db", descriptors, &handles, &db).ok());
  REQUIRE(db->DropColumnFamily(handles[static_cast<std::size_t>(std::ranges::find(names, "outbox") - names.begin())]).ok());
  for (auto* handle : handles) REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
  delete db;
  const Error error = must_refuse(options_for(dir / "store"));
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "'outbox'"));
}

TEST_CASE("a write-ahead log that was cut is refused, with both numbers and the ways out; accept_loss goes on and keeps a record") {
  const TempDir dir;
  fill(dir / "store", 30);
  const std::string wal = largest_wal(dir / "store");
  fs::resize_file(wal, fs::file_size(wal) * 6 / 10);
  const auto size = fs::file_size(wal);

  std::uint64_t found = 0;
  for (int round = 0; round < 2; ++round) {  // refused the second time as well, and the log is still as it was
    const Error error = must_refuse(options_for(dir / "store"));
    CHECK(error.code == Code::corrupt);
    CHECK(contains(error.message, "sequence 30"));
    CHECK(contains(error.message, "backup"));
    CHECK(contains(error.message, "accept_loss"));
    REQUIRE(std::sscanf(error.message.c_str() + error.message.find("ends at "), "ends at %lu", &found) == 1);
    CHECK(found > 5);
    CHECK(found < 30);
    CHECK(fs::file_size(wal) == size);
  }
  StoreOptions accept = options_for(dir / "store");
  accept.accept_loss = true;
  {
    const auto store = must_open(accept);
    CHECK(check_blocks(*store).size() == found);
    CHECK(check_outbox(*store).size() == found);
    // Numbers that were acknowledged are not given again.
    CHECK(store->last_sequence() == 30);
    CHECK(store->commit(full_set(30)).error().code == Code::invalid);
    commit_all(*store, 31, 40);
  }
  const auto store = must_open(options_for(dir / "store"));
  CHECK(check_blocks(*store).size() == found + 10);
  CHECK(store->last_sequence() == 40);
  const auto losses = store->losses();
  REQUIRE(losses.has_value());
  REQUIRE(losses->size() == 1);
  CHECK(losses->front().acknowledged == 30);
  CHECK(losses->front().found == found);
  CHECK(losses->front().at_ms > 1'600'000'000'000);
  CHECK(contains(losses->front().reason, "was acknowledged"));
}

TEST_CASE("a write-ahead log that was deleted is refused") {
  const TempDir dir;
  fill(dir / "store", 30);
  for (const auto& wal : files_of(dir / "store/db", ".log")) fs::remove(wal);
  const Error error = must_refuse(options_for(dir / "store"));
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "sequence 30"));
  CHECK(contains(error.message, "ends at 0 (30 missing)"));
}

TEST_CASE("commits without a block are watched as well") {
  const TempDir dir;
  fill(dir / "store", 3);
  {
    const auto store = must_open(options_for(dir / "store"));
    REQUIRE(store->compact().has_value());  // the blocks are in files now
    for (int i = 0; i < 20; ++i) {
      WriteSet set;
      set.put(Family::outbox, "attempt", std::to_string(i));
      REQUIRE(store->commit(std::move(set)).has_value());
    }
  }
  const std::string wal = largest_wal(dir / "store");
  fs::resize_file(wal, fs::file_size(wal) / 2);
  const Error error = must_refuse(options_for(dir / "store"));
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "ends at write"));
}

TEST_CASE("a write-ahead log missing between two others is refused as a hole") {
  const TempDir dir;
  for (std::uint64_t to : {10U, 20U, 30U}) fill(dir / "store", to);  // a log of its own for each session
  auto logs = files_of(dir / "store/db", ".log");
  std::erase_if(logs, [](const std::string& name) { return fs::file_size(name) == 0; });
  REQUIRE(logs.size() == 3);
  fs::rename(logs[1], dir / "aside");
  const Error error = must_refuse(options_for(dir / "store"));
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "hole"));
  CHECK(contains(error.message, fs::path(logs[2]).filename().string()));
  fs::rename(dir / "aside", logs[1]);  // as the message says
  { CHECK(check_blocks(*must_open(options_for(dir / "store"))).size() == 30); }
  fs::remove(logs[1]);
  StoreOptions accept = options_for(dir / "store");
  accept.accept_loss = true;
  const auto store = must_open(accept);
  CHECK(check_blocks(*store).size() == 10);  // a beginning without holes
  CHECK(check_outbox(*store).size() == 10);
  CHECK(store->losses().value().size() >= 1);
  CHECK(store->last_sequence() == 30);
}

TEST_CASE("a byte flipped anywhere in the write-ahead log never loses an acknowledged block in silence") {
  const TempDir dir;
  fill(dir / "store", 20);
  const std::string wal = largest_wal(dir / "store");
  const auto size = fs::file_size(wal);
  std::size_t refused = 0, whole = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::uint64_t at = size * (2 * i + 1) / 80;
    CAPTURE(at);
    const TempDir copy;
    fs::copy(dir / "store", copy / "store", fs::copy_options::recursive);
    flip_byte((copy / "store/db/") + fs::path(wal).filename().string(), at);
    auto store = Store::open(options_for(copy / "store"));
    if (!store) {
      ++refused;
      CHECK(store.error().code == Code::corrupt);
      CHECK(contains(store.error().message, "accept_loss"));
      // With accept_loss: a beginning of the log, and every commit in it as a whole.
      StoreOptions accept = options_for(copy / "store");
      accept.accept_loss = true;
      const auto partial = must_open(accept);
      const auto blocks = check_blocks(*partial);
      CHECK(blocks.size() < 20);
      CHECK((blocks.empty() || blocks.back() == blocks.size()));
      CHECK(check_outbox(*partial) == blocks);
      CHECK(partial->losses().value().size() >= 1);
      continue;
    }
    ++whole;
    CHECK(check_blocks(**store).size() == 20);
    CHECK(check_outbox(**store).size() == 20);
  }
  CHECK(refused + whole == 40);
  CHECK(refused >= 35);
}

TEST_CASE("a byte flipped in a table file is noticed when it is read") {
  const TempDir dir;
  {
    const auto store = must_open(options_for(dir / "store"));
    commit_all(*store, 1, 300);
    REQUIRE(store->compact().has_value());
  }
  std::string largest;
  for (const auto& name : files_of(dir / "store/db", ".sst"))
    if (largest.empty() || fs::file_size(name) > fs::file_size(largest)) largest = name;
  flip_byte(largest, fs::file_size(largest) / 3);
  const auto store = must_open(options_for(dir / "store"));
  const auto blocks = store->log_blocks(0, [](std::uint64_t, std::string_view) { return true; });
  const auto outbox = store->scan(Family::outbox, {}, {}, [](auto, auto) { return true; });
  CHECK(blocks.has_value() + outbox.has_value() == 1);
  const Error& error = blocks ? outbox.error() : blocks.error();
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "backup"));
}

TEST_CASE("a block missing from the middle of the log is a hole, not a shorter log") {
  const TempDir dir;
  fill(dir / "store", 10);
  with_raw_database(dir / "store", [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle&) { REQUIRE(db.GetLatestSequenceNumber() > 0); });
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies({}, dir / "store/db", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions{});
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  REQUIRE(rocksdb::DB::Open({}, dir / "store/db", descriptors, &handles, &db).ok());
  auto* log = handles[static_cast<std::size_t>(std::ranges::find(names, "log") - names.begin())];
  REQUIRE(db->Delete({}, log, log_key(6)).ok());
  std::string value;
  REQUIRE(db->Get({}, log, log_key(8), &value).ok());
  value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 1);
  REQUIRE(db->Put({}, log, log_key(8), value).ok());
  for (auto* handle : handles) REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
  delete db;
  const auto store = must_open(options_for(dir / "store"));
  std::uint64_t seen = 0;
  const auto count = [&](std::uint64_t sequence, std::string_view) { return seen = sequence, true; };
  const auto hole = store->log_blocks(1, count);
  REQUIRE_FALSE(hole.has_value());
  CHECK(hole.error().code == Code::corrupt);
  CHECK(contains(hole.error().message, "block 7 follows block 6"));
  CHECK(seen == 5);
  const auto damaged = store->log_blocks(7, count);
  REQUIRE_FALSE(damaged.has_value());
  CHECK(contains(damaged.error().message, "log block 8 is damaged"));
  CHECK(seen == 7);
  CHECK(store->log_blocks(9, count).value() == 2);
  CHECK_FALSE(store->log_blocks(6, count).has_value());  // 7 names 6, which is asked for and not there
}

TEST_CASE("the watermark file: missing is made anew and said, damaged is refused, a stranger's is refused") {
  const TempDir dir;
  fill(dir / "store", 5);
  fs::copy_file(dir / "store/watermark", dir / "kept");
  fs::remove(dir / "store/watermark");
  {
    StoreOptions options = options_for(dir / "store");
    LogLines lines;
    options.log = [&](StoreLogLevel, std::string_view line) {
      const std::lock_guard lock(lines.mutex);
      lines.text.append(line).append("\n");
    };
    const auto store = must_open(options);
    CHECK(lines.contains("watermark file was missing"));
    CHECK(check_blocks(*store).size() == 5);
  }
  flip_byte(dir / "store/watermark", 17);
  flip_byte(dir / "store/watermark", 4096 + 17);
  CHECK(must_refuse(options_for(dir / "store")).code == Code::corrupt);
  StoreOptions accept = options_for(dir / "store");
  accept.accept_loss = true;
  CHECK(must_open(accept)->losses().value().size() == 1);
  must_open(options_for(dir / "store"));

  fill(dir / "other", 5);
  fs::copy_file(dir / "kept", dir / "other/watermark", fs::copy_options::overwrite_existing);
  const Error stranger = must_refuse(options_for(dir / "other"));
  CHECK(stranger.code == Code::corrupt);
  CHECK(contains(stranger.message, "belongs to another store"));
}

TEST_CASE("a deleted CURRENT or a deleted database is refused instead of starting anew over it") {
  const TempDir dir;
  {
    const auto store = must_open(options_for(dir / "store"));
    commit_all(*store, 1, 30);
    REQUIRE(store->compact().has_value());
  }
  const auto tables = files_of(dir / "store/db", ".sst").size();
  fs::rename(dir / "store/db/CURRENT", dir / "CURRENT");
  fs::rename(dir / "store/watermark", dir / "watermark");
  for (int round = 0; round < 2; ++round) {
    const Error error = must_refuse(options_for(dir / "store"));
    CHECK(error.code == Code::corrupt);
    CHECK(contains(error.message, "CURRENT"));
    CHECK(files_of(dir / "store/db", ".sst").size() == tables);
    if (round == 0) fs::rename(dir / "watermark", dir / "store/watermark");
  }
  fs::rename(dir / "CURRENT", dir / "store/db/CURRENT");
  CHECK(check_blocks(*must_open(options_for(dir / "store"))).size() == 30);
  fs::remove_all(dir / "store/db");
  const Error gone = must_refuse(options_for(dir / "store"));
  CHECK(gone.code == Code::corrupt);
  CHECK(contains(gone.message, "sequence 30"));
}

TEST_CASE("a first start that was cut short is finished by the next one") {
  const TempDir dir;
  fs::create_directories(dir / "store/db");
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  REQUIRE(rocksdb::DB::Open(options, dir / "store/db", &db).ok());
  for (const char* name : {"meta", "log", "timer"}) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    REQUIRE(db->CreateColumnFamily({}, name, &handle).ok());
    REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  delete db;
  fill(dir / "store", 3);
  CHECK(check_blocks(*must_open(options_for(dir / "store"))).size() == 3);
}

}  // namespace nudge::daemon
