#ifndef CREACTOR_CONNECTION_READY_H
#define CREACTOR_CONNECTION_READY_H

#include "connection/slab.h"

/* Connections that have something to do before the loop sleeps: each once, in the order in which
   they were put there. */

void cr_loop_make_ready(cr_loop *loop, cr_connection *connection);
/* Takes the first off the list; NULL if there is none. */
static inline cr_connection *cr_loop_next_ready(cr_loop *loop) {
  if (!loop->ready_head) return NULL;
  cr_connection *connection = cr_slab_at(&loop->slab, loop->ready_head - 1);
  loop->ready_head = connection->next;
  if (!loop->ready_head) loop->ready_tail = 0;
  connection->ready = 0;
  return connection;
}

#endif
