#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "daemon/store/impl.h"
#include "daemon/store/keys.h"
#include "daemon/store/options.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

namespace {

std::string le64(std::uint64_t v) {
  std::string bytes;
  Writer(bytes).fixed64(v);
  return bytes;
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::unexpected<Error> below_watermark(const Mark& mark, std::uint64_t sequence, std::uint64_t writes) {
  const bool log_lost = sequence < mark.log_sequence;
  std::string text = "acknowledged data is missing: ";
  if (log_lost)
    text += "the watermark says that log sequence " + std::to_string(mark.log_sequence) + " was acknowledged, the database ends at " +
            std::to_string(sequence) + " (" + std::to_string(mark.log_sequence - sequence) + " missing)";
  else
    text += "the watermark says that write " + std::to_string(mark.write_number) + " was acknowledged, the database ends at write " +
            std::to_string(writes);
  text +=
      ". A file of the write-ahead log was cut or deleted, or the disk dropped what it had confirmed. Nothing was changed. Put the missing "
      "file "
      "back or restore the last backup; or, to give up what is missing, start once with accept_loss (it is recorded)";
  return fail(Code::corrupt, std::move(text));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  while (options.path.size() > 1 && options.path.back() == '/') options.path.pop_back();
  NUDGE_TRY(prepare_directory(options.path, options.create_if_missing));
  NUDGE_ASSIGN(DirectoryLock lock, DirectoryLock::acquire(options.path));
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->sink = std::make_shared<LogSink>(impl->options.log);
  impl->health = std::make_shared<Health>();

  auto mark = Watermark::read(impl->watermark_path());
  if (mark)
    impl->mark_at_open = *mark;
  else if (impl->options.accept_loss && mark.error().code == Code::corrupt)
    impl->mark_error = mark.error();
  else
    return std::unexpected(std::move(mark).error());

  NUDGE_TRY(impl->check_before_opening());
  NUDGE_ASSIGN(impl->database, Database::open(impl->options, impl->database_path(), std::move(lock), impl->health, impl->sink));
  NUDGE_TRY(impl->identify());
  NUDGE_TRY(impl->find_last_sequence());
  NUDGE_TRY(impl->check_watermark());
  NUDGE_TRY(impl->bring_forward());
  impl->look_at_space();
  impl->ticker = std::thread([raw = impl.get()] { raw->run_ticker(); });
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

// RocksDB creates a new database, and deletes the files of the old one, when CURRENT is missing. So look first.
Result<void> Store::Impl::check_before_opening() const {
  const std::string path = database_path();
  if (path_exists(path + "/CURRENT")) return {};
  const bool acknowledged_any = mark_at_open && (mark_at_open->log_sequence > 0 || mark_at_open->write_number > 0);
  if (has_database_files(path) || (acknowledged_any && !options.accept_loss))
    return fail(Code::corrupt, path + " has no file CURRENT, but " +
                                   (acknowledged_any ? "the watermark says that log sequence " +
                                                           std::to_string(mark_at_open->log_sequence) + " was acknowledged here"
                                                     : "there is data of a database in it") +
                                   ". Nothing was changed. Restore the directory from the last backup, or name an empty one");
  // Readable by nobody else, like the directory around it.
  return prepare_directory(path, options.create_if_missing);
}

Result<std::optional<std::string>> Store::Impl::get_meta(std::string_view key) const {
  std::string value;
  const auto status = database->db().Get(make_read_options(), database->handle(Family::meta), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return std::unexpected(to_error("cannot read " + std::string(key), status));
  return std::optional<std::string>(std::move(value));
}

Result<void> Store::Impl::put_meta(std::string_view key, std::string_view value) {
  const auto status = database->db().Put(make_write_options(true), database->handle(Family::meta), slice(key), slice(value));
  if (!status.ok()) return std::unexpected(to_error("cannot write " + std::string(key), status));
  return {};
}

// A new store, or one whose creation was cut short.
Result<void> Store::Impl::establish() {
  const std::unique_ptr<rocksdb::Iterator> log(database->db().NewIterator(make_read_options(), database->handle(Family::log)));
  log->SeekToFirst();
  if (log->Valid() || !log->status().ok())
    return fail(Code::corrupt, "the database in " + database_path() + " has a log but no format number; restore the last backup");
  // With a watermark this is not a new store but one that lost even its beginning; its id lives on in the watermark.
  if (mark_at_open && !options.accept_loss) return below_watermark(*mark_at_open, 0, 0);
  if (mark_at_open)
    id = mark_at_open->store;
  else if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
    return fail(Code::io, "the system gives no random bytes");
  // The id comes first: a format without an id would be damage, an id without a format is a creation that was cut short.
  NUDGE_TRY(put_meta(kIdKey, {id.data(), id.size()}));
  NUDGE_TRY(put_meta(kFormatKey, std::to_string(kStoreFormat)));
  // Into a file, so that a lost write-ahead log can't make the store look new.
  rocksdb::FlushOptions flush;
  flush.wait = true;
  flush.allow_write_stall = true;
  if (const auto status = database->db().Flush(flush, database->handle(Family::meta)); !status.ok())
    return std::unexpected(to_error("cannot write the new store", status));
  return {};
}

// Checks the format and whose store this is; writes both into a new one.
Result<void> Store::Impl::identify() {
  NUDGE_ASSIGN(const auto format, get_meta(kFormatKey));
  if (!format) return establish();
  std::uint32_t& number = format_at_open;
  const auto parsed = std::from_chars(format->data(), format->data() + format->size(), number);
  if (parsed.ec != std::errc{} || number == 0) return fail(Code::corrupt, "the store's format number is damaged; restore the last backup");
  if (number > kStoreFormat)
    return fail(Code::invalid, options.path + " has store format " + std::to_string(number) + ", this nudged knows formats up to " +
                                   std::to_string(kStoreFormat) +
                                   "; use the newer nudged that wrote it, or restore a backup of this version");
  NUDGE_ASSIGN(const auto stored_id, get_meta(kIdKey));
  if (!stored_id || stored_id->size() != id.size()) return fail(Code::corrupt, "the store's id is missing; restore the last backup");
  std::ranges::copy(*stored_id, id.begin());
  return {};
}

// From here on an older nudged refuses the directory, which it would misread.
Result<void> Store::Impl::bring_forward() {
  if (format_at_open == kStoreFormat) return {};
  return put_meta(kFormatKey, std::to_string(kStoreFormat));  // of what format 1 has, all reads as it was
}

Result<void> Store::Impl::find_last_sequence() {
  const std::unique_ptr<rocksdb::Iterator> it(database->db().NewIterator(make_read_options(), database->handle(Family::log)));
  it->SeekToLast();
  if (!it->status().ok()) return std::unexpected(to_error("cannot read the end of the log", it->status()));
  if (it->Valid()) {
    const auto sequence = parse_log_key(it->key().ToStringView());
    if (!sequence) return fail(Code::corrupt, "the log has a key that is not a sequence; restore the last backup");
    chain_tail = *sequence;
  }
  NUDGE_ASSIGN(const auto floor, get_meta(kFloorKey));
  std::uint64_t last = chain_tail;
  if (floor) last = std::max(last, Reader(*floor).fixed64());
  last_sequence = last;
  NUDGE_ASSIGN(const auto gone, get_meta(kDroppedKey));
  if (gone) dropped = Reader(*gone).fixed64();
  return {};
}

Result<void> Store::Impl::check_watermark() {
  const std::uint64_t found = last_sequence;
  const std::uint64_t writes = database->db().GetLatestSequenceNumber();
  if (mark_at_open && mark_at_open->store != id)
    return fail(Code::corrupt, "the file " + watermark_path() +
                                   " belongs to another store than the database beside it; put back the right one, or " +
                                   "delete it if the database was restored from a backup on purpose");
  const bool below = mark_at_open && (found < mark_at_open->log_sequence || writes < mark_at_open->write_number);
  if (below && !options.accept_loss) return below_watermark(*mark_at_open, found, writes);
  if (below) NUDGE_TRY(record_loss(mark_at_open->log_sequence, below_watermark(*mark_at_open, found, writes).error().message));
  if (mark_error) NUDGE_TRY(record_loss(0, mark_error->message));
  if (database->hole())
    NUDGE_TRY(record_loss(mark_at_open ? mark_at_open->log_sequence : 0, "the write-ahead log had a hole from write " +
                                                                             std::to_string(database->hole()->expected) + " to " +
                                                                             std::to_string(database->hole()->found)));
  if (!mark_at_open && !mark_error && found > 0)
    sink->line(StoreLogLevel::warn, "the watermark file was missing and is made anew from the database, which ends at log sequence " +
                                        std::to_string(found) +
                                        "; if the database was not just restored from a backup, find out who deleted it");
  // Also brings a mark up to date after a crash between a commit and its watermark.
  const Mark now{id, last_sequence, database->db().GetLatestSequenceNumber()};
  NUDGE_TRY(database->sync_replayed_logs(database_path()));
  if (mark_at_open && !below) {
    NUDGE_ASSIGN(Watermark mark, Watermark::open(watermark_path()));
    watermark.emplace(std::move(mark));
    NUDGE_TRY(watermark->advance(now));
    NUDGE_TRY(watermark->sync());
  } else {
    NUDGE_ASSIGN(Watermark mark, Watermark::create(watermark_path(), now));
    watermark.emplace(std::move(mark));
  }
  acknowledged = now.log_sequence;
  return {};
}

// Numbers are not used twice: after a loss the log goes on above what was acknowledged.
Result<void> Store::Impl::record_loss(std::uint64_t acknowledged_sequence, std::string_view reason) {
  const std::uint64_t found = last_sequence;
  std::string value;
  Writer out(value);
  out.svarint(now_ms());
  out.varint(acknowledged_sequence);
  out.varint(found);
  out.string(reason);
  NUDGE_TRY(put_meta(std::string(kLossPrefix) + Key{}.i64(now_ms()).u64(database->db().GetLatestSequenceNumber()).take(), value));
  if (acknowledged_sequence > found) {
    NUDGE_TRY(put_meta(kFloorKey, le64(acknowledged_sequence)));
    last_sequence = acknowledged_sequence;
  }
  sink->line(StoreLogLevel::error, "opened with accept_loss: " + std::string(reason));
  return {};
}

}  // namespace nudge::daemon
