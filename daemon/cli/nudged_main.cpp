// nudged: the daemon. Exit codes: 0 stopped, 1 could not start or a check failed, 2 wrong usage, 3 the disk failed under way.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "daemon/app/app.h"
#include "daemon/app/notify.h"
#include "daemon/log/log.h"

namespace {

constexpr const char* kUsage =
    "usage: nudged [--config FILE] [--set KEY=VALUE]...\n"
    "  --config FILE       settings (YAML); without it, defaults and the environment (NUDGE_HTTP_PORT=...)\n"
    "  --set KEY=VALUE     one setting, above the environment and the file; may be repeated\n"
    "  --dry-run           check configuration, catalog and rules, and exit\n"
    "  --print-config      show every setting and where it comes from, and exit\n"
    "  --use-stored-rules  when the rules have mistakes, start with those that ran last\n"
    "  --accept-loss       open a data directory that lost acknowledged writes; what was lost is recorded\n"
    "  --version, --help\n"
    "signals: TERM and INT stop cleanly, HUP reloads the rules, USR1 opens the log file anew\n";

constexpr std::int64_t kFreePort = 1024;  // from here on anybody may listen

struct Arguments {
  nudge::daemon::AppOptions app;
  bool dry_run = false, print_config = false, done = false;
  int code = 0;
};

int usage(const std::string& problem) {
  std::fprintf(stderr, "nudged: %s\n%s", problem.c_str(), kUsage);
  return 2;
}

// Reads the arguments; `done` is set when there is nothing more to do.
Arguments read_arguments(int argc, char** argv) {
  Arguments a;
  const auto wrong = [&](const std::string& problem) {
    a.code = usage(problem);
    a.done = true;
  };
  for (int i = 1; i < argc && !a.done; ++i) {
    const std::string_view arg = argv[i];
    const bool has_value = i + 1 < argc;
    if (arg == "--config" || arg == "--set") {
      if (!has_value) {
        wrong(std::string(arg) + " needs a value");
        break;
      }
      const std::string value = argv[++i];
      if (arg == "--config") {
        a.app.sources.file = value;
        continue;
      }
      const std::size_t equals = value.find('=');
      if (equals == std::string::npos)
        wrong("--set wants KEY=VALUE, not `" + value + "`");
      else
        a.app.sources.flags.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    } else if (arg == "--dry-run") {
      a.dry_run = true;
    } else if (arg == "--print-config") {
      a.print_config = true;
    } else if (arg == "--use-stored-rules") {
      a.app.use_stored_rules = true;
    } else if (arg == "--accept-loss") {
      a.app.accept_loss = true;
    } else if (arg == "--version") {
      std::printf("nudged %s\n", NUDGE_VERSION);
      a.done = true;
    } else if (arg == "--help" || arg == "-h") {
      std::printf("%s", kUsage);
      a.done = true;
    } else {
      wrong("unknown argument `" + std::string(arg) + "`");
    }
  }
  return a;
}

// Waits for signals and does what they say until it is time to go; the exit code.
int serve(nudge::daemon::App& app, const sigset_t& signals) {
  const timespec patience{0, 100'000'000};
  while (true) {
    if (const auto failure = app.failed()) {
      // Those who wait for an answer get theirs (unknown) before the process ends; memory is ahead of disk, so nothing is written any more.
      const timespec moment{0, 300'000'000};
      ::nanosleep(&moment, nullptr);
      std::fprintf(stderr, "nudged: stopped: %s\n", failure->message.c_str());
      nudge::log::flush();
      std::_Exit(3);
    }
    switch (::sigtimedwait(&signals, nullptr, &patience)) {
      case SIGTERM:
      case SIGINT: return 0;
      case SIGHUP:
        if (auto change = app.reload(); !change)
          nudge::log::error("reload failed", {{"error", change.error()}});
        else if (!change->accepted())
          std::fprintf(stderr, "%s\n", nudge::daemon::refused(*change).message.c_str());
        break;
      case SIGUSR1:
        if (auto reopened = nudge::log::reopen(); !reopened)
          nudge::log::error("the log can't be opened anew", {{"error", reopened.error()}});
        break;
      default: break;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments = read_arguments(argc, argv);
  if (arguments.done) return arguments.code;
  arguments.app.version = NUDGE_VERSION;
  arguments.app.sources.environment = nudge::config::nudge_environment();
  auto loaded = nudge::config::load(arguments.app.sources);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 1;
  }
  if (arguments.print_config) {
    std::printf("%s", nudge::config::print_config(*loaded).c_str());
    return 0;
  }
  // What it writes is for its user only, whatever the shell says; a core file would hold customers and secrets.
  ::umask(077);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // Blocked before any thread starts, so that all of them leave signals to serve().
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  if (auto dropped = nudge::daemon::drop_privileges(loaded->settings.http_port > 0 && loaded->settings.http_port < kFreePort); !dropped) {
    std::fprintf(stderr, "nudged: %s\n", dropped.error().message.c_str());
    return 1;
  }

  nudge::daemon::App app(std::move(arguments.app), *std::move(loaded));
  if (arguments.dry_run) {
    auto report = app.dry_run();
    std::fprintf(report ? stdout : stderr, "%s\n", report ? report->c_str() : report.error().message.c_str());
    return report ? 0 : 1;
  }
  if (auto started = app.start(); !started) {
    std::fprintf(stderr, "nudged: %s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("nudged %s on %s\n", NUDGE_VERSION, app.address().c_str());
  std::fflush(stdout);
  nudge::daemon::notify("READY=1\nSTATUS=takes requests on " + app.address());
  const int code = serve(app, signals);
  nudge::daemon::notify("STOPPING=1");
  app.stop();
  return code;
}
