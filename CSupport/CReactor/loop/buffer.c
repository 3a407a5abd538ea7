#include "loop/buffer.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of each class, and how many free ones of it a pool keeps for the next use. Larger buffers
   come from malloc and go back to it. */
static const size_t class_bytes[CR_BUFFER_CLASSES] = {0, 2048, 16 * 1024, 64 * 1024};
static const uint32_t class_keep[CR_BUFFER_CLASSES] = {256, 128, 32, 8};

static int class_of(size_t capacity) {
  for (int index = 0; index < CR_BUFFER_CLASSES; index++) {
    if (capacity <= class_bytes[index]) return index;
  }
  return -1;
}

cr_buffer *cr_buffer_take(cr_buffer_pool *pool, size_t capacity) {
  int class = class_of(capacity);
  cr_buffer *buffer = class >= 0 ? pool->classes[class].free : NULL;
  if (buffer) {
    pool->classes[class].free = buffer->next;
    pool->classes[class].count--;
    ASAN_UNPOISON_MEMORY_REGION(buffer->bytes, buffer->capacity);
  } else {
    size_t bytes = class >= 0 ? class_bytes[class] : capacity;
    if (bytes > SIZE_MAX - sizeof *buffer) return NULL;
    buffer = malloc(sizeof *buffer + bytes);
    if (!buffer) return NULL;
    buffer->capacity = bytes;
  }
  buffer->next = NULL;
  buffer->frame = NULL;
  buffer->base = buffer->bytes;
  buffer->begin = buffer->end = 0;
  pool->bytes_out += buffer->capacity;
  return buffer;
}

cr_buffer *cr_buffer_take_frame(cr_buffer_pool *pool, cr_frame *frame, size_t begin) {
  cr_buffer *buffer = cr_buffer_take(pool, 0);
  if (!buffer) return NULL;
  cwire_span span = cr_frame_span(frame);
  buffer->frame = cr_frame_retain(frame);
  buffer->base = span.base;
  buffer->begin = begin;
  buffer->end = span.length;
  return buffer;
}

void cr_buffer_give(cr_buffer_pool *pool, cr_buffer *buffer) {
  if (!buffer) return;
  if (buffer->frame) cr_frame_release(buffer->frame);
  pool->bytes_out -= buffer->capacity;
  int class = class_of(buffer->capacity);
  if (class < 0 || pool->classes[class].count >= class_keep[class]) {
    free(buffer);
    return;
  }
  /* Who reads what was given back would read another connection's bytes. */
  ASAN_POISON_MEMORY_REGION(buffer->bytes, buffer->capacity);
  buffer->next = pool->classes[class].free;
  pool->classes[class].free = buffer;
  pool->classes[class].count++;
}

bool cr_buffer_append(cr_buffer_pool *pool, cr_buffer **buffer, cwire_span bytes) {
  if (bytes.length == 0) return true;
  cr_buffer *old = *buffer;
  size_t have = old ? old->end - old->begin : 0;
  if (bytes.length > SIZE_MAX / 4 - have) return false;
  if (old && old->capacity - old->end >= bytes.length) {
    memcpy(old->bytes + old->end, bytes.base, bytes.length);
    old->end += bytes.length;
    return true;
  }
  size_t need = have + bytes.length;
  cr_buffer *target = old;
  if (!old || old->capacity < need) {
    /* Doubling keeps the copying linear in what was received. */
    target = cr_buffer_take(pool, old && 2 * old->capacity > need ? 2 * old->capacity : need);
    if (!target) return false;
  }
  if (old) memmove(target->bytes, old->bytes + old->begin, have);
  memcpy(target->bytes + have, bytes.base, bytes.length);
  target->begin = 0;
  target->end = need;
  if (target != old) cr_buffer_give(pool, old);
  *buffer = target;
  return true;
}

bool cr_buffer_grow(cr_buffer_pool *pool, cr_buffer **buffer) {
  cr_buffer *old = *buffer;
  if (old->capacity > SIZE_MAX / 4) return false;
  cr_buffer *larger = cr_buffer_take(pool, 2 * old->capacity);
  if (!larger) return false;
  larger->end = old->end - old->begin;
  memcpy(larger->bytes, old->bytes + old->begin, larger->end);
  cr_buffer_give(pool, old);
  *buffer = larger;
  return true;
}

void cr_buffer_pool_clear(cr_buffer_pool *pool) {
  for (int index = 0; index < CR_BUFFER_CLASSES; index++) {
    while (pool->classes[index].free) {
      cr_buffer *buffer = pool->classes[index].free;
      pool->classes[index].free = buffer->next;
      free(buffer);
    }
    pool->classes[index].count = 0;
  }
}
