// Starting and ending a child process on POSIX: pipes, process group, minimal environment. Not thread-safe per object.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace nudge::connectors {

struct ChildOptions {
  std::vector<std::string> arguments;                            // [0] is the program's absolute path
  std::vector<std::pair<std::string, std::string>> environment;  // all of it
};

// A running child with three pipes. Our ends are non-blocking and close-on-exec. The destructor kills the whole process
// group and reaps the child.
class Child {
 public:
  static std::expected<Child, std::string> start(const ChildOptions& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  int in() const { return in_; }         // write end of its standard input; -1 after close_in()
  int out() const { return out_; }       // read end of its standard output
  int err() const { return err_; }       // read end of its standard error
  int exit_fd() const { return exit_; }  // readable when it has ended (pidfd)
  void close_in();
  void kill_group(int signal) const;
  // Waits for the end (call when exit_fd is readable, or after SIGKILL) and says how it ended, in words.
  std::string reap();

 private:
  Child() = default;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1, exit_ = -1;
};

}  // namespace nudge::connectors
