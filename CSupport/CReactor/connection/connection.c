#include "connection/connection.h"

#include <string.h>

#include "listener/listener.h"
#include "loop/check.h"
#include "loop/loop.h"

/* ---- Phases ---- */

static void enter(cr_connection *connection, cr_phase phase) {
  cr_assert(cr_phase_may((cr_phase)connection->phase, phase));
  connection->phase = (uint8_t)phase;
}

static void enter_sending(cr_connection *connection, cr_sending sending) {
  cr_assert(cr_sending_may((cr_sending)connection->sending, sending));
  connection->sending = (uint8_t)sending;
}

static void enter_receiving(cr_connection *connection, cr_receiving receiving) {
  cr_assert(cr_receiving_may((cr_receiving)connection->receiving, receiving));
  connection->receiving = (uint8_t)receiving;
}

/* Between these two runs a call that policy can make: nothing may be told from within. */
static void call_begins(cr_loop *loop) {
#ifdef DEBUG
  loop->calls++;
#else
  (void)loop;
#endif
}

static void call_ends(cr_loop *loop) {
#ifdef DEBUG
  cr_assert(loop->calls > 0);
  loop->calls--;
#else
  (void)loop;
#endif
}

/* Goes before each call of the protocol. */
static void is_outside(const cr_connection *connection) {
#ifdef DEBUG
  cr_assert(connection->loop->calls == 0);
#else
  (void)connection;
#endif
}

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
  return connection && !cr_is_closing(connection) ? connection : NULL;
}

/* ---- Reading ---- */

static void update_reading(cr_connection *connection) {
  /* What comes while it ends is thrown away: unread, it would reset the connection. */
  bool want = connection->phase == CR_FLUSHING ||
              (connection->phase == CR_OPEN && !connection->paused && !connection->held);
  if (cr_has_ended(connection)) want = false;
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
  /* What the pause kept from being told is told, but not from within this call. */
  if (connection->kept || cr_has_ended(connection)) cr_connection_defer(connection);
}

static void drop_kept(cr_connection *connection) {
  if (!connection->kept) return;
  cr_buffer_give(&connection->loop->buffers, connection->kept);
  connection->kept = NULL;
}

void cr_connection_read_kept(cr_connection *connection) {
  if (!connection->kept || cr_is_closing(connection)) return;
  is_outside(connection);
  size_t used = connection->protocol->read(connection, cr_buffer_span(connection->kept));
  if (cr_is_closing(connection)) return;
  connection->kept->begin += used;
  if (connection->kept->begin >= connection->kept->end) drop_kept(connection);
}

/* Tells the end, behind all that was kept; unless that brings about a pause. */
static void tell_end(cr_connection *connection) {
  if (connection->paused) return;
  cr_connection_read_kept(connection);
  if (connection->phase != CR_OPEN || connection->paused) return;
  if (connection->receiving != CR_RECEIVING_ENDED) return;
  enter_receiving(connection, CR_RECEIVING_TOLD);
  if (connection->protocol->eof)
    connection->protocol->eof(connection);
  else
    cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
}

/* The end or an error. */
static void received_end(cr_connection *connection, int status) {
  if (status != UV_EOF) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  if (cr_has_ended(connection)) return;
  enter_receiving(connection, CR_RECEIVING_ENDED);
  update_reading(connection);
  if (connection->phase == CR_OPEN) tell_end(connection);
}

void cr_connection_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_loop *loop = connection->loop;
  if (cr_is_closing(connection) || count == 0) return;
  loop->events++;
  if (count < 0) {
    received_end(connection, (int)count);
    return;
  }
  loop->counts.bytes_in += (uint64_t)count;
  connection->last_activity = (uint32_t)cr_loop_time(loop);
  if (connection->phase == CR_FLUSHING) return;
  cwire_span input = cwire_span_make(bytes, (size_t)count);
  if (connection->kept) {
    if (!cr_buffer_append(&loop->buffers, &connection->kept, input)) {
      cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
      return;
    }
    cr_connection_read_kept(connection);
    return;
  }
  is_outside(connection);
  size_t used = connection->protocol->read(connection, input);
  if (cr_is_closing(connection) || used >= input.length) return;
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

#ifdef DEBUG
/* Whether the bytes of the write under way are those that it began with. */
static bool is_intact(const cr_write_queue *queue) {
  uv_buf_t pieces[CR_GATHER];
  size_t bytes;
  unsigned count = cr_write_queue_gather(queue, pieces, CR_GATHER, &bytes);
  return cr_imprint(pieces, count, queue->in_flight) == queue->imprint;
}
#endif

/* Hands the head of the queue to the transport, if there is one and no write is under way. */
static void start_write(cr_connection *connection) {
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
  if (!waits) start_write(connection);
  return cr_is_closing(connection) ? CR_WRITE_OK : write_answer(connection);
}

cr_write cr_connection_write(cr_connection *connection, const cr_piece *pieces, size_t count) {
  if (!writable(connection)) return CR_WRITE_STALE;
  cr_loop *loop = connection->loop;
  call_begins(loop);
  cr_write answer = write_now(connection, pieces, count);
  call_ends(loop);
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

/* Goes on with an orderly end as far as it gets while nothing waits. */
static void end_in_order(cr_connection *connection) {
  const cr_transport *transport = connection->transport;
  if (connection->sending == CR_SENDING_FINISHING && cr_is_connected(connection)) {
    enter_sending(connection, CR_SENDING_SHUT);
    transport->shutdown(connection);
  }
  if (connection->phase != CR_FLUSHING) return;
  if (transport->part) transport->part(connection);
  if (!connection->queue) cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

/* Tells what the state of the queue allows now. Never from within a call of policy. */
static void settle(cr_connection *connection) {
  size_t queued = cr_connection_queued(connection);
  if (connection->full && queued <= connection->loop->options.write_low_water) {
    connection->full = 0;
    is_outside(connection);
    if (connection->protocol->drained) connection->protocol->drained(connection);
    queued = cr_connection_queued(connection);
  }
  if (cr_is_closing(connection) || queued > 0) return;
  end_in_order(connection);
  if (!cr_is_closing(connection) && connection->protocol->flushed)
    connection->protocol->flushed(connection);
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
  settle(connection);
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
  start_write(connection);
  if (!cr_is_closing(connection)) settle(connection);
}

void cr_connection_connected(cr_connection *connection, int status) {
  if (cr_is_closing(connection)) return;
  connection->loop->events++;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  enter(connection, CR_OPEN);
  update_reading(connection);
  if (cr_is_closing(connection)) return;
  start_write(connection);
  is_outside(connection);
  if (!cr_is_closing(connection) && connection->protocol->connected)
    connection->protocol->connected(connection);
  if (!cr_is_closing(connection) && !connection->queue) end_in_order(connection);
}

void cr_connection_defer(cr_connection *connection) {
  connection->deferred = 1;
  cr_loop_make_ready(connection->loop, connection);
}

/* What was asked for by `cr_connection_defer`. */
static void run_deferred(cr_connection *connection) {
  connection->deferred = 0;
  is_outside(connection);
  if (connection->protocol->run) connection->protocol->run(connection);
  if (connection->phase == CR_OPEN && connection->receiving == CR_RECEIVING_ENDED)
    tell_end(connection);
}

void cr_connection_run(cr_connection *connection) {
  if (connection->phase == CR_GONE) {
    cr_slab_give(&connection->loop->slab, connection);
    return;
  }
  if (!connection->transport && cr_is_closing(connection)) {
    cr_connection_released(connection);
    return;
  }
  if (connection->transport && connection->transport->run) {
    connection->transport->run(connection);
    if (connection->phase == CR_GONE || connection->kind == CR_KIND_FREE) return;
  }
  if (cr_is_closing(connection)) return;
  if (connection->deferred) run_deferred(connection);
  if (cr_is_closing(connection)) return;
  if (cr_is_connected(connection) && connection->queue && !connection->queue->in_flight) {
    piece_cursor none = {0};
    write_through(connection, &none);
    if (cr_is_closing(connection)) return;
    start_write(connection);
    if (cr_is_closing(connection)) return;
  }
  if (connection->transport) settle(connection);
}

void cr_connection_set_timer(cr_connection *connection, uint64_t when) {
  if (when == 0)
    cr_loop_stop_timer(connection->loop, &connection->timer);
  else if (!cr_is_closing(connection))
    cr_loop_start_timer(connection->loop, &connection->timer, when);
}

/* ---- Ending ---- */

void cr_connection_shutdown(cr_connection *connection) {
  if (cr_is_closing(connection) || connection->sending != CR_SENDING_OPEN) return;
  call_begins(connection->loop);
  enter_sending(connection, CR_SENDING_FINISHING);
  if (!connection->queue) end_in_order(connection);
  call_ends(connection->loop);
}

void cr_connection_close_flushed(cr_connection *connection) {
  if (connection->phase >= CR_FLUSHING) return;
  if (connection->phase == CR_OPENING) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
    return;
  }
  call_begins(connection->loop);
  enter(connection, CR_FLUSHING);
  if (connection->queue)
    update_reading(connection);
  else
    end_in_order(connection);
  call_ends(connection->loop);
}

void cr_connection_cut_off(cr_connection *connection) {
  if (cr_is_closing(connection)) return;
  if (connection->kind != CR_KIND_DOWNSTREAM) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
    return;
  }
  connection->error = cr_error_reason(CR_REASON_PEER_CLOSED);
  if (!cr_has_ended(connection)) enter_receiving(connection, CR_RECEIVING_ENDED);
  update_reading(connection);
  cr_connection_close_flushed(connection);
}

void cr_connection_close(cr_connection *connection, cr_error error) {
  if (cr_is_closing(connection)) return;
  cr_loop *loop = connection->loop;
  call_begins(loop);
  loop->events++;
  enter(connection, CR_CLOSING);
  if (!cr_failed(connection->error)) connection->error = error;
  connection->reading = 0;
  cr_loop_stop_timer(loop, &connection->timer);
  --*count_of(loop, connection->kind);
  if (connection->transport)
    connection->transport->close(connection, connection->reset);
  else
    cr_loop_make_ready(loop, connection);
  call_ends(loop);
}

void cr_connection_released(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  loop->events++;
  is_outside(connection);
  connection->protocol->closed(connection, connection->error);
  drop_kept(connection);
  if (connection->queue) {
    cr_write_queue_give(loop, connection->queue);
    connection->queue = NULL;
  }
  enter(connection, CR_GONE);
  if (!connection->ready) cr_slab_give(&loop->slab, connection);
}

void cr_connection_broken(cr_connection *connection) {
  connection->loop->counts.broken++;
  connection->reset = 1;
  cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}
