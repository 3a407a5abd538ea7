#define _GNU_SOURCE 1
/* A bare WebSocket echo server for measurements: one thread, one epoll, one read and one write for
   each message, and no check that an honest client would miss: no UTF-8, no limits, no pings, no
   compression, no time-outs. What a gateway costs beyond it is what its care costs.

   websocket_echo PORT */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

enum { max_descriptors = 20000, buffer_size = 2 * 1024 * 1024, events_size = 1024, gather = 64 };

/* What came of an unfinished frame; most of the time there is none. A frame larger than the buffer
   ends its connection. */
typedef struct connection {
  uint8_t *kept;
  size_t length;
  int is_open;
} connection;

static connection connections[max_descriptors];
static uint8_t buffer[buffer_size];
static int loop;

static void close_connection(int descriptor) {
  connection *connection = &connections[descriptor];
  free(connection->kept);
  *connection = (struct connection){0};
  close(descriptor);
}

/* The client reads what it sent, so what the kernel does not take now it takes soon. */
static int write_all(int descriptor, struct iovec *pieces, int count) {
  while (count > 0) {
    ssize_t taken = count == 1 ? write(descriptor, pieces->iov_base, pieces->iov_len)
                               : writev(descriptor, pieces, count);
    if (taken < 0) {
      if (errno != EAGAIN) return -1;
      poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
      continue;
    }
    while (count > 0 && (size_t)taken >= pieces->iov_len) {
      taken -= (ssize_t)pieces->iov_len;
      pieces++;
      count--;
    }
    if (count > 0) {
      pieces->iov_base = (uint8_t *)pieces->iov_base + taken;
      pieces->iov_len -= (size_t)taken;
    }
  }
  return 0;
}

/* ---- The handshake ---- */

static int shake_hands(int descriptor, char *request, size_t length) {
  request[length] = 0;
  char *key = strcasestr(request, "\r\nsec-websocket-key:");
  if (key == NULL) return -1;
  key += 20;
  key += strspn(key, " ");
  char text[128];
  int size = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                      (int)strcspn(key, " \r"), key);
  unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
  SHA1((const unsigned char *)text, (size_t)size, digest);
  EVP_EncodeBlock(accept, digest, sizeof digest);
  char answer[256];
  int bytes = snprintf(answer, sizeof answer,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                       accept);
  struct iovec piece = {answer, (size_t)bytes};
  connections[descriptor].is_open = 1;
  return write_all(descriptor, &piece, 1);
}

/* ---- Frames ---- */

static void unmask(uint8_t *bytes, size_t length, uint32_t mask) {
  uint64_t wide = (uint64_t)mask << 32 | mask;
  size_t index = 0;
  for (; index + 8 <= length; index += 8) {
    uint64_t word;
    memcpy(&word, bytes + index, 8);
    word ^= wide;
    memcpy(bytes + index, &word, 8);
  }
  for (; index < length; index++)
    bytes[index] ^= (uint8_t)(mask >> 8 * (index & 3));
}

/* Answers the frame at `bytes` in place: our head is shorter than the client's, so it fits in front
   of the payload. Returns the frame's bytes, 0 if it is not whole, -1 if the client says goodbye.
 */
static ssize_t answer_frame(uint8_t *bytes, size_t length, struct iovec *piece) {
  if (length < 6) return 0;
  size_t payload = bytes[1] & 0x7f, head = 2;
  if (payload == 126) {
    payload = (size_t)bytes[2] << 8 | bytes[3];
    head = 4;
  } else if (payload == 127) {
    if (length < 10) return 0;
    uint64_t wide;
    memcpy(&wide, bytes + 2, 8);
    payload = be64toh(wide);
    head = 10;
  }
  size_t whole = head + 4 + payload;
  if (length < whole) return 0;
  if ((bytes[0] & 0x0f) == 8) return -1;
  if ((bytes[0] & 0x0f) == 9) bytes[0] ^= 9 ^ 10; /* a ping's answer is a pong */
  uint32_t mask;
  memcpy(&mask, bytes + head, 4);
  unmask(bytes + head + 4, payload, mask);
  memmove(bytes + 4, bytes, head);
  bytes[5] &= 0x7f;
  *piece = (struct iovec){bytes + 4, head + payload};
  return (ssize_t)whole;
}

static void keep(connection *connection, const uint8_t *bytes, size_t length) {
  uint8_t *old = connection->kept;
  connection->kept = NULL;
  connection->length = length;
  if (length > 0) {
    connection->kept = malloc(length);
    if (connection->kept == NULL) abort();
    memcpy(connection->kept, bytes, length);
  }
  free(old);
}

static void serve(int descriptor) {
  connection *connection = &connections[descriptor];
  size_t length = connection->length;
  if (length > 0) memcpy(buffer, connection->kept, length);
  if (length == sizeof buffer - 1) {
    close_connection(descriptor); /* a frame larger than any that is measured */
    return;
  }
  ssize_t count = read(descriptor, buffer + length, sizeof buffer - 1 - length);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) {
    close_connection(descriptor);
    return;
  }
  length += (size_t)count;
  uint8_t *next = buffer, *end = buffer + length;
  if (!connection->is_open) {
    uint8_t *tail = memmem(buffer, length, "\r\n\r\n", 4);
    if (tail != NULL) {
      next = tail + 4;
      uint8_t first = *next;
      if (shake_hands(descriptor, (char *)buffer, (size_t)(next - buffer)) < 0) {
        close_connection(descriptor);
        return;
      }
      *next = first;
    }
  }
  struct iovec pieces[gather];
  int used = 0;
  ssize_t size = 1;
  while (connection->is_open && next < end && size > 0) {
    size = answer_frame(next, (size_t)(end - next), &pieces[used]);
    if (size > 0) {
      next += size;
      used++;
    }
    if (used > 0 && (used == gather || next == end || size <= 0)) {
      if (write_all(descriptor, pieces, used) < 0) size = -1;
      used = 0;
    }
  }
  if (size < 0) {
    static uint8_t goodbye[] = {0x88, 0};
    struct iovec piece = {goodbye, sizeof goodbye};
    write_all(descriptor, &piece, 1);
    close_connection(descriptor);
  } else if (next < end || connection->length > 0) {
    keep(connection, next, (size_t)(end - next));
  }
}

/* ---- The loop ---- */

static void accept_all(int listener) {
  int descriptor;
  while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (descriptor >= max_descriptors) {
      close(descriptor);
      continue;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: websocket_echo PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted ones inherit it */
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
      listen(listener, 4096) < 0) {
    perror("websocket_echo");
    return 1;
  }
  loop = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    static struct epoll_event events[events_size];
    int count = epoll_wait(loop, events, events_size, -1);
    for (int index = 0; index < count; index++) {
      if (events[index].data.fd == listener)
        accept_all(listener);
      else
        serve(events[index].data.fd);
    }
  }
}
