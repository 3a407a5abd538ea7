#include "connection/connection.h"
#include "connection/phases.h"

void cr_connection_read_kept(cr_connection *connection) {
  if (!connection->kept || cr_is_closing(connection)) return;
  cr_is_outside(connection);
  size_t used = connection->protocol->read(connection, cr_buffer_span(connection->kept));
  if (cr_is_closing(connection)) return;
  connection->kept->begin += used;
  if (connection->kept->begin >= connection->kept->end) cr_connection_drop_kept(connection);
}

void cr_connection_tell_end(cr_connection *connection) {
  if (connection->paused) return;
  cr_connection_read_kept(connection);
  if (connection->phase != CR_OPEN || connection->paused) return;
  if (connection->receiving != CR_RECEIVING_ENDED) return;
  cr_receiving_enter(connection, CR_RECEIVING_TOLD);
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
  cr_receiving_enter(connection, CR_RECEIVING_ENDED);
  cr_connection_update_reading(connection);
  if (connection->phase == CR_OPEN) cr_connection_tell_end(connection);
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
  cr_is_outside(connection);
  size_t used = connection->protocol->read(connection, input);
  if (cr_is_closing(connection) || used >= input.length) return;
  input = cwire_span_make(bytes + used, input.length - used);
  if (!cr_buffer_append(&loop->buffers, &connection->kept, input)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  }
}
