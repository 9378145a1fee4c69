// Writes seeds for state_fuzz and input_fuzz. Usage: fuzz_seeds CORPUS
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/unit/model_support.h"

using namespace nudge;

namespace {

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
    return 2;
  }
  const std::filesystem::path corpus = argv[1];
  const Catalog catalog = testing::sample_catalog();
  for (int i = 0; i < 8; ++i) {
    testing::Random random(static_cast<std::uint64_t>(i));
    std::string state;
    encode_customer(state, testing::random_state(random, catalog, i * 2), catalog);
    write(corpus / "state" / ("seed-" + std::to_string(i)), state);
    std::string inputs;
    Writer out(inputs);
    for (int n = 0; n <= i % 3; ++n) encode_input(out, testing::random_input(random, catalog, "in-" + std::to_string(n)));
    write(corpus / "input" / ("seed-" + std::to_string(i)), inputs);
  }
  return 0;
}
