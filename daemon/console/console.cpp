#include "daemon/console/console.h"

#include <zlib.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "daemon/console/assets.h"

namespace nudge::console {
namespace {

// No inline script or style, nothing from anywhere else, no frame around us (OWASP's strict policy).
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const Asset* find(std::string_view path) {
  const auto all = assets();
  const auto at = std::ranges::find(all, path, &Asset::path);
  return at == all.end() ? nullptr : &*at;
}

// True if the client takes the coding. A q of zero is a no (RFC 9110, 12.5.3).
bool accepts(std::string_view header, std::string_view coding) {
  while (!header.empty()) {
    const std::size_t comma = header.find(',');
    std::string_view item = header.substr(0, comma);
    header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    const std::string_view name = item.substr(0, item.find_first_of("; \t"));
    if (name == coding) return item.find("q=0") == std::string_view::npos || item.find("q=0.") != std::string_view::npos;
  }
  return false;
}

// For the rare client that takes no compression.
std::string inflated(std::string_view gzip) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return {};
  std::string out;
  char piece[16384];
  // zlib reads only.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));  // NOLINT
  stream.avail_in = static_cast<uInt>(gzip.size());
  int said = Z_OK;
  while (said == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece);  // NOLINT
    stream.avail_out = sizeof piece;
    said = inflate(&stream, Z_NO_FLUSH);
    out.append(piece, sizeof piece - stream.avail_out);
  }
  inflateEnd(&stream);
  return out;
}

http::Response answer(const Asset& asset, const http::Request& request) {
  http::Response response;
  response.content_type = asset.content_type;
  response.headers = {{"Content-Security-Policy", std::string(kPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Vary", "Accept-Encoding"},
                      {"ETag", std::string(asset.etag)},
                      // Vite puts a hash of the content into the names below assets/: those never change.
                      {"Cache-Control", asset.path.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (request.header("If-None-Match") == asset.etag) {
    response.status = 304;
    return response;
  }
  const std::string_view codings = request.header("Accept-Encoding");
  if (accepts(codings, "br")) {
    response.headers.emplace_back("Content-Encoding", "br");
    response.body = asset.brotli;
  } else if (accepts(codings, "gzip")) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset.gzip;
  } else {
    response.body = inflated(asset.gzip);
  }
  return response;
}

void serve(http::Request& request, http::Responder responder) {
  if (assets().empty()) return responder.send(http::problem(404, "console.absent", "this nudged was built without the console; build it with -DNUDGE_CONSOLE=ON"));
  const std::string_view rest = request.param("rest");
  if (const Asset* file = find(rest)) return responder.send(answer(*file, request));
  // A file that is gone is gone; every other address is a place in the console, which finds its way itself.
  const Asset* index = find("index.html");
  if (index == nullptr || rest.starts_with("assets/")) return responder.send(http::problem(404, "http.not_found", "there is no such file of the console"));
  responder.send(answer(*index, request));
}

void redirect(http::Request&, http::Responder responder) {
  http::Response response;
  response.status = 302;
  response.content_type = "text/plain";
  response.headers = {{"Location", "/console/"}, {"Cache-Control", "no-store"}};
  responder.send(std::move(response));
}

}  // namespace

Result<void> install(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/", redirect));
  NUDGE_TRY(server.route(Method::get, "/console", redirect));
  NUDGE_TRY(server.route(Method::get, "/console/", serve));
  return server.route(Method::get, "/console/{rest...}", serve);
}

}  // namespace nudge::console
