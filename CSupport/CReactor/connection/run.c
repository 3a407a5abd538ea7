#include "connection/connection.h"
#include "connection/phases.h"
#include "connection/slab.h"

void cr_connection_connected(cr_connection *connection, int status) {
  if (cr_is_closing(connection)) return;
  connection->loop->events++;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  cr_phase_enter(connection, CR_OPEN);
  cr_connection_update_reading(connection);
  if (cr_is_closing(connection)) return;
  cr_connection_start_write(connection);
  cr_is_outside(connection);
  if (!cr_is_closing(connection) && connection->protocol->connected)
    connection->protocol->connected(connection);
  if (!cr_is_closing(connection) && !connection->queue) cr_connection_end_in_order(connection);
}

/* What was asked for by `cr_connection_defer`. */
static void run_deferred(cr_connection *connection) {
  connection->deferred = 0;
  cr_is_outside(connection);
  if (connection->protocol->run) connection->protocol->run(connection);
  if (connection->phase == CR_OPEN && connection->receiving == CR_RECEIVING_ENDED)
    cr_connection_tell_end(connection);
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
  if (connection->queue) cr_connection_write_queued(connection);
  if (cr_is_closing(connection)) return;
  if (connection->transport) cr_connection_settle(connection);
}
