#define _GNU_SOURCE /* accept4 */

#include "listener/accepting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection/transport_plain.h"
#include "listener/admission.h"
#include "listener/client_address.h"
#include "listener/group.h"
#include "listener/preface.h"
#include "loop/mailbox.h"

enum { BACKLOG = 4096, ACCEPTS_PER_WAKE = 64, RETRY_MS = 100, MOST_LAST_READS = 8 };

/* ---- Accepting ---- */

static void address_bytes(const struct sockaddr_storage *from, uint8_t peer[16]) {
  memset(peer, 0, 16);
  if (from->ss_family == AF_INET6) {
    memcpy(peer, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
  } else if (from->ss_family == AF_INET) {
    peer[10] = peer[11] = 0xff;
    memcpy(peer + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
  }
}

/* Says so without taking a slot. The request that may have come is read, or closing would reset the
   connection before the client sees the answer. */
static void turn_away(cr_loop *loop, const cr_listener *listener, int descriptor,
                      cwire_span answer) {
  loop->counts.rejected++;
  /* Over TLS it would take a handshake, which is what there is no room for. */
  bool plain = !listener || !listener->tls;
  if (plain && send(descriptor, answer.base, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    shutdown(descriptor, SHUT_WR);
    for (int turn = 0; turn < MOST_LAST_READS; turn++) {
      if (recv(descriptor, loop->read_buffer, sizeof loop->read_buffer, MSG_DONTWAIT) <= 0) break;
    }
  }
  close(descriptor);
}

static cwire_span too_many(void) {
  return cwire_span_text("HTTP/1.1 503 Service Unavailable\r\n"
                         "Content-Type: text/plain\r\nContent-Length: 24\r\nRetry-After: 1\r\n"
                         "Connection: close\r\n\r\nToo many connections now");
}

static cwire_span no_proxy(void) {
  return cwire_span_text("HTTP/1.1 403 Forbidden\r\n"
                         "Content-Type: text/plain\r\nContent-Length: 74\r\n"
                         "Connection: close\r\n\r\n"
                         "This listener has proxy_protocol on, and you are none of "
                         "trusted_proxies.\n");
}

/* Serves the connection here; it is counted in the group already. */
static void adopt(cr_listener *listener, int descriptor, const uint8_t peer[16]) {
  cr_loop *loop = listener->loop;
  /* Whoever may connect to it could say who they like, and one that is no proxy says nothing. */
  bool stranger = listener->proxied && !cr_client_is_trusted(listener, peer);
  cr_connection *connection = stranger ? NULL : cr_listener_admit(listener, peer);
  if (!connection) {
    if (loop->group) cr_group_count(loop->group, loop->group_index, -1);
    turn_away(loop, listener, descriptor, stranger ? no_proxy() : too_many());
    return;
  }
  if (!cr_listener_secure(connection, &cr_transport_plain)) {
    close(descriptor);
    cr_listener_forget(connection);
    cr_connection_untake(connection);
    return;
  }
  cr_plain_open(connection, descriptor);
}

static void passed(cr_loop *loop, cr_mail *mail) {
  int descriptor = (int)mail->word[0];
  cr_listener *listener = loop->listeners;
  /* One that has stopped takes what was accepted before the others had. */
  while (listener && (listener->label != mail->word[1] || listener->abandoned))
    listener = listener->next;
  if (!listener) {
    cr_group_count(loop->group, loop->group_index, -1);
    turn_away(loop, NULL, descriptor, too_many());
    return;
  }
  adopt(listener, descriptor, mail->bytes);
}

static void arrived(cr_listener *listener, int descriptor, const struct sockaddr_storage *from) {
  cr_loop *loop = listener->loop;
  uint8_t peer[16];
  address_bytes(from, peer);
  loop->events++;
  if (loop->group && listener->polling) {
    uint32_t choice = cr_group_choose(loop->group, loop->group_index);
    cr_loop *other = choice == loop->group_index ? NULL : cr_group_member(loop->group, choice);
    cr_mail *mail = other ? cr_mail_make(0, sizeof peer) : NULL;
    if (mail) {
      mail->word[0] = (uint64_t)descriptor;
      mail->word[1] = listener->label;
      memcpy(mail->bytes, peer, sizeof peer);
      loop->counts.passed_on++;
      cr_loop_post_call(other, mail, passed);
      return;
    }
    if (choice != loop->group_index) cr_group_count(loop->group, choice, -1);
    cr_group_count(loop->group, loop->group_index, 1);
  } else if (loop->group) {
    cr_group_count(loop->group, loop->group_index, 1);
  }
  adopt(listener, descriptor, peer);
}

static void poll_readable(uv_poll_t *handle, int status, int events);

/* The one place that says whether the loop looks at the socket. */
static void update_polling(cr_listener *listener) {
  bool want = !listener->held && !listener->starved && !listener->stopped && !listener->closed;
  if (want == listener->polling) return;
  listener->polling = want && uv_poll_start(&listener->poll, UV_READABLE, poll_readable) == 0;
  if (!want) uv_poll_stop(&listener->poll);
}

static void resume(cr_timer_task *task) {
  cr_listener *listener = (cr_listener *)(void *)((uint8_t *)task - offsetof(cr_listener, retry));
  if (listener->reserve < 0) listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  listener->starved = false;
  update_polling(listener);
}

/* Out of descriptors: the reserve makes room for one, which is answered and closed. Without a
   reserve the listener pauses, so that a readable socket that nobody can accept does not keep the
   loop awake. */
static bool relieve(cr_listener *listener) {
  if (listener->reserve >= 0) {
    close(listener->reserve);
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) turn_away(listener->loop, listener, descriptor, too_many());
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0 && listener->reserve >= 0) return true;
  }
  listener->starved = true;
  update_polling(listener);
  listener->retry.fire = resume;
  cr_loop_start_timer(listener->loop, &listener->retry.timer,
                      cr_loop_time(listener->loop) + RETRY_MS);
  return false;
}

static void accept_some(cr_listener *listener, int most) {
  for (int turn = 0; turn < most; turn++) {
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    from.ss_family = AF_UNSPEC;
    int descriptor = accept4(listener->descriptor, (struct sockaddr *)&from, &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      arrived(listener, descriptor, &from);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    bool out_of_descriptors =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (out_of_descriptors && !relieve(listener)) return;
    /* All other errors are of the one connection that is gone already (accept(2)). */
  }
}

static void poll_readable(uv_poll_t *handle, int status, int events) {
  (void)events;
  if (status == 0) accept_some(handle->data, ACCEPTS_PER_WAKE);
}

/* ---- Opening and closing ---- */

cr_error cr_listen_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                           socklen_t *length) {
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  struct addrinfo hints = {
      .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC};
  struct addrinfo *found = NULL;
  /* "[::1]" as it is written in URLs means the same as "::1". */
  char bare[256];
  size_t size = strlen(host);
  if (size > 2 && size < sizeof bare && host[0] == '[' && host[size - 1] == ']') {
    memcpy(bare, host + 1, size - 2);
    bare[size - 2] = 0;
    host = bare;
  }
  int status = getaddrinfo(host[0] ? host : NULL, service, &hints, &found);
  if (status != 0)
    return (cr_error){CR_DOMAIN_RESOLVER, status == EAI_SYSTEM ? -errno : UV_EAI_NONAME};
  memcpy(out, found->ai_addr, found->ai_addrlen);
  *length = found->ai_addrlen;
  freeaddrinfo(found);
  return CR_OK;
}

static void poll_closed(uv_handle_t *handle) {
  cr_listener *listener = handle->data;
  close(listener->descriptor);
  if (listener->reserve >= 0) close(listener->reserve);
  listener->descriptor = listener->reserve = -1;
  listener->closed = true;
  cr_listener_free_if_done(listener);
}

static int open_socket(const struct sockaddr_storage *address, socklen_t length) {
  int descriptor = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  int on = 1, off = 0;
  /* Linux hands TCP_NODELAY on to accepted sockets: set once here. */
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
      setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
      (address->ss_family == AF_INET6 &&
       setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0) ||
      bind(descriptor, (const struct sockaddr *)address, length) < 0 ||
      listen(descriptor, BACKLOG) < 0) {
    int status = -errno;
    close(descriptor);
    return status;
  }
  return descriptor;
}

/* Listens with a socket, which is taken over even on failure. */
static cr_error begin(cr_listener **out, cr_loop *loop, const cr_protocol *protocol, int descriptor,
                      uint32_t label, const cr_http_limits *limits) {
  cr_listener *listener = cr_listener_make(loop, protocol, label, limits);
  if (!listener) {
    close(descriptor);
    return cr_error_uv(UV_ENOMEM);
  }
  listener->descriptor = descriptor;
  listener->grouped = loop->group != NULL;
  listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int status = uv_poll_init_socket(&loop->uv, &listener->poll, descriptor);
  if (status < 0) {
    close(descriptor);
    if (listener->reserve >= 0) close(listener->reserve);
    listener->stopped = listener->abandoned = true;
    cr_listener_free_if_done(listener);
    return cr_error_uv(status);
  }
  listener->closed = false;
  listener->poll.data = listener;
  update_polling(listener);
  *out = listener;
  return CR_OK;
}

cr_error cr_listener_open(cr_listener **out, cr_loop *loop, cr_group *group,
                          const cr_protocol *protocol, const char *host, uint16_t port,
                          uint32_t label, const cr_http_limits *limits) {
  *out = NULL;
  struct sockaddr_storage address;
  socklen_t length;
  cr_error error = cr_listen_address(host, port, &address, &length);
  if (cr_failed(error)) return error;
  if (group && !loop->group) cr_group_join(group, loop);
  int descriptor = open_socket(&address, length);
  if (descriptor < 0) return cr_error_uv(descriptor);
  return begin(out, loop, protocol, descriptor, label, limits);
}

cr_error cr_listener_take_over(cr_listener **out, cr_loop *loop, cr_group *group,
                               const cr_protocol *protocol, int descriptor, uint32_t label,
                               const cr_http_limits *limits) {
  *out = NULL;
  if (group && !loop->group) cr_group_join(group, loop);
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0 ||
      fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) < 0) {
    int status = -errno;
    close(descriptor);
    return cr_error_uv(status);
  }
  return begin(out, loop, protocol, descriptor, label, limits);
}

int cr_listener_descriptor(const cr_listener *listener) {
  return listener->descriptor;
}

void cr_listener_hold(cr_listener *listener, bool held) {
  listener->held = held;
  update_polling(listener);
}

static void close_listener(cr_listener *listener) {
  listener->stopped = true;
  cr_loop_stop_timer(listener->loop, &listener->retry.timer);
  if (listener->closed)
    cr_listener_free_if_done(listener);
  else
    uv_close((uv_handle_t *)&listener->poll, poll_closed);
}

void cr_listener_stop(cr_listener *listener) {
  if (listener->stopped) return;
  bool accepts = listener->polling || listener->starved;
  /* From now on nothing is passed on: the others stop as well. */
  listener->polling = false;
  if (accepts) accept_some(listener, BACKLOG);
  close_listener(listener);
}

void cr_listeners_close(cr_loop *loop) {
  for (cr_listener *listener = loop->listeners, *next; listener; listener = next) {
    next = listener->next;
    listener->abandoned = true;
    if (listener->stopped)
      cr_listener_free_if_done(listener);
    else
      close_listener(listener);
  }
  if (loop->group) cr_group_leave(loop->group, loop->group_index);
}
