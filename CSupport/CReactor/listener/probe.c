#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listener/accepting.h"

/* The inode of the socket that listens on the port, from a table of /proc/net; 0: none. */
static unsigned long listening_inode(const char *table, uint16_t port) {
  FILE *file = fopen(table, "re");
  if (!file) return 0;
  char line[512];
  unsigned long inode = 0;
  while (!inode && fgets(line, sizeof line, file)) {
    unsigned local_port, state;
    unsigned long found;
    /* sl local:port remote:port st queues timer retransmits uid timeout inode; state 0A is LISTEN.
     */
    int fields = sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu",
                        &local_port, &state, &found);
    if (fields == 3 && state == 0x0a && local_port == port) inode = found;
  }
  fclose(file);
  return inode;
}

static bool holds(const char *process, const char *link) {
  char path[320];
  snprintf(path, sizeof path, "/proc/%s/fd", process);
  DIR *directory = opendir(path);
  if (!directory) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(directory));) {
    char target[64];
    ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
    if (length <= 0) continue;
    target[length] = 0;
    found = strcmp(target, link) == 0;
  }
  closedir(directory);
  return found;
}

static void name_process(const char *process, char *out, size_t capacity) {
  char path[320], name[64] = "";
  snprintf(path, sizeof path, "/proc/%s/comm", process);
  FILE *file = fopen(path, "re");
  if (file) {
    if (fgets(name, sizeof name, file)) name[strcspn(name, "\n")] = 0;
    fclose(file);
  }
  if (name[0])
    snprintf(out, capacity, "pid %s (%s)", process, name);
  else
    snprintf(out, capacity, "pid %s", process);
}

static void find_holder(uint16_t port, char *out, size_t capacity) {
  unsigned long inode = listening_inode("/proc/net/tcp", port);
  if (!inode) inode = listening_inode("/proc/net/tcp6", port);
  DIR *processes = inode ? opendir("/proc") : NULL;
  if (!processes) return;
  char link[64];
  snprintf(link, sizeof link, "socket:[%lu]", inode);
  for (struct dirent *entry; (entry = readdir(processes));) {
    if (!isdigit((unsigned char)entry->d_name[0]) || !holds(entry->d_name, link)) continue;
    name_process(entry->d_name, out, capacity);
    break;
  }
  closedir(processes);
}

/* The address at which a socket listens; false if it does not. */
static bool listening_address(int descriptor, struct sockaddr_storage *address) {
  int listens = 0;
  socklen_t size = sizeof listens, length = sizeof *address;
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
         getsockname(descriptor, (struct sockaddr *)address, &length) == 0 &&
         (address->ss_family == AF_INET || address->ss_family == AF_INET6);
}

/* It has the same place in both families. */
static uint16_t port_of(const struct sockaddr_storage *address) {
  return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

uint16_t cr_socket_port(int descriptor) {
  struct sockaddr_storage address;
  return listening_address(descriptor, &address) ? port_of(&address) : 0;
}

bool cr_socket_listens_at(int descriptor, const char *host, uint16_t *port) {
  struct sockaddr_storage own, wanted;
  socklen_t length;
  if (!listening_address(descriptor, &own)) return false;
  if (*port != 0 && *port != port_of(&own)) return false;
  *port = port_of(&own);
  if (cr_failed(cr_listen_address(host, *port, &wanted, &length))) return false;
  if (wanted.ss_family != own.ss_family) return false;
  if (own.ss_family == AF_INET)
    return memcmp(&((struct sockaddr_in *)&own)->sin_addr,
                  &((struct sockaddr_in *)&wanted)->sin_addr, sizeof(struct in_addr)) == 0;
  return memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr,
                &((struct sockaddr_in6 *)&wanted)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

bool cr_socket_is_local(int descriptor) {
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  if (getsockname(descriptor, (struct sockaddr *)&address, &length) < 0) return false;
  if (address.ss_family == AF_INET6) {
    const struct in6_addr *own = &((struct sockaddr_in6 *)&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(own) || (IN6_IS_ADDR_V4MAPPED(own) && own->s6_addr[12] == 127);
  }
  if (address.ss_family == AF_INET)
    return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
  return address.ss_family == AF_UNIX;
}

cr_error cr_listener_probe(const char *host, uint16_t *port, char *holder, size_t holder_capacity) {
  if (holder_capacity) holder[0] = 0;
  struct sockaddr_storage address;
  socklen_t length;
  cr_error error = cr_listen_address(host, *port, &address, &length);
  if (cr_failed(error)) return error;
  int descriptor = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return cr_error_uv(-errno);
  /* SO_REUSEADDR lets connections of the last run in TIME_WAIT be, but no second listener. */
  int on = 1, status = 0;
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind(descriptor, (struct sockaddr *)&address, length) < 0 || listen(descriptor, 1) < 0 ||
      getsockname(descriptor, (struct sockaddr *)&address, &length) < 0) {
    status = -errno;
  }
  close(descriptor);
  if (status == -EADDRINUSE && holder_capacity) find_holder(*port, holder, holder_capacity);
  if (status < 0) return cr_error_uv(status);
  *port = port_of(&address);
  return CR_OK;
}
