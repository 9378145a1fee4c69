// A file system under RocksDB that fails on command and that can lose what was never synced, as a power cut does.
#pragma once

#include <cstdint>
#include <string>

namespace nudge::daemon::test {

// The name for StoreOptions::file_system. Registers the file system at the first call. One state for the whole program; reset() before use.
std::string faulty_file_system();

namespace faults {

void reset();
// From now on each sync of a write-ahead log (or of any file) fails, `times` times (-1: for ever).
void fail_syncs(int times);
// Syncs say yes and do nothing: a disk that lies.
void ignore_syncs(bool on);
// Appends fail for lack of space once this many more bytes were written; -1: no limit.
void space_left(std::int64_t bytes);
// The n-th append from now writes half of its bytes and fails.
void tear_append(int n);
int syncs();
// Writing through this file system fails from here on. Then close the store and call lose_unsynced().
void power_off();
// Writing works again and nothing was lost: as after a kill -9, when the kernel still has it all.
void power_on();
// Cuts every file to what was synced and removes files whose directory entry was not. Returns the bytes that went. Power is on again.
std::uint64_t lose_unsynced();

}  // namespace faults

}  // namespace nudge::daemon::test
