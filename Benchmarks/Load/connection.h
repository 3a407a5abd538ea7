#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include <openssl/ssl.h>
#include <uv.h>

#include "bytes.h"
#include "fault.h"
#include "target.h"

/* One TCP connection, with TLS or without, and what came on it but was not taken yet. One thread.
 */
typedef struct connection connection;

typedef struct connection_handlers {
  /* It can be written to. */
  void (*opened)(connection *connection);
  /* Bytes came; they may be scribbled on. Returns how many were taken: the rest is given again in
     front of what follows. */
  size_t (*received)(connection *connection, cwire_span bytes);
  /* The peer ended it, or it failed. It has to be closed; nothing else is told. */
  void (*ended)(connection *connection, fault fault);
  /* Its memory is free for another. */
  void (*closed)(connection *connection);
} connection_handlers;

typedef enum connection_state {
  CONNECTION_CLOSED,
  CONNECTION_OPENING,
  CONNECTION_OPEN,
  CONNECTION_CLOSING,
} connection_state;

struct connection {
  uv_tcp_t tcp;
  uv_connect_t connecting;
  const connection_handlers *handlers;
  void *owner;
  SSL *tls;
  bytes rest; /* came, not taken */
  connection_state state;
};

/* How to connect, the same for all connections of a process. */
typedef struct connector {
  uv_loop_t *loop;
  const target *target;
  SSL_CTX *tls;          /* NULL: plain */
  SSL_SESSION **session; /* where to keep the session for the next handshake; NULL: do not */
  unsigned sources;      /* addresses to come from, 127.0.0.2 on; 0: the system's choice */
} connector;

/* The context of clients that verify by the file of authorities, or not at all without one. NULL
   with a message on standard error. */
SSL_CTX *connection_make_tls(const char *authorities);

/* Opens it from the source address of that number, modulo `sources`. It must be closed. `opened` or
   `ended` follows, never from within. */
void connection_open(connection *connection, const connector *connector, unsigned source);

/* Writes all of it, sooner or later. */
void connection_send(connection *connection, cwire_span bytes);

/* `closed` follows, never from within. Does nothing if it is closed or closing. */
void connection_close(connection *connection);

#endif
