#include "connection.h"

#include <string.h>

#include "listener_private.h"
#include "loop_private.h"

static uint32_t *count_of(cr_loop *loop, uint32_t kind) {
  if (kind == CR_KIND_DOWNSTREAM) return &loop->counts.downstream;
  if (kind == CR_KIND_UPSTREAM) return &loop->counts.upstream;
  return &loop->counts.children;
}

cr_connection *cr_connection_take(cr_loop *loop, cr_kind kind, const cr_protocol *protocol) {
  cr_connection *connection = cr_slab_take(&loop->slab);
  if (!connection) return NULL;
  connection->loop = loop;
  connection->protocol = protocol;
  connection->kind = kind;
  connection->last_activity = (uint32_t)cr_loop_time(loop);
  ++*count_of(loop, kind);
  return connection;
}

void cr_connection_untake(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  --*count_of(loop, connection->kind);
  cr_loop_stop_timer(loop, &connection->timer);
  cr_slab_give(&loop->slab, connection);
}

cr_id cr_connection_id(const cr_connection *connection) {
  return (uint64_t)connection->loop->options.worker << 56 | (uint64_t)connection->slot << 32 |
         connection->generation;
}

cr_connection *cr_connection_find(cr_loop *loop, cr_id id) {
  if (id >> 56 != loop->options.worker) return NULL;
  cr_connection *connection = cr_slab_find(&loop->slab, id);
  return connection && !connection->closing ? connection : NULL;
}

/* ---- Reading ---- */

static void update_reading(cr_connection *connection) {
  bool want = connection->connected && !connection->paused && !connection->held &&
              !connection->eof && !connection->closing;
  if (want == (connection->reading != 0)) return;
  connection->reading = want;
  if (!want) {
    connection->transport->read_stop(connection);
    return;
  }
  int status = connection->transport->read_start(connection);
  if (status < 0) cr_connection_close(connection, cr_error_uv(status));
}

void cr_connection_hold(cr_connection *connection, bool held) {
  connection->held = held;
  update_reading(connection);
}

void cr_read_pause(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection) return;
  connection->paused = 1;
  update_reading(connection);
}

void cr_read_resume(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection) return;
  connection->paused = 0;
  update_reading(connection);
  /* What was kept when the pause came is given again, but not from within this call. */
  if (connection->kept) cr_connection_defer(connection);
}

static void drop_kept(cr_connection *connection) {
  if (!connection->kept) return;
  cr_buffer_give(&connection->loop->buffers, connection->kept);
  connection->kept = NULL;
}

void cr_connection_read_kept(cr_connection *connection) {
  if (!connection->kept || connection->closing) return;
  size_t used = connection->protocol->read(connection, cr_buffer_span(connection->kept));
  if (connection->closing) return;
  connection->kept->begin += used;
  if (connection->kept->begin >= connection->kept->end) drop_kept(connection);
}

void cr_connection_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_loop *loop = connection->loop;
  if (connection->closing || count == 0) return;
  loop->events++;
  if (count < 0) {
    if (count != UV_EOF) {
      cr_connection_close(connection, cr_error_uv((int)count));
      return;
    }
    if (connection->eof) return;
    connection->eof = 1;
    update_reading(connection);
    if (connection->protocol->eof)
      connection->protocol->eof(connection);
    else
      cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
    return;
  }
  loop->counts.bytes_in += (uint64_t)count;
  connection->last_activity = (uint32_t)cr_loop_time(loop);
  cwire_span input = cwire_span_make(bytes, (size_t)count);
  if (connection->kept) {
    if (!cr_buffer_append(&loop->buffers, &connection->kept, input)) {
      cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
      return;
    }
    cr_connection_read_kept(connection);
    return;
  }
  size_t used = connection->protocol->read(connection, input);
  if (connection->closing || used >= input.length) return;
  input = cwire_span_make(bytes + used, input.length - used);
  if (!cr_buffer_append(&loop->buffers, &connection->kept, input)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  }
}

/* ---- Writing ---- */

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

/* Hands the head of the queue to the transport, if there is one and no write is under way. */
static void start_write(cr_connection *connection) {
  cr_write_queue *queue = connection->queue;
  if (!queue || queue->in_flight > 0 || queue->bytes == 0) return;
  uv_buf_t pieces[CR_GATHER];
  unsigned count = cr_write_queue_gather(queue, pieces, CR_GATHER, &queue->in_flight);
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
  return !connection->closing && !connection->shut && !connection->shutting &&
         !connection->close_flushed;
}

cr_write cr_connection_write(cr_connection *connection, const cr_piece *pieces, size_t count) {
  if (!writable(connection)) return CR_WRITE_STALE;
  connection->loop->events++;
  piece_cursor cursor = {.pieces = pieces, .count = count};
  bool waits = !connection->connected || (connection->queue && connection->queue->in_flight);
  if (!waits) write_through(connection, &cursor);
  if (connection->closing) return CR_WRITE_OK;
  if (!queue_rest(connection, &cursor)) return CR_WRITE_OK;
  if (!waits) start_write(connection);
  return connection->closing ? CR_WRITE_OK : write_answer(connection);
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

/* Goes on with an orderly end as far as it gets while nothing waits. */
static void end_in_order(cr_connection *connection) {
  const cr_transport *transport = connection->transport;
  if (connection->shutting && !connection->shut && connection->connected) {
    connection->shut = 1;
    transport->shutdown(connection);
  }
  if (!connection->close_flushed || connection->closing) return;
  if (connection->connected && transport->part) transport->part(connection);
  if (!connection->queue) cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

/* Tells what the state of the queue allows now. Never from within a call of policy. */
static void settle(cr_connection *connection) {
  size_t queued = cr_connection_queued(connection);
  if (connection->full && queued <= connection->loop->options.write_low_water) {
    connection->full = 0;
    if (connection->protocol->drained) connection->protocol->drained(connection);
    queued = cr_connection_queued(connection);
  }
  if (!connection->closing && queued == 0) end_in_order(connection);
}

void cr_connection_set_held(cr_connection *connection, size_t bytes) {
  if (connection->closing || (bytes == 0 && !connection->queue)) return;
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
  settle(connection);
}

void cr_connection_wrote(cr_connection *connection, int status) {
  cr_write_queue *queue = connection->queue;
  if (connection->closing || !queue) return;
  cr_loop *loop = connection->loop;
  loop->events++;
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
  start_write(connection);
  if (!connection->closing) settle(connection);
}

void cr_connection_connected(cr_connection *connection, int status) {
  if (connection->closing) return;
  connection->loop->events++;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  connection->connected = 1;
  update_reading(connection);
  if (connection->closing) return;
  start_write(connection);
  if (!connection->closing && connection->protocol->connected)
    connection->protocol->connected(connection);
}

void cr_connection_defer(cr_connection *connection) {
  connection->deferred = 1;
  cr_loop_make_ready(connection->loop, connection);
}

void cr_connection_run(cr_connection *connection) {
  if (connection->gone) {
    cr_slab_give(&connection->loop->slab, connection);
    return;
  }
  if (!connection->transport && connection->closing) {
    cr_connection_released(connection);
    return;
  }
  if (connection->transport && connection->transport->run) {
    connection->transport->run(connection);
    if (connection->gone || connection->kind == CR_KIND_FREE) return;
  }
  if (connection->closing) return;
  if (connection->deferred) {
    connection->deferred = 0;
    if (connection->protocol->run) connection->protocol->run(connection);
    if (connection->closing) return;
  }
  if (connection->connected && connection->queue && !connection->queue->in_flight) {
    piece_cursor none = {0};
    write_through(connection, &none);
    if (connection->closing) return;
    start_write(connection);
    if (connection->closing) return;
  }
  if (connection->transport) settle(connection);
}

void cr_connection_set_timer(cr_connection *connection, uint64_t when) {
  if (when == 0)
    cr_loop_stop_timer(connection->loop, &connection->timer);
  else if (!connection->closing)
    cr_loop_start_timer(connection->loop, &connection->timer, when);
}

/* ---- Ending ---- */

void cr_connection_shutdown(cr_connection *connection) {
  if (connection->closing || connection->shutting) return;
  connection->shutting = 1;
  if (connection->connected && !connection->queue) end_in_order(connection);
}

void cr_connection_close_flushed(cr_connection *connection) {
  if (connection->closing) return;
  connection->close_flushed = 1;
  if (!connection->queue) end_in_order(connection);
}

void cr_connection_cut_off(cr_connection *connection) {
  if (connection->closing) return;
  if (!connection->connected || connection->kind != CR_KIND_DOWNSTREAM) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
    return;
  }
  connection->error = cr_error_reason(CR_REASON_PEER_CLOSED);
  connection->eof = 1;
  update_reading(connection);
  cr_connection_close_flushed(connection);
}

void cr_connection_close(cr_connection *connection, cr_error error) {
  if (connection->closing) return;
  cr_loop *loop = connection->loop;
  loop->events++;
  connection->closing = 1;
  if (!cr_failed(connection->error)) connection->error = error;
  connection->reading = 0;
  cr_loop_stop_timer(loop, &connection->timer);
  --*count_of(loop, connection->kind);
  if (connection->transport)
    connection->transport->close(connection, connection->reset);
  else
    cr_loop_make_ready(loop, connection);
}

void cr_connection_released(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  loop->events++;
  connection->protocol->closed(connection, connection->error);
  drop_kept(connection);
  if (connection->queue) {
    cr_write_queue_give(loop, connection->queue);
    connection->queue = NULL;
  }
  if (connection->ready)
    connection->gone = 1;
  else
    cr_slab_give(&loop->slab, connection);
}

void cr_connection_broken(cr_connection *connection) {
  connection->loop->counts.broken++;
  connection->reset = 1;
  cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}
