#include "connection/connection.h"
#include "connection/phases.h"
#include "connection/ready.h"
#include "connection/write_queue.h"

size_t cr_connection_queued(const cr_connection *connection) {
  return connection->queue ? connection->queue->bytes + connection->queue->held : 0;
}

static bool ensure_queue(cr_connection *connection) {
  if (!connection->queue) connection->queue = cr_write_queue_take(connection->loop);
  return connection->queue != NULL;
}

static void drop_queue_if_empty(cr_connection *connection) {
  if (!connection->queue || cr_connection_queued(connection) > 0) return;
  cr_write_queue_give(connection->loop, connection->queue);
  connection->queue = NULL;
}

#ifdef DEBUG
/* Whether the bytes of the write under way are those that it began with. */
static bool is_intact(const cr_write_queue *queue) {
  uv_buf_t pieces[CR_GATHER];
  size_t bytes;
  unsigned count = cr_write_queue_gather(queue, pieces, CR_GATHER, &bytes);
  return cr_imprint(pieces, count, queue->in_flight) == queue->imprint;
}
#endif

void cr_connection_start_write(cr_connection *connection) {
  cr_write_queue *queue = connection->queue;
  if (!queue || queue->in_flight > 0 || queue->bytes == 0) return;
  uv_buf_t pieces[CR_GATHER];
  unsigned count = cr_write_queue_gather(queue, pieces, CR_GATHER, &queue->in_flight);
#ifdef DEBUG
  queue->imprint = cr_imprint(pieces, count, queue->in_flight);
#endif
  int status = connection->transport->write(connection, &queue->request, pieces, count);
  if (status < 0) {
    queue->in_flight = 0;
    cr_connection_close(connection, cr_error_uv(status));
  }
}

/* Where a run of pieces stands. */
typedef struct piece_cursor {
  const cr_piece *pieces;
  size_t index, count;
  size_t skip; /* bytes of the current piece that are done */
} piece_cursor;

static void cursor_advance(piece_cursor *cursor, size_t bytes) {
  while (cursor->index < cursor->count) {
    size_t left = cursor->pieces[cursor->index].span.length - cursor->skip;
    if (bytes < left) {
      cursor->skip += bytes;
      return;
    }
    bytes -= left;
    cursor->index++;
    cursor->skip = 0;
  }
}

static unsigned cursor_gather(const piece_cursor *cursor, uv_buf_t *out, unsigned capacity,
                              size_t *bytes) {
  unsigned count = 0;
  size_t skip = cursor->skip;
  for (size_t index = cursor->index; index < cursor->count && count < capacity; index++, skip = 0) {
    cwire_span span = cursor->pieces[index].span;
    if (span.length == skip) continue;
    out[count++] =
        (uv_buf_t){.base = (char *)(uintptr_t)(span.base + skip), .len = span.length - skip};
    *bytes += span.length - skip;
  }
  return count;
}

/* Gives the kernel what waits and then the pieces, as long as it takes everything. */
static void write_through(cr_connection *connection, piece_cursor *cursor) {
  cr_loop *loop = connection->loop;
  for (;;) {
    uv_buf_t bufs[CR_GATHER];
    size_t queued = 0;
    unsigned count = 0;
    if (connection->queue)
      count = cr_write_queue_gather(connection->queue, bufs, CR_GATHER, &queued);
    size_t total = queued;
    if (!connection->queue || queued == connection->queue->bytes) {
      count += cursor_gather(cursor, bufs + count, CR_GATHER - count, &total);
    }
    if (total == 0) return;
    ssize_t taken = connection->transport->try_write(connection, bufs, count);
    if (taken == UV_EAGAIN) taken = 0;
    if (taken < 0) {
      cr_connection_close(connection, cr_error_uv((int)taken));
      return;
    }
    if (taken > 0) connection->sent = 1;
    loop->counts.bytes_out += (uint64_t)taken;
    size_t from_queue = (size_t)taken < queued ? (size_t)taken : queued;
    if (from_queue) cr_write_queue_consume(&loop->buffers, connection->queue, from_queue);
    drop_queue_if_empty(connection);
    cursor_advance(cursor, (size_t)taken - from_queue);
    if ((size_t)taken < total) return;
  }
}

static bool queue_rest(cr_connection *connection, piece_cursor *cursor) {
  cr_loop *loop = connection->loop;
  cursor_advance(cursor, 0);
  for (; cursor->index < cursor->count; cursor->index++, cursor->skip = 0) {
    if (!ensure_queue(connection) ||
        !cr_write_queue_push(&loop->buffers, connection->queue, cursor->pieces[cursor->index],
                             cursor->skip)) {
      cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
      return false;
    }
  }
  return true;
}

static cr_write write_answer(cr_connection *connection) {
  const cr_loop_options *options = &connection->loop->options;
  size_t queued = cr_connection_queued(connection);
  if (queued > options->write_high_water) {
    connection->full = 1;
    return CR_WRITE_FULL;
  }
  if (connection->full && queued <= options->write_low_water) {
    cr_loop_make_ready(connection->loop, connection);
  }
  return CR_WRITE_OK;
}

static bool writable(const cr_connection *connection) {
  return connection->phase <= CR_OPEN && connection->sending == CR_SENDING_OPEN;
}

static cr_write write_now(cr_connection *connection, const cr_piece *pieces, size_t count) {
  connection->loop->events++;
  piece_cursor cursor = {.pieces = pieces, .count = count};
  bool waits =
      connection->phase == CR_OPENING || (connection->queue && connection->queue->in_flight);
  if (!waits) write_through(connection, &cursor);
  if (cr_is_closing(connection)) return CR_WRITE_OK;
  if (!queue_rest(connection, &cursor)) return CR_WRITE_OK;
  if (!waits) cr_connection_start_write(connection);
  return cr_is_closing(connection) ? CR_WRITE_OK : write_answer(connection);
}

cr_write cr_connection_write(cr_connection *connection, const cr_piece *pieces, size_t count) {
  if (!writable(connection)) return CR_WRITE_STALE;
  cr_loop *loop = connection->loop;
  cr_call_begins(loop);
  cr_write answer = write_now(connection, pieces, count);
  cr_call_ends(loop);
  return answer;
}

cr_write cr_connection_write_soon(cr_connection *connection, const cr_piece *pieces, size_t count) {
  enum { SMALL = 4096 };
  if (!writable(connection)) return CR_WRITE_STALE;
  size_t bytes = cr_connection_queued(connection);
  for (size_t index = 0; index < count; index++)
    bytes += pieces[index].span.length;
  if (bytes > SMALL) return cr_connection_write(connection, pieces, count);
  piece_cursor cursor = {.pieces = pieces, .count = count};
  if (!queue_rest(connection, &cursor)) return CR_WRITE_OK;
  cr_loop_make_ready(connection->loop, connection);
  return write_answer(connection);
}

void cr_connection_settle(cr_connection *connection) {
  size_t queued = cr_connection_queued(connection);
  if (connection->full && queued <= connection->loop->options.write_low_water) {
    connection->full = 0;
    cr_is_outside(connection);
    if (connection->protocol->drained) connection->protocol->drained(connection);
    queued = cr_connection_queued(connection);
  }
  if (cr_is_closing(connection) || queued > 0) return;
  cr_connection_end_in_order(connection);
  if (!cr_is_closing(connection) && connection->protocol->flushed)
    connection->protocol->flushed(connection);
}

void cr_connection_write_queued(cr_connection *connection) {
  if (!cr_is_connected(connection) || !connection->queue || connection->queue->in_flight) return;
  piece_cursor none = {0};
  write_through(connection, &none);
  if (!cr_is_closing(connection)) cr_connection_start_write(connection);
}

void cr_connection_set_held(cr_connection *connection, size_t bytes) {
  if (cr_is_closing(connection) || (bytes == 0 && !connection->queue)) return;
  if (!ensure_queue(connection)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return;
  }
  connection->queue->held = bytes;
  /* Whoever waits because of it is told when it is gone, as after a write. */
  if (cr_connection_queued(connection) > connection->loop->options.write_high_water)
    connection->full = 1;
}

void cr_connection_flushed(cr_connection *connection) {
  connection->loop->events++;
  connection->last_activity = (uint32_t)cr_loop_time(connection->loop);
  drop_queue_if_empty(connection);
  cr_connection_settle(connection);
}

void cr_connection_wrote(cr_connection *connection, int status) {
  cr_write_queue *queue = connection->queue;
  if (cr_is_closing(connection) || !queue) return;
  cr_loop *loop = connection->loop;
  loop->events++;
#ifdef DEBUG
  cr_assert(is_intact(queue));
#endif
  size_t bytes = queue->in_flight;
  queue->in_flight = 0;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  connection->sent = 1;
  connection->last_activity = (uint32_t)cr_loop_time(loop);
  loop->counts.bytes_out += bytes;
  cr_write_queue_consume(&loop->buffers, queue, bytes);
  drop_queue_if_empty(connection);
  cr_connection_start_write(connection);
  if (!cr_is_closing(connection)) cr_connection_settle(connection);
}
