#include "creactor/handover_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int cr_handover_stream_pair(int ends[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0 ? -errno : 0;
}

int cr_handover_stream_waker(void) {
  int waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return waker < 0 ? -errno : waker;
}

void cr_handover_stream_wake(int waker) {
  uint64_t one = 1;
  /* Full means that it is awake. */
  ssize_t written = write(waker, &one, sizeof one);
  (void)written;
}

int cr_handover_stream_wait(int stream, int waker, bool writing, int timeout) {
  struct pollfd entries[2] = {
      {.fd = stream, .events = (short)(POLLIN | (writing ? POLLOUT : 0))},
      {.fd = waker, .events = POLLIN},
  };
  if (poll(entries, 2, timeout) <= 0) return 0;
  uint64_t count;
  if (entries[1].revents != 0) {
    ssize_t taken = read(waker, &count, sizeof count);
    (void)taken;
  }
  int ready = 0;
  if (entries[0].revents & (POLLIN | POLLHUP | POLLERR)) ready |= CR_HANDOVER_READABLE;
  if (entries[0].revents & POLLOUT) ready |= CR_HANDOVER_WRITABLE;
  return ready;
}

ssize_t cr_handover_stream_send(int stream, const void *bytes, size_t length) {
  ssize_t sent;
  do {
    sent = send(stream, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t cr_handover_stream_receive(int stream, void *bytes, size_t length) {
  ssize_t received;
  do {
    received = recv(stream, bytes, length, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received < 0 ? -errno : received;
}
