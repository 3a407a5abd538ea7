#include "connection/socket_progress.h"

/* A file of its own: glibc's <netinet/tcp.h>, which <uv.h> brings in, has an older `tcp_info`. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool cr_socket_acknowledged(int descriptor, uint64_t *bytes) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  if (length < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
    return false;
  *bytes = info.tcpi_bytes_acked;
  return true;
}
