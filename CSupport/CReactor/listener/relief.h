#ifndef CREACTOR_LISTENER_RELIEF_H
#define CREACTOR_LISTENER_RELIEF_H

#include "connection/connection.h"
#include "loop/loop.h"

/* Connections for which less is buffered are left alone: ending them would free nothing to speak
   of. */
enum { CR_RELIEF_WORTH = 16 * 1024 };

/* `cr_loop_sheds` for one connection (NULL: one that is not there yet), but where peers of this
   loop take too much those that hold most make room first, and it is refused if it is one of them.
   Not from within a handler. */
bool cr_loop_refuses(cr_loop *loop, const cr_connection *newcomer);
/* Makes room if it is time to. For the end of a turn. */
void cr_loop_relieve_in_time(cr_loop *loop);

#endif
