#ifndef CREACTOR_LOOP_BUFFER_H
#define CREACTOR_LOOP_BUFFER_H

#include <cwire/span.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "creactor/frame.h"

/* A growing piece of memory from the loop's pools, or (capacity 0) a reference to a frame. Used for
   bytes that came and are not used up, for bodies, and as node of a write queue. */
typedef struct cr_buffer {
  struct cr_buffer *next;
  cr_frame *frame; /* retained; NULL for a buffer with bytes of its own */
  const uint8_t *base;
  size_t begin, end; /* the bytes that count: base + begin … base + end */
  size_t capacity;
  uint8_t bytes[];
} cr_buffer;

enum { CR_BUFFER_CLASSES = 4 };

typedef struct cr_buffer_pool {
  struct {
    cr_buffer *free;
    uint32_t count;
  } classes[CR_BUFFER_CLASSES];
  size_t bytes_out; /* taken and not given back */
} cr_buffer_pool;

/* At least `capacity` bytes of room, empty; NULL without memory. */
cr_buffer *cr_buffer_take(cr_buffer_pool *pool, size_t capacity);
/* A node that refers to the frame's bytes from `begin` on, and retains it. */
cr_buffer *cr_buffer_take_frame(cr_buffer_pool *pool, cr_frame *frame, size_t begin);
void cr_buffer_give(cr_buffer_pool *pool, cr_buffer *buffer);
/* Appends, moving to a larger buffer when needed (then `*buffer` changes; NULL is an empty start).
   False without memory: nothing changed. */
bool cr_buffer_append(cr_buffer_pool *pool, cr_buffer **buffer, cwire_span bytes);
/* Moves to a buffer with at least twice the room. False without memory: nothing changed. */
bool cr_buffer_grow(cr_buffer_pool *pool, cr_buffer **buffer);
void cr_buffer_pool_clear(cr_buffer_pool *pool);

static inline cwire_span cr_buffer_span(const cr_buffer *buffer) {
  return cwire_span_make(buffer->base + buffer->begin, buffer->end - buffer->begin);
}

/* What it takes of the loop's memory; NULL: nothing. */
static inline size_t cr_buffer_capacity(const cr_buffer *buffer) {
  return buffer ? buffer->capacity : 0;
}

#endif
