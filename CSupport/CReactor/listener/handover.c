#define _GNU_SOURCE /* accept4, struct ucred */

#include "creactor/handover.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(const char *path, int flags, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length == 0) return -ENOENT;
  if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memcpy(address->sun_path, path, length + 1);
  int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
  return descriptor < 0 ? -errno : descriptor;
}

static int give_up(int descriptor, int error) {
  close(descriptor);
  return -error;
}

int cr_handover_listen(const char *path) {
  struct sockaddr_un address;
  int descriptor = open_socket(path, SOCK_NONBLOCK, &address);
  if (descriptor < 0) return descriptor;
  /* The mode of the inode that bind makes, before anybody could connect. */
  if (fchmod(descriptor, 0600) < 0 ||
      bind(descriptor, (const struct sockaddr *)&address, sizeof address) < 0)
    return give_up(descriptor, errno);
  if (chmod(path, 0600) < 0 || listen(descriptor, 4) < 0) {
    int error = errno;
    unlink(path);
    return give_up(descriptor, error);
  }
  return descriptor;
}

static bool is_ours(int connection) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

int cr_handover_accept(int listener) {
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0) return -errno;
  return is_ours(connection) ? connection : give_up(connection, EACCES);
}

int cr_handover_connect(const char *path) {
  struct sockaddr_un address;
  int connection = open_socket(path, 0, &address);
  if (connection < 0) return connection;
  /* The queue of a process that does not accept may be full. */
  struct timeval patience = {.tv_sec = 5};
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(connection, (const struct sockaddr *)&address, sizeof address) < 0)
    return give_up(connection, errno == EAGAIN ? ETIMEDOUT : errno);
  return is_ours(connection) ? connection : give_up(connection, EACCES);
}

/* The process that the name is of, if it is `prefix` and a process id. */
static pid_t owner_of(const char *name, const char *prefix, size_t length) {
  if (strncmp(name, prefix, length) != 0) return -1;
  const char *digits = name + length;
  if (*digits == 0 || strspn(digits, "0123456789") != strlen(digits)) return -1;
  long owner = strtol(digits, NULL, 10);
  return owner > 0 && owner <= INT_MAX ? (pid_t)owner : -1;
}

void cr_handover_sweep(const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return;
  char folder[PATH_MAX], prefix[NAME_MAX + 1], file[PATH_MAX + NAME_MAX + 2];
  int folder_length = snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
  int length = snprintf(prefix, sizeof prefix, "%s.", slash + 1);
  if (folder_length >= (int)sizeof folder || length >= (int)sizeof prefix) return;
  DIR *entries = opendir(folder);
  if (entries == NULL) return;
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    pid_t owner = owner_of(entry->d_name, prefix, (size_t)length);
    if (owner < 0 || kill(owner, 0) == 0 || errno != ESRCH) continue;
    snprintf(file, sizeof file, "%s%s", folder, entry->d_name);
    /* The process may be one that can't be seen from here. */
    int connection = cr_handover_connect(file);
    if (connection == -ECONNREFUSED) unlink(file);
    if (connection >= 0) close(connection);
  }
  closedir(entries);
}

pid_t cr_handover_peer(int connection) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : -1;
}

/* Room for the descriptors of one message, aligned as its head must be. */
typedef union control {
  struct cmsghdr head;
  char bytes[CMSG_SPACE(CR_HANDOVER_DESCRIPTORS * sizeof(int))];
} control;

int cr_handover_send(int connection, const char *text, size_t length, const int *descriptors,
                     size_t count) {
  if (length == 0 || length > CR_HANDOVER_TEXT || count > CR_HANDOVER_DESCRIPTORS) return -EMSGSIZE;
  struct iovec piece = {.iov_base = (void *)text, .iov_len = length};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  control control = {0};
  if (count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), descriptors, count * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

static int wait_readable(int connection, int timeout) {
  struct pollfd entry = {.fd = connection, .events = POLLIN};
  int found;
  do {
    found = poll(&entry, 1, timeout);
  } while (found < 0 && errno == EINTR);
  return found < 0 ? -errno : found == 0 ? -ETIMEDOUT : 0;
}

ssize_t cr_handover_receive(int connection, int timeout, char *text, int *descriptors,
                            size_t *count) {
  *count = 0;
  int status = wait_readable(connection, timeout);
  if (status < 0) return status;
  struct iovec piece = {.iov_base = text, .iov_len = CR_HANDOVER_TEXT};
  control control = {0};
  struct msghdr message = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t length;
  do {
    length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return -errno;
  for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    size_t found = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < found; index++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(head) + index * sizeof(int), sizeof descriptor);
      if (descriptors != NULL && *count < CR_HANDOVER_DESCRIPTORS)
        descriptors[(*count)++] = descriptor;
      else
        close(descriptor);
    }
  }
  if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return length;
  while (*count > 0)
    close(descriptors[--*count]);
  return -EMSGSIZE;
}
