#include "daemon/app/pipe.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace nudge::daemon {
namespace {

constexpr std::size_t kPiece = 64U << 10;

}  // namespace

std::shared_ptr<Pipe> Pipe::open(http::Responder responder, http::Response head) {
  auto pipe = std::make_shared<Pipe>();
  auto source = [pipe](std::string& out) {
    const std::lock_guard lock(pipe->mutex_);
    if (pipe->cut_) return http::Pull::abort;
    const std::size_t n = std::min(kPiece, pipe->text_.size());
    out.append(pipe->text_, 0, n);
    pipe->text_.erase(0, n);
    pipe->room_.notify_all();
    if (!pipe->text_.empty()) return http::Pull::more;
    return pipe->ended_ ? http::Pull::done : http::Pull::later;
  };
  const http::StreamHandle handle = responder.stream(std::move(head), std::move(source));
  const std::lock_guard lock(pipe->mutex_);
  pipe->handle_ = handle;
  return pipe;
}

void Pipe::wake() const { handle_.wake(); }

bool Pipe::write(std::string_view text) {
  {
    std::unique_lock lock(mutex_);
    while (!text_.empty() && text_.size() + text.size() > kBytes) {
      if (ended_ || cut_ || handle_.closed()) return false;
      room_.wait_for(lock, std::chrono::milliseconds(100));
    }
    if (ended_ || cut_ || handle_.closed()) return false;
    text_.append(text);
  }
  wake();
  return true;
}

void Pipe::push(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) text_.append(text);
  }
  wake();
}

void Pipe::write_last(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    text_.append(text);
    ended_ = true;
  }
  wake();
}

void Pipe::end() { write_last({}); }

void Pipe::cut() {
  {
    const std::lock_guard lock(mutex_);
    cut_ = true;
  }
  wake();
}

bool Pipe::gone() const {
  const std::lock_guard lock(mutex_);
  return cut_ || handle_.closed();
}

std::size_t Pipe::waiting() const {
  const std::lock_guard lock(mutex_);
  return text_.size();
}

}  // namespace nudge::daemon
