#ifndef CREACTOR_HTTP_H
#define CREACTOR_HTTP_H

#include "creactor/loop.h"

typedef enum cr_write {
  CR_WRITE_OK = 0,
  CR_WRITE_FULL, /* taken, but the queue is above its high mark: pause the source until `drained` */
  CR_WRITE_STALE, /* no such connection, or no answer is due on it */
} cr_write;

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

/* Bytes that wait for that peer, or for the input of that child; 0 for a stale id. */
size_t cr_queued(cr_loop *loop, cr_id id);
/* Closes HTTP connections for whose peer bytes have waited for `timeout_ms` without a break while
   it took less than `rate` bytes per second, or none. To be called every now and then: it looks at
   all connections, and closes between one and two times `timeout_ms` after the peer has stopped.
   `closed` and `upstream_closed` are told. */
void cr_close_stalled(cr_loop *loop, uint32_t timeout_ms, uint32_t rate);

/* Ends a connection: after what is queued (orderly), or at once (abort: an unfinished chunked
   answer stays visibly unfinished). `closed` is not called for it. */
void cr_close(cr_loop *loop, cr_id connection);
void cr_abort(cr_loop *loop, cr_id connection);

/* Has every answer from now on be the last of its connection, and say so. A connection that is idle
   may send one more request for `grace` ms, as its client can't know; then it is closed. */
void cr_http_drain(cr_loop *loop, uint32_t grace);

/* ---- Client side ---- */

/* Where a client connection goes. The strings are copied. */
typedef struct cr_endpoint {
  const char *host;
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

/* Backpressure: no more `response_body` until resumed (but the empty last one of an answer without
   a body). For a child: its standard output is not read any more; lines that were may still come.
 */
void cr_read_pause(cr_loop *loop, cr_id connection);
void cr_read_resume(cr_loop *loop, cr_id connection);

#endif
