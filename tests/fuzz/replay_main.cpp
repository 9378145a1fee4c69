// Runs a fuzz target without libFuzzer: over every file of a corpus, and over seeded mutations of each. Usage: <target> CORPUS [MUTATIONS]
// A target that finds something aborts; this program says what it ran, and fails when there was nothing to run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& bytes) { LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()); }

std::string mutated(std::string bytes, const std::vector<std::string>& all, std::mt19937_64& random) {
  for (auto n = 1 + random() % 4; n > 0; --n) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 6) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 2: bytes.erase(at, random() % 8); break;
      case 3: bytes.insert(at, std::string(random() % 8, static_cast<char>(random() % 4 == 0 ? 0xff : random()))); break;
      case 4: bytes.resize(at); break;
      default: {
        const std::string& other = all[random() % all.size()];
        const std::size_t from = other.empty() ? 0 : random() % other.size();
        bytes.insert(at, other.substr(from, random() % 64));
      }
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTATIONS]\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) paths.push_back(entry.path());
  if (error || paths.empty()) {
    std::fprintf(stderr, "%s: no corpus there\n", argv[1]);
    return 1;
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> all;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    run(all.back());
  }
  const long mutations = argc > 2 ? std::atol(argv[2]) : 20000;
  std::mt19937_64 random(1);
  for (long i = 0; i < mutations; ++i) run(mutated(all[random() % all.size()], all, random));
  std::printf("%zu files and %ld mutations of them: nothing found\n", all.size(), mutations);
  return 0;
}
