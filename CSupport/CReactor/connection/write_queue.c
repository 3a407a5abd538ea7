#include "connection/write_queue.h"

#include <stdlib.h>
#include <string.h>

cr_write_queue *cr_write_queue_take(cr_loop *loop) {
  cr_write_queue *queue = loop->free_queues;
  if (queue)
    loop->free_queues = queue->next_free;
  else
    queue = malloc(sizeof *queue);
  if (!queue) return NULL;
  queue->head = queue->tail = NULL;
  queue->bytes = queue->in_flight = queue->held = queue->consumed = 0;
  queue->seen_at = 0;
  queue->next_free = NULL;
  return queue;
}

void cr_write_queue_give(cr_loop *loop, cr_write_queue *queue) {
  while (queue->head) {
    cr_buffer *buffer = queue->head;
    queue->head = buffer->next;
    cr_buffer_give(&loop->buffers, buffer);
  }
  queue->next_free = loop->free_queues;
  loop->free_queues = queue;
}

void cr_write_queues_clear(cr_loop *loop) {
  while (loop->free_queues) {
    cr_write_queue *queue = loop->free_queues;
    loop->free_queues = queue->next_free;
    free(queue);
  }
}

static void link_node(cr_write_queue *queue, cr_buffer *buffer) {
  if (queue->tail)
    queue->tail->next = buffer;
  else
    queue->head = buffer;
  queue->tail = buffer;
  queue->bytes += buffer->end - buffer->begin;
}

bool cr_write_queue_push(cr_buffer_pool *pool, cr_write_queue *queue, cr_piece piece, size_t skip) {
  size_t length = piece.span.length - skip;
  if (length == 0) return true;
  if (piece.frame) {
    cr_buffer *buffer = cr_buffer_take_frame(pool, piece.frame, skip);
    if (!buffer) return false;
    link_node(queue, buffer);
    return true;
  }
  const uint8_t *bytes = piece.span.base + skip;
  cr_buffer *tail = queue->tail;
  size_t room = tail && !tail->frame ? tail->capacity - tail->end : 0;
  size_t first = room < length ? room : length;
  size_t rest = length - first;
  cr_buffer *buffer = rest ? cr_buffer_take(pool, rest) : NULL;
  if (rest && !buffer) return false;
  if (first) {
    /* Behind what is in flight, so the bytes that the kernel may be reading stay as they are. */
    memcpy(tail->bytes + tail->end, bytes, first);
    tail->end += first;
    queue->bytes += first;
  }
  if (rest) {
    memcpy(buffer->bytes, bytes + first, rest);
    buffer->end = rest;
    link_node(queue, buffer);
  }
  return true;
}

unsigned cr_write_queue_gather(const cr_write_queue *queue, uv_buf_t *pieces, unsigned capacity,
                               size_t *bytes) {
  unsigned count = 0;
  *bytes = 0;
  for (cr_buffer *buffer = queue->head; buffer && count < capacity; buffer = buffer->next) {
    size_t length = buffer->end - buffer->begin;
    /* libuv never writes through the pointer; its type only lacks the const. */
    pieces[count++] =
        (uv_buf_t){.base = (char *)(uintptr_t)(buffer->base + buffer->begin), .len = length};
    *bytes += length;
  }
  return count;
}

void cr_write_queue_consume(cr_buffer_pool *pool, cr_write_queue *queue, size_t bytes) {
  queue->bytes -= bytes;
  queue->consumed += bytes;
  while (bytes > 0) {
    cr_buffer *buffer = queue->head;
    size_t length = buffer->end - buffer->begin;
    if (bytes < length) {
      buffer->begin += bytes;
      return;
    }
    bytes -= length;
    queue->head = buffer->next;
    if (!queue->head) queue->tail = NULL;
    cr_buffer_give(pool, buffer);
  }
}
