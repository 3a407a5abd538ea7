#include "connection/connection.h"
#include "connection/slab.h"
#include "connection/write_queue.h"

/* True if something has waited for `timeout` without a break, and the peer took less than `rate`
   asks for meanwhile. What counts is what the peer's kernel has acknowledged: into the buffers of
   our own, bytes go on moving while nobody reads. */
static bool is_stalled(cr_connection *connection, uint64_t now, uint32_t timeout, uint32_t rate) {
  cr_write_queue *queue = connection->queue;
  uint64_t passed = now - queue->seen_at;
  if (queue->seen_at && passed < timeout) return false;
  const cr_transport *transport = connection->transport;
  uint64_t taken = transport->taken ? transport->taken(connection) : queue->consumed;
  uint64_t moved = taken - queue->seen_taken;
  bool stalled = queue->seen_at && (moved == 0 || moved * 1000 < (uint64_t)rate * passed);
  queue->seen_at = now;
  queue->seen_taken = taken;
  return stalled;
}

void cr_close_stalled(cr_loop *loop, uint32_t timeout_ms, uint32_t rate) {
  uint64_t now = cr_loop_time(loop);
  for (uint32_t slot = 0; slot < loop->slab.high; slot++) {
    cr_connection *connection = cr_slab_at(&loop->slab, slot);
    if (!connection || connection->kind == CR_KIND_FREE) continue;
    if (connection->kind == CR_KIND_CHILD) continue;
    if (cr_is_closing(connection) || !cr_is_connected(connection) || !connection->queue) continue;
    if (!is_stalled(connection, now, timeout_ms, rate)) continue;
    connection->reset = 1;
    cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
  }
}
