// Of Connection: from a complete header to the handler, and all the ways to refuse.
#include <algorithm>
#include <utility>

#include "daemon/http/connection.h"
#include "daemon/http/uri.h"

namespace nudge::http {
namespace {

constexpr std::size_t kLingerBytesGate = 64 * 1024;    // the same for strangers

constexpr std::chrono::milliseconds kLinger{2000};
constexpr std::chrono::milliseconds kLingerWhenStopping{300};

std::string quoted_path(const Request& request) { return "'" + request.path.substr(0, 200) + "'"; }

}  // namespace

bool Connection::host_is_allowed() const {
  const auto& hosts = core_.shared().hosts;
  return hosts.empty() || std::ranges::any_of(hosts, [&](const std::string& host) { return equal_ignoring_case(host, head_.host); });
}

void Connection::on_head(Exchange& exchange) {
  Request& request = exchange.request;
  request.actor.clear();
  request.csrf.clear();
  request.roles = 0;
  exchange.http11 = head_.http11;
  exchange.keep_alive = head_.keep_alive;
  exchange.head_only = request.method == Method::head;
  if (!exchange.keep_alive || core_.draining()) close_after_ = true;
  if (!route(exchange)) return;
  if (const auto& gate = core_.options().gate) {
    std::optional<Response> refusal;
    try {
      refusal = gate(request);
    } catch (...) {
      refusal = problem(500, "http.gate", "the check of this request failed; this is a bug, see the log");
    }
    if (refusal) {
      refuse(exchange, std::move(*refusal));
      linger_left_ = std::min(linger_left_, kLingerBytesGate);
      return;
    }
  }
  begin_body(exchange);
}

bool Connection::is_there_without_slash(const Request& request) const {
  std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  if (path.size() < 2 || !path.ends_with('/')) return false;
  path.remove_suffix(1);
  Request probe;
  const Router::Found found = core_.shared().router.match(request.method, path, probe).found;
  return found == Router::Found::yes || found == Router::Found::no_method;
}

bool Connection::route(Exchange& exchange) {
  Request& request = exchange.request;
  if (!host_is_allowed()) {
    refuse(exchange, problem(421, "http.host_not_served",
                             (head_.host.empty()
                                  ? std::string("there is no Host header, so it can't be told for whom this is")
                                  : "the Host header names '" + std::string(head_.host.substr(0, 100)) + "', which is not served here") +
                                 "; use the address of this server, or add the name to http.allowed_hosts"));
    return false;
  }
  const std::string_view target = request.target;
  const std::size_t question = target.find('?');
  const Router::Match match = core_.shared().router.match(request.method, target.substr(0, question), request);
  exchange.route = match.route;
  switch (match.found) {
    case Router::Found::yes: request.route = match.route->pattern; break;
    case Router::Found::no_path:
      refuse(exchange, problem(404, "http.no_such_path",
                               "there is nothing at " + quoted_path(request) +
                                   (is_there_without_slash(request) ? "; there is without the slash at its end" : "")));
      return false;
    case Router::Found::no_method: {
      Response response;
      if (request.method == Method::options) {
        response.status = 204;
      } else {
        response = problem(
            405, "http.method_not_allowed",
            quoted_path(request) + " does not take " + (request.method == Method::other ? "this method" : std::string(to_string(request.method))) + "; it takes " + allow_value(match.allowed));
      }
      response.headers.emplace_back("Allow", allow_value(match.allowed));
      refuse(exchange, std::move(response));
      return false;
    }
    case Router::Found::bad_path:
      if (request.method == Method::connect || request.method == Method::options) {
        Response response;
        response.status = 204;  // OPTIONS *: what the server can do at all
        if (request.method == Method::connect || request.target != "*")
          response = problem(405, "http.method_not_allowed", "this method is not served here");
        response.headers.emplace_back("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE");
        refuse(exchange, std::move(response));
      } else {
        refuse(exchange, problem(400, "http.path",
                                 "the path is not valid: broken percent-encoding, invalid UTF-8, control characters or dot segments"));
      }
      return false;
  }
  if (question != std::string_view::npos && !parse_query(target.substr(question + 1), request.query)) {
    refuse(exchange, problem(400, "http.query", "the query is not valid: broken percent-encoding, invalid UTF-8 or control characters"));
    return false;
  }
  return true;
}

void Connection::begin_body(Exchange& exchange) {
  const RouteOptions& route_options = exchange.route->options;
  body_limit_ = route_options.body_bytes_max != 0 ? route_options.body_bytes_max : core_.options().body_bytes_max;
  if (!has_body()) {
    if (route_options.needs_body && !head_.content_length) {
      answer(exchange,
             problem(411, "http.length_required", "this request needs a body: send Content-Length, or Transfer-Encoding: chunked"));
    } else {
      dispatch(exchange);
    }
    return;
  }
  const bool streams = route_options.sinks.wanted && route_options.sinks.wanted(exchange.request);
  if (!streams && head_.content_length.value_or(0) > body_limit_) {
    refuse(exchange, problem(413, "http.body_too_large",
                             "the body has " + std::to_string(*head_.content_length) + " bytes, " +
                                 (route_options.body_bytes_max == 0
                                      ? "the limit is " + std::to_string(body_limit_) +
                                            " (http.body_bytes_max); send it in smaller parts, or raise the limit"
                                      : "the limit here is " + std::to_string(body_limit_) + "; send it in smaller parts")));
    return;
  }
  if (head_.gzip) {
    if (!gunzip_) gunzip_ = std::make_unique<Gunzip>();
    gunzip_->reset();
  }
  length_left_ = head_.content_length.value_or(0);
  chunks_.reset();
  continue_wanted_ = head_.expect_continue;
  reading_ = &exchange;
  reading_state_ = Reading::body;
  read_started_ = exchange.started;
  if (streams) open_sink(exchange);
}

void Connection::dispatch(Exchange& exchange) {
  const Route& route = *exchange.route;
  const auto limit = route.options.handler_timeout.count() > 0 ? route.options.handler_timeout : core_.options().handler_timeout;
  if (has_body()) exchange.started = Clock::now();
  exchange.deadline = exchange.started + limit;
  exchange.core = core_.shared_from_this();
  exchange.lent = true;
  core_.dispatching = &exchange;
  try {
    route.handler(exchange.request, Responder(&exchange));
  } catch (...) {
    // Its responder has answered 500 on the way out, or lives on elsewhere.
  }
  core_.dispatching = nullptr;
}

void Connection::answer(Exchange& exchange, Response response) {
  exchange.response = std::move(response);
  exchange.ready = true;
}

void Connection::refuse(Exchange& exchange, Response response) {
  if (has_body()) {
    refuse_and_close(&exchange, std::move(response));
  } else {
    answer(exchange, std::move(response));
  }
}

void Connection::refuse_and_close(Exchange* exchange, Response response) {
  if (sink_ && exchange == reading_) return break_sink(std::move(response));
  if (exchange == nullptr) {
    exchange = core_.take();
    exchange->started = read_started_;
    append(exchange);
  }
  exchange->keep_alive = false;
  reading_ = nullptr;
  continue_wanted_ = false;
  close_after_ = true;
  linger_left_ = kLingerBytes;
  reading_state_ = Reading::stopped;
  answer(*exchange, std::move(response));
}

void Connection::refuse_bad(Exchange* exchange, const HeadError& error) {
  CoreStats::add(core_.stats.bad_requests, 1);
  refuse_and_close(exchange, problem(error.status, error.code, error.detail));
}

void Connection::refuse_connection() {
  Response busy =
      problem(503, "http.too_many_connections", "too many connections (http.connections_max); use fewer, keep them open, try again");
  busy.headers.emplace_back("Retry-After", "1");
  refuse_and_close(nullptr, std::move(busy));
  advance();
  maybe_delete();
}

// The handler took too long. Its responder may be writing into the exchange at this moment, so another one takes its place.
void Connection::expire(Exchange* exchange) {
  Exchange* stand_in = core_.take();
  stand_in->connection = this;
  stand_in->started = exchange->started;
  stand_in->route = exchange->route;
  stand_in->http11 = exchange->http11;
  stand_in->keep_alive = exchange->keep_alive;
  stand_in->head_only = exchange->head_only;
  stand_in->request.method = exchange->request.method;
  stand_in->peer_text = peer_;
  stand_in->request.peer = stand_in->peer_text;
  stand_in->next = exchange->next;
  Exchange** place = &first_;
  while (*place != exchange) place = &(*place)->next;
  *place = stand_in;
  if (last_ == exchange) last_ = stand_in;
  CoreStats::add(core_.stats.in_flight, 1);
  CoreStats::add(core_.stats.timeouts, 1);
  release(exchange);
  Response late =
      problem(503, "http.handler_timeout",
              "no answer was ready in time; what was asked may still happen. Send it again with the same ids: nothing is done twice");
  late.headers.emplace_back("Retry-After", "1");
  answer(*stand_in, std::move(late));
}

void Connection::check(Clock::time_point now) {
  const Options& options = core_.options();
  if (closed_) return;
  if (write_pending_ && now - write_progress_ > options.write_timeout) {
    CoreStats::add(core_.stats.timeouts, 1);
    close();
    return maybe_delete();
  }
  bool changed = false;
  for (Exchange* exchange = first_; exchange != nullptr;) {
    Exchange* next = exchange->next;
    if (exchange->lent && now > exchange->deadline) {
      expire(exchange);
      changed = true;
    }
    exchange = next;
  }
  const auto waited = now - read_started_;
  const auto too_late = [&](std::string_view code, std::string_view detail) {
    CoreStats::add(core_.stats.timeouts, 1);
    refuse_and_close(reading_, problem(408, code, detail));
    changed = true;
  };
  if (reading_state_ == Reading::linger) {
    if (waited > (core_.draining() ? kLingerWhenStopping : kLinger)) close();
  } else if (sink_waits_) {
    resume_sink();
    changed = true;
  } else if (reading_ != nullptr) {
    const auto earned = std::chrono::milliseconds(reading_->body_received * 1000 / std::max<std::size_t>(options.body_bytes_per_s_min, 1));
    if (waited > options.body_timeout + earned)
      too_late("http.body_timeout", "the body came too slowly (http.body_timeout); send it again");
  } else if (head_begun_ && !paused_) {
    if (waited > options.head_timeout) too_late("http.head_timeout", "the header came too slowly (http.head_timeout); send it again");
  } else if (count_ == 0 && !write_pending_ && waited > (served_ ? options.idle_timeout : options.head_timeout)) {
    close();
  }
  if (changed && !closed_) advance();
  maybe_delete();
}

void Connection::drain() {
  close_after_ = true;
  if (count_ == 0) {
    close();
  } else {
    advance();
  }
  maybe_delete();
}

void Connection::cut() {
  if (count_ > 0 || write_pending_) core_.shared().cut = true;
  close();
  maybe_delete();
}

}  // namespace nudge::http
