#include "connection/ready.h"

void cr_loop_make_ready(cr_loop *loop, cr_connection *connection) {
  if (connection->ready) return;
  connection->ready = 1;
  connection->next = 0;
  uint32_t entry = connection->slot + 1;
  if (loop->ready_tail)
    cr_slab_at(&loop->slab, loop->ready_tail - 1)->next = entry;
  else
    loop->ready_head = entry;
  loop->ready_tail = entry;
}
