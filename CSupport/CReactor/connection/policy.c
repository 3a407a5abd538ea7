#include "connection/connection.h"
#include "connection/phases.h"
#include "connection/slab.h"

bool cr_set_tag(cr_loop *loop, cr_id id, uint64_t tag) {
  cr_connection *connection =
      id >> 56 == loop->options.worker ? cr_slab_find(&loop->slab, id) : NULL;
  if (connection) connection->tag = tag;
  return connection != NULL;
}

uint64_t cr_tag(cr_loop *loop, cr_id id) {
  cr_connection *connection =
      id >> 56 == loop->options.worker ? cr_slab_find(&loop->slab, id) : NULL;
  return connection ? connection->tag : 0;
}

void cr_read_pause(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection) return;
  connection->paused = 1;
  cr_connection_update_reading(connection);
}

void cr_read_resume(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection) return;
  connection->paused = 0;
  cr_connection_update_reading(connection);
  /* What the pause kept from being told is told, but not from within this call. */
  if (connection->kept || cr_has_ended(connection)) cr_connection_defer(connection);
}

size_t cr_queued(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  return connection ? cr_connection_queued(connection) : 0;
}

static void end(cr_loop *loop, cr_id id, bool abort) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (connection && connection->protocol->end) connection->protocol->end(connection, abort);
}

void cr_close(cr_loop *loop, cr_id id) {
  end(loop, id, false);
}

void cr_abort(cr_loop *loop, cr_id id) {
  end(loop, id, true);
}
