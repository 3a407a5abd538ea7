#ifndef CREACTOR_HTTP_EXCHANGE_H
#define CREACTOR_HTTP_EXCHANGE_H

#include <cwire/http1_body.h>

#include "connection/connection.h"

/* Where the server side of a connection is between a request and the end of its answer. */

/* `cr_connection.server_state` */
enum {
  SERVING = 1 << 0,   /* a request was handed over; its answer has not begun */
  STREAMING = 1 << 1, /* an answer has begun and has not ended */
  CHUNKED = 1 << 2,   /* in chunks, that is; else until close */
  BODILESS = 1 << 3,  /* the answer has no body: HEAD, 204, 304 */
  HEAD_ONLY = 1 << 4, /* the request was a HEAD */
  VERSION_1_0 = 1 << 5,
  PERSIST = 1 << 6,    /* another request may follow on the connection */
  COLLECTING = 1 << 7, /* the exchange holds a head and collects its body */
  LINGERING = 1 << 8,  /* the last answer is given: what still comes is thrown away */
  BUSY = SERVING | STREAMING,
};

/* What a connection needs only while a request is incomplete, a heartbeat runs or it lingers.
 * Pooled. */
typedef struct cr_http_exchange {
  struct cr_http_exchange *next_free;
  uint64_t started; /* when the first byte of the head came; when lingering was first looked at */
  size_t seen;      /* bytes of an incomplete head that were searched for its end; or thrown away */
  cwire_http1_body body; /* where in the body the decoder is */
  cr_buffer *head;       /* COLLECTING: the head as it came */
  cr_buffer *content;    /* COLLECTING: the decoded body so far */
  cr_frame *heartbeat;
  uint64_t written; /* when the stream was last written to */
  uint32_t interval;
} cr_http_exchange;

/* The connection's exchange, made if need be; NULL without memory. */
cr_http_exchange *cr_http_exchange_of(cr_connection *connection);
void cr_http_exchange_free(cr_connection *connection);
static inline void cr_http_exchange_drop(cr_connection *connection) {
  if (connection->server.exchange) cr_http_exchange_free(connection);
}
/* Frees those that the loop keeps for the next use. */
void cr_http_exchanges_clear(cr_loop *loop);

#endif
