#ifndef CREACTOR_HTTP_H
#define CREACTOR_HTTP_H

#include "creactor/connection.h"

/* ---- Server side ---- */

typedef struct cr_reply {
  uint16_t status;
  bool close;              /* end the connection after this answer */
  cwire_span content_type; /* empty: no Content-Type */
  cwire_span headers;      /* further header lines, each with its CRLF; may be empty */
  const cwire_span *body;  /* pieces, copied if the kernel does not take them at once */
  size_t body_count;
} cr_reply;

/* A whole answer: status line, Date, Content-Length, the given fields and the body in as few system
   calls as can be (one, normally). HEAD requests get no body, 204 and 304 no length. */
cr_write cr_http_reply(cr_loop *loop, cr_id connection, const cr_reply *reply);

/* When a chunk goes out: with what else this turn writes on that connection, or at once, for what
   goes to many connections and is all that each gets. */
typedef enum cr_gathering { CR_GATHERED, CR_AT_ONCE } cr_gathering;

/* An answer of unknown length: chunked for HTTP/1.1, until close for HTTP/1.0. Pieces of one write
   make one chunk. */
cr_write cr_http_stream_begin(cr_loop *loop, cr_id connection, const cr_reply *head);
cr_write cr_http_stream_write(cr_loop *loop, cr_id connection, const cwire_span *pieces,
                              size_t count, cr_gathering gathering);
/* `before` and the frame, as one chunk. */
cr_write cr_http_stream_write_frame(cr_loop *loop, cr_id connection, cwire_span before,
                                    cr_frame *frame, cr_gathering gathering);
cr_write cr_http_stream_end(cr_loop *loop, cr_id connection);
/* Sends `frame` (retained) as a chunk whenever nothing was written for `interval_ms`; 0 ends that.
 */
void cr_http_stream_heartbeat(cr_loop *loop, cr_id connection, uint32_t interval_ms,
                              cr_frame *frame);

/* Has every answer from now on be the last of its connection, and say so. A connection that is idle
   may send one more request for `grace` ms, as its client can't know; then it is closed. */
void cr_http_drain(cr_loop *loop, uint32_t grace);

/* ---- Client side ---- */

/* Where a client connection goes. The strings are copied. */
typedef struct cr_endpoint {
  const char *host;    /* what certificates are checked against */
  const char *address; /* a numeric one, where to connect; NULL: that of the host, looked up */
  uint16_t port;
  struct cr_tls_context *tls; /* NULL: plain */
  uint32_t connect_timeout;   /* ms, resolving and TLS included */
} cr_endpoint;

/* Starts to connect; requests may be sent at once and wait inside. Failure comes by
   `upstream_closed`, later, never from within this call. 0 if the loop is full. */
cr_id cr_http_connect(cr_loop *loop, const cr_endpoint *endpoint, uint64_t tag);

/* One whole request (head and body as pieces, complete bytes). One at a time per connection:
   CR_WRITE_STALE while an answer is outstanding, and when the server has ended the connection
   meanwhile: nothing was sent then. From within the last `response_body` the next
   request may be sent. `head_method`: the answer will have no body. */
cr_write cr_http_send(cr_loop *loop, cr_id connection, const cwire_span *pieces, size_t count,
                      bool head_method);

#endif
