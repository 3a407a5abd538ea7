#ifndef CREACTOR_CONNECTION_TRANSPORT_MEMORY_H
#define CREACTOR_CONNECTION_TRANSPORT_MEMORY_H

#include "connection/connection.h"
#include "creactor/memory.h"

/* Bytes to and from a test (creactor/memory.h). */
extern const cr_transport cr_transport_memory;

/* The far end of a connection that has no transport yet, or another one over this; its `faults` may
   be NULL. NULL without memory. */
cr_memory_peer *cr_memory_attach(cr_connection *connection, const cr_fault_plan *faults);
/* True if the loop's client connections to `host` are intercepted: then this one is on its way. */
bool cr_memory_connect(cr_connection *connection, const char *host);
/* Frees what the loop keeps of intercepted hosts. */
void cr_memory_forget(cr_loop *loop);

#endif
