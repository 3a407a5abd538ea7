#ifndef CREACTOR_CONNECTION_WRITE_QUEUE_H
#define CREACTOR_CONNECTION_WRITE_QUEUE_H

#include "connection/connection.h"

/* Bytes and frames that wait for the kernel, in order. A connection has one only while something
   waits, here or in its transport; it comes from the loop's pool. */
typedef struct cr_write_queue {
  cr_buffer *head, *tail;
  size_t bytes;     /* all that waits, what is in flight included */
  size_t in_flight; /* bytes of the `transport->write` under way; 0: none */
  size_t held;      /* bytes beside these that the transport has taken and not written */
  uv_write_t request;
  size_t consumed; /* bytes that were taken out again */
  /* What `cr_close_stalled` saw at the start of the peer's present time-out; `seen_at` 0: it has
     not looked yet. */
  uint64_t seen_taken;
  uint64_t seen_at;
  struct cr_write_queue *next_free;
#ifdef DEBUG
  uint64_t imprint; /* of the bytes in flight */
#endif
} cr_write_queue;

enum { CR_GATHER = 16 };

#ifdef DEBUG
/* A number that tells whether bytes are still what they were: of at most `most` bytes of the
 * pieces. */
static inline uint64_t cr_imprint(const uv_buf_t *pieces, unsigned count, size_t most) {
  uint64_t print = 14695981039346656037u;
  for (unsigned index = 0; index < count; index++) {
    for (size_t at = 0; at < pieces[index].len && most > 0; at++, most--)
      print = (print ^ (uint8_t)pieces[index].base[at]) * 1099511628211u;
  }
  return print;
}
#endif

cr_write_queue *cr_write_queue_take(cr_loop *loop);
/* Releases what is left in it. */
void cr_write_queue_give(cr_loop *loop, cr_write_queue *queue);
/* Frees those that are kept for the next use. */
void cr_write_queues_clear(cr_loop *loop);

/* Copies the span or retains the frame, from byte `skip` on. False without memory. */
bool cr_write_queue_push(cr_buffer_pool *pool, cr_write_queue *queue, cr_piece piece, size_t skip);
/* The head of the queue as up to `capacity` pieces; `bytes` gets their sum. */
unsigned cr_write_queue_gather(const cr_write_queue *queue, uv_buf_t *pieces, unsigned capacity,
                               size_t *bytes);
void cr_write_queue_consume(cr_buffer_pool *pool, cr_write_queue *queue, size_t bytes);

#endif
