#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include "daemon/log/log.h"

using namespace nudge;
namespace fs = std::filesystem;

namespace {

class LogFile {
 public:
  LogFile() {
    char name[] = "/tmp/nudge-log-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
  }
  ~LogFile() {
    (void)log::init({});
    fs::remove_all(folder_);
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  std::string path(std::string_view name = "log") const { return (folder_ / name).string(); }
  std::vector<std::string> lines(std::string_view name = "log") const {
    std::ifstream file(path(name));
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }

 private:
  fs::path folder_;
};

}  // namespace

TEST_CASE("log: text lines") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::debug, .format = log::Format::text, .file = file.path()}));
  log::info("rules loaded", {{"count", 7},
                             {"big", std::uint64_t{18446744073709551615U}},
                             {"took_s", 0.25},
                             {"again", false},
                             {"rule", "dormant-return"},
                             {"note", "two words"},
                             {"empty", ""},
                             {"token", Secret("hunter2")}});
  log::debug("seen");
  log::trace("not seen");
  const auto lines = file.lines();
  REQUIRE(lines.size() == 2);
  CHECK(
      std::regex_match(lines[0], std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  rules loaded count=7 big=18446744073709551615 )"
                                            R"(took_s=0\.25 again=false rule=dormant-return note="two words" empty="" token="?\*\*\*"?)")));
  CHECK(lines[1].ends_with("debug seen"));
}

TEST_CASE("log: JSON lines") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::json, .file = file.path()}));
  log::warn("say \"hi\"", {{"n", -1}, {"x", 1.0 / 0.0}, {"name", "王\n"}, {"bad", "\xff"}, {"s", Secret("hunter2")}, {"yes", true}});
  const auto lines = file.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with(R"({"ts":")"));
  CHECK(lines[0].ends_with(R"(","level":"warn","msg":"say \"hi\"","n":-1,"x":null,"name":"王\n","bad":"?","s":"***","yes":true})"));
}

TEST_CASE("log: what a client says cannot forge a record") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::text, .file = file.path()}));
  log::info("a\n2026-01-01T00:00:00.000Z error forged \x1b[31m", {{"id", "x\ny rule=other"}, {"b", "a=b"}});
  const auto lines = file.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(R"(a\x0a2026-01-01T00:00:00.000Z error forged \x1b[31m id="x\ny rule=other" b="a=b")") != std::string::npos);
}

TEST_CASE("log: braces in a message are just braces") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::text, .file = file.path()}));
  log::error("{} {0} %s %n");
  CHECK(file.lines().at(0).ends_with("error {} {0} %s %n"));
}

TEST_CASE("log: reopen goes on in a new file after the old one was moved") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::text, .file = file.path()}));
  log::info("one");
  fs::rename(file.path(), file.path("log.1"));
  log::info("two");
  REQUIRE(log::reopen());
  log::info("three");
  CHECK(file.lines("log.1").size() == 2);
  REQUIRE(file.lines().size() == 1);
  CHECK(file.lines()[0].ends_with("three"));
}

TEST_CASE("log: a file that cannot be opened is an error, and the old log goes on") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::text, .file = file.path()}));
  const auto failed = log::init({.level = log::Level::info, .format = log::Format::text, .file = "/proc/nudge/log"});
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message.find("/proc/nudge/log") != std::string::npos);
  log::info("still here");
  CHECK(file.lines().size() == 1);
}

TEST_CASE("log: levels") {
  CHECK(log::parse_level("warn").value() == log::Level::warn);
  CHECK(log::parse_level("WARN").error().message.find("trace, debug, info, warn, error or off") != std::string::npos);
  CHECK(log::parse_format("json").value() == log::Format::json);
  CHECK_FALSE(log::parse_format("xml").has_value());
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::off, .format = log::Format::text, .file = file.path()}));
  log::error("nothing");
  CHECK_FALSE(log::enabled(log::Level::off));
  log::set_level(log::Level::error);
  log::warn("nothing");
  log::error("something");
  CHECK(file.lines().size() == 1);
}

TEST_CASE("log: whole lines from many threads, also while it is reopened") {
  const LogFile file;
  REQUIRE(log::init({.level = log::Level::info, .format = log::Format::text, .file = file.path()}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 250; ++i) log::info("line", {{"thread", t}, {"i", i}, {"pad", std::string(50, 'x')}});
    });
  for (int i = 0; i < 20; ++i) REQUIRE(log::reopen());
  for (std::thread& thread : threads) thread.join();
  const auto lines = file.lines();
  CHECK(lines.size() == 1000);
  for (const std::string& line : lines) CHECK(line.ends_with(" pad=" + std::string(50, 'x')));
  CHECK(log::lost() == 0);
}

TEST_CASE("secret: prints stars") {
  std::ostringstream out;
  out << Secret("hunter2");
  CHECK(out.str() == "***");
  CHECK(Secret("a") == Secret("a"));
}
