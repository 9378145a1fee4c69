#include "connectors/host/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nudge::connectors {

namespace {

struct Pipe {
  int read = -1, write = -1;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
};

int take(int& fd) { return std::exchange(fd, -1); }

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Moves a descriptor out of 0..2, so that the dup2 actions in the child can't overwrite one another.
bool above_stdio(int& fd) {
  if (fd > 2) return true;
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (moved < 0) return false;
  ::close(fd);
  fd = moved;
  return true;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

int spawn(pid_t* pid, const ChildOptions& options, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);  // nothing of ours leaks, close-on-exec or not
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment;
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);
  const int error = posix_spawn(pid, arguments[0].c_str(), &actions, &attributes, pointers(arguments).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::expected<Child, std::string> Child::start(const ChildOptions& options) {
  if (options.arguments.empty() || !options.arguments[0].starts_with('/'))
    return std::unexpected("the program must be given by its absolute path");
  Pipe in, out, err;
  if (!in.open() || !out.open() || !err.open()) return std::unexpected(std::string("no pipe: ") + std::strerror(errno));
  if (!above_stdio(in.read) || !above_stdio(out.write) || !above_stdio(err.write))
    return std::unexpected(std::string("no descriptor: ") + std::strerror(errno));
  Child child;
  if (const int error = spawn(&child.pid_, options, in.read, out.write, err.write); error != 0) {
    child.pid_ = -1;
    return std::unexpected("can't start " + options.arguments[0] + ": " + std::strerror(error));
  }
  child.in_ = take(in.write);
  child.out_ = take(out.read);
  child.err_ = take(err.read);
  for (const int fd : {child.in_, child.out_, child.err_}) set_nonblocking(fd);
  child.exit_ = static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0));
  if (child.exit_ < 0) return std::unexpected(std::string("no pidfd: ") + std::strerror(errno));
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), in_(take(other.in_)), out_(take(other.out_)), err_(take(other.err_)), exit_(take(other.exit_)) {}

Child::~Child() {
  if (pid_ > 0) {
    kill_group(SIGKILL);
    reap();
  }
  close_in();
  for (const int fd : {out_, err_, exit_})
    if (fd >= 0) ::close(fd);
}

void Child::close_in() {
  if (in_ >= 0) ::close(take(in_));
}

void Child::kill_group(int signal) const {
  // The group outlives its leader, and its id is not given away while the leader is not reaped.
  if (pid_ > 0) ::kill(-pid_, signal);
}

std::string Child::reap() {
  if (pid_ <= 0) return "ended";
  int status = 0;
  kill_group(SIGKILL);  // what it may have left behind
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  pid_ = -1;
  if (got < 0) return "ended";
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return "was killed by signal " + std::to_string(WTERMSIG(status)) + (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
  }
  return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace nudge::connectors
