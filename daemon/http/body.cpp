#include "daemon/http/body.h"

#include <zlib.h>

#include <algorithm>

#include "daemon/http/message.h"

namespace nudge::http {
namespace {

constexpr unsigned kChunkDigitsMax = 8;
constexpr unsigned kExtensionBytesMax = 256;
constexpr unsigned kTrailerBytesMax = 4096;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

}  // namespace

bool ChunkReader::step(char c) {
  switch (state_) {
    case State::size: {
      const int value = hex_value(c);
      if (value >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(value);
        return ++digits_ <= kChunkDigitsMax;
      }
      if (digits_ == 0) return false;
      if (c == '\r') return state_ = State::size_lf, true;
      if (c != ';') return false;
      return state_ = State::extension, true;
    }
    case State::extension:
      if (c == '\r') return state_ = State::size_lf, true;
      return !is_control(c) && ++extension_bytes_ <= kExtensionBytesMax;
    case State::size_lf:
      state_ = left_ == 0 ? State::trailer : State::data;
      line_empty_ = true;
      return c == '\n';
    case State::data_cr: return state_ = State::data_lf, c == '\r';
    case State::data_lf:
      state_ = State::size;
      digits_ = extension_bytes_ = 0;
      return c == '\n';
    case State::trailer:
      if (c == '\r') return state_ = State::trailer_lf, true;
      if (line_empty_ && (c == ' ' || c == '\t')) return false;
      line_empty_ = false;
      return !is_control(c) && ++trailer_bytes_ <= kTrailerBytesMax;
    case State::trailer_lf:
      state_ = line_empty_ ? State::done : State::trailer;
      line_empty_ = true;
      return c == '\n' && ++trailer_bytes_ <= kTrailerBytesMax;
    case State::data:
    case State::done: break;
  }
  return false;
}

ChunkReader::Status ChunkReader::next(std::string_view& in, std::string_view& data) {
  data = {};
  while (!in.empty()) {
    if (state_ == State::data) {
      data = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
      in.remove_prefix(data.size());
      left_ -= data.size();
      if (left_ == 0) state_ = State::data_cr;
      return Status::more;
    }
    if (!step(in.front())) return Status::bad;
    in.remove_prefix(1);
    if (state_ == State::done) return Status::done;
  }
  return Status::more;
}

struct Gunzip::State {
  z_stream stream{};
  bool ready = false;
  bool ended = false;  // the last member is complete

  ~State() {
    if (ready) inflateEnd(&stream);
  }
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {}
Gunzip::~Gunzip() = default;

void Gunzip::reset() {
  constexpr int kGzipOnly = 15 + 16;
  state_->ended = false;
  if (state_->ready) {
    inflateReset(&state_->stream);
  } else {
    state_->ready = inflateInit2(&state_->stream, kGzipOnly) == Z_OK;
  }
}

Gunzip::Status Gunzip::append(std::string_view in, std::size_t limit, std::string& out) {
  if (!state_->ready) return Status::bad;
  z_stream& stream = state_->stream;
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(in.size());
  stream.avail_out = 1;
  while (stream.avail_in > 0 || stream.avail_out == 0) {  // a full output buffer may hide more
    if (state_->ended) {
      if (stream.avail_in == 0) break;  // another member follows
      inflateReset(&stream);
      state_->ended = false;
    }
    constexpr std::size_t kStep = 16 * 1024;
    reserve_body(out, kStep, limit + kStep);
    const std::size_t before = out.size();
    int result = Z_OK;
    out.resize_and_overwrite(before + kStep, [&](char* data, std::size_t) {
      stream.next_out = reinterpret_cast<Bytef*>(data + before);
      stream.avail_out = kStep;
      result = inflate(&stream, Z_NO_FLUSH);
      return before + kStep - stream.avail_out;
    });
    if (out.size() > limit) return Status::too_large;
    if (result == Z_STREAM_END) {
      state_->ended = true;
    } else if (result == Z_BUF_ERROR && stream.avail_in == 0) {
      break;
    } else if (result != Z_OK) {
      return Status::bad;
    }
  }
  return Status::ok;
}

bool Gunzip::finished() const { return state_->ended; }

void reserve_body(std::string& body, std::size_t more, std::size_t limit) {
  const std::size_t needed = body.size() + more + kBodyPadding;
  if (body.capacity() >= needed) return;
  body.reserve(std::max(needed, std::min(2 * body.capacity(), limit + kBodyPadding)));
}

}  // namespace nudge::http
