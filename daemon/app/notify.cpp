#include "daemon/app/notify.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace nudge::daemon {

void notify(std::string_view state) noexcept {
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return;
  const std::size_t length = std::strlen(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = '\0';  // a name that is in no directory
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  (void)::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(socket);
}

Result<void> drop_privileges(bool low_port) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail(Code::denied, std::string("the kernel refuses NoNewPrivileges: ") + std::strerror(errno));
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> had{}, left{};
  const bool known = ::syscall(SYS_capget, &header, had.data()) == 0;
  if (low_port && known) left[0].permitted = left[0].effective = had[0].permitted & (1U << CAP_NET_BIND_SERVICE);
  // A supervisor that gave none may have taken the call away as well, as our unit for systemd does.
  const auto bits = [](const auto& caps) {
    return std::array{caps[0].effective, caps[1].effective, caps[0].permitted, caps[1].permitted, caps[0].inheritable, caps[1].inheritable};
  };
  if (known && bits(had) == bits(left)) return {};
  if (::syscall(SYS_capset, &header, left.data()) != 0)
    return fail(Code::denied, std::string("the kernel refuses to give up capabilities: ") + std::strerror(errno));
  return {};
}

}  // namespace nudge::daemon
