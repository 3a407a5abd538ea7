#define _GNU_SOURCE 1
/* A bare WebSocket echo server, the measure for ours: one epoll loop, one read and one write for
   each message, no timers, no limits, no checks of UTF-8. What it shares with the gateway is the
   codec of frames.

   websocket_echo PORT */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cwire/http1.h>
#include <cwire/websocket.h>

enum { max_descriptors = 20000, capacity = 1 << 20 };

/* Of a connection that has something incomplete; NULL for the others. */
typedef struct partial {
  size_t length;
  uint8_t bytes[];
} partial;

static partial *partials[max_descriptors];
static bool upgraded[max_descriptors];
static uint8_t in[capacity], out[capacity + CWIRE_WS_HEAD_MAX];

static void send_all(int descriptor, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = write(descriptor, bytes, length);
    if (sent > 0) {
      bytes += sent;
      length -= (size_t)sent;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = descriptor, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else {
      return;
    }
  }
}

/* Bytes of the request that were used; 0 if more are needed or it is none. */
static size_t upgrade(int descriptor, size_t length) {
  static cwire_http1_head head;
  cwire_http1_limits limits = cwire_http1_default_limits();
  ptrdiff_t used = cwire_http1_parse_request(&head, &limits, cwire_span_make(in, length), 0);
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH];
  if (used <= 0 || !cwire_ws_accept(head.known[CWIRE_FIELD_SEC_WEBSOCKET_KEY], accept)) return 0;
  char answer[256];
  int written = snprintf(answer, sizeof answer,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                         (int)sizeof accept, accept);
  send_all(descriptor, (const uint8_t *)answer, (size_t)written);
  upgraded[descriptor] = true;
  return (size_t)used;
}

/* Echoes the frame at `at`; its bytes, 0 if it is not whole, SIZE_MAX at the end. */
static size_t echo(int descriptor, size_t at, size_t length) {
  cwire_ws_head head;
  ptrdiff_t size =
      cwire_ws_parse_head(&head, cwire_span_make(in + at, length - at), CWIRE_WS_CLIENT);
  if (size < 0) return SIZE_MAX;
  if (size == 0 || length - at - (size_t)size < head.length) return 0;
  uint8_t *payload = in + at + size;
  cwire_ws_mask(payload, head.length, head.mask, 0);
  uint8_t opcode = head.opcode == CWIRE_WS_PING ? CWIRE_WS_PONG : head.opcode;
  size_t before = cwire_ws_put_head(out, opcode, head.fin, false, head.length, NULL);
  memcpy(out + before, payload, head.length);
  send_all(descriptor, out, before + head.length);
  return head.opcode == CWIRE_WS_CLOSE ? SIZE_MAX : (size_t)size + head.length;
}

static void end(int descriptor) {
  free(partials[descriptor]);
  partials[descriptor] = NULL;
  upgraded[descriptor] = false;
  close(descriptor);
}

static void keep(int descriptor, size_t at, size_t length) {
  if (at == length) return;
  partials[descriptor] = malloc(sizeof(partial) + length - at);
  partials[descriptor]->length = length - at;
  memcpy(partials[descriptor]->bytes, in + at, length - at);
}

static void receive(int descriptor) {
  partial *partial = partials[descriptor];
  size_t length = 0, at = 0;
  if (partial != NULL) {
    length = partial->length;
    memcpy(in, partial->bytes, length);
  }
  ssize_t taken = read(descriptor, in + length, sizeof in - length);
  if (taken <= 0) {
    if (taken == 0 || errno != EAGAIN) end(descriptor);
    return;
  }
  free(partial);
  partials[descriptor] = NULL;
  length += (size_t)taken;
  while (at < length) {
    size_t used = upgraded[descriptor] ? echo(descriptor, at, length) : upgrade(descriptor, length);
    if (used == SIZE_MAX) {
      end(descriptor);
      return;
    }
    if (used == 0) break;
    at += used;
  }
  keep(descriptor, at, length);
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: websocket_echo PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(arguments[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 4096) != 0) {
    perror("listen");
    return 1;
  }
  int loop = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(loop, events, 256, -1);
    for (int index = 0; index < ready; index++) {
      int descriptor = events[index].data.fd;
      if (descriptor != listener) {
        receive(descriptor);
        continue;
      }
      int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      if (accepted < 0) continue;
      if (accepted >= max_descriptors) {
        close(accepted);
        continue;
      }
      setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      struct epoll_event added = {.events = EPOLLIN, .data.fd = accepted};
      epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &added);
    }
  }
}
