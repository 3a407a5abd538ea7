#include "connection/connection.h"
#include "connection/phases.h"
#include "connection/ready.h"
#include "connection/slab.h"
#include "connection/write_queue.h"

/* How a connection begins and ends, whatever travels on it. */

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

void cr_connection_defer(cr_connection *connection) {
  connection->deferred = 1;
  cr_loop_make_ready(connection->loop, connection);
}

void cr_connection_set_timer(cr_connection *connection, uint64_t when) {
  if (when == 0)
    cr_loop_stop_timer(connection->loop, &connection->timer);
  else if (!cr_is_closing(connection))
    cr_loop_start_timer(connection->loop, &connection->timer, when);
}

/* ---- Reading or not ---- */

void cr_connection_update_reading(cr_connection *connection) {
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
  cr_connection_update_reading(connection);
}

/* ---- Ending ---- */

void cr_connection_drop_kept(cr_connection *connection) {
  if (!connection->kept) return;
  cr_buffer_give(&connection->loop->buffers, connection->kept);
  connection->kept = NULL;
}

void cr_connection_go_on_ending(cr_connection *connection) {
  const cr_transport *transport = connection->transport;
  if (connection->sending == CR_SENDING_FINISHING && cr_is_connected(connection)) {
    cr_sending_enter(connection, CR_SENDING_SHUT);
    transport->shutdown(connection);
  }
  if (connection->phase != CR_FLUSHING) return;
  if (transport->part) transport->part(connection);
  if (!connection->queue) cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

void cr_connection_shutdown(cr_connection *connection) {
  if (cr_is_closing(connection) || connection->sending != CR_SENDING_OPEN) return;
  cr_call_begins(connection->loop);
  cr_sending_enter(connection, CR_SENDING_FINISHING);
  if (!connection->queue) cr_connection_end_in_order(connection);
  cr_call_ends(connection->loop);
}

void cr_connection_close_flushed(cr_connection *connection) {
  if (connection->phase >= CR_FLUSHING) return;
  if (connection->phase == CR_OPENING) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
    return;
  }
  cr_call_begins(connection->loop);
  cr_phase_enter(connection, CR_FLUSHING);
  if (connection->queue)
    cr_connection_update_reading(connection);
  else
    cr_connection_end_in_order(connection);
  cr_call_ends(connection->loop);
}

void cr_connection_cut_off(cr_connection *connection) {
  if (cr_is_closing(connection)) return;
  if (connection->kind != CR_KIND_DOWNSTREAM) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
    return;
  }
  connection->error = cr_error_reason(CR_REASON_PEER_CLOSED);
  if (!cr_has_ended(connection)) cr_receiving_enter(connection, CR_RECEIVING_ENDED);
  cr_connection_update_reading(connection);
  cr_connection_close_flushed(connection);
}

void cr_connection_close(cr_connection *connection, cr_error error) {
  if (cr_is_closing(connection)) return;
  cr_loop *loop = connection->loop;
  cr_call_begins(loop);
  loop->events++;
  cr_phase_enter(connection, CR_CLOSING);
  if (!cr_failed(connection->error)) connection->error = error;
  connection->reading = 0;
  cr_loop_stop_timer(loop, &connection->timer);
  --*count_of(loop, connection->kind);
  if (connection->transport)
    connection->transport->close(connection, connection->reset);
  else
    cr_loop_make_ready(loop, connection);
  cr_call_ends(loop);
}

void cr_connection_released(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  loop->events++;
  cr_is_outside(connection);
  connection->protocol->closed(connection, connection->error);
  cr_connection_drop_kept(connection);
  if (connection->queue) {
    cr_write_queue_give(loop, connection->queue);
    connection->queue = NULL;
  }
  cr_phase_enter(connection, CR_GONE);
  if (!connection->ready) cr_slab_give(&loop->slab, connection);
}

void cr_connection_broken(cr_connection *connection) {
  connection->loop->counts.broken++;
  connection->reset = 1;
  cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}
