#ifndef CREACTOR_CONNECTION_H
#define CREACTOR_CONNECTION_H

#include "creactor/loop.h"

/* What policy may do to any connection, whatever its protocol. */

typedef enum cr_write {
  CR_WRITE_OK = 0,
  CR_WRITE_FULL, /* taken, but the queue is above its high mark: pause the source until `drained` */
  CR_WRITE_STALE, /* no such connection, or no answer is due on it */
} cr_write;

/* The word that comes back as `tag`, also with an end that is still to be told: what policy began
   may have failed within the very call that began it. False if the end has been told. */
bool cr_set_tag(cr_loop *loop, cr_id id, uint64_t tag);
/* 0 if there is none, or no such connection. */
uint64_t cr_tag(cr_loop *loop, cr_id id);

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

/* Backpressure: no more `response_body` until resumed (but the empty last one of an answer without
   a body). For a child: its standard output is not read any more; lines that were may still come.
 */
void cr_read_pause(cr_loop *loop, cr_id connection);
void cr_read_resume(cr_loop *loop, cr_id connection);

#endif
