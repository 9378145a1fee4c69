// nudge-connector: runs one connector plugin in a process of its own, speaking connectors/PROTOCOL.md; also prints a plugin's
// description, checks configurations, and starts other programs under the same limits.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "connectors/host/bridge.h"
#include "connectors/host/plugin.h"
#include "connectors/host/protocol.h"
#include "connectors/sdk/raw_json.h"

namespace json = boost::json;
using nudge::connectors::Plugin;

namespace {

constexpr const char* kUsage =
    "usage: nudge-connector --describe PLUGIN.so\n"
    "       nudge-connector --check CONFIG.json [--plugin PLUGIN.so | --plugin-dir DIR]\n"
    "       nudge-connector [limits] --plugin PLUGIN.so        speak the connector protocol for the plugin\n"
    "       nudge-connector [limits] --exec PROGRAM [ARG ...]  run a program that speaks it\n"
    "limits: --limit-memory BYTES  --limit-cpu SECONDS  --limit-files N  --parent PID  (0 = no limit)\n"
    "CONFIG.json is {\"connectors\": [{\"name\", \"kind\" or \"plugin\", \"config\": {...}}, ...]}, one such entry, or with --plugin\n"
    "the plugin's own configuration. Exit code: 0 all well, 1 mistakes found, 2 wrong usage.\n";

struct Options {
  std::string mode, argument, plugin, plugin_directory;
  std::vector<std::string> command;
  unsigned long long memory = 0, cpu = 0, files = 0;
  long parent = 0;
};

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr, "nudge-connector: %s\n%s", problem.c_str(), kUsage);
  std::exit(2);
}

unsigned long long number(const std::string& option, const char* text) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-') usage(option + " needs a number, not \"" + text + "\"");
  return value;
}

std::string absolute(const std::string& path) {
  char* found = ::realpath(path.c_str(), nullptr);
  if (found == nullptr) return path.starts_with('/') ? path : "./" + path;
  std::string out(found);
  std::free(found);
  return out;
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) usage(name + " is unknown or lacks its value");
    const char* value = argv[++i];
    if (name == "--describe" || name == "--check") {
      options.mode = name;
      options.argument = value;
    } else if (name == "--plugin") {
      options.plugin = absolute(value);
    } else if (name == "--plugin-dir") {
      options.plugin_directory = absolute(value);
    } else if (name == "--limit-memory") {
      options.memory = number(name, value);
    } else if (name == "--limit-cpu") {
      options.cpu = number(name, value);
    } else if (name == "--limit-files") {
      options.files = number(name, value);
    } else if (name == "--parent") {
      options.parent = static_cast<long>(number(name, value));
    } else if (name == "--exec") {
      options.command.assign(argv + i, argv + argc);
      break;
    } else {
      usage(name + " is unknown");
    }
  }
  return options;
}

void limit(__rlimit_resource_t what, unsigned long long value, unsigned long long grace = 0) {
  if (value == 0) return;
  const rlimit both{static_cast<rlim_t>(value), static_cast<rlim_t>(value + grace)};
  if (::setrlimit(what, &both) != 0) std::fprintf(stderr, "nudge-connector: a limit can't be set: %s\n", std::strerror(errno));
}

void apply_limits(const Options& options) {
  if (options.parent != 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != static_cast<pid_t>(options.parent)) ::_exit(0);  // it died before the call above
  }
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  limit(RLIMIT_AS, options.memory);
#endif
#else
  limit(RLIMIT_AS, options.memory);  // the sanitizers reserve terabytes of addresses
#endif
#endif
  // Threads must not eat the address space: glibc reserves 8 MiB for a stack and 64 MiB for an arena of malloc, each.
  ::mallopt(M_ARENA_MAX, 2);
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) == 0) {
    ::pthread_attr_setstacksize(&attributes, 2u << 20);
    ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
  }
  limit(RLIMIT_CPU, options.cpu, 1);  // SIGXCPU, which says why; who goes on after that is killed a second later
  limit(RLIMIT_NOFILE, options.files);
}

int run_program(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  std::vector<std::string> copy = command;
  for (std::string& one : copy) arguments.push_back(one.data());
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  std::fprintf(stderr, "nudge-connector: can't run %s: %s\n", command[0].c_str(), std::strerror(errno));
  return 127;
}

void log_to_stderr(int, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

int describe(const std::string& path) {
  auto plugin = Plugin::load(absolute(path), log_to_stderr);
  if (!plugin) {
    std::fprintf(stderr, "nudge-connector: %s\n", plugin.error().c_str());
    return 1;
  }
  std::printf("%s\n", (*plugin)->describe().c_str());
  return 0;
}

// Every reference to a secret in a configuration that can't be resolved, with its place.
void missing_secrets(Plugin& plugin, const json::value& value, const std::string& where, std::vector<std::string>& problems) {
  if (const auto* object = value.if_object()) {
    const bool reference = object->size() == 1 && (object->contains("file") || object->contains("env"));
    if (reference) {
      if (auto found = plugin.secrets().resolve(json::serialize(value)); !found) problems.push_back(where + ": " + found.error());
      return;
    }
    for (const auto& member : *object)
      missing_secrets(plugin, member.value(), (where.empty() ? "" : where + ".") + std::string(member.key()), problems);
  } else if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) missing_secrets(plugin, (*array)[i], where + "[" + std::to_string(i) + "]", problems);
  }
}

int check_one(const std::string& name, const std::string& plugin_path, const json::value& config) {
  const auto report = [&](const std::string& problem) { std::fprintf(stderr, "%s: %s\n", name.c_str(), problem.c_str()); };
  auto plugin = Plugin::load(plugin_path, log_to_stderr);
  if (!plugin) {
    report(plugin.error());
    return 1;
  }
  std::vector<std::string> problems = (*plugin)->validate(json::serialize(config));
  missing_secrets(**plugin, config, "", problems);
  if (problems.empty())
    if (auto made = (*plugin)->create(json::serialize(config)); !made) problems.push_back(made.error());
  for (const std::string& problem : problems) report(problem);
  if (problems.empty()) std::printf("%s: ok\n", name.c_str());
  return problems.empty() ? 0 : 1;
}

int check_entry(const Options& options, const json::value& entry, const std::string& where) {
  const auto* object = entry.if_object();
  const auto text = [&](const char* key) {
    const auto* value = object == nullptr ? nullptr : object->if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  const std::string kind = text("kind");
  const std::string name = text("name").empty() ? where : text("name");
  std::string plugin = text("plugin");
  if (plugin.empty() && !kind.empty() && kind.find('/') == std::string::npos) {
    const std::string directory = options.plugin_directory.empty() ? nudge::connectors::find_plugin_directory() : options.plugin_directory;
    plugin = directory + "/" + kind + ".so";
  }
  if (plugin.empty()) {
    std::fprintf(stderr, "%s: needs \"kind\" (a built-in connector) or \"plugin\" (the path of a .so)\n", name.c_str());
    return 1;
  }
  const auto* config = object->if_contains("config");
  return check_one(name, absolute(plugin), config == nullptr ? json::value(json::object{}) : *config);
}

int check(const Options& options) {
  std::ifstream file(options.argument, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "nudge-connector: can't open %s: %s\n", options.argument.c_str(), std::strerror(errno));
    return 1;
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  json::error_code error;
  json::stream_parser parser;
  const std::size_t read = parser.write_some(text, error);
  if (!error && !parser.done()) parser.finish(error);
  const bool rest = !error && text.find_first_not_of(" \t\r\n", read) != std::string::npos;
  if (error || rest) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(read, text.size())), '\n');
    std::fprintf(stderr, "%s:%td: no valid JSON: %s\n", options.argument.c_str(), line,
                 rest ? "text after the end" : error.message().c_str());
    return 1;
  }
  const json::value root = parser.release();
  if (!options.plugin.empty()) return check_one(options.argument, options.plugin, root);
  const auto* list = root.is_object() ? root.get_object().if_contains("connectors") : nullptr;
  if (list == nullptr) return check_entry(options, root, options.argument);
  if (!list->is_array()) {
    std::fprintf(stderr, "%s: \"connectors\" must be a list\n", options.argument.c_str());
    return 1;
  }
  int worst = 0;
  for (std::size_t i = 0; i < list->get_array().size(); ++i)
    worst = std::max(worst, check_entry(options, list->get_array()[i], "connectors[" + std::to_string(i) + "]"));
  return worst;
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = read_options(argc, argv);
  if (options.mode == "--describe") return describe(options.argument);
  if (options.mode == "--check") return check(options);
  if (options.plugin.empty() == options.command.empty()) usage("say what to run");
  apply_limits(options);
  if (!options.command.empty()) return run_program(options.command);
  ::signal(SIGPIPE, SIG_IGN);
  return nudge::connectors::serve_plugin(options.plugin);
} catch (const std::exception& error) {
  std::fprintf(stderr, "nudge-connector: %s\n", error.what());
  return 1;
}
