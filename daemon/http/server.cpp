// HttpServer: start-up, accepting, shut-down.
#include <fcntl.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <thread>
#include <utility>

#include "daemon/http/core.h"
#include "daemon/http/http_server.h"

namespace nudge::http {
namespace {

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

constexpr std::size_t kRefusedAtOnceMax = 64;  // connections over the limit that are told so; further ones are just closed
constexpr int kBacklog = 4096;
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string place(const Options& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  return (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

Error cannot_listen(const Options& options, const ErrorCode& ec) {
  std::string why = "cannot listen on " + place(options) + ": ";
  if (ec == asio::error::address_in_use) {
    why += "the port is taken by another process; stop that one, or choose another port with http.port (0 takes any free one)";
  } else if (ec == asio::error::access_denied) {
    why += "this user may not use that port; choose one above 1023 with http.port";
  } else if (ec.value() == EADDRNOTAVAIL) {
    why += "this machine does not have that address; set http.host to one that it has, for example 127.0.0.1";
  } else {
    why += ec.message();
  }
  return {ec == asio::error::address_in_use ? Code::unavailable : Code::io, std::move(why)};
}

Result<asio::ip::address> address_of(const Options& options) {
  ErrorCode ec;
  const auto address = asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, ec);
  if (ec)
    return fail(Code::invalid,
                "http.host '" + options.host + "' is not an address; write one such as 127.0.0.1, ::1 or 0.0.0.0, or localhost");
  if (!address.is_loopback() && !options.insecure_ok && options.tls_certificate.empty())
    return fail(Code::denied, "http.host " + options.host +
                                  " can be reached from other machines, and there is no TLS on this port: set http.tls_certificate and "
                                  "http.tls_key, listen on 127.0.0.1 behind a proxy, or set http.insecure_ok if you know the network");
  return address;
}

Result<void> check_options(const Options& options) {
  const auto positive = [](std::string_view name, auto value) -> Result<void> {
    if (value > decltype(value){}) return {};
    return fail(Code::invalid, "http." + std::string(name) + " must be above zero");
  };
  NUDGE_TRY(positive("io_threads", options.io_threads));
  NUDGE_TRY(positive("head_bytes_max", options.head_bytes_max));
  NUDGE_TRY(positive("header_fields_max", options.header_fields_max));
  NUDGE_TRY(positive("target_bytes_max", options.target_bytes_max));
  NUDGE_TRY(positive("body_bytes_max", options.body_bytes_max));
  NUDGE_TRY(positive("bodies_bytes_max", options.bodies_bytes_max));
  NUDGE_TRY(positive("connections_max", options.connections_max));
  NUDGE_TRY(positive("pipeline_max", options.pipeline_max));
  NUDGE_TRY(positive("head_timeout", options.head_timeout));
  NUDGE_TRY(positive("body_timeout", options.body_timeout));
  NUDGE_TRY(positive("idle_timeout", options.idle_timeout));
  NUDGE_TRY(positive("write_timeout", options.write_timeout));
  NUDGE_TRY(positive("handler_timeout", options.handler_timeout));
  return {};
}

}  // namespace

struct HttpServer::Impl {
  explicit Impl(Options options) : shared(std::make_shared<Shared>()) { shared->options = std::move(options); }

  Result<void> listen();
  void accept();
  void on_accept(Core& core, Socket socket);
  Core& least_loaded();

  std::shared_ptr<Shared> shared;
  std::vector<std::shared_ptr<Core>> cores;
  std::vector<std::thread> threads;
  std::unique_ptr<Acceptor> acceptor;   // on the first core's thread once started
  std::unique_ptr<Timer> accept_timer;  // the same
  std::atomic<std::uint16_t> port{0};
  bool started = false;
  bool stopped = false;
};

Result<void> HttpServer::Impl::listen() {
  const Options& options = shared->options;
  NUDGE_ASSIGN(const asio::ip::address address, address_of(options));
  if (!options.tls_certificate.empty() || !options.tls_key.empty()) {
    NUDGE_ASSIGN(shared->tls, TlsFiles::load(options.tls_certificate, options.tls_key, options.tls_changed));
  }
  shared->hosts = options.allowed_hosts;
  if (shared->hosts.empty() && address.is_loopback()) shared->hosts = {"localhost", "127.0.0.1", "[::1]"};
  if (std::ranges::find(shared->hosts, "*") != shared->hosts.end()) shared->hosts.clear();
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  acceptor = std::make_unique<Acceptor>(cores.front()->context());
  accept_timer = std::make_unique<Timer>(cores.front()->context());
  ErrorCode ec;
  acceptor->open(endpoint.protocol(), ec);
  if (!ec) ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
  if (!ec) acceptor->set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor->bind(endpoint, ec);
  if (!ec) acceptor->listen(kBacklog, ec);
  if (ec) return std::unexpected(cannot_listen(options, ec));
  port = acceptor->local_endpoint(ec).port();
  return {};
}

Core& HttpServer::Impl::least_loaded() {
  return **std::ranges::min_element(cores, {}, [](const auto& core) { return core->open(); });
}

void HttpServer::Impl::accept() {
  Core& core = least_loaded();
  acceptor->async_accept(core.context(), [this, &core](ErrorCode ec, Socket socket) {
    if (ec == asio::error::operation_aborted || !acceptor->is_open()) return;
    if (!ec) {
      on_accept(core, std::move(socket));
      return accept();
    }
    const bool exhausted = ec.value() == EMFILE || ec.value() == ENFILE || ec.value() == ENOBUFS || ec.value() == ENOMEM;
    if (!exhausted) return accept();  // that one client went away
    // Wait for some connection to close instead of spinning.
    accept_timer->expires_after(kAcceptPause);
    accept_timer->async_wait([this](ErrorCode cancelled) {
      if (!cancelled && acceptor->is_open()) accept();
    });
  });
}

void HttpServer::Impl::on_accept(Core& core, Socket socket) {
  const std::size_t open = shared->open.fetch_add(1) + 1;
  const std::size_t max = shared->options.connections_max;
  shared->accepted.fetch_add(1, std::memory_order_relaxed);
  if (open > max) shared->refused.fetch_add(1, std::memory_order_relaxed);
  if (open > max + kRefusedAtOnceMax) {
    shared->open.fetch_sub(1);
    return;  // the socket closes here
  }
  asio::dispatch(core.context(),
                 [&core, refuse = open > max, socket = std::move(socket)]() mutable { core.adopt(std::move(socket), refuse); });
}

Result<void> HttpServer::check(const Options& options) {
  NUDGE_TRY(check_options(options));
  NUDGE_TRY(address_of(options));
  if (!options.tls_certificate.empty() || !options.tls_key.empty()) NUDGE_TRY(TlsFiles::load(options.tls_certificate, options.tls_key, {}));
  return {};
}

HttpServer::HttpServer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

Result<void> HttpServer::route(Method method, std::string_view pattern, Handler handler, RouteOptions options) {
  if (impl_->started) return fail(Code::internal, "routes are added before the start");
  if (const auto& decorate = impl_->shared->options.decorate; decorate && handler) handler = decorate(method, pattern, std::move(handler));
  return impl_->shared->router.add(method, pattern, std::move(handler), options);
}

std::vector<HttpServer::RouteInfo> HttpServer::routes() const {
  std::vector<RouteInfo> out;
  for (const Route& route : impl_->shared->router.routes()) out.push_back({route.method, route.pattern});
  return out;
}

Result<void> HttpServer::start() {
  Impl& impl = *impl_;
  if (impl.started) return fail(Code::internal, "the HTTP server has been started before");
  const Options& options = impl.shared->options;
  NUDGE_TRY(check_options(options));
  const auto shortest =
      std::min({options.head_timeout, options.body_timeout, options.idle_timeout, options.write_timeout, options.handler_timeout});
  impl.shared->tick = std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(250));
  try {
    for (unsigned i = 0; i < options.io_threads; ++i) impl.cores.push_back(std::make_shared<Core>(impl.shared));
    if (auto listening = impl.listen(); !listening) {
      impl.acceptor.reset();
      impl.accept_timer.reset();
      impl.cores.clear();
      return listening;
    }
    impl.started = true;
    impl.accept();
    for (const auto& core : impl.cores) impl.threads.emplace_back([core] { core->run(); });
  } catch (const std::exception& e) {
    stop(std::chrono::milliseconds(0));
    return fail(Code::io, std::string("cannot start the HTTP server: ") + e.what());
  }
  return {};
}

std::uint16_t HttpServer::port() const { return impl_->port; }

bool HttpServer::stop(std::chrono::milliseconds deadline) {
  Impl& impl = *impl_;
  if (impl.cores.empty() || impl.stopped) return true;
  impl.stopped = true;
  Shared& shared = *impl.shared;
  asio::post(impl.cores.front()->context(), [&impl] {
    ErrorCode ec;
    impl.acceptor->close(ec);
    impl.accept_timer->cancel();
  });
  for (const auto& core : impl.cores) asio::post(core->context(), [&core] { core->begin_drain(); });
  {
    std::unique_lock lock(shared.mutex);
    shared.all_closed.wait_for(lock, deadline, [&] { return shared.open == 0; });
  }
  for (const auto& core : impl.cores) asio::post(core->context(), [&core] { core->cut_all(); });
  for (std::thread& thread : impl.threads) thread.join();
  impl.threads.clear();
  impl.acceptor.reset();
  impl.accept_timer.reset();
  for (const auto& core : impl.cores) core->finish();  // they stay for stats()
  return !shared.cut;
}

std::optional<std::int64_t> HttpServer::tls_expires() const {
  const std::shared_ptr<TlsFiles>& tls = impl_->shared->tls;
  return tls ? std::optional(tls->expires()) : std::nullopt;
}

Stats HttpServer::stats() const {
  Stats out;
  const Shared& shared = *impl_->shared;
  out.connections_accepted = shared.accepted;
  out.connections_refused = shared.refused;
  out.connections_open = shared.open;
  for (const auto& core : impl_->cores) {
    out.requests += core->stats.requests;
    out.requests_in_flight += core->stats.in_flight;
    out.bad_requests += core->stats.bad_requests;
    out.timeouts += core->stats.timeouts;
    out.bytes_in += core->stats.bytes_in;
    out.bytes_out += core->stats.bytes_out;
    out.bodies_bytes += core->stats.bodies_bytes;
  }
  return out;
}

}  // namespace nudge::http
