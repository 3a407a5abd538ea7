#ifndef CREACTOR_LISTENER_H
#define CREACTOR_LISTENER_H

#include <cwire/address.h>

#include "creactor/loop.h"
#include "creactor/tls.h"

/* Loops that share listening addresses, so that a connection that arrives at a crowded one (more
   than 1.5 times the mean, and at least 8 above it) is passed on once, at accept. May hold one
   loop. */
typedef struct cr_group cr_group;
cr_group *cr_group_make(uint32_t loops);
void cr_group_join(cr_group *group, cr_loop *loop);
void cr_group_free(cr_group *group);

/* Binds and checks that nobody else listens: SO_REUSEPORT is not set on this probe. `port` 0 picks
   one and writes it back. On EADDRINUSE, `holder` gets "pid 123 (name)" if it can be found out. The
   socket returned (>= 0) has been closed again: it only reserves nothing. Thread: any. */
cr_error cr_listener_probe(const char *host, uint16_t *port, char *holder, size_t holder_capacity);

/* Limits of one HTTP listener; all have defaults in `cr_http_limits_default`. */
typedef struct cr_http_limits {
  uint32_t max_head, max_target, max_headers; /* bytes, bytes, count: 431, 414, 431 */
  uint64_t max_body;                          /* bytes: 413 */
  /* ms from the first byte of a head to its end (408), and from accept to that first byte */
  uint32_t head_timeout;
  /* ms between bytes of a body, and for all of it beside the time that `body_rate` gives it: 408 */
  uint32_t body_timeout;
  uint32_t body_rate;       /* bytes per second that a body must come with; 0: any rate */
  uint32_t idle_timeout;    /* ms of a kept-alive connection without a request */
  uint32_t pipeline;        /* bytes of further requests read ahead of an answer that is due */
  uint32_t max_connections; /* of this label, on all loops of its group: 503 and close */
  /* Connections of one client (IPv4 address or IPv6 /64) with all listeners of the group: 503, and
     429 where a proxy names the client; 0: no cap. */
  uint32_t per_address;
} cr_http_limits;
cr_http_limits cr_http_limits_default(void);

typedef struct cr_listener cr_listener;

/* A listener of this loop, SO_REUSEPORT set, that serves HTTP/1.1. `label` comes back as the head's
   listener (see `cr_connection_listener`). */
cr_error cr_listener_start(cr_listener **out, cr_loop *loop, cr_group *group, const char *host,
                           uint16_t port, uint32_t label, const cr_http_limits *limits);
/* Held: connections wait in the kernel's queue, not refused, until it is held no more. */
void cr_listener_hold(cr_listener *listener, bool held);
/* New connections speak TLS with this context (held by the listener; NULL: plain). To be called
   before the first turn, and again with a renewed context: connections keep the one they have. */
void cr_listener_set_tls(cr_listener *listener, cr_tls_context *context);
/* The same with a socket that listens already, of another process or of a service manager. It is
   the listener's from then on, also on failure. Several listeners may have one label. */
cr_error cr_listener_adopt(cr_listener **out, cr_loop *loop, cr_group *group, int descriptor,
                           uint32_t label, const cr_http_limits *limits);
/* Its socket, to be handed to another process; -1 once it is closed. Thread: any, while it is not
   being stopped. */
int cr_listener_descriptor(const cr_listener *listener);
/* Limits of connections and requests to come; those on their way go on under them too. */
void cr_listener_set_limits(cr_listener *listener, const cr_http_limits *limits);
/* From these networks, which are copied, connections count for no client but whom they name: with
   `proxy_protocol` by its header, which they must begin with then, and without which others are
   turned away; else by a field of each request (cwire/forwarded.h). For connections to come. False
   without memory: it stays as it was. */
bool cr_listener_set_proxies(cr_listener *listener, const cwire_network *networks, size_t count,
                             bool proxy_protocol);
/* The port at which a TCP socket listens; 0 if it does not. */
uint16_t cr_socket_port(int descriptor);
/* True if the socket listens at that address (port 0: at any port of it); `port` gets its own. */
bool cr_socket_listens_at(int descriptor, const char *host, uint16_t *port);
/* True if nobody beyond this machine can connect to a socket: it is bound to loopback, or of no
   family of the network. */
bool cr_socket_is_local(int descriptor);
/* Accepts what the kernel has queued, then closes the listening socket. Connections live on. */
void cr_listener_stop(cr_listener *listener);

uint32_t cr_connection_listener(cr_loop *loop, cr_id connection);
/* The address of the client on a connection that was accepted: 16 bytes, IPv6 or IPv4-mapped. The
   peer's, or what a proxy that is trusted says of whom the request in hand, or the last one, is
   from. False, and nothing written, for a stale id. */
bool cr_connection_client(cr_loop *loop, cr_id connection, uint8_t out[16]);
/* True if the peer is a proxy that is trusted: what it says of the request in hand counts. */
bool cr_connection_is_proxy(cr_loop *loop, cr_id connection);
/* The subject of the peer's verified client certificate (RFC 2253 form); where that is empty,
   "subjectAltName:sha256:" and a digest of its other names, or "certificate:sha256:" and one of all
   of it. Returns its length, 0 if the peer has no certificate; `out` holds it only if that is below
   the capacity, which may be 0. */
int cr_connection_subject(cr_loop *loop, cr_id connection, char *out, int capacity);

typedef struct cr_tls_info {
  const char *version, *cipher; /* static: "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
  bool resumed;
} cr_tls_info;
/* What was agreed on; false without TLS, and until the handshake is done. */
bool cr_connection_tls(cr_loop *loop, cr_id connection, cr_tls_info *out);

#endif
