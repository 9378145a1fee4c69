#include "daemon/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>

namespace nudge::http {
namespace {

// Forward secrecy and authenticated encryption only.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in, unsigned in_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, kProtocols.data(), kProtocols.size(), in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

struct Stamp {
  ino_t inode = 0;
  off_t size = 0;
  timespec changed{};
  friend bool operator==(const Stamp& a, const Stamp& b) {
    return a.inode == b.inode && a.size == b.size && a.changed.tv_sec == b.changed.tv_sec && a.changed.tv_nsec == b.changed.tv_nsec;
  }
};

Stamp stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, info.st_size, info.st_mtim};
}

using Context = std::shared_ptr<SSL_CTX>;

Result<Context> load_context(const std::string& certificate, const std::string& key) {
  struct stat info{};
  if (::stat(key.c_str(), &info) != 0) return fail(Code::not_found, "http.tls_key " + key + " can't be read: " + std::strerror(errno));
  if ((info.st_mode & 077U) != 0 && info.st_uid == ::geteuid())
    return fail(Code::denied, "http.tls_key " + key + " can be read by others; chmod 600 it");
  Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(Code::internal, "OpenSSL gives no TLS context: " + openssl_reason());
  SSL_CTX* c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(c, choose_protocol, nullptr);
  ERR_clear_error();
  if (SSL_CTX_set_cipher_list(c, kCiphers12) != 1) return fail(Code::internal, "OpenSSL has none of our ciphers: " + openssl_reason());
  if (SSL_CTX_use_certificate_chain_file(c, certificate.c_str()) != 1)
    return fail(Code::invalid, "http.tls_certificate " + certificate + " is no PEM file with a certificate (" + openssl_reason() + ")");
  if (SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Code::invalid,
                "http.tls_key " + key + " does not fit the certificate, or is no PEM file without a passphrase (" + openssl_reason() + ")");
  if (SSL_CTX_check_private_key(c) != 1) return fail(Code::invalid, "http.tls_key " + key + " is not the key of the certificate");
  return context;
}

}  // namespace

struct TlsSession::Impl {
  explicit Impl(SSL* session) : ssl(session) {}
  ~Impl() { SSL_free(ssl); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  TlsResult result(int answer) const {
    switch (SSL_get_error(ssl, answer)) {
      case SSL_ERROR_WANT_READ: return TlsResult::wait_read;
      case SSL_ERROR_WANT_WRITE: return TlsResult::wait_write;
      case SSL_ERROR_ZERO_RETURN: return TlsResult::end;
      default: ERR_clear_error(); return TlsResult::failed;
    }
  }
  SSL* ssl;
};

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::~TlsSession() = default;

TlsResult TlsSession::read(char* to, std::size_t size, std::size_t& done) {
  done = 0;
  ERR_clear_error();
  const int answer = SSL_read_ex(impl_->ssl, to, size, &done);
  return answer == 1 ? TlsResult::ok : impl_->result(answer);
}

TlsResult TlsSession::write(const char* from, std::size_t size, std::size_t& done) {
  done = 0;
  ERR_clear_error();
  const int answer = SSL_write_ex(impl_->ssl, from, size, &done);
  return answer == 1 ? TlsResult::ok : impl_->result(answer);
}

bool TlsSession::established() const { return SSL_is_init_finished(impl_->ssl) != 0; }

void TlsSession::shut_down() {
  if (!established()) return;
  ERR_clear_error();
  (void)SSL_shutdown(impl_->ssl);
  ERR_clear_error();
}

struct TlsFiles::Impl {
  std::string certificate, key;
  std::function<void(const std::optional<Error>&)> changed;
  Context context;
  Stamp certificate_stamp, key_stamp;
  std::chrono::steady_clock::time_point looked;
};

TlsFiles::TlsFiles() : impl_(std::make_unique<Impl>()) {}
TlsFiles::~TlsFiles() = default;

Result<std::shared_ptr<TlsFiles>> TlsFiles::load(std::string certificate, std::string key,
                                                 std::function<void(const std::optional<Error>&)> changed) {
  if (certificate.empty() || key.empty())
    return fail(Code::invalid, "http.tls_certificate and http.tls_key belong together; set both, or none");
  std::shared_ptr<TlsFiles> files(new TlsFiles());
  Impl& impl = *files->impl_;
  impl.certificate = std::move(certificate);
  impl.key = std::move(key);
  impl.changed = std::move(changed);
  impl.certificate_stamp = stamp_of(impl.certificate);
  impl.key_stamp = stamp_of(impl.key);
  NUDGE_ASSIGN(impl.context, load_context(impl.certificate, impl.key));
  impl.looked = std::chrono::steady_clock::now();
  return files;
}

void TlsFiles::look() {
  Impl& impl = *impl_;
  const auto now = std::chrono::steady_clock::now();
  if (now - impl.looked < std::chrono::seconds(1)) return;
  impl.looked = now;
  const Stamp certificate = stamp_of(impl.certificate), key = stamp_of(impl.key);
  if (certificate == impl.certificate_stamp && key == impl.key_stamp) return;
  impl.certificate_stamp = certificate;
  impl.key_stamp = key;
  Result<Context> fresh = load_context(impl.certificate, impl.key);
  if (fresh) impl.context = *std::move(fresh);
  if (impl.changed) impl.changed(fresh ? std::nullopt : std::optional<Error>(fresh.error()));
}

std::unique_ptr<TlsSession> TlsFiles::accept(int socket) {
  const std::lock_guard lock(mutex_);
  look();
  SSL* ssl = SSL_new(impl_->context.get());
  if (ssl == nullptr) return nullptr;
  SSL_set_fd(ssl, socket);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsSession>(std::make_unique<TlsSession::Impl>(ssl));
}

std::int64_t TlsFiles::expires() {
  const std::lock_guard lock(mutex_);
  const X509* certificate = SSL_CTX_get0_certificate(impl_->context.get());
  std::tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return ::timegm(&parts);
}

}  // namespace nudge::http
